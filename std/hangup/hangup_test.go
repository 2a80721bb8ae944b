//go:build unix

package hangup

import (
	"io"
	"net"
	"testing"

	"kcptun/std/testkit"
)

// leaver is an application that connects, does something, and is watched.
type leaver struct {
	name, network string
	act           func(t *testing.T, app net.Conn)
	gone          bool
}

func leavers() []leaver {
	send := func(t *testing.T, app net.Conn) {
		if _, err := io.WriteString(app, "request"); err != nil {
			t.Fatal(err)
		}
	}
	shut := func(t *testing.T, app net.Conn) {
		if err := app.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	return []leaver{
		{"says nothing", "tcp", func(*testing.T, net.Conn) {}, false},
		{"closes", "tcp", func(_ *testing.T, app net.Conn) { app.Close() }, true},
		{"resets", "tcp", func(t *testing.T, app net.Conn) {
			send(t, app)
			_ = app.(*net.TCPConn).SetLinger(0)
			app.Close()
		}, true},
		{"asks", "tcp", send, false},
		{"asks and finishes", "tcp", func(t *testing.T, app net.Conn) { send(t, app); shut(t, app) }, false},
		{"closes", "unix", func(_ *testing.T, app net.Conn) { app.Close() }, true},
		{"asks and closes", "unix", func(t *testing.T, app net.Conn) { send(t, app); app.Close() }, false},
		{"asks and finishes", "unix", func(t *testing.T, app net.Conn) { send(t, app); shut(t, app) }, false},
	}
}

// An application that leaves while it waits is noticed, whether it leaves before the watch
// begins or during it. One that has sent its request and finished sending does not count as
// gone, and nothing of the request is lost.
func TestWatchLeft(t *testing.T) {
	for _, c := range leavers() {
		for _, early := range []bool{true, false} {
			t.Run(c.network+" "+c.name, func(t *testing.T) {
				testkit.NoLeak(t)
				app, ours := pairOf(t, c.network)
				gone := make(chan struct{})
				if early {
					c.act(t, app)
				}
				stop := WatchLeft(ours, func() { close(gone) })
				if !early {
					c.act(t, app)
				}
				if c.gone {
					testkit.Within(t, "it is noticed", gone)
					stop()
					return
				}
				stop()
				select {
				case <-gone:
					t.Error("taken for gone")
				default:
				}
				app.Close()
				_, _ = io.Copy(io.Discard, ours) // the deadline of the stop is off again
				if err := ours.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func pairOf(t *testing.T, network string) (app, ours net.Conn) {
	if network == "unix" {
		return testkit.UnixPair(t)
	}
	return testkit.TCPPair(t)
}

// An application that finishes without sending anything may be waiting for the target to
// speak first.
func TestWatchLeftHasGrace(t *testing.T) {
	app, ours := testkit.TCPPair(t)
	if err := app.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	w := hangUp{}
	testkit.Eventually(t, "the end is seen", func() bool { return w.look(fdOf(t, ours)) })
	if !w.finished {
		t.Error("taken for gone at once")
	}
}

func fdOf(t *testing.T, conn *net.TCPConn) (fd uintptr) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(n uintptr) { fd = n }); err != nil {
		t.Fatal(err)
	}
	return fd
}
