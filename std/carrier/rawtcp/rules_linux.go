package rawtcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ruleWait bounds one run of iptables, which may wait for another process's lock.
const ruleWait = 10 * time.Second

// rule is a firewall rule that drops what our kernel connections send while their hop limit
// is one. It has the same form as tcpraw's.
type rule struct {
	program string
	match   []string
}

// serverRule covers all connections of a listener's port.
func serverRule(ipv6 bool, port uint16) rule {
	return newRule(ipv6, "--sport", portText(port))
}

// clientRule covers one connection.
func clientRule(local, remote netip.AddrPort) rule {
	return newRule(local.Addr().Is6(),
		"-s", local.Addr().WithZone("").String(), "--sport", portText(local.Port()),
		"-d", remote.Addr().WithZone("").String(), "--dport", portText(remote.Port()))
}

func newRule(ipv6 bool, ends ...string) rule {
	r := rule{program: "iptables", match: []string{"-m", "ttl", "--ttl-eq", "1", "-p", "tcp"}}
	if ipv6 {
		r = rule{program: "ip6tables", match: []string{"-m", "hl", "--hl-eq", "1", "-p", "tcp"}}
	}
	r.match = append(append(r.match, ends...), "-j", "DROP")
	return r
}

func portText(port uint16) string { return strconv.Itoa(int(port)) }

// add appends the rule even if it exists: two listeners on the same port have the same
// rule, and each removes one.
func (r rule) add(ctx context.Context) error { return r.run(ctx, "-A") }

// remove deletes the rule. It is not an error if the rule is already gone, because the user
// removed it or another process saw first that the port was unused.
func (r rule) remove() error {
	if err := r.run(context.Background(), "-D"); !noSuchRule(err) {
		return err
	}
	return nil
}

// noSuchRule recognizes how iptables -D reports a rule that does not exist: exit status 1.
// Missing privileges are 3 or 4.
func noSuchRule(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 1
}

func (r rule) run(ctx context.Context, action string) error {
	return iptables(ctx, r.program, append([]string{action, "OUTPUT"}, r.match...)...)
}

// iptables runs one of the firewall's programs. The error includes its output.
func iptables(ctx context.Context, program string, args ...string) error {
	out, err := runFirewall(ctx, (*exec.Cmd).CombinedOutput, program, args...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("--tcp needs the program %s, which is not installed\n  apt-get install iptables, or the like", program)
	}
	return fmt.Errorf("--tcp needs a rule in the firewall (root, or CAP_NET_ADMIN): %s %s: %w: %.200s", program, strings.Join(args, " "), err, bytes.TrimSpace(out))
}

// runFirewall runs one of the firewall's programs, for ruleWait at most, and returns its output.
func runFirewall(ctx context.Context, output func(*exec.Cmd) ([]byte, error), program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, ruleWait)
	defer cancel()
	out, err := output(firewall(ctx, program, args...))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out, err
}

// firewall prepares a run of one of the firewall's programs with our privilege to change
// it. A privilege from a file capability would otherwise be lost when executing a program
// that has no file capability itself (capabilities(7), ambient).
func firewall(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, append([]string{"-w"}, args...)...)
	cmd.WaitDelay = time.Second // for what it has started itself
	if os.Geteuid() == 0 {
		return cmd
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	rights := []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW}
	mask := uint32(1<<rights[0] | 1<<rights[1])
	if unix.Capget(&header, &data[0]) == nil && data[0].Permitted&mask == mask {
		cmd.SysProcAttr = &syscall.SysProcAttr{AmbientCaps: rights}
		cmd.Path, cmd.Err = systemProgram(program)
		cmd.Env = []string{"PATH=" + systemPath}
	}
	return cmd
}

// systemPath is where to look for a program that inherits our privileges. Anybody may start
// a program with file capabilities in any environment. With another PATH or an LD_PRELOAD,
// it would pass those privileges to whatever the caller chooses.
const systemPath = "/usr/sbin:/usr/bin:/sbin:/bin"

func systemProgram(name string) (string, error) {
	for dir := range strings.SplitSeq(systemPath, ":") {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path, nil
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

// rawSocketError names the privilege that a raw socket needs.
func rawSocketError(err error) error {
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return errors.New("--tcp needs the right to open raw sockets: run as root, or with the capabilities CAP_NET_RAW and CAP_NET_ADMIN\n" +
			"  setcap cap_net_raw,cap_net_admin+ep PROGRAM, or AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN in a systemd unit")
	}
	return fmt.Errorf("--tcp needs a raw socket: %w", err)
}

// Check reports what the imitation of TCP lacks on this machine, and clears rules that a
// crashed run left behind. Call it before anything is opened.
func Check(ctx context.Context) (cleared []string, err error) {
	if err := preflight(ctx); err != nil {
		return nil, err
	}
	return clearStaleRules(ctx)
}

// preflight reports a missing privilege or program before anything is opened.
func preflight(ctx context.Context) error {
	conn, err := net.ListenPacket("ip4:tcp", "")
	if err != nil {
		return rawSocketError(err)
	}
	conn.Close()
	out, err := runFirewall(ctx, (*exec.Cmd).CombinedOutput, "iptables", "-S", "OUTPUT")
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("--tcp needs the program iptables, which is not installed\n  apt-get install iptables, or the like")
	}
	if err != nil {
		return fmt.Errorf("--tcp needs the right to change the firewall (root, or CAP_NET_ADMIN): iptables: %w: %.200s", err, bytes.TrimSpace(out))
	}
	return nil
}
