package main

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/shutdown"
	"kcptun/std/testkit"
)

// recorder forwards the datagrams of one client to a server and back, and keeps those
// of the client.
type recorder struct {
	front, back *net.UDPConn

	mu       sync.Mutex
	recorded [][]byte
}

func record(t *testing.T, server *net.UDPAddr) *recorder {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.DialUDP("udp4", nil, server)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{front: front, back: back}
	var client atomic.Pointer[net.UDPAddr]
	var wg sync.WaitGroup
	wg.Go(func() {
		forward(front, func(b []byte, from *net.UDPAddr) {
			client.Store(from)
			r.mu.Lock()
			r.recorded = append(r.recorded, append([]byte(nil), b...))
			r.mu.Unlock()
			_, _ = back.Write(b)
		})
	})
	wg.Go(func() {
		forward(back, func(b []byte, _ *net.UDPAddr) { _, _ = front.WriteToUDP(b, client.Load()) })
	})
	t.Cleanup(func() { front.Close(); back.Close(); wg.Wait() })
	return r
}

func forward(from *net.UDPConn, to func([]byte, *net.UDPAddr)) {
	buf := make([]byte, 2000)
	for {
		n, addr, err := from.ReadFromUDP(buf)
		if err != nil {
			return
		}
		to(buf[:n], addr)
	}
}

// datagrams are those that were recorded.
func (r *recorder) datagrams() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.recorded
}

// A recorded session that was played again from another address had the server connect
// to the target, and hand it the recorded requests once more.
func TestRecordedSessionReachesNoTarget(t *testing.T) {
	for _, mode := range []string{"fast3", "auto"} {
		t.Run(mode, func(t *testing.T) { replaySession(t, mode) })
	}
}

func replaySession(t *testing.T, mode string) {
	testkit.NoLeak(t)
	var reached atomic.Int32
	cfg := newConfig(config.Server)
	cfg.Mode = mode
	cfg.Target = target(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		reached.Add(1)
		echoes(c)
	})
	s := start(t, cfg, 1)
	server := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.port}
	r := record(t, server)
	client := newConfig(config.Client)
	client.Mode = mode
	sess, _ := dialSession(t, client, r.front.LocalAddr().String(), 5)
	for range 3 {
		st := open(t, sess)
		echo(t, st, "an order")
		st.Close()
	}
	if n := reached.Load(); n != 3 {
		t.Fatalf("the client reached the target %d times", n)
	}
	again := func(to *started) *net.UDPConn {
		other, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to.port})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { other.Close() })
		for range 3 {
			for _, d := range r.datagrams() {
				if _, err := other.Write(d); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond) // the server's buffer is no matter here
			}
		}
		return other
	}
	again(s)
	late, _ := dialSession(t, client, server.String(), 6)
	st := open(t, late)
	echo(t, st, "who comes behind it gets in") // all before has been dealt with
	st.Close()
	if n := reached.Load(); n != 4 {
		t.Errorf("the recording reached the target %d times", n-4)
	}
	if n := s.log.Count("session opened"); n != 2 {
		t.Errorf("%d sessions opened", n)
	}
	if err := s.end(t); err != nil {
		t.Error(err)
	}

	// Another run does not remember the number. It speaks to the other address, which has
	// heard all that was recorded.
	next := start(t, cfg, 1)
	other := again(next)
	_ = other.SetReadDeadline(time.Now().Add(testkit.Patience))
	if _, err := other.Read(make([]byte, 2000)); err != nil {
		t.Fatal("the recording began no session: ", err)
	}
	late, _ = dialSession(t, client, fmt.Sprintf("127.0.0.1:%d", next.port), 7)
	st = open(t, late)
	echo(t, st, "who comes behind it gets in")
	st.Close()
	if n := reached.Load(); n != 5 {
		t.Errorf("the recording reached the target %d times in the next run", n-5)
	}
	begun := time.Now()
	if err := next.end(t); err != nil || time.Since(begun) > shutdown.Grace+shutdown.DrainLimit {
		t.Errorf("with a session that is not confirmed the server ended after %v, %v", time.Since(begun), err)
	}
	testkit.Contains(t, next.log.String(), `conv=5 reason="server ends" times=1`)
	if n := next.log.Count("session opened"); n != 1 {
		t.Errorf("%d sessions opened in the next run", n)
	}
}
