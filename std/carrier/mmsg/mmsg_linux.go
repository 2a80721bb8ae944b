package mmsg

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Header is the kernel's struct mmsghdr.
type Header struct {
	Hdr unix.Msghdr
	Len uint32 // bytes moved
}

// Calls are the system calls that move messages: recvmmsg and sendmmsg if the system has
// them. WSL 1, user-mode kernels and the strict filters of some containers offer only
// recvmsg and sendmsg, which move one message each.
type Calls struct {
	recvOne, sendOne bool
}

// Find probes for recvmmsg and sendmmsg. missing tells why one of them is not used.
//
// A call with no messages touches neither the network nor the firewall, so it fails only if
// the call does not exist or is not allowed. The error of a real call would be ambiguous: a
// firewall rule may also answer a single datagram with EPERM.
func Find(fd uintptr) (c Calls, missing error) {
	var none [1]Header
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

// Recv receives messages without blocking, as Send sends them. Both return how many of msgs
// were processed. ready is false if the caller should wait for the socket. errno is 0 if
// nothing failed.
func (c Calls) Recv(fd uintptr, msgs []Header) (n int, errno syscall.Errno, ready bool) {
	if c.recvOne {
		return oneMessage(unix.SYS_RECVMSG, fd, msgs)
	}
	return manyMessages(unix.SYS_RECVMMSG, fd, msgs)
}

// Send is the counterpart of Recv.
func (c Calls) Send(fd uintptr, msgs []Header) (n int, errno syscall.Errno, ready bool) {
	if c.sendOne {
		return oneMessage(unix.SYS_SENDMSG, fd, msgs)
	}
	return manyMessages(unix.SYS_SENDMMSG, fd, msgs)
}

func manyMessages(call, fd uintptr, msgs []Header) (n int, errno syscall.Errno, ready bool) {
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

// oneMessage moves the first of msgs.
func oneMessage(call, fd uintptr, msgs []Header) (n int, errno syscall.Errno, ready bool) {
	for {
		size, _, e := unix.Syscall(call, fd, uintptr(unsafe.Pointer(&msgs[0].Hdr)), unix.MSG_DONTWAIT)
		switch e {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, 0, false
		case 0:
			msgs[0].Len = uint32(size)
			return 1, 0, true
		}
		return 0, e, true
	}
}

// Control is space for the ancillary data of a message, aligned for its headers.
type Control struct {
	_ [0]uint64
	B [96]byte
}

// Put starts an ancillary message of size bytes at an offset. It returns where its data
// goes and where it ends.
func (c *Control) Put(at, level, kind, size int) (data unsafe.Pointer, end int) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c.B[at]))
	h.Level, h.Type = int32(level), int32(kind)
	h.SetLen(unix.CmsgLen(size))
	return unsafe.Pointer(&c.B[at+unix.CmsgLen(0)]), at + unix.CmsgSpace(size)
}
