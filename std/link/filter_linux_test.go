package link

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"kcptun/std/testkit"
)

// filterRole tells a second run of the test binary which system calls fail in it, how,
// and whether it imitates TCP.
const filterRole = "KCPTUN_LINK_FILTER"

// blockedCall is a system call that a filter refuses; with a level, only for this
// option of a socket, and with a family, only for sockets of it.
type blockedCall struct{ number, family, level, option int }

func anyUse(number int) blockedCall { return blockedCall{number: number, family: -1, level: -1} }

func getOption(level, option int) blockedCall {
	return blockedCall{number: unix.SYS_GETSOCKOPT, family: -1, level: level, option: option}
}

func setOption(level, option int) blockedCall {
	return blockedCall{number: unix.SYS_SETSOCKOPT, family: -1, level: level, option: option}
}

// optionalCalls are what the link makes use of where the system has it.
var optionalCalls = []struct {
	name  string
	calls []blockedCall
	line  string // that is logged once; "" is none
	tcp   bool   // of the imitation of TCP, too
}{
	{"recvmmsg", []blockedCall{anyUse(unix.SYS_RECVMMSG)}, "does not move several messages in one call", true},
	{"sendmmsg", []blockedCall{anyUse(unix.SYS_SENDMMSG)}, "does not move several messages in one call", true},
	{"both", []blockedCall{anyUse(unix.SYS_RECVMMSG), anyUse(unix.SYS_SENDMMSG)}, "does not move several messages in one call", true},
	{"segmentation", []blockedCall{getOption(unix.IPPROTO_UDP, unix.UDP_SEGMENT)}, "", false},
	{"receive offload", []blockedCall{setOption(unix.IPPROTO_UDP, unix.UDP_GRO)}, "", false},
	{"local addresses", []blockedCall{setOption(unix.IPPROTO_IP, unix.IP_PKTINFO), setOption(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO)}, "", false},
	{"the family of a socket", []blockedCall{getOption(unix.SOL_SOCKET, unix.SO_DOMAIN)}, "", true},
	{"buffers", []blockedCall{setOption(unix.SOL_SOCKET, unix.SO_RCVBUF), setOption(unix.SOL_SOCKET, unix.SO_SNDBUF)}, "", true},
	{"larger buffers", []blockedCall{setOption(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE), setOption(unix.SOL_SOCKET, unix.SO_SNDBUFFORCE)}, "", true},
	{"the size of buffers", []blockedCall{getOption(unix.SOL_SOCKET, unix.SO_RCVBUF), getOption(unix.SOL_SOCKET, unix.SO_SNDBUF)}, "", true},
	{"marks", []blockedCall{setOption(unix.IPPROTO_IP, unix.IP_TOS), setOption(unix.IPPROTO_IPV6, unix.IPV6_TCLASS)}, "dscp is not in force", true},
	{"the lull's pause", []blockedCall{anyUse(unix.SYS_NANOSLEEP), anyUse(unix.SYS_CLOCK_NANOSLEEP)}, "", false},
	{"netlink", []blockedCall{{number: unix.SYS_SOCKET, family: unix.AF_NETLINK, level: -1}}, "", false},
}

// block makes calls fail in this process for good (seccomp(2)).
func block(errno syscall.Errno, calls []blockedCall) error {
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 4}}
	for _, c := range calls {
		var more []bpf.Instruction // after the number; each is met, or the end of these is next
		if c.family >= 0 {
			more = append(more, argument(0), bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(c.family)})
		}
		if c.level >= 0 {
			more = append(more, argument(1), bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(c.level)},
				argument(2), bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(c.option)})
		}
		more = append(more, bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(errno)})
		for i, ins := range more {
			if jump, ok := ins.(bpf.JumpIf); ok {
				jump.SkipFalse = uint8(len(more) - 1 - i)
				more[i] = jump
			}
		}
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(c.number), SkipFalse: uint8(len(more))})
		program = append(append(program, more...), bpf.LoadAbsolute{Off: 0, Size: 4})
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

