//go:build darwin || freebsd

package quota

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// machine is the memory of the machine in bytes; 0 means unknown.
func machine() int64 {
	name := "hw.physmem"
	if runtime.GOOS == "darwin" {
		name = "hw.memsize"
	}
	n, err := unix.SysctlUint64(name)
	if err != nil {
		return 0
	}
	return int64(min(n, 1<<50))
}
