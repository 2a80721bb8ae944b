package mux

import (
	"bytes"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// megabyte is a connection that takes 1 MB a second.
type megabyte struct {
	*sink
	marks chan struct{} // one for each "MARK" written
}

func (c megabyte) WriteBuffers(v [][]byte) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	case <-time.After(time.Duration(sizeOf(v)) * time.Microsecond):
	}
	for _, b := range v {
		if bytes.Contains(b, []byte("MARK")) {
			c.marks <- struct{}{}
		}
	}
	return sizeOf(v), nil
}

// Among many streams that write all they can, each has its turn, and one that writes
// little now and then does not wait for all of them.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams = 300
		conn := megabyte{newSink(), make(chan struct{}, 1)}
		cfg := testConfig(1, true)
		cfg.Patience = 1000 * time.Hour
		s := start(t, conn, cfg)
		var wrote [streams]int
		for i := range wrote {
			st, err := s.Open()
			must(t, err)
			go func() {
				for b := make([]byte, 64<<10); ; wrote[i]++ {
					if _, err := st.Write(b); err != nil {
						return
					}
				}
			}()
		}
		little, err := s.Open()
		must(t, err)
		var longest time.Duration
		for end := time.Now().Add(200 * time.Second); time.Now().Before(end); time.Sleep(37 * time.Millisecond) {
			began := time.Now()
			_, err := little.Write([]byte("MARK"))
			must(t, err)
			<-conn.marks
			longest = max(longest, time.Since(began))
		}
		synctest.Wait()
		if longest > time.Second {
			t.Errorf("a small write took %v", longest)
		}
		if least, most := slices.Min(wrote[:]), slices.Max(wrote[:]); least < most-2 {
			t.Errorf("streams wrote from %d to %d times", least, most)
		}
		s.Close(errEnough)
	})
}
