package mux

import (
	"bytes"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// megabyte is a connection that accepts 1 MB a second.
type megabyte struct {
	*sink
	marks chan struct{} // one token for each "MARK" written
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

// Among many streams that write as much as they can, each gets its turn, and a stream that
// seldom writes does not wait for all of them. This holds whether they wait in Write or
// wait for room without holding data.
func TestTurns(t *testing.T) {
	t.Run("Write", func(t *testing.T) {
		testTurns(t, func(st *Stream) error {
			_, err := st.Write(make([]byte, 64<<10))
			return err
		})
	})
	t.Run("AwaitRoom", func(t *testing.T) {
		var mu sync.Mutex
		var writing, most int // streams in Write
		testTurns(t, func(st *Stream) error {
			for todo := 64 << 10; todo > 0; {
				n, err := st.AwaitRoom(todo)
				if err != nil {
					return err
				}
				mu.Lock()
				writing++
				most = max(most, writing)
				mu.Unlock()
				n, err = st.Write(make([]byte, min(n, todo)))
				mu.Lock()
				writing--
				mu.Unlock()
				if err != nil {
					return err
				}
				todo -= n
			}
			return nil
		})
		if most > 20 { // of 300
			t.Errorf("%d streams were in Write at a time, in spite of AwaitRoom", most)
		}
	})
}

func testTurns(t *testing.T, write64K func(*Stream) error) {
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
				for ; write64K(st) == nil; wrote[i]++ {
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
		// In the bubble's time. Behind all streams it would be 19 s; depending on how
		// goroutines are scheduled it is 0.1 to 1.5 s.
		if longest > 5*time.Second {
			t.Errorf("a small write took %v", longest)
		}
		if least, most := slices.Min(wrote[:]), slices.Max(wrote[:]); least < most-2 {
			t.Errorf("streams wrote from %d to %d times", least, most)
		}
		s.Close(errEnough)
	})
}
