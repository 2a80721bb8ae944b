package link

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// forgottenBy is what a listening link answers to a packet of an address, if anything.
func forgottenBy(t *testing.T, server *Conn, far *fakeCarrier, packet []byte, from netip.AddrPort) []byte {
	t.Helper()
	near := newFake(from)
	far.peer = near
	hears(server, packet, from)
	server.out.mu.Lock()
	sending := len(server.out.queue) > 0 || server.out.busy
	server.out.mu.Unlock()
	if !sending && len(near.inbox) == 0 {
		return nil
	}
	return testkit.Within(t, "the answer", near.inbox).Data
}

// Data of a conversation that the server does not know is answered, at most every
// answerEvery for each address, with no more bytes than came. The client used to notice a restart by silence.
func TestUnknownConversationIsDisowned(t *testing.T) {
	want := seg(7, 84, 40, 0, "")
	want[6] = answerWindow
	clear(want[8:12])
	for _, c := range []struct {
		name   string
		packet []byte
		want   []byte
	}{
		{"data", seg(7, 81, 40, 9, "data"), want},
		{"data with FEC", withFEC(0xf1, seg(7, 81, 40, 9, "data")), want},
		{"several segments", join(seg(7, 82, 3, 9, ""), seg(7, 81, 39, 9, "a"), seg(7, 81, 40, 9, "b")), want},
		{"an acknowledgement", seg(7, 82, 3, 9, ""), nil},
		{"a window tell", seg(7, 84, 3, 9, ""), nil},
		{"such an answer", want, nil},
		{"parity", withFEC(0xf2, make([]byte, 50)), nil},
		{"the first data", seg(7, 81, 0, 0, "data"), nil},
	} {
		opt, _ := options(crypt.Plain{})
		near, far := fakePair()
		_, server := fakeConns(t, near, far, opt)
		if got := forgottenBy(t, server, far, c.packet, addrNumber(1)); !bytes.Equal(got, c.want) {
			t.Errorf("%s: answered %x, want %x", c.name, got, c.want)
		} else if len(got) > len(c.packet) {
			t.Errorf("%s: the answer is longer", c.name)
		}
		if c.want == nil {
			continue
		}
		if got := forgottenBy(t, server, far, c.packet, addrNumber(1)); got != nil {
			t.Errorf("%s: answered again at once", c.name)
		}
	}
}

// A server that has the conversation, at another address, is silent about data that does not
// move it: somebody may have copied the data and sent it from there. It used to disown one
// that was not confirmed yet.
func TestConversationElsewhereIsNotDisowned(t *testing.T) {
	server, p := livingAt(t)
	if hears(server, seg(7, 81, 1, 5, "data"), addrNumber(2)); server.answers.used() || p.addr() != addrNumber(1) {
		t.Error("a confirmed one is disowned")
	}
	server = listening(t)
	hears(server, seg(7, 81, 0, 0, "data"), addrNumber(1))
	hears(server, seg(7, 81, 0, 0, "data"), addrNumber(2))
	if hears(server, seg(7, 81, 1, 0, "data"), addrNumber(3)); server.answers.used() {
		t.Error("one that is not confirmed is disowned")
	}
	if hears(server, seg(8, 81, 1, 0, "data"), addrNumber(3)); !server.answers.used() {
		t.Error("another one is not")
	}
}

// used tells whether anybody was answered.
func (a *answers) used() bool {
	for i := range a.next {
		if a.next[i].Load() != 0 {
			return true
		}
	}
	return false
}

func TestAnswersAreBounded(t *testing.T) {
	var a answers
	now, n := clock.Now(), 0
	for i := range 5000 {
		if a.due(addrNumber(i), now) {
			n++
		}
	}
	if n > len(a.next) || n < len(a.next)/2 {
		t.Errorf("%d addresses are answered at a time", n)
	}
	if a.due(addrNumber(1), now) || a.due(addrNumber(1), now+answerEvery-time.Millisecond) || !a.due(addrNumber(1), now+answerEvery) {
		t.Error("an address is answered too often, or never again")
	}
}

