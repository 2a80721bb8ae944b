package link

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// mmsg is one recvmmsg or sendmmsg, as call says, that does not wait. It returns
// how many of msgs were done; ready is false where the caller is to wait for the
// socket. errno is 0 where nothing failed.
func mmsg(call, fd uintptr, msgs []mmsghdr) (n int, errno syscall.Errno, ready bool) {
	for {
		done, _, e := unix.Syscall6(call, fd, uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, 0, false
		case 0:
			return int(done), 0, true
		}
		return 0, e, true
	}
}
