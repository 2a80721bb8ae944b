package e2e_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// handTarget is a target whose connections are answered by the test itself.
type handTarget struct {
	lis net.Listener
}

// startHand answers each connection with serve, which need not close it. All connections
// are closed at the end of the test.
func startHand(t *testing.T, serve func(conn *net.TCPConn)) *handTarget {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return // the listener was closed
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() { serve(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		lis.Close()
		mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return &handTarget{lis: lis}
}

func (h *handTarget) addr() string { return h.lis.Addr().String() }

// silentTarget reads until EOF and never sends or closes anything.
type silentTarget struct {
	*handTarget
	eof chan struct{} // one token for each connection that had EOF
}

func startSilent(t *testing.T) *silentTarget {
	t.Helper()
	s := &silentTarget{eof: make(chan struct{}, 16)}
	s.handTarget = startHand(t, func(conn *net.TCPConn) {
		if _, err := io.Copy(io.Discard, conn); err == nil {
			s.eof <- struct{}{}
		}
	})
	return s
}

func (s *silentTarget) waitEOF(t *testing.T) {
	t.Helper()
	select {
	case <-s.eof:
	case <-patient(t).Done():
		t.Fatal("the target was not told of EOF")
	}
}
