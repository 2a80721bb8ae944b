package rawtcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/testkit"
	"kcptun/std/testkit/netns"
)

func TestFlowNumbers(t *testing.T) {
	data := func(seq, ack uint32, size int) tcpSegment {
		return tcpSegment{seq: seq, ack: ack, flags: flagPSH | flagACK, payload: make([]byte, size)}
	}
	stamped := data(20, 5, 1)
	stamped.stamped, stamped.stamp = true, 77
	answer := tcpSegment{seq: 9, ack: 5, flags: flagSYN | flagACK}
	for _, c := range []struct {
		name    string
		dialled []tcpSegment // as they came before a datagram
		genuine []tcpSegment
		want    headerFields
		known   bool
	}{
		{"nothing heard", nil, nil, headerFields{}, false},
		{"the answer of a handshake", []tcpSegment{answer}, nil, headerFields{seq: 5, ack: 10}, true},
		{"another one", []tcpSegment{answer, {seq: 77, ack: 77, flags: flagSYN | flagACK}}, nil, headerFields{seq: 5, ack: 10}, true},
		{"no answer", []tcpSegment{{seq: 9, flags: flagSYN}, {seq: 9, ack: 5, flags: flagACK}, {seq: 9, ack: 5, flags: flagRST | flagACK}}, nil, headerFields{}, false},
		{"a forged answer", []tcpSegment{{seq: 77, ack: 77, flags: flagSYN | flagACK}}, []tcpSegment{data(10, 5, 4)}, headerFields{seq: 5, ack: 78}, true},
		{"in order", nil, []tcpSegment{data(10, 5, 4), data(14, 6, 4)}, headerFields{seq: 6, ack: 18}, true},
		{"in order after the answer", []tcpSegment{answer}, []tcpSegment{data(10, 5, 4), data(14, 6, 4)}, headerFields{seq: 6, ack: 18}, true},
		{"a gap", nil, []tcpSegment{data(10, 5, 4), data(15, 6, 4), data(19, 7, 4)}, headerFields{seq: 7, ack: 14}, true},
		{"up to 0", nil, []tcpSegment{data(^uint32(0)-3, 5, 4), data(0, 5, 4)}, headerFields{seq: 5, ack: 4}, true},
		{"timestamps", nil, []tcpSegment{stamped, data(21, 5, 1)}, headerFields{seq: 5, ack: 22, echo: 77}, true},
	} {
		var f flow
		for _, s := range c.dialled {
			f.answered(&s)
		}
		for _, s := range c.genuine {
			n := s.numbers(0)
			n.Fresh = true
			f.Confirm(&n)
		}
		got, known := f.advance(100)
		if got != c.want || known != c.known || f.isKnown() != c.known {
			t.Errorf("%s: %+v, known %v, want %+v, %v", c.name, got, known, c.want, c.known)
		}
		if again, _ := f.advance(1); again.seq != got.seq+100 {
			t.Errorf("%s: after 100 bytes %d follows %d", c.name, again.seq, got.seq)
		}
	}
}

// A recording that is played again in a segment with other numbers used to set the numbers of
// the flow: a firewall that follows connections dropped what we sent from then on.
func TestRecordingSetsNoNumbers(t *testing.T) {
	genuine := carrier.Numbers{Seq: 10, Next: 14, Ack: 5, Stamp: 70, Acks: true, Stamped: true, At: 1}
	played := carrier.Numbers{Seq: 1000, Next: 1004, Ack: 99, Stamp: 99, Acks: true, Stamped: true, At: 2}
	var f flow
	f.Confirm(&genuine) // the first one counts, whatever it is
	f.Confirm(&played)
	want := headerFields{seq: 5, ack: 14, echo: 70}
	if got, known := f.advance(0); got != want || !known {
		t.Errorf("%+v, known %v, want %+v", got, known, want)
	}
	if f.heard != 2 {
		t.Error("it does not keep the flow") // a peer without room says nothing new for minutes
	}
	played.Fresh = true
	f.Confirm(&played)
	want = headerFields{seq: 99, ack: 14, echo: 99}
	if got, _ := f.advance(0); got != want {
		t.Errorf("%+v after what is new, want %+v", got, want)
	}
}

