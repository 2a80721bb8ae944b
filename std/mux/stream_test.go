package mux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// accepted returns a server's session and its first stream, which the peer has opened.
func accepted(t *testing.T, cfg Config) (*Session, *rawPeer, *Stream) {
	s, peer := withPeer(t, cfg)
	peer.send(cmdSYN, 3, nil)
	st, err := s.Accept()
	must(t, err)
	return s, peer, st
}

func update(consumed, window uint32) []byte {
	p := binary.LittleEndian.AppendUint32(nil, consumed)
	return binary.LittleEndian.AppendUint32(p, window)
}

// A writer sends only what the peer has granted.
func TestCredit(t *testing.T) {
	for _, c := range []struct {
		name    string
		updates [][2]uint32 // consumed, window
		want    int         // bytes sent in all, if nothing more is consumed
	}{
		{"nothing said", nil, firstWindow},
		{"no window", [][2]uint32{{0, 0}}, firstWindow},
		{"smaller window", [][2]uint32{{firstWindow, 100}}, firstWindow + 100},
		{"one byte", [][2]uint32{{1, firstWindow}}, firstWindow + 1},
		{"step by step", [][2]uint32{{1000, firstWindow}, {2000, firstWindow}, {3000, 1}}, firstWindow + 2000},
		{"more consumed than sent", [][2]uint32{{firstWindow + 1, firstWindow}}, firstWindow},
		{"more consumed than sent, largest window", [][2]uint32{{firstWindow + 2, 1<<32 - 1}}, firstWindow},
		{"wrong, then right", [][2]uint32{{1 << 31, firstWindow}, {5, firstWindow}}, firstWindow + 5},
		{"largest window", [][2]uint32{{0, 1<<32 - 1}}, 2 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, peer, st := accepted(t, testConfig(2, false))
				sent := 0
				go func() {
					for f, err := readFrame(peer); err == nil; f, err = readFrame(peer) {
						if f.command == cmdPSH {
							sent += len(f.data)
						}
					}
				}()
				go st.Write(make([]byte, 2<<20))
				synctest.Wait()
				for _, u := range c.updates {
					peer.send(cmdUPD, 3, update(u[0], u[1]))
					synctest.Wait()
				}
				if sent != c.want {
					t.Errorf("sent %d bytes, want %d", sent, c.want)
				}
				s.Close(errEnough)
			})
		})
	}
}

// The counts of bytes sent and consumed wrap around after 4 GiB.
func TestCreditWraps(t *testing.T) {
	st := newStream(&Session{cfg: testConfig(2, true), done: make(chan struct{})}, 3)
	st.sent, st.consumedByPeer = 1<<32-10, 1<<32-20
	st.window = 100
	if n, err := st.credit(1000); n != 90 || err != nil {
		t.Errorf("credit %d, %v", n, err)
	}
	st.grant(60, 100)
	if n, err := st.credit(1000); n != 80 || err != nil {
		t.Errorf("credit after the wrap %d, %v", n, err)
	}
}

// What is held back is sent when its writer has to wait for the peer.
func TestCorkedWithoutCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newSink()
		st, err := start(t, conn, testConfig(2, true)).Open()
		must(t, err)
		st.grant(0, 10)
		go st.WriteCorked(make([]byte, 100))
		synctest.Wait()
		if got := framesOf(t, bytes.Join(conn.written(), nil)); got != "SYN 3, PSH 3 10" {
			t.Errorf("written: %q", got)
		}
	})
}

