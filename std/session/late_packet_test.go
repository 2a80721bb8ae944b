package session

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/mux"
	"kcptun/std/testkit"
)

// slowLane is a link whose reader is told late of what it has read while held is set.
type slowLane struct {
	*link.Conn
	held      atomic.Bool
	read, let chan struct{}
}

func (l *slowLane) ReadFrom(p []byte) (int, net.Addr, error) {
	n, addr, err := l.Conn.ReadFrom(p)
	if err == nil && l.held.Swap(false) {
		l.read <- struct{}{}
		<-l.let
	}
	return n, addr, err
}

// A packet that was read before its session was closed, and is processed afterwards, begins no
// other session: what Accept returns next is the conversation of another client.
func TestLatePacketOfAClosedSession(t *testing.T) {
	for _, mode := range []string{"fast3", "auto"} {
		t.Run(mode, func(t *testing.T) {
			cc, sc := testConfig(config.Client), testConfig(config.Server)
			cc.Mode, sc.Mode = mode, mode
			ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
			defer cancel()
			l, err := link.Listen(ctx, linkOptions(t, sc), "127.0.0.1:0")
			must(t, err)
			lane := &slowLane{Conn: l, read: make(chan struct{}), let: make(chan struct{})}
			server := New(sc)
			var lis Listener
			if mode == "auto" { // it reads by other means
				lis, err = server.Listen(l, l)
			} else {
				lis, err = server.Listen(l, lane)
			}
			must(t, err)
			defer closeSessions(l, lis)

			client := call(t, ctx, cc, l)
			first, err := lis.Accept()
			must(t, err)
			sess, err := server.Server(ctx, first, func(Difference) {})
			must(t, err)
			if a, ok := lis.(*autoListener); ok {
				sess.Close(errTestEnds)
				a.deliver(first.peer, push(first.Conv(), 1))
			} else {
				lane.held.Store(true)
				_, err = client.Write([]byte("late"))
				must(t, err)
				<-lane.read
				sess.Close(errTestEnds)
				close(lane.let)
			}
			call(t, ctx, cc, l)
			if second, err := lis.Accept(); err != nil || second.Conv() == first.Conv() {
				t.Errorf("another session of the closed conversation begins: %v", err)
			} else {
				second.Drop()
			}
		})
	}
}

// call begins a session with the server behind a link, and returns a stream that was used.
func call(t *testing.T, ctx context.Context, cfg *config.Config, to *link.Conn) *mux.Stream {
	t.Helper()
	l, err := link.Dial(ctx, linkOptions(t, cfg), to.LocalAddr().String())
	must(t, err)
	s, err := New(cfg).Client(l, rand.Uint32())
	must(t, err)
	t.Cleanup(func() { s.Close(errTestEnds) })
	st, err := s.Open()
	must(t, err)
	_, err = st.Write([]byte("hello"))
	must(t, err)
	return st
}

// push is a segment of a byte of data.
func push(conv, sn uint32) []byte {
	p := make([]byte, 25)
	binary.LittleEndian.PutUint32(p, conv)
	p[4] = 81
	p[6] = 128
	binary.LittleEndian.PutUint32(p[12:], sn)
	p[20] = 1
	return p
}
