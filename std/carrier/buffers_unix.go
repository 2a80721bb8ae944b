//go:build darwin || freebsd

package carrier

import "fmt"

// BufferCure is the command that lets a program have buffers of a size. It allows for
// mbuf overhead: the limit counts it, a buffer does not.
func BufferCure(size int) string {
	return fmt.Sprintf("run sysctl kern.ipc.maxsockbuf=%d", size/8*10)
}