// The peer is told how much was read: early for the first time, then after each half of the
// window, never after its FIN, and not at all with smux 1. A window smaller than the usual
// first one is told at once.
func TestUpdates(t *testing.T) {
	for _, c := range []struct {
		version, buffer int
		fin             bool
		want            string // bytes consumed in each update, of 100000
	}{
		{1, 40000, false, ""},
		{2, 40000, true, "0"},
		{2, 40000, false, "0 17000 37000 57000 77000 97000"},
		{2, 4000, false, "0 2000 4000 6000 8000 10000"},
		{2, 100000, false, "0 17000 67000"},
		{2, 300000, false, "17000"},
		{2, 2 << 20, false, "17000"},
	} {
		t.Run(fmt.Sprintf("v%d-%d-%t", c.version, c.buffer, c.fin), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig(c.version, false)
				cfg.StreamBuffer = c.buffer
				s, peer, st := accepted(t, cfg)
				var told []string
				go func() {
					for f, err := readFrame(peer); err == nil; f, err = readFrame(peer) {
						if window := binary.LittleEndian.Uint32(f.data[4:]); int(window) != c.buffer {
							t.Errorf("told a window of %d", window)
						}
						told = append(told, fmt.Sprint(binary.LittleEndian.Uint32(f.data)))
					}
				}()
				for range 100 {
					peer.send(cmdPSH, 3, make([]byte, 1000))
				}
				if c.fin {
					peer.send(cmdFIN, 3, nil)
				}
				synctest.Wait()
				for range 100 {
					_, err := io.ReadFull(st, make([]byte, 1000))
					must(t, err)
					synctest.Wait()
				}
				if got := strings.Join(told, " "); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" || c.buffer >= 40000 && got != c.want {
					t.Errorf("told %s, want %s", got, c.want)
				}
				s.Close(errEnough)
			})
		})
	}
}

// A reader does not wait for a connection that accepts nothing. Otherwise our receiver
// might wait for the reader while the peer's receiver waits for the peer's reader.
func TestReaderNeverWaitsForConnection(t *testing.T) {
	for _, read := range []struct {
		name string
		all  func(st *Stream) error
	}{
		{"Read", func(st *Stream) error {
			_, err := io.CopyN(io.Discard, struct{ io.Reader }{st}, 200000)
			return err
		}},
		{"WriteTo", func(st *Stream) error {
			_, err := st.WriteTo(io.Discard)
			return err
		}},
	} {
		t.Run(read.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, peer, st := accepted(t, testConfig(2, false))
				done := false
				go func() {
					_ = read.all(st)
					done = true
				}()
				for range 200 {
					peer.send(cmdPSH, 3, make([]byte, 1000))
				}
				peer.send(cmdFIN, 3, nil)
				synctest.Wait()
				if !done {
					t.Error("the reader waits")
				}
			})
		})
	}
}

// If all streams are full in both directions, both ends go on when their readers do. With
// smux 2 they do not even stop receiving.
func TestFullBothWays(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprint(version), func(t *testing.T) { fullBothWays(t, version) })
	}
}

func fullBothWays(t *testing.T, version int) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		cfg := testConfig(version, true)
		cfg.ReceiveBuffer, cfg.StreamBuffer = 64<<10, 64<<10
		here := start(t, a, cfg)
		cfg.Client = false
		there := start(t, b, cfg)
		const streams, size = 6, 1 << 20
		var ends []*Stream
		var done atomic.Int32
		for range streams {
			st, err := here.Open()
			must(t, err)
			must(t, st.Flush())
			other, err := there.Accept()
			must(t, err)
			ends = append(ends, st, other)
		}
		synctest.Wait() // the windows have been told
		for _, st := range ends {
			go st.Write(make([]byte, size))
		}
		synctest.Wait() // nobody reads, so everything is full
		for _, s := range []*Session{here, there} {
			if s.paused.Load() != (version == 1) || s.unread.Load() < 32<<10 {
				t.Errorf("paused: %t, with %d bytes unread", s.paused.Load(), s.unread.Load())
			}
		}
		for _, st := range ends {
			go func() {
				if _, err := io.CopyN(io.Discard, struct{ io.Reader }{st}, size); err == nil {
					done.Add(1)
				}
			}()
			synctest.Wait()
		}
		if n := int(done.Load()); n != len(ends) {
			t.Errorf("%d of %d streams were read", n, len(ends))
		}
	})
}

