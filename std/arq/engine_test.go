package arq

import (
	"errors"
	"testing"
	"time"
)

// script is an engine whose packets a test reads and answers.
type script struct {
	*Engine
	t   *testing.T
	now time.Duration
	out []segment
}

func newScript(t *testing.T) *script {
	return &script{t: t, now: time.Second, Engine: New(Config{Conv: 3, MTU: 1300, Overhead: 48, Send: 1000, Receive: 100})}
}

// step lets time pass until nothing is due before the end, and returns what was sent.
func (s *script) step(d time.Duration) []segment {
	s.out = nil
	end := s.now + d
	for {
		emit(s.Engine, s.now, func(p []byte, _ Code) {
			for {
				seg, rest, ok := parse(p)
				if !ok {
					return
				}
				s.out = append(s.out, seg)
				p = rest
			}
		})
		at, ok := s.Next()
		if !ok || at > end {
			s.now = end
			return s.out
		}
		s.now = max(at, s.now+50*time.Microsecond)
	}
}

// hear processes a segment from the peer.
func (s *script) hear(seg segment) {
	s.t.Helper()
	seg.conv = 3
	if err := s.Input(s.now, seg.appendTo(nil)); err != nil {
		s.t.Fatal(err)
	}
}

func count(segs []segment, cmd byte) (n int) {
	for _, s := range segs {
		if s.cmd == cmd {
			n++
		}
	}
	return n
}

// An engine with nothing to do need not be called.
func TestEngineIdle(t *testing.T) {
	s := newScript(t)
	if at, ok := s.Next(); ok {
		t.Errorf("a call is due at %v, before anything was sent", at)
	}
	s.Write([]byte("hello"))
	out := s.step(50 * msec)
	if n := count(out, cmdPush); n != 3 || out[0].ts+uint32(firstCopy/msec) != out[1].ts { // with copies, for nothing is known of the link
		t.Fatalf("%+v was sent", out)
	}
	s.hear(segment{cmd: cmdAck, sn: 0, ts: out[0].ts, una: 1, wnd: 100})
	s.step(time.Second)
	if at, ok := s.Next(); ok {
		t.Errorf("all is acknowledged, and a call is due at %v", at-s.now)
	}
	s.hear(segment{cmd: cmdPush, sn: 0, una: 1, wnd: 100, data: []byte("answer")})
	if out := s.step(time.Second); count(out, cmdAck) != 1 || len(out) != 1 {
		t.Errorf("%+v was sent", out)
	}
	if _, ok := s.Next(); ok {
		t.Error("all is answered, and a call is due")
	}
}

// A peer without room is asked less and less often, and its answer lets us continue at
// once.
func TestEngineAsksForRoom(t *testing.T) {
	s := newScript(t)
	s.hear(segment{cmd: cmdTell, wnd: 0})
	s.snd.edge = 0
	s.Write(make([]byte, 100))
	out := s.step(20 * time.Second)
	if n := count(out, cmdAsk); n < 4 || n > 10 || count(out, cmdPush) > 0 {
		t.Errorf("%d questions in 20 s, %d segments of data", n, count(out, cmdPush))
	}
	s.hear(segment{cmd: cmdTell, wnd: 10})
	if out := s.step(msec); count(out, cmdPush) != 1 { // its copy comes later
		t.Errorf("there is room, and %+v is sent", out)
	}
	s.hear(segment{cmd: cmdAsk, una: 1, wnd: 10})
	if out := s.step(msec); count(out, cmdTell) != 1 || out[0].wnd != 100 {
		t.Errorf("asked for the window, %+v is sent", out)
	}
}

// Reading from a full queue tells the peer at once that there is room.
func TestEngineTellsRoom(t *testing.T) {
	s := newScript(t)
	for sn := range uint32(100) {
		s.hear(segment{cmd: cmdPush, sn: sn, data: []byte("x")})
	}
	out := s.step(time.Second)
	if last := out[len(out)-1]; last.wnd != 0 || last.una != 100 {
		t.Errorf("%+v", last)
	}
	s.Read(make([]byte, 10))
	if !s.Urgent() {
		t.Error("there is room, and nothing is urgent")
	}
	if out := s.step(msec); count(out, cmdTell) != 1 || out[0].wnd != 10 {
		t.Errorf("%+v", out)
	}
}

