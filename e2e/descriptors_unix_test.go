//go:build unix

package e2e_test

import (
	"context"
	"net"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// More applications connect than the client has descriptors, while the server is away.
// Whether the applications leave first or the server returns first, a new connection works
// afterwards.
func TestCrowdWhileServerIsAway(t *testing.T) {
	if testing.Short() {
		t.Skip("waits up to half a minute for a session to be given up")
	}
	t.Parallel()
	for name, leaveFirst := range map[string]bool{"crowd leaves, server comes": true, "server comes, crowd leaves": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan{listen: freeAddr(t)}
			target := startTarget(t, "127.0.0.1:0")
			p.target = target.Addr()
			args := append([]string{"-c", `ulimit -n 40 && exec "$0" "$@"`, programs.Client},
				p.flags(nil, "--localaddr", "127.0.0.1:0", "--remoteaddr", p.listen)...)
			client := launch(t, "client", "/bin/sh", nil, args)
			addr, err := client.ListenAddr(patient(t))
			must(t, err)
			crowd := crowdOf(t, addr, 100)
			client.mustLog(t, "accepting pauses, descriptors are short")
			if leaveFirst {
				crowd.leave()
			}
			startServer(t, p)
			if !leaveFirst {
				crowd.leave()
			}
			must(t, lab.WaitFor(patient(t), "a new connection to work", func() bool {
				ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
				defer cancel()
				_, err := lab.Echo(ctx, lab.DialTo(addr), 1, 10)
				return err == nil
			}))
			if lines := client.lines("too many open files"); len(lines) > 0 {
				t.Errorf("the client had no descriptor left: %s", lines)
			}
		})
	}
}

// More streams come than the server has descriptors. Those that it cannot connect wait, and
// once the crowd has left new ones work.
func TestCrowdAtTheServer(t *testing.T) {
	t.Parallel()
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := startTarget(t, "127.0.0.1:0")
			p.listen = freeAddr(t)
			args := append([]string{"-c", `ulimit -n 40 && exec "$0" "$@"`, programs.Server},
				p.flags(nil, "--listen", p.listen, "--target", target.Addr())...)
			server := launch(t, "server", "/bin/sh", nil, args)
			server.mustLog(t, "msg=listening")
			client, dial := startClient(t, p.listen, p)
			addr, err := client.ListenAddr(patient(t))
			must(t, err)
			crowd := crowdOf(t, addr, 100)
			client.mustLogTimes(t, 100, "stream opened")
			wait(t, "the server to have used its descriptors", func() bool { return target.Accepted() >= 20 })
			crowd.leave()
			must(t, lab.WaitFor(patient(t), "a new stream to work", func() bool {
				_, err := lab.Echo(shortly(t), dial, 1, 10)
				return err == nil
			}))
			for _, says := range []string{"session closed", "stream refused"} {
				if lines := server.lines(says); len(lines) > 0 {
					t.Errorf("the server had to give up: %s", lines)
				}
			}
		})
	}
}

// crowd is a set of connections of applications that have each sent a byte.
type crowd []net.Conn

func crowdOf(t *testing.T, addr string, n int) crowd {
	t.Helper()
	var c crowd
	for range n {
		conn, err := net.Dial("tcp", addr)
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = conn.Write([]byte{0})
		must(t, err)
		c = append(c, conn)
	}
	return c
}

func (c crowd) leave() {
	for _, conn := range c {
		conn.Close()
	}
}

// A program raises its limit of open files as far as it may, and says how far.
func TestOpenFilesAreRaised(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"client": programs.Client, "server": programs.Server} {
		args := plan{}.flags(nil, "--localaddr", "127.0.0.1:0", "--remoteaddr", freeAddr(t))
		if name == "server" {
			args = plan{}.flags(nil, "--listen", freeAddr(t), "--target", freeAddr(t))
		}
		p := launch(t, name, "/bin/sh", nil, append([]string{"-c", `ulimit -Sn 40 && exec "$0" "$@"`, path}, args...))
		if limit := field(t, p.mustLog(t, `msg="open files"`), "limit"); limit == "40" {
			t.Errorf("the %s may have %s open files, as at its start", name, limit)
		}
		p.mustLog(t, "msg=listening")
	}
}
