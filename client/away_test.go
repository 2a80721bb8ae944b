package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// dry is a resolver that has run out of descriptors, as package net reports it: only the text
// of the cause is left. It notes when it is asked.
type dry struct {
	names
	errno syscall.Errno
	at    []time.Time
}

func (d *dry) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = append(d.at, time.Now())
	return nil, &net.DNSError{Err: os.NewSyscallError("socket", d.errno).Error(), Name: host}
}

// While a connection waits, a session is tried for more than once a second, however long the
// trouble has lasted: once it is over, the connection is carried within a second. The time is
// that of the test.
func TestPoolTriesAgainWithinASecond(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		synctest.Test(t, func(t *testing.T) {
			d, _, _ := newNamedDialer(t, "name:9")
			of := &dry{errno: errno}
			d.resolver = of
			p := newPool(d.cfg, d.env, d)
			if _, err := p.session(limited(t, time.Minute), p.nextSlot()); !errors.Is(err, errNoSession) {
				t.Error(err)
			}
			p.close()
			if len(of.at) == 0 {
				t.Fatal("nobody has asked for the name")
			}
			last := of.at[0]
			for _, at := range append(of.at, time.Now()) {
				if gap := at.Sub(last); gap > time.Second {
					t.Errorf("%v: nothing was tried for %v", errno, gap)
				}
				last = at
			}
		})
	}
}

// While the server is away, connections are closed when their time is up. The log says so for
// each, or with --quiet once for all; it always says what keeps the client from a session.
// The time is that of the test.
func TestConnectionsWhileServerIsAway(t *testing.T) {
	const crowd = 5
	for _, c := range []struct {
		quiet bool
		lines int
	}{{false, crowd}, {true, 1}} {
		synctest.Test(t, func(t *testing.T) {
			d, _, book := newNamedDialer(t, "name:9") // without addresses
			d.cfg.Quiet = c.quiet
			p := newPool(d.cfg, d.env, d)
			f := newForwarder(d.cfg, d.env, p)
			for range crowd {
				app, conn := net.Pipe()
				defer app.Close()
				f.start(conn)
				if _, err := app.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("quiet %v: the application got %v", c.quiet, err)
				}
			}
			f.open.End(p.cancel)
			p.close()
			if n := book.Count(`msg="connection closed without a stream"`); n != c.lines {
				t.Errorf("quiet %v: %d lines for %d connections, want %d:\n%s", c.quiet, n, crowd, c.lines, book)
			}
			if book.Count(`reason="no session in time"`) == 0 || book.Count(`msg="no session, trying again"`) == 0 {
				t.Errorf("quiet %v: the log does not say why:\n%s", c.quiet, book)
			}
		})
	}
}
