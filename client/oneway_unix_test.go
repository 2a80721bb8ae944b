//go:build unix

package main

import (
	"io"
	"net"
	"path/filepath"
	"testing"

	"kcptun/std/config"
	"kcptun/std/session"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// What an application sent before it closed its unix socket arrives, although there was no
// session yet. It used to be dropped: the application was taken for one that waits no more.
func TestOneWayMessageWaitsForASession(t *testing.T) {
	testkit.NoLeak(t)
	got := make(chan string, 1)
	cfg := sessions.Config(config.Server)
	server := sessions.Serve(t, cfg, "127.0.0.1:0", func(s *session.Session) {
		st, err := s.Accept()
		if err == nil {
			message, _ := io.ReadAll(st)
			got <- string(message)
			st.Close()
			_, err = s.Accept() // fails when the session ends
		}
		s.Close(err)
	})
	lis, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	app, err := net.Dial("unix", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(app, "message"); err != nil {
		t.Fatal(err)
	}
	app.Close()
	conn, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	d, names, book := newNamedDialer(t, server.Addr) // without addresses: there is no session
	p := newPool(d.cfg, d.env, d)
	f := newForwarder(d.cfg, d.env, p)
	f.start(conn)
	testkit.Eventually(t, "it waits", func() bool { return book.Count("no session, trying again") > 0 })
	names.set("127.0.0.1")
	if message := testkit.Within(t, "the message", got); message != "message" {
		t.Errorf("the server got %q", message)
	}
	f.open.End(p.cancel)
	p.close()
}