func TestEngineRefusesStrangePackets(t *testing.T) {
	s := newScript(t)
	other := segment{conv: 4, cmd: cmdPush, data: []byte("x")}
	short := segment{conv: 3, cmd: cmdPush, data: []byte("x")}
	odd := segment{conv: 3, cmd: 80}
	for _, p := range [][]byte{other.appendTo(nil), short.appendTo(nil)[:headerBytes], odd.appendTo(nil)} {
		if err := s.Input(s.now, p); !errors.Is(err, ErrSegment) {
			t.Errorf("% x: %v", p, err)
		}
	}
	if s.Readable() > 0 {
		t.Error("something of it is taken")
	}
}

// The pace limits everything sent, retransmissions included. The limit in the settings
// overrides the model's pace.
func TestEnginePaces(t *testing.T) {
	s := newScript(t)
	s.cfg.Limit = 100_000
	s.snd.edge = 1000
	s.Write(make([]byte, 500_000))
	sent := 0
	for _, seg := range s.step(2 * time.Second) {
		sent += headerBytes + len(seg.data) + 48
	}
	if sent > 200_000+4*mtu+mtu {
		t.Errorf("%d bytes were sent in 2 s with a limit of 100,000 a second", sent)
	}
}

// A pending retransmission or copy is useless once its segment has arrived. If much was in
// flight, even the slot of the segment is gone by then, and an engine that looked there
// crashed.
func TestEngineForgetsWhatHasArrived(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(s *script)
	}{
		{"lost", func(s *script) {
			s.markLost(s.snd.flight(s.snd.una))
			s.snd.markLost(s.snd.una, s.snd.flight(s.snd.una))
		}},
		{"copied", func(s *script) { s.copies.add(s.snd.una, s.snd.flight(s.snd.una), s.now, 1) }},
	} {
		s := newScript(t)
		s.snd.edge = 1000
		s.mdl.pace = 1e9
		s.mdl.rtt.known, s.mdl.bw = true, 1e9 // all at once
		s.Write(make([]byte, 500*1000))
		s.step(2 * msec)
		if len(s.snd.ring) <= keepRing {
			t.Fatalf("%s: %d segments are in flight", c.name, s.snd.next)
		}
		c.prepare(s)
		s.hear(segment{cmd: cmdTell, una: s.snd.next, wnd: 1000})
		s.now += 50 * msec
		if out := s.step(time.Second); count(out, cmdPush) > 0 {
			t.Errorf("%s: %d segments were sent that had arrived", c.name, len(out))
		}
		if _, ok := s.Next(); ok {
			t.Errorf("%s: something is due still", c.name)
		}
	}
}

// Nothing that a peer says makes an engine panic, or send without bounds.
func FuzzEngine(f *testing.F) {
	push := segment{conv: 3, cmd: cmdPush, sn: 0, wnd: 10, data: []byte("x")}
	ack := segment{conv: 3, cmd: cmdAck, sn: 0, ts: 1000, una: 1, wnd: 65535}
	run := segment{conv: 3, cmd: cmdAck, sn: 9, ts: 1000, wnd: 65535, data: []byte{5, 0}}
	f.Add(ack.appendTo(push.appendTo(nil)), uint16(10))
	f.Add(run.appendTo(nil), uint16(10))
	f.Fuzz(func(t *testing.T, b []byte, wait uint16) {
		s := newScript(t)
		s.Write(make([]byte, 20_000))
		s.step(100 * msec)
		for i := 0; i+headerBytes <= len(b); i += headerBytes {
			seg := append([]byte{3, 0, 0, 0, cmdPush + b[i]%4}, b[i+5:i+headerBytes-4]...)
			seg = append(seg, byte(len(b)-i-headerBytes), 0, 0, 0)
			seg = append(seg, b[i+headerBytes:]...)
			_ = s.Input(s.now, seg[:min(len(seg), headerBytes+int(seg[20]))])
			s.Read(make([]byte, 100))
			if out := s.step(time.Duration(wait) * time.Millisecond / 10); len(out) > 20_000 {
				t.Fatalf("%d segments were sent", len(out))
			}
		}
		if s.snd.outstanding < 0 || s.snd.una != s.snd.next && !s.snd.inRange(s.snd.una) {
			t.Fatalf("%d bytes in flight, una %d, next %d", s.snd.outstanding, s.snd.una, s.snd.next)
		}
		s.Close()
	})
}