// What shows a client that its server does not know the conversation, and what does not.
func TestDisownedClientNotices(t *testing.T) {
	answer := func(sn uint32) []byte { return seg(7, 84, sn, 0, "") }
	for _, c := range []struct {
		name   string
		packet []byte
		want   bool
	}{
		{"about the last that was sent", answer(9), true},
		{"about one that was sent before it", answer(7), true},
		{"of the original: acknowledges it and nothing before", seg(7, 82, 9, 0, ""), true},
		{"of the original: acknowledges a retransmission", stamped(seg(7, 82, 7, 0, ""), 1), true},

		{"about what was acknowledged", answer(4), false},
		{"about what was sent before anything was acknowledged", answer(6), false},
		{"about what was never sent", answer(10), false},
		{"of another conversation", seg(8, 84, 9, 0, ""), false},
		{"a window that acknowledges", seg(7, 84, 9, 5, ""), false},
		{"a window ask", seg(7, 83, 9, 0, ""), false},
		{"with data", join(answer(9), seg(7, 81, 0, 0, "data")), false},
		{"an acknowledgement of what came behind a gap", seg(7, 82, 9, 5, ""), false},
		{"an old one of one before", seg(7, 82, 6, 0, ""), false},
		{"one that has come, with nothing before", seg(7, 82, 8, 0, ""), false},
	} {
		client := inFlight(t)
		p := client.Peer()
		activity, now := p.Activity(), clock.Now()
		heard := hearsAt(client, c.packet, now)
		if p.IsForgotten() {
			t.Errorf("%s: it is taken for forgotten at once", c.name)
		}
		hearsAt(client, c.packet, now+disownedFor)
		if p.IsForgotten() != c.want || c.want && (heard || p.Activity() != activity) {
			t.Errorf("%s: it is taken for forgotten: %v, handed on: %v", c.name, p.IsForgotten(), heard)
		}
	}
	client, _ := dialled(t, 0, 0)
	beginAt(client, 7)
	hearsAt(client, answer(0), clock.Now())
	if hearsAt(client, answer(0), clock.Now()+disownedFor); client.Peer().IsForgotten() {
		t.Error("a conversation of which nothing was acknowledged is taken for forgotten")
	}
}

// inFlight is a dialled link whose server has acknowledged the first 5 segments, and the 9th,
// of the 10 that were sent; the last 3 were sent after the first acknowledgement, and one of
// them again.
func inFlight(t *testing.T) *Conn {
	client, _ := dialled(t, 0, 0)
	p := client.Peer()
	for sn := range uint32(7) {
		p.sent(parsed(seg(7, 81, sn, 0, "data")))
	}
	hears(client, seg(7, 82, 4, 5, ""), fakeServerAddr)
	for sn := range uint32(3) {
		p.sent(parsed(seg(7, 81, 7+sn, 0, "data")))
	}
	hears(client, seg(7, 82, 8, 5, ""), fakeServerAddr)
	p.sent(parsed(stamped(seg(7, 81, 7, 0, "data"), 1)))
	return client
}

// hearsAt has a dialled link receive a packet of its server at a time, and tells whether it is
// admitted.
func hearsAt(c *Conn, packet []byte, now time.Duration) bool {
	in := &carrier.Inbound{Data: bytes.Clone(packet), Size: len(packet), From: fakeServerAddr}
	c.in.now = now
	_, p := c.in.admit(in.Data, in)
	return p != nil
}