// EOF means the peer's FIN, after everything that it has sent, and nothing else.
func TestEOF(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(s *Session, peer *rawPeer, st *Stream)
		want error
	}{
		{"FIN", func(_ *Session, peer *rawPeer, _ *Stream) { peer.send(cmdFIN, 3, nil) }, io.EOF},
		{"FIN, then the end", func(_ *Session, peer *rawPeer, _ *Stream) { peer.send(cmdFIN, 3, nil); peer.Close() }, io.EOF},
		{"FIN of another", func(_ *Session, peer *rawPeer, _ *Stream) { peer.send(cmdFIN, 5, nil); peer.Close() }, ErrCut},
		{"connection", func(_ *Session, peer *rawPeer, _ *Stream) { peer.Close() }, ErrCut},
		{"session", func(s *Session, _ *rawPeer, _ *Stream) { s.Close(errEnough) }, errEnough},
		{"session, no reason", func(s *Session, _ *rawPeer, _ *Stream) { s.Close(nil) }, net.ErrClosed},
	} {
		for _, waiting := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/waiting=%t", c.name, waiting), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, peer, st := accepted(t, testConfig(1, false))
					peer.send(cmdPSH, 3, []byte("all"))
					synctest.Wait()
					if !waiting {
						c.end(s, peer, st)
					}
					var got []byte
					var err error
					go func() {
						for err == nil {
							var n int
							p := make([]byte, 2)
							n, err = st.Read(p)
							got = append(got, p[:n]...)
						}
					}()
					synctest.Wait()
					if waiting {
						if err != nil {
							t.Errorf("read before the end: %v", err)
						}
						c.end(s, peer, st)
						synctest.Wait()
					}
					if string(got) != "all" || err != c.want {
						t.Errorf("read %q, %v; want %v", got, err, c.want)
					}
				})
			})
		}
	}
}

// A closed stream returns errors, wakes blocked callers, is forgotten, and is released
// once.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := 0
		cfg := testConfig(2, false)
		cfg.Released = func() { released++ }
		s, peer, st := accepted(t, cfg)
		go peer.drop()
		var read, wrote error
		go func() { _, read = st.Read(make([]byte, 1)) }()
		go func() { _, wrote = st.Write(make([]byte, 2*firstWindow)) }()
		synctest.Wait()
		must(t, st.Close())
		must(t, st.Close())
		synctest.Wait()
		if read != net.ErrClosed || wrote != io.ErrClosedPipe {
			t.Errorf("waiting Read: %v, Write: %v", read, wrote)
		}
		if _, err := st.Read(make([]byte, 1)); err != net.ErrClosed {
			t.Errorf("Read: %v", err)
		}
		if _, err := st.WriteTo(io.Discard); err != net.ErrClosed {
			t.Errorf("WriteTo: %v", err)
		}
		if _, err := st.Write([]byte("x")); err != io.ErrClosedPipe {
			t.Errorf("Write: %v", err)
		}
		if released != 1 || s.NumStreams() != 0 {
			t.Errorf("released %d times, %d streams", released, s.NumStreams())
		}
		for _, size := range []int{1, 1000} { // both ways of receiving data
			peer.send(cmdPSH, 3, make([]byte, size))
		}
		synctest.Wait()
		b := newBlock(1000) // and as if the receiver were about to deliver data
		b.bytes = b.bytes[:1000]
		st.deliver(nil, b)
		st.deliver([]byte("x"), nil)
		if n := s.unread.Load(); n != 0 {
			t.Errorf("%d bytes for a closed stream are unread", n)
		}
	})
}

// Close discards unread data and returns its part of the ReceiveBuffer, even while the
// connection accepts nothing.
func TestCloseGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(1, false)
		cfg.ReceiveBuffer = 5000
		s, peer, st := accepted(t, cfg)
		peer.send(cmdSYN, 5, nil)
		other, err := s.Accept()
		must(t, err)
		stuck, err := s.Open()
		must(t, err)
		go stuck.Write(make([]byte, 1<<20))
		go func() {
			for i := range 10 {
				peer.send(cmdPSH, 3, make([]byte, 400+i*200))
			}
			peer.send(cmdPSH, 5, []byte("beside"))
		}()
		synctest.Wait()
		if !s.paused.Load() {
			t.Error("more is received than the ReceiveBuffer")
		}
		_, err = st.Read(make([]byte, 100)) // of the first 400
		must(t, err)
		must(t, st.Close())
		got := make([]byte, 6)
		_, err = io.ReadFull(other, got)
		must(t, err)
		if string(got) != "beside" || s.unread.Load() != 0 {
			t.Errorf("read %q, %d bytes are unread", got, s.unread.Load())
		}
	})
}