func TestFlowExpires(t *testing.T) {
	f := flow{heard: time.Hour}
	for _, c := range []struct {
		name    string
		genuine time.Duration // when a datagram came; 0 is never
		now     time.Duration
		want    bool
	}{
		{"never heard", 0, time.Hour + 59*time.Second, false},
		{"never heard, a minute", 0, time.Hour + 61*time.Second, true},
		{"heard", 2 * time.Hour, 2*time.Hour + 59*time.Second, false},
		{"heard, a minute", 2 * time.Hour, 2*time.Hour + 61*time.Second, true},
	} {
		if c.genuine > 0 {
			f.Confirm(&carrier.Numbers{At: c.genuine})
		}
		if got := f.expired(c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestTCPKernelIsSilent: what is sent to the kernel's connections never reaches them, so
// they have nothing to answer, and no RST ends them.
func TestTCPKernelIsSilent(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	for _, fam := range labFamilies {
		_, server, f := l.pair(opt, net.JoinHostPort(fam.server, labPort))
		err := onSocket(f.conn, func(fd int) error {
			if alive, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE); alive != 0 || err != nil {
				t.Errorf("%s: keepalive, which nobody answers: %d, %v", fam.name, alive, err)
			}
			info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
			if err == nil && (info.State != 1 || info.Bytes_received != 0) {
				t.Errorf("%s: the kernel's connection is in state %d and has received %d bytes", fam.name, info.State, info.Bytes_received)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		l.Close(l.Server, server.Close)
	}
}

func TestTCPForgetsSilentFlows(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	_, server, f := l.pair(opt, netns.Server4+":"+labPort)
	server.flows.sweep(clock.Now())
	if server.flows.get(f.remote) == nil {
		t.Fatal("a flow in use was dropped")
	}
	server.flows.sweep(clock.Now() + flowSilence + time.Second)
	if server.flows.get(f.remote) != nil {
		t.Error("a silent flow was kept")
	}
	if err := f.conn.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("its kernel connection is open: %v", err)
	}
	if _, err := server.Send(datagramTo(f.remote.String(), []byte("x"))); !errors.Is(err, errNoFlow) {
		t.Errorf("sending to it: %v", err)
	}
}

func TestTCPClose(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	client, server, _ := l.pair(opt, netns.Server4+":"+labPort)
	for _, c := range []struct {
		ns   string
		sock *Conn
	}{{l.Client, client}, {l.Server, server}} {
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := c.sock.Recv(); errors.Is(err, net.ErrClosed) {
					ended <- err
					return
				}
			}
		}()
		for range 2 {
			testkit.Returns(t, "closing", func() { l.Close(c.ns, c.sock.Close) })
		}
		testkit.Returns(t, "recv ends", func() { <-ended })
		if _, err := c.sock.Send(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("sending after the end: %v", err)
		}
		if rules := l.Rules(c.ns); len(rules) != 0 {
			t.Errorf("rules left: %q", rules)
		}
	}
}

func TestTCPFailuresAreClear(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	dial := func(ctx context.Context, remote string) error {
		return l.In(l.Client, func() error {
			c, err := Dial(ctx, opt, netip.MustParseAddrPort(remote))
			if err == nil {
				c.Close()
			}
			return err
		})
	}
	if err := dial(context.Background(), netns.Server4+":"+labPort); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: %v", err)
	}
	l.Run("ip netns exec " + l.Server + " iptables -w -A INPUT -p tcp -j DROP")
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := dial(ctx, netns.Server4+":"+labPort); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("nobody answers: %v", err)
	}
	l.listen(opt, ":"+labPort)
	t.Setenv("PATH", t.TempDir())
	if err := dial(context.Background(), "["+netns.Server6+"]:"+labPort); err == nil || !strings.Contains(err.Error(), "the program ip6tables, which is not installed") {
		t.Errorf("no ip6tables: %v", err)
	}
	err := l.In(l.Client, func() error { _, err := Listen(context.Background(), opt, ":"+labPort); return err })
	if err == nil || !strings.Contains(err.Error(), "the program iptables, which is not installed") {
		t.Errorf("no iptables: %v", err)
	}
	if _, err := Check(context.Background()); err == nil || !strings.Contains(err.Error(), "the program iptables, which is not installed") {
		t.Errorf("no iptables: %v", err)
	}
}

func TestRuleGone(t *testing.T) {
	l := newLab(t)
	r := serverRule(false, 29900)
	err := l.In(l.Client, func() error {
		return errors.Join(r.add(context.Background()), r.add(context.Background()), r.remove(), r.remove(), r.remove())
	})
	if err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
	broken := rule{program: "iptables", match: []string{"--no-such-option"}}
	if err := broken.add(context.Background()); err == nil || !strings.Contains(err.Error(), "--no-such-option") {
		t.Errorf("a rule that cannot be: %v", err)
	}
}

func TestTCPRules(t *testing.T) {
	l := newLab(t)
	opt, _ := options()
	server := l.listen(opt, ":"+labPort)
	client4 := l.dial(opt, netns.Server4+":"+labPort)
	client6 := l.dial(opt, "["+netns.Server6+"]:"+labPort)
	port := func(c *Conn) string {
		_, port, _ := net.SplitHostPort(c.LocalAddr().String())
		return port
	}
	for ns, want := range map[string][]string{
		l.Server: {
			"iptables -A OUTPUT -p tcp -m ttl --ttl-eq 1 -m tcp --sport 29900 -j DROP",
			"ip6tables -A OUTPUT -p tcp -m hl --hl-eq 1 -m tcp --sport 29900 -j DROP",
		},
		l.Client: {
			"iptables -A OUTPUT -s 192.0.2.11/32 -d 192.0.2.1/32 -p tcp -m ttl --ttl-eq 1 -m tcp --sport " + port(client4) + " --dport 29900 -j DROP",
			"ip6tables -A OUTPUT -s 2001:db8::11/128 -d 2001:db8::1/128 -p tcp -m hl --hl-eq 1 -m tcp --sport " + port(client6) + " --dport 29900 -j DROP",
		},
	} {
		got := l.Rules(ns)
		if !slices.Equal(got, want) {
			t.Errorf("rules are\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, r := range got {
			_, listed, _ := strings.Cut(r, " ") // without the program's name
			if stale := staleRules(listed, nil); len(stale) != 1 {
				t.Errorf("would not be found if it were stale: %s", r)
			}
		}
	}
	l.Close(l.Client, client4.Close)
	l.Close(l.Client, client6.Close)
	l.Close(l.Server, server.Close)
	for _, ns := range []string{l.Server, l.Client} {
		if rules := l.Rules(ns); len(rules) != 0 {
			t.Errorf("left in %s: %q", ns, rules)
		}
	}
}
