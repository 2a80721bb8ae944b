//go:build !linux && !darwin && !freebsd

package carrier

// BufferCure is what lets a program have buffers of a size.
func BufferCure(int) string { return "ask for less with --sockbuf" }
