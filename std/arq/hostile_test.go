package arq

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What a peer may do to an engine is bounded, whatever it says.

// If a peer's acknowledgements confirmed no transmission, the log of transmissions grew
// with every segment.
func TestLogOfTransmissionsIsBounded(t *testing.T) {
	s := newScript(t)
	s.snd.edge = 64
	for range 5000 {
		s.Write(make([]byte, 5000))
		s.step(5 * msec)
		for ; s.snd.next-s.snd.una > 1; s.snd.una++ {
			s.hear(segment{cmd: cmdAck, sn: s.snd.una, ts: 77, una: s.snd.una, wnd: 64})
		}
	}
	if s.snd.next < 5000 {
		t.Fatalf("%d segments were sent", s.snd.next)
	}
	if len(s.snd.log) > 256 {
		t.Errorf("the log has %d entries after %d segments, never more than 64 of them in flight", len(s.snd.log), s.snd.next)
	}
}

// Segments without data that nobody reads shut the window for good.
func TestReceiverKeepsNoEmptySegments(t *testing.T) {
	r := newReceiver(8, false)
	for sn := range uint32(20) {
		r.push(&segment{sn: sn}, 0)
	}
	r.push(&segment{sn: 20, data: []byte("x")}, 0)
	if r.next != 21 || r.window() != 7 || r.bytes != 1 {
		t.Errorf("next %d, window %d, %d bytes", r.next, r.window(), r.bytes)
	}
}

// While nothing can be sent, pending acknowledgements do not pile up.
func TestReceiverBoundsAcknowledgements(t *testing.T) {
	r := newReceiver(100, false)
	for range 1000 {
		for sn := uint32(1); sn < 50; sn++ {
			r.push(&segment{sn: sn, ts: 5}, 0)
		}
	}
	r.push(&segment{sn: 50, ts: 6}, 0)
	acks := r.due(nil)
	if len(acks) > mostAcks || acks[len(acks)-1].echo != (echo{50, 6}) {
		t.Errorf("%d acknowledgements, the last %v", len(acks), acks[len(acks)-1])
	}
}

// From a peer that has not shown that it hears us, and may be a recording, little is
// accepted, even if it is read at once. The first acknowledgement of a clock value that we
// sent opens the window.
func TestReceiverWaitsToBeHeard(t *testing.T) {
	s := newScript(t)
	s.rcv.limit, s.rcv.want = 5000, 5000
	s.cfg.Clock, s.snd.clockBase = 12345, 12345
	s.Write([]byte("question"))
	sent := s.step(msec)[0]
	push := func(from, to uint32) {
		for sn := from; sn < to; sn++ {
			s.hear(segment{cmd: cmdPush, sn: sn, wnd: 100, data: []byte("x")})
			s.Read(make([]byte, 10))
		}
	}
	push(0, 1000)
	if s.rcv.next != firstWindow || s.rcv.window() != 0 {
		t.Errorf("%d segments were taken in, and there is room for %d", s.rcv.next, s.rcv.window())
	}
	s.hear(segment{cmd: cmdAck, sn: 0, ts: sent.ts + 1, una: 0, wnd: 100}) // of another conversation
	if push(firstWindow, firstWindow+10); s.rcv.next != firstWindow {
		t.Error("a clock that was never sent opens the window")
	}
	s = newScript(t)
	s.rcv.limit, s.rcv.want = 5000, 5000
	s.Write([]byte("question"))
	sent = s.step(msec)[0]
	push(0, 1000)
	s.hear(segment{cmd: cmdAck, sn: 0, ts: sent.ts, una: 1, wnd: 100})
	if out := s.step(msec); count(out, cmdTell) != 1 || out[0].wnd != 5000 {
		t.Errorf("heard, and it sends %+v", out)
	}
	if push(firstWindow, 1000); s.rcv.next != 1000 {
		t.Errorf("%d segments were taken in", s.rcv.next)
	}
}

func TestParseRefusesWhatNoDatagramHolds(t *testing.T) {
	s := segment{cmd: cmdPush, data: make([]byte, maxSegment+1)}
	if _, _, ok := parse(s.appendTo(nil)); ok {
		t.Error("a segment is taken in that has no room in a buffer")
	}
}

