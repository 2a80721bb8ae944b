package arq

import (
	"math"
	"testing"
	"time"

	"kcptun/std/quota"
)

// A growing window is large enough not to hold up the sender, follows what arrives, and
// does not shrink.
func TestWindowFollowsWhatComes(t *testing.T) {
	r := newReceiver(10_000, true)
	if r.want != growFirst {
		t.Errorf("the first window is %d", r.want)
	}
	now := time.Second
	for _, c := range []struct {
		passed time.Duration
		came   int
		trip   time.Duration
		want   int
	}{
		{200 * msec, 80, 200 * msec, growFirst},
		{200 * msec, 200, 200 * msec, 200 * growOver},
		{100 * msec, 1000, 200 * msec, 200 * growOver}, // the round is not over
		{100 * msec, 0, 200 * msec, 1000 * growOver},
		{time.Minute, 3, 200 * msec, 1000 * growOver},
		{msec, 5000, 0, 1000 * growOver},    // no round is so short
		{time.Second, 0, time.Hour, 10_000}, // or so long; there is a limit
		{time.Second, 1, 100 * msec, 10_000},
	} {
		now += c.passed
		r.came += c.came
		if r.follow(now, c.trip); r.want != c.want {
			t.Errorf("%d came in %v: %d, want %d", c.came, c.passed, r.want, c.want)
		}
	}
	if r := newReceiver(100, true); r.want != 100 {
		t.Errorf("the limit is 100, and the window %d", r.want)
	}
}

// hoard is a peer with the key that fills as much memory as it can: nobody can read what it
// sends, because the first segment is missing, and it acknowledges nothing.
func hoard(t *testing.T, bound *quota.Bound) *script {
	s := newScript(t)
	s.Engine = New(Config{Conv: 3, MTU: 1300, Send: 32768, Receive: 32768, Grow: true, Memory: bound})
	s.snd.edge = math.MaxInt32
	s.proof.given, s.rcv.unheard = true, false
	s.mdl.pace, s.rtt.known, s.mdl.bw = 1e9, true, 1e9
	return s
}

func (s *script) hoardMore(sn uint32) {
	s.hear(segment{cmd: cmdPush, sn: sn, wnd: 65535, data: make([]byte, 1276)})
	for range 2 {
		if s.Room() > 0 {
			s.Write(make([]byte, 1276))
		}
	}
	s.Output(s.now, new(Batch))
	s.now += 10 * time.Microsecond
}

// However many sessions hoard, the total that they hold is bounded and counted, and an
// honest session has room. Everything held is released at the end.
func TestHoardersAreBounded(t *testing.T) {
	const limit = 16 << 20
	bound := quota.NewBound(limit)
	sessions := make([]*script, 20)
	for i := range sessions {
		sessions[i] = hoard(t, bound)
	}
	for sn := range uint32(8000) {
		for i, s := range sessions {
			if i%2 == 0 { // half of them leave the first out, and half are not read
				s.hoardMore(sn + 1)
			} else {
				s.hoardMore(sn)
			}
		}
	}
	if bound.Held() < limit/2 {
		t.Errorf("only %d bytes are held", bound.Held())
	}
	least := int64(len(sessions)) * (2*leastWindow*bufferBytes + 8<<10 + coarse)
	if bound.Held() > limit+least {
		t.Errorf("%d bytes are held of %d", bound.Held(), limit)
	}
	real := int64(0)
	for _, s := range sessions {
		n := s.snd.buffers + s.rcv.early + len(s.rcv.queue)
		real += int64(n) * bufferBytes
	}
	if off := real - bound.Held(); off > int64(len(sessions))*coarse || off < -int64(len(sessions))*coarse {
		t.Errorf("%d bytes are held, and %d counted", real, bound.Held())
	}
	honest := hoard(t, bound)
	for sn := range uint32(100) {
		honest.hear(segment{cmd: cmdPush, sn: sn, wnd: 100, data: []byte("x")})
		if honest.Readable() != 1 || honest.rcv.window() < leastWindow-1 {
			t.Fatalf("%d bytes of an honest peer's, window %d", honest.Readable(), honest.rcv.window())
		}
		honest.Read(make([]byte, 10))
	}
	for _, s := range append(sessions, honest) {
		s.Close()
	}
	if bound.Held() != 0 {
		t.Errorf("%d bytes are counted at the end", bound.Held())
	}
}

// If nobody else needs it, a bound has room for a long fat link.
func TestBoundCarriesALongFatLink(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	c := cell{rtt: 200 * msec, mbit: 300, loss: 1, bound: quota.NewBound(128 << 20)}
	if o := c.run(1, 5*time.Second); o.share < 0.9 {
		t.Errorf("%.1f %% of the link", 100*o.share)
	}
}
