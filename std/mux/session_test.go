package mux

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"testing"
	"testing/synctest"

	"kcptun/std/testkit"
)

// Ids are those of smux: odd from 3 on for the client, even from 2 on for the server. The
// upper half is reserved for marks.
func TestStreamIDs(t *testing.T) {
	for _, c := range []struct {
		client bool
		next   uint32 // 0: a new session
		want   []uint32
		last   error // of the Open after those
	}{
		{true, 0, []uint32{3, 5, 7}, nil},
		{false, 0, []uint32{2, 4, 6}, nil},
		{true, math.MaxInt32 - 2, []uint32{math.MaxInt32 - 2, math.MaxInt32}, ErrExhausted},
		{false, math.MaxInt32 - 3, []uint32{math.MaxInt32 - 3, math.MaxInt32 - 1}, ErrExhausted},
	} {
		s := start(t, newSink(), testConfig(2, c.client))
		if c.next != 0 {
			s.next = c.next
		}
		for _, want := range c.want {
			st, err := s.Open()
			must(t, err)
			if st.ID() != want {
				t.Errorf("client=%t: id %d, want %d", c.client, st.ID(), want)
			}
		}
		for range 2 {
			if _, err := s.Open(); err != c.last {
				t.Errorf("client=%t: Open: %v, want %v", c.client, err, c.last)
			}
		}
	}
}

// A peer that opens streams with our ids does not make us run out of ids.
func TestPeerUsesOurIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := withPeer(t, testConfig(1, true))
		for _, id := range []uint32{3, 7} {
			peer.send(cmdSYN, id, nil)
		}
		synctest.Wait()
		for _, want := range []uint32{5, 9} {
			st, err := s.Open()
			must(t, err)
			if st.ID() != want {
				t.Errorf("id %d, want %d", st.ID(), want)
			}
		}
		theirs, err := s.Accept()
		must(t, err)
		done := false
		go func() {
			_, err = theirs.Read(make([]byte, 1))
			done = true
		}()
		synctest.Wait()
		s.Close(errEnough)
		synctest.Wait()
		if !done || err != errEnough {
			t.Errorf("Read returned: %t, %v", done, err)
		}
	})
}

// A SYN for an open stream changes nothing, and frames for an unknown stream are not an
// error.
func TestStrayFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer, st := accepted(t, testConfig(2, false))
		peer.send(cmdPSH, 3, []byte("one"))
		peer.send(cmdSYN, 3, nil)
		peer.send(cmdPSH, 9, []byte("x"))
		peer.send(cmdPSH, 9, make([]byte, 5000))
		peer.send(cmdFIN, 9, nil)
		peer.send(cmdUPD, 9, update(1, 2))
		peer.send(cmdPSH, 3, nil)
		peer.send(cmdPSH, 3, []byte("two"))
		peer.send(cmdFIN, 3, nil)
		peer.send(cmdFIN, 3, nil)
		if got, err := io.ReadAll(st); string(got) != "onetwo" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// Every blocked call returns when the session is closed, with the reason, and no goroutine
// is left; synctest checks that.
func TestCloseWakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer, st := accepted(t, testConfig(2, false))
		peer.send(cmdSYN, 5, nil)
		other, err := s.Accept()
		must(t, err)
		peer.send(cmdUPD, 5, update(0, 0))
		errs := make(map[string]error)
		results := make(chan func(), 100)
		waiting := 0
		wait := func(what string, f func() error) {
			waiting++
			go func() {
				err := f()
				results <- func() { errs[what] = err }
			}()
			synctest.Wait()
		}
		wait("Accept", func() error { _, err := s.Accept(); return err })
		wait("second Accept", func() error { _, err := s.Accept(); return err })
		wait("Read", func() error { _, err := st.Read(make([]byte, 1)); return err })
		wait("WriteTo", func() error { _, err := other.WriteTo(io.Discard); return err })
		wait("Write without credit", func() error { _, err := other.Write([]byte("x")); return err })
		wait("Write in the connection", func() error { _, err := st.Write(make([]byte, 1000)); return err })
		var opened [4]*Stream
		for i := range opened {
			opened[i], err = s.Open()
			must(t, err)
		}
		for i, opened := range opened {
			wait(fmt.Sprintf("Write %d", i), func() error { _, err := opened.Write(make([]byte, 100000)); return err })
		}
		wait("WriteCorked", func() error { _, err := st.WriteCorked(make([]byte, 100000)); return err })
		for range gatherBytes / headerBytes {
			s.post(cmdNOP, 0, false) // there is no room for small writes either
		}
		wait("AwaitRoom", func() error { _, err := opened[0].AwaitRoom(1); return err })
		wait("AwaitRoom without credit", func() error { _, err := other.AwaitRoom(1); return err })
		wait("Nop", s.Nop)
		if len(results) > 0 {
			t.Errorf("%d of %d do not wait", len(results), waiting)
		}
		s.Close(errEnough)
		s.Close(errors.New("another reason"))
		synctest.Wait()
		if len(results) != waiting {
			t.Errorf("%d of %d have returned", len(results), waiting)
		}
		for len(results) > 0 {
			(<-results)()
		}
		for what, err := range errs {
			switch what {
			case "Nop":
				if err != io.ErrClosedPipe {
					t.Errorf("%s: %v", what, err)
				}
			default:
				if err != errEnough {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
		for what, f := range map[string]func() error{
			"Accept":     func() error { _, err := s.Accept(); return err },
			"Open":       func() error { _, err := s.Open(); return err },
			"Read":       func() error { _, err := st.Read(make([]byte, 1)); return err },
			"Write":      func() error { _, err := other.Write([]byte("x")); return err },
			"Flush":      other.Flush,
			"CloseWrite": opened[0].CloseWrite,
		} {
			if err := f(); err != errEnough {
				t.Errorf("%s after Close: %v", what, err)
			}
		}
		must(t, st.Close())
		must(t, other.Close())
	})
}

