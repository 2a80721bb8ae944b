//go:build darwin || freebsd

package carrier

import "fmt"

// BufferCure is the command that allows programs to have buffers of this size. It allows
// for mbuf overhead, which counts towards the system's limit but not towards the size of a
// buffer.
func BufferCure(size int) string {
	return fmt.Sprintf("run sysctl kern.ipc.maxsockbuf=%d", size/8*10)
}
