//go:build unix

package main

import (
	"net"
	"path/filepath"
	"testing"

	"kcptun/std/testkit"
)

// An application that leaves while its connection waits for a session is noticed, and its
// descriptor is free again, long before the wait would be over.
func TestApplicationLeavesWhileItWaits(t *testing.T) {
	for _, c := range []struct {
		name, network string
		leave         func(net.Conn)
	}{
		{"resets", "tcp", func(app net.Conn) { _ = app.(*net.TCPConn).SetLinger(0); app.Close() }},
		{"closes", "tcp", func(app net.Conn) { app.Close() }},
		{"closes a unix socket", "unix", func(app net.Conn) { app.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.NoLeak(t)
			addr := "127.0.0.1:0"
			if c.network == "unix" {
				addr = filepath.Join(t.TempDir(), "s")
			}
			lis, err := net.Listen(c.network, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer lis.Close()
			app, err := net.Dial(c.network, lis.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer app.Close()
			conn, err := lis.Accept()
			if err != nil {
				t.Fatal(err)
			}
			d, _, book := newNamedDialer(t, "name:9") // without addresses: there is no session
			p := newPool(d.cfg, d.env, d)
			f := newForwarder(d.cfg, d.env, p)
			f.start(conn)
			testkit.Eventually(t, "it waits", func() bool { return book.Count("no session, trying again") > 0 })
			c.leave(app)
			testkit.Eventually(t, "it is noticed", func() bool { return book.Count("connection closed without a stream") == 1 })
			f.open.End(p.cancel)
			p.close()
			testkit.Contains(t, book.String(), `reason="the application has left"`)
			if _, err := conn.Read(make([]byte, 1)); err == nil {
				t.Error("the connection is still open")
			}
		})
	}
}