// One answer of a server that does not know the conversation ended it: somebody who copied a
// packet on its way to another server with the same key, and forged the address of its answer,
// ended any session. Now there has to be another answer, a second later, and no news.
func TestDisownedClientWaitsForNews(t *testing.T) {
	disowned := seg(7, 84, 9, 0, "")
	byOriginal := seg(7, 82, 9, 0, "")
	news := stamped(seg(7, 81, 0, 5, "data"), stampGap)
	old := seg(7, 82, 3, 4, "")
	for _, c := range []struct {
		name    string
		packets [][]byte // the first at once, and each of the others half a second after the one before
		want    bool
	}{
		{"once", [][]byte{disowned}, false},
		{"twice within a second", [][]byte{disowned, disowned}, false},
		{"for a second", [][]byte{disowned, disowned, disowned}, true},
		{"by an original, which acknowledges it", [][]byte{byOriginal, byOriginal, byOriginal}, true},
		{"with a pause", [][]byte{disowned, old, old, old, disowned}, true},
		{"with news between them", [][]byte{disowned, news, disowned}, false},
		{"with an acknowledgement between them", [][]byte{disowned, seg(7, 82, 6, 7, ""), disowned}, false},
		{"for a second before the news, and once after it", [][]byte{disowned, disowned, news, disowned}, false},
		{"for a second after news", [][]byte{disowned, news, disowned, disowned, disowned}, true},
		{"with an old acknowledgement between them", [][]byte{disowned, old, disowned}, true},
		{"with old reports of a window between them", [][]byte{disowned, seg(7, 84, 0, 0, ""), disowned}, true},
	} {
		client := inFlight(t)
		now := clock.Now()
		for i, packet := range c.packets {
			hearsAt(client, packet, now+time.Duration(i)*disownedFor/2)
		}
		if got := client.Peer().IsForgotten(); got != c.want {
			t.Errorf("disowned %s: it is taken for forgotten: %v", c.name, got)
		}
	}
}

// A server is restarted: its client's session of kcp-go ends at the next thing that it
// sends, and not by silence.
func TestRestartedServerIsNoticed(t *testing.T) {
	for _, shards := range [][2]int{{0, 0}, {10, 3}} {
		opt, _ := options(newAES())
		opt.DataShards, opt.ParityShards = shards[0], shards[1]
		server, port := listenAt(t, opt, "127.0.0.1:0")
		client := dialTo(t, opt, "127.0.0.1:"+port)
		c, s := sessions(t, client, server)
		exchange(t, c, s, 50_000)
		server.Close()
		opt.Conversations = nil
		again, _ := listenAt(t, opt, "127.0.0.1:"+port)
		go func() { _, _, _ = again.ReadFrom(make([]byte, MaxDatagram)) }()
		if _, err := c.Write([]byte("is anybody there?")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrForgotten) {
			t.Errorf("with %v shards the session ends by %v", shards, err)
		}
	}
}

// A client of the original takes such an answer for a window, and goes on.
func TestStockClientIgnoresAnswer(t *testing.T) {
	near, far := newTap(1), newTap(2)
	near.peer, far.peer = far, near
	open := func(p *tap) *kcp.UDPSession {
		k, err := kcp.NewConn4(captureConv, p.peer.addr, nil, 0, 0, true, p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close() })
		tune(k, &Conn{opt: Options{Sealer: crypt.Plain{}}})
		return k
	}
	a, b := open(near), open(far)
	exchange(t, a, b, 50_000)
	for sn := range uint32(200) {
		answer := seg(captureConv, 84, sn, 0, "")
		answer[6] = answerWindow
		near.inbox <- answer
	}
	exchange(t, a, b, 50_000)
}

// A client whose reader had just been told so waited for another datagram before it ended.
func TestReaderEndsAtOnce(t *testing.T) {
	errWaits := errors.New("it waits for another datagram")
	for _, want := range []error{ErrForgotten, errStuck} {
		client := inFlight(t)
		calls, began := 0, clock.Now()
		client.in.refill = func() ([]carrier.Inbound, time.Duration, error) {
			calls++
			packet := seg(7, 84, 9, 0, "")
			if want == errStuck {
				client.peers.fail(client.Peer(), errStuck)
			} else if calls > 2 {
				return nil, 0, errWaits
			}
			return []carrier.Inbound{{Data: packet, Size: len(packet), From: client.Peer().addr()}}, began + time.Duration(calls)*disownedFor, nil
		}
		if _, _, err := client.ReadFrom(make([]byte, MaxDatagram)); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
