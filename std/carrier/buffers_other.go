//go:build !linux && !darwin && !freebsd

package carrier

// BufferCure says how to deal with buffers that the system did not grant.
func BufferCure(int) string { return "ask for less with --sockbuf" }