// WriteTo returns its writer's error, and counts what the writer has accepted.
func TestWriteToFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer, st := accepted(t, testConfig(2, false))
		peer.send(cmdPSH, 3, make([]byte, 1000))
		full := errors.New("full")
		n, err := st.WriteTo(writerFunc(func(p []byte) (int, error) { return 7, full }))
		if n != 7 || err != full || s.unread.Load() != 0 {
			t.Errorf("%d bytes, %v; %d unread", n, err, s.unread.Load())
		}
	})
}

// many is a writer that accepts several buffers at once, up to a given number of bytes.
type many struct {
	bytes.Buffer
	may   int
	calls []int // number of buffers in each write
}

func (m *many) WriteBuffers(v [][]byte) (int, error) {
	m.calls = append(m.calls, len(v))
	all := bytes.Join(v, nil)
	n, _ := m.Write(all[:min(len(all), m.may)])
	m.may -= n
	if n < len(all) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// WriteTo passes several buffers at once to a writer that accepts them.
func TestWriteToMany(t *testing.T) {
	for _, c := range []struct {
		frames, may int
		want        error
	}{
		{1, 1 << 20, nil},
		{3, 1 << 20, nil},
		{100, 1 << 20, nil},
		{100, 2500, io.ErrShortWrite},
		{3, 0, io.ErrShortWrite},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, peer, st := accepted(t, testConfig(1, false))
			data := randomBytes(1000 * c.frames)
			for i := range c.frames {
				peer.send(cmdPSH, 3, data[1000*i:1000*(i+1)])
			}
			peer.send(cmdFIN, 3, nil)
			synctest.Wait()
			_, err := st.Read(make([]byte, 10)) // the next read begins in the middle of a block
			must(t, err)
			w := &many{may: c.may}
			n, err := st.WriteTo(w)
			if want := data[10:min(len(data), 10+c.may)]; err != c.want || int(n) != len(want) || !bytes.Equal(w.Bytes(), want) {
				t.Errorf("%d frames, %d bytes: %d, %v", c.frames, c.may, n, err)
			}
			for _, buffers := range w.calls {
				if buffers > maxBlocks {
					t.Errorf("%d buffers in a write", buffers)
				}
			}
			if len(w.calls) > 1+c.frames/maxBlocks {
				t.Errorf("%d frames: %d writes", c.frames, len(w.calls))
			}
			must(t, st.Close())
			if n := s.unread.Load(); n != 0 {
				t.Errorf("%d frames, %d bytes: %d are unread", c.frames, c.may, n)
			}
		})
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Data is split into frames of at most FrameSize, and arrives in order.
func TestFrameSize(t *testing.T) {
	for _, size := range []int{1, 2, 999, 4096, 4097, 65535} {
		synctest.Test(t, func(t *testing.T) {
			conn := newSink()
			cfg := testConfig(1, true)
			cfg.FrameSize = size
			st, err := start(t, conn, cfg).Open()
			must(t, err)
			data := randomBytes(min(300000, 2000*size))
			n, err := st.Write(data)
			if n != len(data) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
			var got []byte
			largest := 0
			r := bytes.NewReader(bytes.Join(conn.written(), nil))
			for f, err := readFrame(r); err == nil; f, err = readFrame(r) {
				got = append(got, f.data...)
				largest = max(largest, len(f.data))
			}
			if !bytes.Equal(got, data) || largest > size || len(data) > gentleBytes+size && largest < min(size, 8192) {
				t.Errorf("size %d: %d of %d bytes in frames of up to %d", size, len(got), len(data), largest)
			}
		})
	}
}
