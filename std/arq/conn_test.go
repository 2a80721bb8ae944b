package arq

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cable is two Conns that pass their packets to each other, each in a goroutine of its own.
// One packet in n is lost.
type cable struct {
	a, b *Conn
	wg   sync.WaitGroup
	ways [2]chan []byte

	resent atomic.Uint64 // by either, as Count was told
}

func newCable(t *testing.T, loseEach int) *cable {
	t.Helper()
	c := new(cable)
	cfg := Config{Conv: 9, MTU: 1300, Overhead: 48, Send: 1024, Receive: 256}
	cfg.Count = func(s Stats) { c.resent.Add(s.Resent) }
	sender := func(way int) func([]byte, Code) {
		c.ways[way] = make(chan []byte, 1<<14)
		n := 0
		return func(p []byte, _ Code) {
			if n++; loseEach == 0 || n%loseEach != 0 {
				c.ways[way] <- bytes.Clone(p)
			}
		}
	}
	c.a = NewConn(cfg, nil, nil, sender(0))
	c.b = NewConn(cfg, nil, nil, sender(1))
	for way, to := range []*Conn{c.b, c.a} {
		c.wg.Go(func() {
			for p := range c.ways[way] {
				_ = to.Deliver(p) // closed at the end
			}
		})
	}
	t.Cleanup(func() {
		c.a.Close()
		c.b.Close()
		close(c.ways[0])
		close(c.ways[1])
		c.wg.Wait()
	})
	return c
}

func within(t *testing.T, what string, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s: not within a minute", what)
	}
}

// What is written at one end is read at the other, both ways at once, with and without
// loss.
func TestConnCarriesBothWays(t *testing.T) {
	for _, lose := range []int{0, 7} {
		c := newCable(t, lose)
		done := make(chan error, 4)
		for _, way := range [][2]*Conn{{c.a, c.b}, {c.b, c.a}} {
			want := make([]byte, 1<<20)
			_, _ = rand.Read(want)
			go func() {
				_, err := way[0].Write(want)
				done <- err
			}()
			go func() {
				got := make([]byte, len(want))
				_, err := io.ReadFull(way[1], got)
				if err == nil && !bytes.Equal(got, want) {
					err = errors.New("other bytes came")
				}
				done <- err
			}()
		}
		for range 4 {
			within(t, "a transfer", done)
		}
	}
}

// Close wakes whoever waits in Read and Write.
func TestConnCloseEndsWaits(t *testing.T) {
	silent := NewConn(Config{Conv: 1, MTU: 1300, Send: 64, Receive: 64}, nil, nil, func([]byte, Code) {})
	done := make(chan error, 2)
	go func() {
		_, err := silent.Read(make([]byte, 1))
		done <- err
	}()
	go func() {
		var err error
		for err == nil {
			_, err = silent.Write(make([]byte, 10000))
		}
		done <- err
	}()
	for silent.Pending() < 8<<10 {
		time.Sleep(time.Millisecond)
	}
	silent.Close()
	silent.Close()
	for range 2 {
		select {
		case err := <-done:
			if !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("Close left somebody waiting")
		}
	}
	if err := silent.Deliver(make([]byte, 100)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// An idle conversation sets no timer.
func TestConnIdle(t *testing.T) {
	c := newCable(t, 0)
	if _, err := c.a.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c.b, got); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		c.a.mu.Lock()
		_, due := c.a.engine.Next()
		c.a.mu.Unlock()
		if !due {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("something is still due")
		}
	}
}

// Everything written arrives in the end, even under heavy loss; a session that drains waits
// for that. The retransmissions are counted.
func TestConnDrainsUnderLoss(t *testing.T) {
	c := newCable(t, 5)
	const size = 200_000
	done := make(chan error, 2)
	go func() {
		_, err := io.CopyN(io.Discard, c.b, size)
		done <- err
	}()
	go func() {
		_, err := c.a.Write(make([]byte, size))
		done <- err
	}()
	within(t, "writing", done)
	within(t, "reading", done)
	for deadline := time.Now().Add(time.Minute); c.a.Pending() > 0 || c.resent.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes wait still, %d segments were sent again", c.a.Pending(), c.resent.Load())
		}
	}
}
