package arq

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// side is an end of a conversation in a test: an engine of ours, or one of kcp-go's.
type side interface {
	input(p []byte)
	poll()
}

// stream is what an end has to send, and what it has got.
type stream struct {
	send, got []byte
}

// ours is an engine with a stream.
type ours struct {
	*Engine
	stream
	sim  *sim
	out  func(p []byte)
	next uint64
}

func (o *ours) input(p []byte) {
	_ = o.Input(o.sim.now, p) // what is malformed is refused
	o.poll()
}

func (o *ours) poll() {
	var buf [4096]byte
	for n := o.Read(buf[:]); n > 0; n = o.Read(buf[:]) {
		o.got = append(o.got, buf[:n]...)
	}
	if n := min(o.Room(), len(o.send)); n > 0 {
		o.Write(o.send[:n])
		o.send = o.send[n:]
	}
	emit(o.Engine, o.sim.now, func(p []byte, _ Code) { o.out(p) })
	o.next++
	this := o.next
	if at, ok := o.Next(); ok {
		o.sim.after(max(at-o.sim.now, 50*time.Microsecond), func() {
			if o.next == this {
				o.poll()
			}
		})
	}
}

// theirs is an engine of kcp-go's with a stream. Its clock is that of the bubble.
type theirs struct {
	*kcp.KCP
	stream
	sim      *sim
	mss      int
	interval time.Duration
}

func (k *theirs) input(p []byte) {
	k.Input(p, kcp.IKCP_PACKET_REGULAR, false)
	k.move()
}

func (k *theirs) move() {
	for k.PeekSize() > 0 {
		buf := make([]byte, k.PeekSize())
		k.Recv(buf)
		k.got = append(k.got, buf...)
	}
	for len(k.send) > 0 && k.WaitSnd() < 256 {
		n := min(len(k.send), k.mss)
		k.Send(k.send[:n])
		k.send = k.send[n:]
	}
}

func (k *theirs) poll() {
	k.move()
	k.Update()
	k.sim.after(k.interval, k.poll)
}

// runReal is run with the clock of a bubble, which kcp-go reads.
func (s *sim) runReal(until time.Duration, done func() bool) {
	for len(s.events) > 0 && s.events[0].at <= until && !done() {
		if wait := s.events[0].at - s.now; wait > 0 {
			time.Sleep(wait)
		}
		s.run(s.events[0].at)
	}
}

// modes are kcp-go's nodelay, interval, resend and nc.
var modes = map[string][4]int{"normal": {0, 40, 2, 1}, "fast": {0, 30, 2, 1}, "fast2": {1, 20, 2, 1}, "fast3": {1, 10, 2, 1}, "plain": {0, 100, 0, 0}, "manual": {0, 50, 0, 0}}

// What either end sends arrives whole at the other over a bad link, with kcp-go in each of
// its modes as the peer, and with an engine of ours.
func TestPeers(t *testing.T) {
	for name, mode := range modes {
		for _, loss := range []float64{0, 0.05, 0.2} {
			t.Run(fmt.Sprintf("%s, loss %v", name, loss), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { transferKCP(t, mode, loss, 300<<10) })
			})
		}
	}
}

func transferKCP(t *testing.T, mode [4]int, loss float64, size int) {
	s := new(sim)
	rnd := rand.New(rand.NewPCG(1, uint64(mode[1])))
	bytesOf := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	there, back := bytesOf(size), bytesOf(size)
	link := func() *wire {
		return &wire{sim: s, rnd: rnd, delay: 40 * msec, jitter: 5 * msec, rate: 2e6, queue: 100 * msec, loss: loss}
	}
	up, down := link(), link()
	cfg := Config{Conv: 7, MTU: 1300, Overhead: simOverhead, Send: 1024, Receive: 512}
	a := &ours{sim: s, stream: stream{send: there}, Engine: New(cfg)}
	b := newTheirs(s, Config{Conv: 7, MTU: 1300, Send: 256, Receive: 256}, mode, back, func(p []byte) { down.send(p, simOverhead, a.input) })
	a.out = func(p []byte) { up.send(p, simOverhead, b.input) }
	a.poll()
	b.poll()
	s.runReal(10*time.Minute, func() bool { return len(a.got) >= size && len(b.got) >= size })
	if !bytes.Equal(a.got, back) {
		t.Errorf("of %d bytes of kcp-go's we have %d, equal: %v", len(back), len(a.got), bytes.HasPrefix(back, a.got))
	}
	if !bytes.Equal(b.got, there) {
		t.Errorf("of %d bytes of ours kcp-go has %d, equal: %v", len(there), len(b.got), bytes.HasPrefix(there, b.got))
	}
	t.Logf("took %v, sent %+v", s.now.Round(msec), a.View())
}
