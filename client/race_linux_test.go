package main

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"kcptun/std/config"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// A name with several addresses and --tcp: one that refuses connections, does not answer to
// them, or accepts them and says nothing, is not the only one that is tried.
func TestRaceOverTCP(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("--tcp needs root")
	}
	if out, err := exec.Command("iptables", "-w", "-S", "OUTPUT").CombinedOutput(); err != nil {
		t.Skipf("--tcp needs iptables: %v: %s", err, out)
	}
	for name, other := range map[string]func(t *testing.T, addr string){
		"refuses":         func(*testing.T, string) {},
		"does not answer": deaf,
		"says nothing": func(t *testing.T, addr string) {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			c := sessions.Config(config.Server)
			c.TCP = true
			server := newEchoServerOf(t, "127.0.0.1:0", c)
			_, port, _ := strings.Cut(server.Addr, ":")
			other(t, "127.0.0.2:"+port)
			d, _, book := newNamedDialer(t, server.Addr, "127.0.0.2", "127.0.0.1")
			d.cfg.TCP = true
			for range 2 {
				if s := use(t, d); s.RemoteAddr().String() != server.Addr {
					t.Errorf("the session goes to %v", s.RemoteAddr())
				}
			}
			if n := book.Count("did not answer in time"); n != 1 {
				t.Errorf("%d of 2 sessions did not begin with the address that had answered, want 1", n)
			}
		})
	}
}

// deaf has the system answer to no connection to addr: one waits to be accepted, and there is
// room for no other.
func deaf(t *testing.T, addr string) {
	host, port, _ := strings.Cut(addr, ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: n, Addr: [4]byte(net.ParseIP(host).To4())}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
}