// Close does not wait for a receiver that is waiting for readers or for Accept.
func TestCloseWhilePaused(t *testing.T) {
	for name, fill := range map[string]func(peer *rawPeer) error{
		"unread": func(peer *rawPeer) error {
			_, err := peer.Write(frame{cmdPSH, 3, make([]byte, 1000)}.bytes(1))
			return err
		},
		"backlog": func(peer *rawPeer) error {
			id := uint32(5)
			for {
				if _, err := peer.Write(frame{cmdSYN, id, nil}.bytes(1)); err != nil {
					return err
				}
				id += 2
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig(1, false)
				cfg.ReceiveBuffer = 1000
				s, peer, _ := accepted(t, cfg)
				go fill(peer)
				synctest.Wait()
				if !s.paused.Load() {
					t.Error("the receiver does not wait")
				}
				s.Close(errEnough)
			})
		})
	}
}

// A writer that is blocked in the connection blocks neither Close of a stream nor the
// receiver.
func TestStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer, st := accepted(t, testConfig(2, false))
		opened := make([]*Stream, 5)
		for i := range opened {
			var err error
			opened[i], err = s.Open()
			must(t, err)
		}
		for _, o := range opened {
			go o.Write(make([]byte, 100000))
		}
		synctest.Wait()
		if s.out.busy != true || len(s.out.pending) < s.out.limit(maxWrite) {
			t.Error("the connection takes more")
		}
		for _, o := range opened {
			must(t, o.Close())
		}
		if n := s.NumStreams(); n != 1 {
			t.Errorf("%d streams are left", n)
		}
		peer.send(cmdNOP, 0, nil)
		peer.send(cmdPSH, 3, []byte("hello"))
		peer.send(cmdSYN, 5, nil)
		peer.send(cmdUPD, 3, update(0, 77))
		_, err := s.Accept()
		must(t, err)
		_, err = io.ReadFull(st, make([]byte, 5))
		must(t, err)
		synctest.Wait()
		if st.window != 77 {
			t.Errorf("window %d", st.window)
		}
		// What was written goes out once the connection accepts it.
		fins := 0
		go func() {
			for f, err := readFrame(peer); err == nil; f, err = readFrame(peer) {
				if f.command == cmdFIN {
					fins++
				}
			}
		}()
		synctest.Wait()
		s.Close(errEnough)
		synctest.Wait()
		if fins != len(opened) {
			t.Errorf("%d FINs, want %d", fins, len(opened))
		}
	})
}

// An error of the connection is returned by later writes, and ends the session even if
// there is nothing to read.
func TestWriteError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := &failing{sink: newSink()}
		s := start(t, conn, testConfig(2, true))
		st, err := s.Open()
		must(t, err)
		for range 2 {
			if _, err := st.Write(make([]byte, 100000)); err != errEnough && err != ErrCut {
				t.Errorf("Write: %v", err)
			}
		}
		if _, err := s.Accept(); err != errEnough {
			t.Errorf("Accept: %v", err)
		}
		if _, err := s.Open(); err != errEnough {
			t.Errorf("Open: %v", err)
		}
		if n := s.NumStreams(); n != 1 {
			t.Errorf("%d streams: what could not be opened is open", n)
		}
		must(t, st.Close())
	})
}

// failing is a connection whose writes fail.
type failing struct{ *sink }

func (failing) Write([]byte) (int, error) { return 0, errEnough }

// Only this many streams wait for Accept. The rest is received in order once there is room.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams = backlog + 500
		s, peer := withPeer(t, testConfig(1, false))
		sent := 0
		go func() {
			for i := range streams {
				peer.send(cmdSYN, uint32(3+2*i), nil)
				sent++
			}
		}()
		synctest.Wait()
		if sent != backlog+1 || !s.paused.Load() {
			t.Errorf("%d streams were received, want %d and one in hand", sent, backlog)
		}
		for i := range streams {
			st, err := s.Accept()
			must(t, err)
			if want := uint32(3 + 2*i); st.ID() != want {
				t.Fatalf("stream %d, want %d", st.ID(), want)
			}
			synctest.Wait()
			if want := min(streams, backlog+2+i); sent != want {
				t.Fatalf("%d streams were received after %d were accepted, want %d", sent, i+1, want)
			}
		}
	})
}

