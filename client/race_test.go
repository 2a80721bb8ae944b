package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"kcptun/std/clock"
	"kcptun/std/session"
	"kcptun/std/testkit"
)

// names is a resolver for one name, whose addresses can change.
type names struct {
	mu    sync.Mutex
	addrs []string
	asked int
}

func (n *names) LookupPort(ctx context.Context, network, service string) (int, error) {
	return net.DefaultResolver.LookupPort(ctx, network, service)
}

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	var all []netip.Addr
	for _, a := range n.addrs {
		all = append(all, netip.MustParseAddr(a))
	}
	return all, nil
}

func (n *names) set(addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs = addrs
}

// newNamedDialer returns a dialer for a name, with the port of server.
func newNamedDialer(t *testing.T, server string, addrs ...string) (*dialer, *names, *testkit.Logbook) {
	t.Helper()
	_, port, _ := strings.Cut(server, ":")
	d, book := newTestDialer(t, clientConfig("name:"+port))
	of := &names{addrs: addrs}
	d.resolver = of
	return d, of, book
}

// use dials, checks that a stream of the session echoes, and closes the session.
func use(t *testing.T, d *dialer) *session.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	s, err := d.dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	echoStream(t, st)
	st.Close()
	s.Close(errors.New("the test is over"))
	return s
}

// A name with several addresses: one that is dead or unreachable costs a moment, and only
// the first time. It used to be the only one that was tried.
func TestRaceFindsTheLiving(t *testing.T) {
	for _, c := range []struct {
		what  string
		addrs []string
		begin string
	}{
		{"dead, living", []string{"127.0.0.2", "127.0.0.1"}, ""},
		{"dead three times", []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"}, ""},
		{"IPv6 without a route", []string{"2001:db8::1", "127.0.0.1"}, "2001:db8::1"},
		{"IPv6 that is dead", []string{"::1", "127.0.0.1"}, "::1"},
		{"the other zone is not there", []string{"fe80::1", "127.0.0.1"}, "fe80::1"},
		{"living, dead", []string{"127.0.0.1", "127.0.0.2"}, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			testkit.NoLeak(t)
			server := newEchoServer(t)
			d, of, book := newNamedDialer(t, server.Addr, c.addrs...)
			if c.begin != "" {
				d.beginWith(candidate{d.remotes[0], netip.MustParseAddr(c.begin)})
			}
			for range 3 {
				if s := use(t, d); s.RemoteAddr().String() != server.Addr {
					t.Errorf("the session goes to %v", s.RemoteAddr())
				}
			}
			if of.asked != 3 {
				t.Errorf("the name was looked up %d times for 3 sessions", of.asked)
			}
			if n := book.Count("did not answer in time"); n > 1 {
				t.Errorf("%d sessions did not begin with the address that had answered", n-1)
			}
		})
	}
}

// An address that fails before the next one is started, as one that refuses TCP does, ends
// no race. Where --tcp cannot be used, each address fails at once, too.
func TestRaceGoesOnAfterRefusal(t *testing.T) {
	testkit.NoLeak(t)
	server := newEchoServer(t)
	d, _, _ := newNamedDialer(t, server.Addr, "127.0.0.2", "127.0.0.3")
	d.cfg.TCP = true
	_, err := d.dial(context.Background())
	if err == nil {
		t.Fatal("a session to addresses at which nobody listens")
	}
	testkit.Contains(t, err.Error(), "127.0.0.2:", "127.0.0.3:")
}

// While no address answers there is no session, and the error names all that were tried.
// The next attempt finds the one that does answer.
func TestRaceOfTheSilent(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the five seconds of a race")
	}
	testkit.NoLeak(t)
	server := newEchoServer(t)
	d, of, _ := newNamedDialer(t, server.Addr, "127.0.0.2", "127.0.0.3")
	_, err := d.dial(context.Background())
	if err == nil {
		t.Fatal("a session to addresses at which nobody listens")
	}
	testkit.Contains(t, err.Error(), "does not answer", "127.0.0.2:", "127.0.0.3:")
	of.set("127.0.0.2", "127.0.0.3", "127.0.0.1")
	use(t, d)
}

// After a session that ended unanswered, the next one is used only once it is answered,
// even if there is only one address. After that, everything is as before.
func TestDialInDoubt(t *testing.T) {
	testkit.NoLeak(t)
	server := newEchoServer(t)
	d, of, _ := newNamedDialer(t, server.Addr, "127.0.0.2")
	s, err := d.dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s.Close(errors.New("never answered"))
	d.unanswered()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if s, err := d.dial(ctx); err == nil {
		s.Close(nil)
		t.Error("a second session to an address at which nobody listens")
	}
	of.set("127.0.0.1")
	use(t, d)
	if d.doubt.Load() {
		t.Error("in doubt after an answer")
	}
}

