package arq

import (
	"testing"
	"time"
)

// sendAll numbers and sends what is in the queue, a millisecond apart, from a time on.
func sendAll(s *sender, from time.Duration) {
	for i := time.Duration(0); s.mayNumber(); i++ {
		sn, f := s.number()
		f.ts = s.clock(f, from+i*msec)
		s.sent(sn, f, from+i*msec, 100)
	}
}

func newTestSender(first uint32, segments int) sender {
	s := newSender(10, 1000)
	s.una, s.next, s.edge = first, first, first+1000
	s.write(make([]byte, 10*segments))
	return s
}

func TestSenderFillsSegments(t *testing.T) {
	s := newTestSender(0, 0)
	for _, n := range []int{3, 4, 25, 1} {
		s.write(make([]byte, n))
	}
	if len(s.queue) != 4 || s.queued != 33 || len(s.queue[3].data()) != 3 {
		t.Errorf("%d segments, %d bytes", len(s.queue), s.queued)
	}
}

// Whatever a peer claims about segments that it cannot have changes nothing.
func TestSenderDoubtsLies(t *testing.T) {
	for _, first := range []uint32{0, 1<<32 - 3, 1<<31 - 2} {
		s := newTestSender(first, 5)
		sendAll(&s, time.Second)
		s.acknowledge(echo{first + 5, 0})
		s.acknowledge(echo{first - 1, 0})
		s.acknowledge(echo{first + 1<<31, 0})
		s.advance(first + 6)
		s.advance(first - 1)
		s.advance(first + 1<<31)
		s.open(first+6, 65535)
		s.open(first-1, 65535)
		if s.una != first || s.outstanding != 500 || s.deliveredBytes != 0 || s.edge != first+1000 {
			t.Errorf("from %d: una %d, %d bytes in flight, %d delivered, edge %d", first, s.una, s.outstanding, s.deliveredBytes, s.edge)
		}
		s.open(first, 0) // an old packet told less
		if s.edge != first+1000 {
			t.Errorf("the edge went back to %d", s.edge)
		}
		s.advance(first + 5)
		if s.una != first+5 || s.outstanding != 0 || s.deliveredBytes != 500 {
			t.Errorf("from %d: una %d, %d in flight, %d delivered", first, s.una, s.outstanding, s.deliveredBytes)
		}
		s.free()
	}
}

// The clock value in an acknowledgement tells which transmission has arrived.
func TestSenderKnowsTransmissions(t *testing.T) {
	s := newTestSender(0, 3)
	sendAll(&s, time.Second)
	f := s.flight(0)
	first := f.ts
	s.markLost(0, f)
	if s.clock(f, time.Second) == first { // in the same millisecond
		t.Fatal("two transmissions have one clock")
	}
	f.ts = s.clock(f, 1500*msec)
	s.sent(0, f, 1500*msec, 100)
	if at, known, late := s.acknowledge(echo{1, s.flight(1).ts}); !known || at != 1001*msec || late != 0 {
		t.Errorf("%v, %v, %v", at, known, late)
	}
	if _, known, late := s.acknowledge(echo{0, first}); known || late != msec {
		t.Errorf("the first transmission is taken for the second: %v, %v", known, late)
	}
	if _, known, _ := s.acknowledge(echo{0, f.ts}); known {
		t.Error("an acknowledgement counts twice")
	}
	if at, known, _ := s.acknowledge(echo{2, 12345}); known {
		t.Errorf("a clock that was never sent tells of %v", at)
	}
	if s.outstanding != 0 || s.deliveredBytes != 300 {
		t.Errorf("%d in flight, %d delivered", s.outstanding, s.deliveredBytes)
	}
}

func TestSenderKeepsToWindows(t *testing.T) {
	s := newTestSender(0, 100)
	s.edge = 7
	sendAll(&s, 0)
	if s.next != 7 || !s.shut() {
		t.Errorf("%d were sent into a window of 7", s.next)
	}
	s.open(0, 50)
	s.most = 30
	sendAll(&s, 0)
	if s.next != 30 || s.shut() {
		t.Errorf("%d were sent with 30 allowed", s.next)
	}
}

// The rings grow with what is in flight, and are released when nothing is.
func TestSenderRings(t *testing.T) {
	s := newTestSender(1<<32-500, 1000)
	sendAll(&s, 0)
	for sn := s.una; sn != s.next; sn++ {
		if f := s.flight(sn); f.state != inFlight || s.log[f.tx&uint64(len(s.log)-1)].sn != sn {
			t.Fatalf("%d is not where it belongs", sn)
		}
	}
	s.advance(s.next)
	if len(s.ring) != 0 || len(s.log) != 0 {
		t.Errorf("%d and %d entries are kept for nothing", len(s.ring), len(s.log))
	}
	s.open(s.una, 100)
	s.write(make([]byte, 100))
	sendAll(&s, 0)
	if s.outstanding != 1000 {
		t.Errorf("%d bytes in flight", s.outstanding)
	}
}

// A copy that replaces a lost transmission is late because it was sent late, which says
// nothing about reordering on the link. Its clock value distinguishes it from the first
// transmission.
func TestSenderLearnsNoLatenessOfCopies(t *testing.T) {
	for _, copies := range []uint32{0, 1} {
		s := newTestSender(0, 3)
		sendAll(&s, time.Second)
		s.acknowledge(echo{2, s.flight(2).ts})
		if _, _, late := s.acknowledge(echo{0, s.flight(0).ts + copies*uint32(onlyCopy/msec)}); late > 0 != (copies == 0) {
			t.Errorf("%d copies: late by %v", copies, late)
		}
	}
}
