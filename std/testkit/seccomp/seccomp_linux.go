package seccomp

import (
	"encoding/binary"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Call is a system call that fails, or only some uses of it.
type Call struct {
	number int
	args   []arg // that a use has; without any, all uses fail
}

// arg is an argument by its place, from 0; the lower 32 bits count.
type arg struct{ place, value int }

// Any is each use of a call.
func Any(number int) Call { return Call{number: number} }

// GetOption is the question for an option of a socket.
func GetOption(level, option int) Call {
	return Call{unix.SYS_GETSOCKOPT, []arg{{1, level}, {2, option}}}
}

// SetOption is setting an option of a socket.
func SetOption(level, option int) Call {
	return Call{unix.SYS_SETSOCKOPT, []arg{{1, level}, {2, option}}}
}

// Socket is opening a socket of a family.
func Socket(family int) Call { return Call{unix.SYS_SOCKET, []arg{{0, family}}} }

// Ioctl is a request to a device or a socket.
func Ioctl(request int) Call { return Call{unix.SYS_IOCTL, []arg{{1, request}}} }

// Clock is reading a clock by a system call.
func Clock(id int) Call { return Call{unix.SYS_CLOCK_GETTIME, []arg{{0, id}}} }

// Fail makes calls fail with errno, in this process and in what it executes, for good (see
// seccomp(2)). It returns an error where the system has no such filters.
func Fail(errno syscall.Errno, calls []Call) error {
	var program []bpf.Instruction
	for _, c := range calls {
		program = append(program, c.instructions(errno)...)
	}
	raw, err := bpf.Assemble(append(program, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}))
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	runtime.LockOSThread() // both are the thread's; the second hands both on to the others
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if e != 0 {
		return e
	}
	return nil
}

// instructions end with errno where the call is met, and go on behind themselves otherwise.
func (c Call) instructions(errno syscall.Errno) []bpf.Instruction {
	list := []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 4}, equals(c.number)}
	for _, a := range c.args {
		list = append(list, argument(a.place), equals(a.value))
	}
	list = append(list, bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(errno)})
	for i, ins := range list {
		if jump, ok := ins.(bpf.JumpIf); ok {
			jump.SkipFalse = uint8(len(list) - 1 - i)
			list[i] = jump
		}
	}
	return list
}

func equals(value int) bpf.JumpIf { return bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(value)} }

// argument loads the lower half of an argument of the call (struct seccomp_data).
func argument(place int) bpf.Instruction {
	low := 0
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		low = 4
	}
	return bpf.LoadAbsolute{Off: uint32(16 + 8*place + low), Size: 4}
}
