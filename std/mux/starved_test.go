package mux

import (
	"testing"
	"testing/synctest"
	"time"

	"kcptun/std/clock"
)

// A session is starved while it is full, and while its peer, which should have been heard,
// is not. It remembers when that was.
func TestLastStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(1, false)
		cfg.ReceiveBuffer = smallBlock
		s, peer, st := accepted(t, cfg)
		go peer.drop()
		since := func() time.Duration { return clock.Now() - s.lastStarved() }
		expect := func(when string, least, most time.Duration) {
			t.Helper()
			if d := since(); d < least || d > most {
				t.Errorf("%s: starved %v ago, want %v to %v", when, d, least, most)
			}
		}
		expect("at first", time.Hour, 1<<63-1)
		peer.send(cmdPSH, 3, make([]byte, smallBlock))
		synctest.Wait()
		time.Sleep(10 * time.Second)
		expect("while full", 0, 0)
		_, err := st.Read(make([]byte, smallBlock))
		must(t, err)
		synctest.Wait()
		peer.send(cmdNOP, nopAnswers, nil)
		time.Sleep(7 * time.Second)
		expect("after that", 7*time.Second, 7*time.Second)
		time.Sleep(33 * time.Second) // 40 s since it was heard
		expect("while the peer is silent", 0, 0)
		peer.send(cmdNOP, nopAnswers, nil)
		time.Sleep(time.Second)
		expect("after that", time.Second, time.Second+cfg.KeepAlive*5/4)
		s.end(errEnough)
		time.Sleep(time.Hour)
		expect("at the end", time.Hour, time.Hour+time.Minute)
	})
}