// argument loads the lower half of an argument of the call (struct seccomp_data).
func argument(n uint32) bpf.Instruction {
	low := uint32(0)
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		low = 4
	}
	return bpf.LoadAbsolute{Off: 16 + 8*n + low, Size: 4}
}

// TestFilterChild is not a test but what such a run does: it sets the filter and has
// sessions of both families move a little and much.
func TestFilterChild(t *testing.T) {
	words := strings.Fields(os.Getenv(filterRole))
	if len(words) != 3 {
		t.Skip("runs as a child of other tests only")
	}
	number, _ := strconv.Atoi(words[0])
	errno, _ := strconv.Atoi(words[1])
	if err := block(syscall.Errno(errno), optionalCalls[number].calls); err != nil {
		t.Skipf("no filters here: %v", err)
	}
	listen, dial := Listen, Dial
	if words[2] == "tcp" {
		listen, dial = ListenTCP, DialTCP
	}
	opt, book := options(newAES())
	opt.DSCP, opt.Buffer = 46, 1<<20
	for _, host := range []string{"127.0.0.1", "::1"} {
		server, err := listen(context.Background(), opt, ":0")
		if err != nil {
			t.Fatal(err)
		}
		client, err := dial(context.Background(), opt, net.JoinHostPort(host, portOf(server)))
		if err != nil {
			t.Fatal(err)
		}
		c, s := sessions(t, client, server)
		exchange(t, c, s, 5)
		exchange(t, c, s, 300_000)
		client.Close()
		server.Close()
	}
	for _, line := range book.with("") {
		fmt.Println("log:", line)
	}
}

// underFilter runs the test binary with calls failing, by way of a command.
func underFilter(t *testing.T, number int, errno syscall.Errno, carrier string, by ...string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(by, self, "-test.run=^TestFilterChild$", "-test.v", "-test.timeout=2m")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", filterRole, number, errno, carrier))
	out, err := cmd.CombinedOutput()
	text := string(out)
	if strings.Contains(text, "--- SKIP") {
		t.Skip(text)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, failure := range []string{"receiving failed", "sending failed"} {
		if strings.Contains(text, failure) {
			t.Errorf("it says %s", text)
		}
	}
	want := optionalCalls[number].line
	if want == "" {
		return
	}
	if n := strings.Count(text, want); n == 0 || n > 1 && !strings.HasPrefix(want, "dscp") {
		t.Errorf("%d times %q: %s", n, want, text)
	}
}

// filterErrors are what a kernel without a call, a filter, and a kernel without an
// option answer.
var filterErrors = []syscall.Errno{unix.ENOSYS, unix.EPERM, unix.EOPNOTSUPP, unix.ENOPROTOOPT}

// Where the system lacks a call or an option that the link can do without, everything
// passes all the same. recvmmsg and sendmmsg that failed once left a link that moved
// nothing, and the refused question for a socket's family one that crashed.
func TestOptionalCallsMissing(t *testing.T) {
	testkit.NeedIPv6(t)
	for i, c := range optionalCalls {
		for _, errno := range filterErrors {
			t.Run(fmt.Sprintf("%s/%v", c.name, unix.ErrnoName(errno)), func(t *testing.T) {
				underFilter(t, i, errno, "udp")
			})
		}
	}
}

func TestTCPOptionalCallsMissing(t *testing.T) {
	l := newTCPLab(t)
	for i, c := range optionalCalls {
		if !c.tcp {
			continue
		}
		for _, errno := range filterErrors[:2] {
			t.Run(fmt.Sprintf("%s/%v", c.name, unix.ErrnoName(errno)), func(t *testing.T) {
				underFilter(t, i, errno, "tcp", "ip", "netns", "exec", l.Server)
			})
		}
	}
}
