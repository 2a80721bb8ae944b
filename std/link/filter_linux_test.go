package link

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"kcptun/std/testkit"
	"kcptun/std/testkit/seccomp"
)

// filterRole tells a second run of the test binary which system calls fail in it, how,
// and whether it imitates TCP.
const filterRole = "KCPTUN_LINK_FILTER"

// optionalCalls are what the link makes use of where the system has it.
var optionalCalls = []struct {
	name  string
	calls []seccomp.Call
	line  string // that is logged once; "" is none
	tcp   bool   // of the imitation of TCP, too
}{
	{"recvmmsg", []seccomp.Call{seccomp.Any(unix.SYS_RECVMMSG)}, "does not move several messages in one call", true},
	{"sendmmsg", []seccomp.Call{seccomp.Any(unix.SYS_SENDMMSG)}, "does not move several messages in one call", true},
	{"both", []seccomp.Call{seccomp.Any(unix.SYS_RECVMMSG), seccomp.Any(unix.SYS_SENDMMSG)}, "does not move several messages in one call", true},
	{"segmentation", []seccomp.Call{seccomp.GetOption(unix.IPPROTO_UDP, unix.UDP_SEGMENT)}, "", false},
	{"receive offload", []seccomp.Call{seccomp.SetOption(unix.IPPROTO_UDP, unix.UDP_GRO)}, "", false},
	{"local addresses", []seccomp.Call{seccomp.SetOption(unix.IPPROTO_IP, unix.IP_PKTINFO), seccomp.SetOption(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO)}, "", false},
	{"the family of a socket", []seccomp.Call{seccomp.GetOption(unix.SOL_SOCKET, unix.SO_DOMAIN)}, "", true},
	{"buffers", []seccomp.Call{seccomp.SetOption(unix.SOL_SOCKET, unix.SO_RCVBUF), seccomp.SetOption(unix.SOL_SOCKET, unix.SO_SNDBUF)}, "", true},
	{"larger buffers", []seccomp.Call{seccomp.SetOption(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE), seccomp.SetOption(unix.SOL_SOCKET, unix.SO_SNDBUFFORCE)}, "", true},
	{"the size of buffers", []seccomp.Call{seccomp.GetOption(unix.SOL_SOCKET, unix.SO_RCVBUF), seccomp.GetOption(unix.SOL_SOCKET, unix.SO_SNDBUF)}, "", true},
	{"marks", []seccomp.Call{seccomp.SetOption(unix.IPPROTO_IP, unix.IP_TOS), seccomp.SetOption(unix.IPPROTO_IPV6, unix.IPV6_TCLASS)}, "dscp is not in force", true},
	{"the lull's pause", []seccomp.Call{seccomp.Any(unix.SYS_NANOSLEEP), seccomp.Any(unix.SYS_CLOCK_NANOSLEEP)}, "", false},
	{"fragments", []seccomp.Call{
		seccomp.GetOption(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER), seccomp.SetOption(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER),
		seccomp.SetOption(unix.IPPROTO_IPV6, unix.IPV6_MTU),
	}, "", true},
	{"an end of the kernel's connection", []seccomp.Call{seccomp.SetOption(unix.SOL_SOCKET, unix.SO_DETACH_FILTER)}, "", true},
	{"the limit of open files", []seccomp.Call{seccomp.Any(unix.SYS_PRLIMIT64)}, "", true},
	{"the clock that counts sleep", []seccomp.Call{seccomp.Clock(unix.CLOCK_BOOTTIME)}, "", true},
	{"netlink", []seccomp.Call{seccomp.Socket(unix.AF_NETLINK)}, "", false},
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
	if err := seccomp.Fail(syscall.Errno(errno), optionalCalls[number].calls); err != nil {
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
