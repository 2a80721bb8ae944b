package arq

import (
	"fmt"
	"slices"
	"testing"
)

// told is acknowledgements as text: the segment, and after a minus how many before it.
func told(acks []ack) (s []string) {
	for _, a := range acks {
		s = append(s, fmt.Sprintf("%d-%d", a.sn, a.before))
	}
	return s
}

// Early segments that arrive in order are acknowledged as one run, in this packet and in
// the next ones, with what extends it. One that was overtaken has an acknowledgement of its
// own.
func TestReceiverTellsRuns(t *testing.T) {
	r := newReceiver(100, false)
	r.runs, r.unheard = true, false
	for _, c := range []struct {
		arrive []uint32
		told   []string
	}{
		{[]uint32{0, 2, 3, 4, 5, 6}, []string{"6-4"}},
		{[]uint32{7, 8}, []string{"8-6"}},
		{[]uint32{10, 11, 9, 12}, []string{"6-4", "11-1", "9-0", "12-0"}}, // a short run is not repeated at once
		{nil, nil},
		{[]uint32{13}, []string{"8-6", "13-0"}},
		{[]uint32{14}, []string{"6-4", "11-1", "9-0", "12-0", "14-0"}},
		{[]uint32{1}, []string{"1-0"}},
	} {
		pushAll(&r, c.arrive...)
		if got := told(r.due(nil)); !slices.Equal(got, c.told) {
			t.Errorf("after %v: %v, want %v", c.arrive, got, c.told)
		}
	}
}

// A run counts for all of its segments, whoever says so, and for nothing else.
func TestRunsAcknowledge(t *testing.T) {
	for _, c := range []struct {
		name    string
		sn      uint32
		data    []byte
		arrived []uint32
	}{
		{"one", 5, nil, []uint32{5}},
		{"a run", 5, []byte{3, 0}, []uint32{2, 3, 4, 5}},
		{"more than was sent", 5, []byte{0xff, 0xff}, []uint32{0, 1, 2, 3, 4, 5}},
		{"to a segment that was not sent", 11, []byte{2, 0}, []uint32{9}},
		{"data of another length", 5, []byte{3, 0, 0}, []uint32{5}},
	} {
		s := newScript(t)
		s.Write(make([]byte, 10*s.snd.mss))
		s.step(20 * msec)
		if s.snd.next != 10 {
			t.Fatalf("%d segments were sent", s.snd.next)
		}
		s.hear(segment{cmd: cmdAck, sn: c.sn, ts: s.snd.flight(5).ts, wnd: 100, data: c.data})
		var arrived []uint32
		for sn := range uint32(10) {
			if s.snd.flight(sn).state == delivered {
				arrived = append(arrived, sn)
			}
		}
		if !slices.Equal(arrived, c.arrived) {
			t.Errorf("%s: %v have arrived, want %v", c.name, arrived, c.arrived)
		}
	}
}

// Only a peer that is known to understand runs is told of them.
func TestRunsNeedConsent(t *testing.T) {
	for _, runs := range []bool{false, true} {
		s := newScript(t)
		if runs {
			s.TellRuns()
		}
		for sn := uint32(1); sn <= 20; sn++ {
			s.hear(segment{cmd: cmdPush, sn: sn, wnd: 100, data: []byte("x")})
		}
		want := 20
		if runs {
			want = 1
		}
		acks := s.step(20 * msec)
		if n := count(acks, cmdAck); n != want || len(acks[n-1].data) > 0 != runs {
			t.Errorf("runs %t: %d acknowledgements, the last with %d bytes of data", runs, n, len(acks[n-1].data))
		}
	}
}