// If one slot of a pool cannot dial, its connections get the sessions of other slots.
func TestPoolGoesRoundABadSlot(t *testing.T) {
	testkit.NoLeak(t)
	server := newEchoServer(t)
	cfg := clientConfig(server.Addr)
	cfg.Conn = 2
	p, _ := newTestPool(t, cfg)
	sess := sessionOf(t, p)
	bad := p.nextSlot()
	d, _, _ := newNamedDialer(t, server.Addr) // a name without addresses
	bad.dial = d
	got, err := p.session(limited(t, testkit.Patience), bad)
	if err != nil || got != sess {
		t.Errorf("%v, %v instead of the session that lives", got, err)
	}
}

// A session that takes no new streams because its ids are used up is replaced, and its
// streams go on. They used to be cut.
func TestPoolReplacesTheExhausted(t *testing.T) {
	testkit.NoLeak(t)
	p, book := newTestPool(t, clientConfig(newEchoServer(t).Addr))
	old, st := sessionWithStream(t, p)
	old.Retire()
	if sessionOf(t, p) == old {
		t.Error("the exhausted session again")
	}
	echoStream(t, st)
	st.Close()
	testkit.Within(t, "closed when idle", old.Done())
	testkit.Eventually(t, "the reason is logged", func() bool { return book.Count("exhausted and idle") == 1 })
}

// A list of servers: the first is used if it answers, otherwise another one, and later the
// first is tried first again.
func TestRaceOverServers(t *testing.T) {
	testkit.NoLeak(t)
	first, second := newEchoServer(t), newEchoServer(t)
	dead := "127.0.0.2:9"
	for _, c := range []struct{ what, remote, want string }{
		{"the first lives", first.Addr + "," + dead, first.Addr},
		{"the first is dead", dead + ", " + second.Addr, second.Addr},
		{"the name of the first is not known", "no-such-host.invalid:9," + second.Addr, second.Addr},
		{"two are dead", dead + ",127.0.0.3:9," + first.Addr, first.Addr},
	} {
		t.Run(c.what, func(t *testing.T) {
			d, _ := newTestDialer(t, clientConfig(c.remote))
			for range 2 {
				if s := use(t, d); s.RemoteAddr().String() != c.want {
					t.Errorf("the session goes to %v, want %v", s.RemoteAddr(), c.want)
				}
			}
			all, err := d.candidates(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if got := all[0].to().String(); got != c.want {
				t.Errorf("the next begins with %v, want %v", got, c.want)
			}
			d.until = 0
			if all, err = d.candidates(context.Background()); err != nil || strings.HasPrefix(c.remote, dead) && all[0].to().String() != dead {
				t.Errorf("later the first is not tried again: %v, %v", all, err)
			}
		})
	}
}

// Regression: a slot whose last dial had failed was avoided for good, as only a dial could
// show that it works.
func TestPoolUsesAllSlotsAfterAnOutage(t *testing.T) {
	testkit.NoLeak(t)
	for name, auto := range map[string]bool{"in turn": false, "auto": true} {
		t.Run(name, func(t *testing.T) {
			d, of, book := newNamedDialer(t, newEchoServer(t).Addr)
			d.cfg.Conn = 2
			of.set()
			p := newPool(d.cfg, d.env, d)
			defer p.close()
			p.auto = auto
			for _, s := range p.slots {
				if _, err := p.session(limited(t, 50*time.Millisecond), s); err == nil {
					t.Fatal("a session without a server")
				}
			}
			testkit.Eventually(t, "no dial is going on", func() bool {
				for _, s := range p.slots {
					if !s.failing.Load() || len(s.asked) > 0 || clock.Now() < time.Duration(s.failed.Load())+2*lastBackoff {
						return false
					}
				}
				return true
			})
			of.set("127.0.0.1")
			testkit.Eventually(t, "both are used again", func() bool {
				for _, s := range p.slots {
					if !s.troubled() { // the pool may pick it
						if _, err := p.session(limited(t, testkit.Patience), s); err != nil {
							t.Fatal(err, book)
						}
					}
				}
				return p.slots[0].ready() != nil && p.slots[1].ready() != nil
			})
		})
	}
}
