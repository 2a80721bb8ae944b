package e2e_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"kcptun/e2e/lab"
	"kcptun/std/testkit/seccomp"
)

// lackingCalls are optional calls that the programs make beside those of the link, which has
// a test for each of its own.
var lackingCalls = map[string][]seccomp.Call{
	"TCP's state":    {seccomp.GetOption(unix.IPPROTO_TCP, unix.TCP_INFO)},
	"unsent bytes":   {seccomp.Ioctl(unix.SIOCOUTQ)},
	"hang-ups":       {seccomp.Any(unix.SYS_POLL)},
	"sleep":          {seccomp.Clock(unix.CLOCK_BOOTTIME)},
	"limits":         {seccomp.Any(unix.SYS_PRLIMIT64)},
	"the machine":    {seccomp.Any(unix.SYS_SYSINFO), seccomp.Any(unix.SYS_UNAME)},
	"TCP's settings": {seccomp.SetOption(unix.IPPROTO_TCP, unix.TCP_NODELAY), seccomp.SetOption(unix.SOL_SOCKET, unix.SO_KEEPALIVE)},
	"messages":       {seccomp.Any(unix.SYS_RECVMMSG), seccomp.Any(unix.SYS_SENDMMSG)},
}

const oneByOne = "does not move several messages in one call"

// runLacking becomes a program for which system calls fail; role is an errno, its file and
// the name of the calls, with spaces between them. It returns only if it fails.
func runLacking(role string) error {
	words := strings.SplitN(role, " ", 3)
	errno, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	if err := seccomp.Fail(syscall.Errno(errno), lackingCalls[words[2]]); err != nil {
		return fmt.Errorf("%s: %w", noFilters, err)
	}
	return syscall.Exec(words[1], append([]string{words[1]}, os.Args[1:]...), os.Environ())
}

// Both programs do their job where the system lacks a call that they can do without, or
// forbids it, and they say nothing of failed calls but that messages move one by one.
func TestOptionalCallsMissing(t *testing.T) {
	t.Parallel()
	for name := range lackingCalls {
		for _, errno := range []syscall.Errno{unix.ENOSYS, unix.EPERM} {
			t.Run(name+"/"+unix.ErrnoName(errno), func(t *testing.T) {
				t.Parallel()
				tn := start(t, plan{lacks: &lacking{errno, name}})
				tn.exchange(t, mib)
				_, err := lab.HalfClose(patient(t), tn.dial, kib, mib)
				must(t, err)
				for _, p := range []*program{tn.client, tn.server} {
					if name == "messages" && !strings.Contains(p.Log(), oneByOne) { // so the filter is in force
						t.Errorf("the %s does not say that it %s", p.name, oneByOne)
					}
					for line := range strings.Lines(p.Log()) {
						if strings.Contains(line, errno.Error()) && !strings.Contains(line, oneByOne) {
							t.Errorf("the %s says %s", p.name, line)
						}
					}
				}
			})
		}
	}
}
