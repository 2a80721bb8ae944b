package mux

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestUsage(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	for name, c := range map[string]struct {
		after []time.Duration // of each arrival, since the one before
		want  []bool
	}{
		"one answer, soon after the start":  {[]time.Duration{2 * s, 0, 100 * ms, 800 * ms}, []bool{false, false, false, false}},
		"keys":                              {[]time.Duration{0, 600 * ms, 600 * ms, 600 * ms, 600 * ms}, []bool{false, false, true, false, true}},
		"two moments":                       {[]time.Duration{0, useApart}, []bool{false, true}},
		"a pause":                           {[]time.Duration{0, useWithin, useWithin + 1, useApart}, []bool{false, true, false, true}},
		"keepalives, about every 15 s":      {[]time.Duration{0, 15 * s, 15 * s, 100 * ms, 15 * s}, []bool{false, false, false, false, false}},
		"a transfer, told once each second": {[]time.Duration{0, 999 * ms, ms, ms, ms, 998 * ms}, []bool{false, false, true, false, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			u := neverUsed
			now := time.Hour
			for i, after := range c.after {
				now += after
				if got := u.arrived(now); got != c.want[i] {
					t.Errorf("arrival %d, after %v: in use %v, want %v", i, after, got, c.want[i])
				}
			}
		})
	}
}

// The session is told that a stream is in use when data arrives at two moments. Frames
// without data and other streams do not count.
func TestInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told int
		cfg := testConfig(2, true)
		cfg.InUse = func() { told++ }
		s, peer := withPeer(t, cfg)
		go peer.drop()
		streams := make([]*Stream, 2)
		for i := range streams {
			st, err := s.Open()
			must(t, err)
			defer st.Close()
			must(t, st.Flush())
			streams[i] = st
		}
		expect := func(want int, command byte, id uint32, data string) {
			t.Helper()
			time.Sleep(useApart)
			peer.send(command, id, []byte(data))
			synctest.Wait()
			if told != want {
				t.Errorf("told %d times, want %d", told, want)
			}
		}
		expect(0, cmdPSH, streams[0].ID(), "answer")
		expect(0, cmdNOP, nopAnswers, "")
		expect(0, cmdPSH, streams[1].ID(), "another answer")
		expect(1, cmdPSH, streams[0].ID(), "answer")
		expect(2, cmdPSH, streams[1].ID(), string(make([]byte, 2*smallBlock)))
	})
}