// A peer cannot make us keep any number of streams: those above the limit are reset at
// once, and the others go on.
func TestTooManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := withPeer(t, testConfig(1, false))
		go func() {
			for {
				if _, err := s.Accept(); err != nil {
					return
				}
			}
		}()
		for i := range uint32(maxStreams) {
			peer.send(cmdSYN, 3+2*i, nil)
		}
		const more = 3 + 2*maxStreams
		go peer.send(cmdSYN, more, nil)
		for _, want := range []byte{cmdNOP, cmdNOP, cmdFIN} {
			f, err := readFrame(peer)
			must(t, err)
			if f.command != want || f.stream != more {
				t.Errorf("%v", f)
			}
		}
		if n := s.NumStreams(); n != maxStreams {
			t.Errorf("%d streams", n)
		}
		go peer.send(cmdFIN, 3, nil)
		synctest.Wait()
		if st := s.stream(3); !st.Finished() {
			t.Error("an old stream does not go on")
		}
	})
}

// Waiting streams go to all callers of Accept, even after the end.
func TestAcceptByMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := withPeer(t, testConfig(1, false))
		got := make(chan uint32, 10)
		for range 3 {
			go func() {
				if st, err := s.Accept(); err == nil {
					got <- st.ID()
				}
			}()
		}
		synctest.Wait()
		s.mu.Lock() // two at once, with a single wake-up
		s.waiting = append(s.waiting, newStream(s, 101), newStream(s, 103))
		s.wakeAccept()
		s.mu.Unlock()
		synctest.Wait()
		if len(got) != 2 {
			t.Errorf("%d of 2 streams were accepted", len(got))
		}
		for id := range uint32(3) {
			peer.send(cmdSYN, 3+2*id, nil)
		}
		synctest.Wait()
		if len(got) != 3 {
			t.Errorf("%d of 3 have accepted", len(got))
		}
		peer.Close()
		synctest.Wait()
		for range 2 {
			_, err := s.Accept()
			must(t, err)
		}
		if _, err := s.Accept(); !errors.Is(err, io.EOF) {
			t.Errorf("Accept: %v", err)
		}
	})
}

// No more than the ReceiveBuffer and one frame is received, and reading makes room.
func TestReceiveBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(1, false)
		cfg.ReceiveBuffer = 10000
		s, peer, st := accepted(t, cfg)
		sent := 0
		go func() {
			for range 99 {
				peer.send(cmdPSH, 3, make([]byte, 4096))
				sent++
			}
		}()
		for i := range 97 {
			synctest.Wait()
			if sent != 3+i || s.unread.Load() != 3*4096 {
				t.Fatalf("%d frames were received, %d bytes unread", sent, s.unread.Load())
			}
			_, err := io.ReadFull(st, make([]byte, 4096))
			must(t, err)
		}
	})
}

// Before is called before each write to the connection.
func TestBefore(t *testing.T) {
	conn := newSink()
	cfg := testConfig(1, true)
	calls := 0
	cfg.Before = func() { calls++ }
	s := start(t, conn, cfg)
	must(t, s.Nop())
	must(t, s.Nop())
	if n := len(conn.written()); calls != n || n != 2 {
		t.Errorf("%d calls for %d writes", calls, n)
	}
}

// Resumed is called when a session that was paused reads its connection again.
func TestResumed(t *testing.T) {
	a, b := net.Pipe()
	cfg := testConfig(1, false)
	cfg.ReceiveBuffer = 1000
	resumed := make(chan struct{}, 100)
	cfg.Resumed = func() { resumed <- struct{}{} }
	s := start(t, a, cfg)
	far := start(t, b, testConfig(1, true))
	out, err := far.Open()
	must(t, err)
	go func() { _, _ = out.Write(make([]byte, 3000)) }()
	in, err := s.Accept()
	must(t, err)
	testkit.Eventually(t, "the session pauses", s.paused.Load)
	if len(resumed) != 0 {
		t.Error("called before it reads again")
	}
	_, err = io.ReadFull(in, make([]byte, 3000))
	must(t, err)
	testkit.Within(t, "the call", resumed)
}

// A writer that accepts several buffers gets them as they are.
func TestAsBuffersWriter(t *testing.T) {
	conn := &script{}
	if w := AsBuffersWriter(conn); w != BuffersWriter(conn) {
		t.Errorf("%T", w)
	}
	k := newSink()
	n, err := AsBuffersWriter(net.Conn(k)).WriteBuffers([][]byte{[]byte("one"), nil, []byte("three")})
	if writes := k.written(); n != 8 || err != nil || len(writes) != 1 || string(writes[0]) != "onethree" {
		t.Errorf("%d, %v, %q", n, err, writes)
	}
}
