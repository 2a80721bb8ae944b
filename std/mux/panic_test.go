package mux

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"kcptun/std/rescue"
	"kcptun/std/testkit"
)

// faulty is a connection whose methods panic.
type faulty struct {
	net.Conn
	read, write bool
}

func (f *faulty) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if f.read {
		panic("read")
	}
	return n, err
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.write {
		panic("write")
	}
	return f.Conn.Write(p)
}

// A panic below a session ends only that session, and is its reason. It used to end the
// program.
func TestPanicEndsTheSession(t *testing.T) {
	for _, c := range []struct {
		name string
		conn faulty
		say  func(st *Stream) error
	}{
		{"read", faulty{read: true}, func(st *Stream) error { _, err := st.Write([]byte("x")); return err }},
		{"write", faulty{write: true}, func(st *Stream) error { _, err := st.Write([]byte("x")); return err }},
		{"write of the gatherer", faulty{write: true}, (*Stream).CloseWrite},
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.NoLeak(t)
			log, book := testkit.NewLog()
			panics := &rescue.Net{Log: log}
			cfg := testConfig(2, true)
			cfg.Panics = panics
			here, there := net.Pipe()
			c.conn.Conn = here
			s := start(t, &c.conn, cfg)
			far := start(t, there, testConfig(2, false))
			other, _ := withPeer(t, cfg)
			st, err := s.Open()
			must(t, err)
			_ = c.say(st) // the panic may come before it returns
			far.Ask()
			testkit.Within(t, "the end of the session", s.Ended())
			var p *rescue.Panic
			if !errors.As(s.Err(), &p) || panics.Caught() == 0 {
				t.Errorf("%v, %d caught", s.Err(), panics.Caught())
			}
			testkit.Contains(t, book.String(), "panic, its stream or session ends", "stack=")
			if _, err := st.Read(make([]byte, 1)); err == nil || err == io.EOF {
				t.Error("its stream ends with ", err)
			}
			if other.Err() != nil {
				t.Error("the other session: ", other.Err())
			}
			for _, s := range []*Session{s, far, other} {
				s.Close(errEnough)
			}
		})
	}
}

// A panic with a stream's lock held ends the session, too. Its end waited for that lock for
// ever.
func TestPanicUnderTheLockOfAStream(t *testing.T) {
	log, _ := testkit.NewLog()
	var held atomic.Pointer[Stream]
	cfg := testConfig(2, false)
	cfg.Panics = &rescue.Net{Log: log}
	cfg.Window = func() int64 {
		if st := held.Load(); st != nil {
			if !st.mu.TryLock() {
				panic("window")
			}
			st.mu.Unlock()
		}
		return 1 << 20
	}
	s, far := withPeer(t, cfg)
	go far.drop()
	st := newStream(s, 3)
	held.Store(st)
	st.in.idle = true // it is reckoned anew when something comes
	s.mu.Lock()
	s.streams[3] = st
	s.mu.Unlock()
	far.send(cmdPSH, 3, []byte("x"))
	closed := make(chan struct{})
	go func() {
		<-s.Ended()
		s.Close(nil)
		close(closed)
	}()
	testkit.Within(t, "the end", closed)
	if cfg.Panics.Caught() != 1 {
		t.Errorf("%d panics were caught", cfg.Panics.Caught())
	}
}
