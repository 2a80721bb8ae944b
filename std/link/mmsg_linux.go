package link

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// messageCalls are the system calls that move messages. They are recvmmsg and sendmmsg
// where the system has them. WSL 1, user-mode kernels and the strict filters of some
// containers have only recvmsg and sendmsg, which move one message each.
type messageCalls struct {
	recvOne, sendOne bool
}

// findCalls probes for recvmmsg and sendmmsg. missing is why one of them is not used.
//
// A call for no messages touches neither the network nor the firewall, so its only
// error is that the call is not there or not allowed. The error of a real one would
// not say so: EPERM is also what a firewall rule answers to one datagram.
func findCalls(fd uintptr) (c messageCalls, missing error) {
	var none [1]mmsghdr
	absent := func(name string, call uintptr) bool {
		_, _, e := unix.Syscall6(call, fd, uintptr(unsafe.Pointer(&none[0])), 0, unix.MSG_DONTWAIT, 0, 0)
		if e != 0 {
			missing = os.NewSyscallError(name, e)
		}
		return e != 0
	}
	c.recvOne = absent("recvmmsg", unix.SYS_RECVMMSG)
	c.sendOne = absent("sendmmsg", unix.SYS_SENDMMSG)
	return c, missing
}

// recv receives messages and send sends them, without waiting. They return how many
// of msgs were done; ready is false where the caller is to wait for the socket. errno
// is 0 where nothing failed.
func (c messageCalls) recv(fd uintptr, msgs []mmsghdr) (n int, errno syscall.Errno, ready bool) {
	if c.recvOne {
		return oneMessage(unix.SYS_RECVMSG, fd, msgs)
	}
	return manyMessages(unix.SYS_RECVMMSG, fd, msgs)
}

func (c messageCalls) send(fd uintptr, msgs []mmsghdr) (n int, errno syscall.Errno, ready bool) {
	if c.sendOne {
		return oneMessage(unix.SYS_SENDMSG, fd, msgs)
	}
	return manyMessages(unix.SYS_SENDMMSG, fd, msgs)
}

func manyMessages(call, fd uintptr, msgs []mmsghdr) (n int, errno syscall.Errno, ready bool) {
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

// oneMessage does the first of msgs.
func oneMessage(call, fd uintptr, msgs []mmsghdr) (n int, errno syscall.Errno, ready bool) {
	for {
		size, _, e := unix.Syscall(call, fd, uintptr(unsafe.Pointer(&msgs[0].hdr)), unix.MSG_DONTWAIT)
		switch e {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, 0, false
		case 0:
			msgs[0].len = uint32(size)
			return 1, 0, true
		}
		return 0, e, true
	}
}