// Acknowledgements count towards the limit in the settings, up to half of it, and data gets
// the rest.
func TestLimitHoldsAcknowledgements(t *testing.T) {
	const limit, flood = 250_000, 5 * time.Second
	s := newScript(t)
	s.cfg.Limit, s.snd.edge, s.rcv.limit, s.rcv.want, s.rcv.unheard = limit, 1000, 1000, 1000, false
	s.Write(make([]byte, 2*limit*int(flood.Seconds())))
	sent := 0
	for end := s.now + flood; s.now < end; {
		s.hear(segment{cmd: cmdPush, sn: 5, ts: uint32(s.now / msec), wnd: 1000})
		emit(s.Engine, s.now, func(p []byte, _ Code) { sent += len(p) + 48 })
		s.now += msec / 2
	}
	if most := limit*int(flood.Seconds()) + 12*mtu; sent > most {
		t.Errorf("%d bytes were sent in %v, want at most %d", sent, flood, most)
	}
}

// What acknowledgements take above half of a small limit is not the data's debt: nothing was
// sent but them while a fast download lasted, and for minutes after it.
func TestAcknowledgementsLeaveRoomForData(t *testing.T) {
	const limit, seconds = 20_000, 5
	s := newScript(t)
	s.cfg.Limit, s.snd.edge, s.rcv.limit, s.rcv.want, s.rcv.unheard = limit, 1000, 1000, 1000, false
	for second := range seconds + 1 {
		sent := 0
		for end := s.now + time.Second; s.now < end; s.now += msec / 2 {
			if second < seconds {
				s.hear(segment{cmd: cmdPush, sn: 5, ts: uint32(s.now / msec), wnd: 1000})
			}
			s.Write(make([]byte, max(0, min(1000, s.Room()))))
			emit(s.Engine, s.now, func(p []byte, _ Code) {
				for seg, rest, ok := parse(p); ok; seg, rest, ok = parse(rest) {
					if sent += len(seg.data); seg.cmd == cmdPush {
						defer s.hear(segment{cmd: cmdAck, sn: seg.sn, ts: seg.ts, una: seg.sn + 1, wnd: 1000})
					}
				}
			})
		}
		if sent < limit/4 {
			t.Errorf("%d bytes of data were sent in second %d of a flood of %d, with a limit of %d", sent, second, seconds, limit)
		}
	}
}

// A packet that is valid only at the beginning counts up to there. The reader was not told.
func TestConnTellsOfHalfAPacket(t *testing.T) {
	c := NewConn(Config{Conv: 1, MTU: 1300, Send: 64, Receive: 64}, nil, nil, func([]byte, Code) {})
	defer c.Close()
	got := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(c, make([]byte, 5))
		got <- err
	}()
	good := segment{conv: 1, cmd: cmdPush, wnd: 10, data: []byte("hello")}
	time.Sleep(10 * msec) // most likely it waits now, and else it sees the data
	if err := c.Deliver(append(good.appendTo(nil), make([]byte, headerBytes)...)); !errors.Is(err, ErrSegment) {
		t.Error(err)
	}
	within(t, "the good half", got)
}

// The program's clock may have any value, even below 0, which the engine takes for "never".
func TestConnUnderAnyClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b *Conn
		var n atomic.Int32
		send := func(to **Conn) func([]byte, Code) {
			return func(p []byte, _ Code) {
				if n.Add(1)%5 == 0 {
					return
				}
				packet := bytes.Clone(p)
				time.AfterFunc(10*msec, func() { _ = (*to).Deliver(packet) })
			}
		}
		cfg := Config{Conv: 1, MTU: 1300, Overhead: 48, Send: 512, Receive: 512}
		a, b = NewConn(cfg, nil, nil, send(&b)), NewConn(cfg, nil, nil, send(&a))
		defer a.Close()
		defer b.Close()
		begun := time.Now()
		go func() { _, _ = a.Write(make([]byte, 200_000)) }()
		timeout := time.AfterFunc(time.Hour, func() { a.Close(); b.Close() })
		defer timeout.Stop()
		if _, err := io.ReadFull(b, make([]byte, 200_000)); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

// A peer whose packets never ended kept a writer in Write.
func TestWriteReturnsUnderAFlood(t *testing.T) {
	var c *Conn
	var rounds atomic.Int64
	ask := segment{conv: 1, cmd: cmdAsk, wnd: 100} // each has the window told, which has the next one come
	c = NewConn(Config{Conv: 1, MTU: 1300, Send: 64, Receive: 64}, nil, nil, func([]byte, Code) {
		rounds.Add(1)
		_ = c.Deliver(ask.appendTo(nil)) // closed at the end
	})
	defer c.Close()
	done := make(chan error, 1)
	go func() {
		_, err := c.Write([]byte("x"))
		done <- err
	}()
	within(t, "Write", done)
	for deadline := time.Now().Add(time.Minute); rounds.Load() < 100*mostRounds; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("only %d questions were answered", rounds.Load())
		}
	}
}