// A sender that is called too late to keep its pace is limited by the CPU, and does not
// count as one with little to send.
func TestCPUIsTheLimit(t *testing.T) {
	for _, late := range []bool{false, true} {
		s := newScript(t)
		s.snd.edge, s.snd.most, s.snd.fits = 1<<20, 1<<20, 1<<20
		s.parity.calm = -time.Hour
		for range 100 {
			s.Write(make([]byte, 100_000))
			s.Output(s.now, new(Batch))
			s.mdl.rtt.known, s.mdl.pace, s.mdl.bw = true, 1e6, 1e9
			at, ok := s.Next()
			if !ok {
				t.Fatal("nothing is due")
			}
			if s.now = at; late {
				s.now += 50 * msec
			}
		}
		if limit := s.View().Limit; limit == "CPU" != late {
			t.Errorf("late: %t, and the limit is %s", late, limit)
		}
		if late && s.parity.calm > 2*time.Second {
			t.Errorf("it is taken for calm at %v", s.parity.calm)
		}
	}
}

// A client that sends a request learns from the una of the answer how long answers take,
// though it had to send the request again, and the acknowledgement finds no segment.
func TestTimeoutOfARequest(t *testing.T) {
	s := newScript(t)
	s.Write([]byte("request"))
	s.step(2 * time.Second)
	s.hear(segment{cmd: cmdPush, sn: 0, una: 1, wnd: 100, data: []byte("answer")})
	s.hear(segment{cmd: cmdAck, sn: 0, una: 1, wnd: 100})
	if got := s.rtt.timeout(); got < 2*time.Second || got > mostTimeout {
		t.Errorf("an answer may take %v, and took 2 s", got)
	}
}

// bulk writes n bytes, and returns what is sent of them in half a round trip.
func (s *script) bulk(n int) []segment {
	s.Write(make([]byte, n))
	return s.step(50 * msec)
}

// What was lost goes before what is new.
func TestLostGoesFirst(t *testing.T) {
	s := newScript(t)
	s.hear(segment{cmd: cmdTell, wnd: 1000})
	out := s.bulk(1_000_000)
	if len(out) < 20 {
		t.Fatalf("only %d segments in the first burst", len(out))
	}
	s.step(50 * msec)
	for _, seg := range out[1:] {
		s.hear(segment{cmd: cmdAck, sn: seg.sn, ts: seg.ts, wnd: 1000})
	}
	out = s.step(20 * msec)
	if len(out) < 2 || out[0].sn != 0 || out[1].sn <= out[0].sn {
		t.Errorf("%d segments are sent, the first are not the lost and then new ones", len(out))
	}
}

// A peer that has room for as much as KCP can say gets what the settings allow in flight.
func TestLargestWindow(t *testing.T) {
	s := newScript(t)
	s.hear(segment{cmd: cmdTell, wnd: 65535})
	s.Write(make([]byte, 4_000_000))
	sent := uint32(0)
	for range 200 {
		for _, seg := range s.step(10 * msec) {
			s.hear(segment{cmd: cmdAck, sn: seg.sn, ts: seg.ts, wnd: 65535}) // no una: all stay in the ring
		}
		sent = s.snd.next - s.snd.una
	}
	if sent != uint32(s.cfg.Send) {
		t.Errorf("%d segments are between una and the next, want %d", sent, s.cfg.Send)
	}
}

// After a minute without data nothing is due, and what is written then leaves at once, in a
// burst that is no longer than any other.
func TestWakeUp(t *testing.T) {
	s := newScript(t)
	s.hear(segment{cmd: cmdTell, wnd: 1000})
	for range 20 {
		out := s.bulk(20_000)
		s.step(50 * msec)
		for _, seg := range out {
			s.hear(segment{cmd: cmdAck, sn: seg.sn, ts: seg.ts, una: s.snd.next, wnd: 1000})
		}
	}
	s.hear(segment{cmd: cmdTell, una: s.snd.next, wnd: 1000})
	s.step(time.Second)
	if at, ok := s.Next(); ok {
		t.Errorf("all is acknowledged, and a call is due in %v", at-s.now)
	}
	s.now += time.Minute
	most := s.pace()*burst.Seconds() + 6*mtu
	s.Write(make([]byte, 500_000))
	bytes := 0
	for _, seg := range s.step(0) {
		bytes += len(seg.data)
	}
	if bytes == 0 || float64(bytes) > most {
		t.Errorf("%d bytes leave at once, want some, and at most %.0f", bytes, most)
	}
}
