package rawtcp

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

// childRole tells a second run of the test binary what to be.
const childRole = "KCPTUN_RAWTCP_CHILD"

// TestChild is not a test but what such a run does. It ends when its standard
// input does, that is with the test that started it.
func TestChild(t *testing.T) {
	role, arg, _ := strings.Cut(os.Getenv(childRole), " ")
	if role == "" {
		t.Skip("runs as a child of other tests only")
	}
	opt, _ := options()
	var c *Conn
	var err error
	switch role {
	case "listen":
		c, err = Listen(context.Background(), opt, arg)
	case "dial":
		c, err = Dial(context.Background(), opt, netip.MustParseAddrPort(arg))
	case "check":
		var cleared []string
		cleared, err = Check(context.Background())
		for _, rule := range cleared {
			fmt.Println("cleared", rule)
		}
	}
	if err != nil {
		fmt.Printf("error %q\n", err)
	}
	fmt.Println("done")
	if c != nil {
		_, _ = io.Copy(io.Discard, os.Stdin)
		c.Close()
	}
}

// child is a run of the test binary in a namespace.
type child struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

// startChild runs the test binary by way of a command, which may be none.
func startChild(t *testing.T, ns, role string, by ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if len(by) > 0 {
		self = forEverybody(t, self)
	}
	args := append(append([]string{"netns", "exec", ns}, by...), self, "-test.run=^TestChild$")
	c := &child{cmd: exec.Command("ip", args...)}
	c.cmd.Env = append(os.Environ(), childRole+"="+role)
	c.cmd.Dir = "/"
	c.cmd.Stderr = os.Stderr
	if _, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	return c
}

// said is what the child prints until it is done.
func (c *child) said(t *testing.T) (lines []string) {
	t.Helper()
	testkit.Returns(t, "a word of the child", func() {
		for c.out.Scan() && c.out.Text() != "done" {
			lines = append(lines, c.out.Text())
		}
	})
	return lines
}

// kill is kill -9.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// forEverybody is a copy of a program where every user may run it.
func forEverybody(t *testing.T, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rawtcp-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "rawtcp.test")
	if err := os.WriteFile(program, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return program
}

// The rules of a killed run stay behind, at both ends. Check removes them and no others:
// the rules of a running process stay.
func TestCheckClearsAfterKill(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct{ local, remote string }{
		{netns.Server4 + ":" + labPort, netns.Server4 + ":" + labPort},
		{"[" + netns.Server6 + "]:" + labPort, "[" + netns.Server6 + "]:" + labPort},
	} {
		server := startChild(t, l.Server, "listen "+c.local)
		if said := server.said(t); len(said) != 0 {
			t.Fatalf("the server says %q", said)
		}
		client := startChild(t, l.Client, "dial "+c.remote)
		if said := client.said(t); len(said) != 0 {
			t.Fatalf("the client says %q", said)
		}
		for _, end := range []struct {
			ns  string
			run *child
		}{{l.Client, client}, {l.Server, server}} {
			rules := l.Rules(end.ns)
			if len(rules) != 1 {
				t.Fatalf("rules in %s: %q", end.ns, rules)
			}
			if said := startChild(t, end.ns, "check").said(t); len(said) != 0 {
				t.Errorf("while it lives: %q", said)
			}
			if left := l.Rules(end.ns); !slices.Equal(left, rules) {
				t.Errorf("the rule of a run that lives is gone: %q", left)
			}
			end.run.kill()
			if left := l.Rules(end.ns); !slices.Equal(left, rules) {
				t.Fatalf("after kill -9: %q", left)
			}
			if said := startChild(t, end.ns, "check").said(t); !slices.Equal(said, []string{"cleared " + rules[0]}) {
				t.Errorf("cleared %q, want %q", said, rules)
			}
			if left := l.Rules(end.ns); len(left) != 0 {
				t.Errorf("left: %q", left)
			}
		}
	}
}

// Check reports what is missing, and what to do about it.
func TestCheckNamesWhatIsMissing(t *testing.T) {
	l := newLab(t)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("setpriv is not installed")
	}
	nobody := []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}
	with := func(caps string) []string {
		return append(slices.Clone(nobody), "--inh-caps="+caps, "--ambient-caps="+caps)
	}
	for _, c := range []struct {
		name string
		by   []string
		want []string // nothing: no error
	}{
		{"nobody", nobody, []string{"--tcp needs the right to open raw sockets", "root", "AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN"}},
		{"nobody with raw sockets", with("+net_raw"), []string{"--tcp needs the right to change the firewall (root, or CAP_NET_ADMIN)", "iptables"}},
		{"nobody with both", with("+net_raw,+net_admin"), nil},
		{"no iptables", []string{"env", "PATH=/nonexistent"}, []string{"--tcp needs the program iptables, which is not installed", "apt-get install iptables"}},
		{"root", []string{"env"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := strings.Join(startChild(t, l.Client, "check", c.by...).said(t), "\n")
			if len(c.want) == 0 && said != "" {
				t.Errorf("it says %s", said)
			}
			for _, want := range c.want {
				if !strings.HasPrefix(said, "error ") || !strings.Contains(said, want) {
					t.Errorf("it says %s, and not %q", said, want)
				}
			}
		})
	}
}

// The capabilities that the advice gives a program reach iptables, which is a
// program of its own, and nothing else: whoever starts ours chose its PATH.
func TestCheckWithFileCapabilities(t *testing.T) {
	l := newLab(t)
	for _, program := range []string{"setcap", "setpriv"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := forEverybody(t, self)
	if out, err := exec.Command("setcap", "cap_net_raw,cap_net_admin+ep", program).CombinedOutput(); err != nil {
		t.Skipf("no file capabilities here: %v: %s", err, out)
	}
	dir := filepath.Dir(program)
	bait := "#!/bin/sh\necho taken in >&2\nexit 4\n"
	if err := os.WriteFile(filepath.Join(dir, "iptables"), []byte(bait), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{os.Getenv("PATH"), dir + ":" + os.Getenv("PATH"), "/nonexistent"} {
		cmd := exec.Command("ip", "netns", "exec", l.Client, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
			"env", "PATH="+path, program, "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), childRole+"=check")
		cmd.Dir = "/"
		out, err := cmd.Output()
		if err != nil || bytes.Contains(out, []byte("error")) || !bytes.Contains(out, []byte("done")) {
			t.Errorf("PATH %s: %v: %s", path, err, out)
		}
	}
}
