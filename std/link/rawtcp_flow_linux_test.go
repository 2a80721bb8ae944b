package link

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kcptun/std/clock"

	"golang.org/x/sys/unix"
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
			f.confirm(&n)
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
			f.confirm(&tcpNumbers{at: c.genuine})
		}
		if got := f.expired(c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// carriers are a listening and a dialled carrier in the namespaces.
func (l *rawLab) carriers(opt Options, remote string) (client, server *rawCarrier) {
	l.t.Helper()
	err := l.in(l.server, func() (err error) {
		server, err = listenRaw(context.Background(), opt, ":"+labPort)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { l.close(l.server, server.close) })
	err = l.in(l.client, func() (err error) {
		client, err = dialRaw(context.Background(), opt, netip.MustParseAddrPort(remote))
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { l.close(l.client, client.close) })
	return client, server
}

// pair are carriers of which the client has sent a datagram, and its flow at the
// server.
func (l *rawLab) pair(opt Options, remote string) (client, server *rawCarrier, f *flow) {
	l.t.Helper()
	client, server = l.carriers(opt, remote)
	eventually(l.t, "the server has accepted", func() bool {
		f = server.flows.get(unmap(client.local.(*net.TCPAddr).AddrPort()))
		return f != nil
	})
	if _, err := client.send(datagramTo(remote, []byte("hello"))); err != nil {
		l.t.Fatal(err)
	}
	in, err := server.recv()
	if err != nil || len(in) != 1 || string(in[0].data) != "hello" || in[0].from != f.peer {
		l.t.Fatalf("received %v: %v", in, err)
	}
	in[0].path.confirm(&in[0].segment)
	return client, server, f
}

func datagramTo(remote string, data []byte) []*batch {
	return []*batch{{peer: &Peer{addr: netip.MustParseAddrPort(remote)}, buf: data, size: len(data), count: 1}}
}

// TestTCPKernelIsSilent: what the kernel's connections are told never reaches
// them, so that they have nothing to answer, and no RST ends them.
func TestTCPKernelIsSilent(t *testing.T) {
	l := newRawLab(t)
	opt, _ := options(Plain{})
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
		l.close(l.server, server.close)
	}
}

func TestTCPMarksBothFamilies(t *testing.T) {
	l := newRawLab(t)
	opt, _ := options(Plain{})
	opt.DSCP, opt.Buffer = 46, 1<<20
	for _, rule := range []string{"iptables -m dscp --dscp 46", "ip6tables -m dscp --dscp 46"} {
		program, match, _ := strings.Cut(rule, " ")
		l.run("ip netns exec " + l.client + " " + program + " -w -A OUTPUT -p tcp --tcp-flags PSH PSH " + match + " -j ACCEPT")
		l.run("ip netns exec " + l.client + " " + program + " -w -A OUTPUT -p tcp --tcp-flags PSH PSH -j DROP")
	}
	listener := l.serveKCP(true, ":"+labPort)
	for _, f := range labFamilies {
		c := l.dial(opt, net.JoinHostPort(f.server, labPort))
		client, server := dialSession(t, c, listener)
		exchange(t, client, server, 1<<10)
		if c.Advice() != "" {
			t.Errorf("%s: root was not given its buffers: %s", f.name, c.Advice())
		}
	}
}

func TestTCPForgetsSilentFlows(t *testing.T) {
	l := newRawLab(t)
	opt, _ := options(Plain{})
	_, server, f := l.pair(opt, labServer4+":"+labPort)
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
	if _, err := server.send(datagramTo(f.remote.String(), []byte("x"))); !errors.Is(err, errNoFlow) {
		t.Errorf("sending to it: %v", err)
	}
}

func TestTCPClose(t *testing.T) {
	l := newRawLab(t)
	opt, _ := options(Plain{})
	client, server, _ := l.pair(opt, labServer4+":"+labPort)
	for _, c := range []struct {
		ns   string
		sock *rawCarrier
	}{{l.client, client}, {l.server, server}} {
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := c.sock.recv(); errors.Is(err, net.ErrClosed) {
					ended <- err
					return
				}
			}
		}()
		for range 2 {
			within(t, "closing", func() { l.close(c.ns, c.sock.close) })
		}
		within(t, "recv ends", func() { <-ended })
		if _, err := c.sock.send(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("sending after the end: %v", err)
		}
		if rules := l.rules(c.ns); len(rules) != 0 {
			t.Errorf("rules left: %q", rules)
		}
	}
}

func TestTCPFailuresAreClear(t *testing.T) {
	l := newRawLab(t)
	opt, _ := options(Plain{})
	dial := func(ctx context.Context, remote string) error {
		return l.in(l.client, func() error {
			c, err := DialTCP(ctx, opt, remote)
			if err == nil {
				c.Close()
			}
			return err
		})
	}
	if err := dial(context.Background(), labServer4+":"+labPort); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: %v", err)
	}
	l.run("ip netns exec " + l.server + " iptables -w -A INPUT -p tcp -j DROP")
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := dial(ctx, labServer4+":"+labPort); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("nobody answers: %v", err)
	}
	l.listen(opt, ":"+labPort)
	t.Setenv("PATH", t.TempDir())
	if err := dial(context.Background(), "["+labServer6+"]:"+labPort); err == nil || !strings.Contains(err.Error(), "the program ip6tables, which is not installed") {
		t.Errorf("no ip6tables: %v", err)
	}
	err := l.in(l.client, func() error { _, err := ListenTCP(context.Background(), opt, ":"+labPort); return err })
	if err == nil || !strings.Contains(err.Error(), "the program iptables, which is not installed") {
		t.Errorf("no iptables: %v", err)
	}
	if _, err := CheckTCP(); err == nil || !strings.Contains(err.Error(), "the program iptables, which is not installed") {
		t.Errorf("no iptables: %v", err)
	}
}

func TestRuleGone(t *testing.T) {
	l := newRawLab(t)
	r := serverRule(false, 29900)
	err := l.in(l.client, func() error {
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
