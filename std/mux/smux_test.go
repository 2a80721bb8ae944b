package mux

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/std/testkit"

	"github.com/xtaci/smux"
)

// peers are a session of ours and one of the library at its other end.
type peers struct {
	ours   *Session
	theirs *smux.Session
}

// settings of both ends of a test.
type settings struct {
	frame, receive, stream int           // as in Config, in bytes
	keepAlive              time.Duration // between NOPs
}

var usual = settings{8192, 4 << 20, 2 << 20, 10 * time.Second}

// withSmux runs test over each substrate and with each version, with us as the client and
// as the server.
func withSmux(t *testing.T, with settings, test func(t *testing.T, p peers)) {
	for _, sub := range substrates {
		for version := 1; version <= 2; version++ {
			for _, client := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/v%d/client=%t", sub.name, version, client), func(t *testing.T) {
					testkit.NoLeak(t)
					here, there := sub.dial(t)
					test(t, peer(t, here, there, version, client, with))
				})
			}
		}
	}
}

func peer(t testing.TB, here, there net.Conn, version int, client bool, with settings) peers {
	theirs := smux.DefaultConfig()
	theirs.Version, theirs.MaxFrameSize = version, with.frame
	theirs.MaxReceiveBuffer, theirs.MaxStreamBuffer = with.receive, with.stream
	theirs.KeepAliveInterval, theirs.KeepAliveTimeout = with.keepAlive, 2*time.Minute
	role := smux.Client
	if client {
		role = smux.Server
	}
	lib, err := role(there, theirs)
	must(t, err)
	t.Cleanup(func() { lib.Close() })
	cfg := testConfig(version, client)
	cfg.FrameSize, cfg.ReceiveBuffer, cfg.StreamBuffer = with.frame, with.receive, with.stream
	cfg.KeepAlive, cfg.Patience = with.keepAlive, 2*time.Minute
	return peers{start(t, here, cfg), lib}
}

// stream opens a stream, from our end or from the library's.
func (p peers) stream(t testing.TB, byUs bool) (ours *Stream, theirs *smux.Stream) {
	t.Helper()
	// The library closes a stream when its wrapper is collected as garbage, even during a
	// call of one of its methods.
	t.Cleanup(func() { runtime.KeepAlive(theirs) })
	var err error
	if byUs {
		ours, err = p.ours.Open()
		must(t, err)
		must(t, ours.Flush())
		theirs = testkit.Within(t, "a stream of ours", async(func() *smux.Stream {
			st, _ := p.theirs.AcceptStream()
			return st
		}))
		return ours, theirs
	}
	accepted := async(func() *Stream {
		st, _ := p.ours.Accept()
		return st
	})
	theirs, err = p.theirs.OpenStream()
	must(t, err)
	return testkit.Within(t, "a stream of the library's", accepted), theirs
}

// transfer writes data to w, and fails the test if r receives anything else. It leaves both
// open.
func transfer(t testing.TB, what string, w io.Writer, r io.Reader, data []byte) {
	t.Helper()
	wrote := async(func() error {
		_, err := w.Write(data)
		return err
	})
	got := make([]byte, len(data))
	read := async(func() error {
		_, err := io.ReadFull(r, got)
		return err
	})
	if err := testkit.Within(t, what+": reading", read); err != nil {
		t.Errorf("%s: read: %v", what, err)
	}
	if err := testkit.Within(t, what+": writing", wrote); err != nil {
		t.Errorf("%s: write: %v", what, err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%s: other bytes arrived", what)
	}
}

// Either end opens streams, which carry data in both directions.
func TestSmuxBothWays(t *testing.T) {
	withSmux(t, usual, func(t *testing.T, p peers) {
		for i, byUs := range []bool{true, false, true} {
			ours, theirs := p.stream(t, byUs)
			if ours.ID() != theirs.ID() {
				t.Errorf("ids %d and %d", ours.ID(), theirs.ID())
			}
			data := randomBytes(1 + i*50000)
			transfer(t, "to the library", ours, theirs, data)
			transfer(t, "from the library", theirs, ours, data)
			must(t, ours.Close())
			must(t, theirs.Close())
		}
		testkit.Eventually(t, "no stream is left", func() bool { return p.ours.NumStreams()+p.theirs.NumStreams() == 0 })
	})
}

// Many streams carry data concurrently.
func TestSmuxManyStreams(t *testing.T) {
	withSmux(t, usual, func(t *testing.T, p peers) {
		data := randomBytes(20000)
		var all sync.WaitGroup
		for i := range 60 {
			ours, theirs := p.stream(t, i%2 == 0)
			all.Go(func() { transfer(t, "to the library", ours, theirs, data[i:]) })
			all.Go(func() { transfer(t, "from the library", theirs, ours, data[60-i:]) })
		}
		all.Wait()
	})
}

// A lot of data passes small buffers, in both directions and over two streams at once: more
// than is granted at first, than the windows and than the receive buffer hold.
func TestSmuxLarge(t *testing.T) {
	withSmux(t, settings{8192, 64 << 10, 32 << 10, 10 * time.Second}, func(t *testing.T, p peers) {
		data := randomBytes(1 << 20)
		var all sync.WaitGroup
		for _, byUs := range []bool{true, false} {
			ours, theirs := p.stream(t, byUs)
			all.Go(func() { transfer(t, "to the library", ours, theirs, data) })
			all.Go(func() { transfer(t, "from the library", theirs, ours, data) })
		}
		all.Wait()
	})
}

// No combination of buffer and frame sizes stalls a transfer.
func TestSmuxSizes(t *testing.T) {
	for _, c := range []struct {
		with settings
		size int
	}{
		{settings{8192, 4 << 20, 1, time.Minute}, 20000},
		{settings{8192, 4 << 20, 2, time.Minute}, 20000},
		{settings{8192, 4 << 20, 4096, time.Minute}, 2 * firstWindow},
		{settings{8192, 4 << 20, 65536, time.Minute}, 3 * firstWindow},
		{settings{8192, 4096, 4096, time.Minute}, 2 * firstWindow},
		{settings{8192, 1, 1, time.Minute}, 20000},
		{settings{1, 4 << 20, 2 << 20, time.Minute}, 2000},
		{settings{1, 4096, 1, time.Minute}, 2000},
		{settings{65535, 4 << 20, 2 << 20, time.Minute}, 3 * firstWindow},
		{settings{65535, 4096, 4096, time.Minute}, 2 * firstWindow},
		{settings{65535, 4 << 20, 4 << 20, time.Minute}, 5 << 20},
	} {
		t.Run(fmt.Sprintf("frame=%d/receive=%d/stream=%d", c.with.frame, c.with.receive, c.with.stream), func(t *testing.T) {
			withSmux(t, c.with, func(t *testing.T, p peers) {
				ours, theirs := p.stream(t, true)
				data := randomBytes(c.size)
				transfer(t, "to the library", ours, theirs, data)
				transfer(t, "from the library", theirs, ours, data)
			})
		})
	}
}

// WriteTo writes everything up to the library's FIN.
func TestSmuxWriteTo(t *testing.T) {
	withSmux(t, settings{8192, 64 << 10, 32 << 10, time.Minute}, func(t *testing.T, p peers) {
		ours, theirs := p.stream(t, false)
		data := randomBytes(700000)
		var got bytes.Buffer
		read := async(func() error {
			_, err := ours.WriteTo(&got)
			return err
		})
		_, err := theirs.Write(data)
		must(t, err)
		must(t, theirs.Close())
		must(t, testkit.Within(t, "the end", read))
		if !bytes.Equal(got.Bytes(), data) {
			t.Errorf("other bytes arrived: %d of %d", got.Len(), len(data))
		}
	})
}

// Data sent before the library's FIN stays readable, and only the FIN is EOF.
func TestSmuxTheirFIN(t *testing.T) {
	withSmux(t, usual, func(t *testing.T, p peers) {
		ours, theirs := p.stream(t, true)
		data := randomBytes(200000)
		_, err := theirs.Write(data)
		must(t, err)
		if ours.Finished() {
			t.Error("finished before the FIN")
		}
		must(t, theirs.Close())
		testkit.Eventually(t, "the FIN is here", ours.Finished)
		got, err := io.ReadAll(ours)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d of %d bytes: %v", len(got), len(data), err)
		}
	})
}

// Our FIN ends what the library reads, and nothing else.
func TestSmuxOurFIN(t *testing.T) {
	withSmux(t, usual, func(t *testing.T, p peers) {
		ours, theirs := p.stream(t, false)
		data := randomBytes(100000)
		_, err := ours.Write(data)
		must(t, err)
		must(t, ours.CloseWrite())
		if _, err := ours.Write([]byte("more")); err != io.ErrClosedPipe {
			t.Errorf("Write after CloseWrite: %v", err)
		}
		got, err := io.ReadAll(theirs)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("to the library: %d of %d bytes: %v", len(got), len(data), err)
		}
		transfer(t, "from the library", theirs, ours, data)
	})
}

// The end of a session is not EOF of its streams.
func TestSmuxCut(t *testing.T) {
	withSmux(t, usual, func(t *testing.T, p peers) {
		ours, theirs := p.stream(t, true)
		_, err := theirs.Write([]byte("half"))
		must(t, err)
		testkit.Eventually(t, "the data is here", func() bool { return p.ours.unread.Load() > 0 })
		must(t, p.theirs.Close())
		got, err := io.ReadAll(ours)
		if string(got) != "half" || err != ErrCut {
			t.Errorf("read %q, %v", got, err)
		}
		if _, err := p.ours.Accept(); err == nil {
			t.Error("Accept of a dead session succeeds")
		}
		if _, err := ours.Write([]byte("x")); err != ErrCut {
			t.Errorf("Write: %v", err)
		}
	})
}

// Data discarded by Close does not make other streams wait.
func TestSmuxCloseGivesBack(t *testing.T) {
	withSmux(t, settings{8192, 16 << 10, 16 << 10, time.Minute}, func(t *testing.T, p peers) {
		for range 3 {
			dropped, theirs := p.stream(t, true)
			ours, kept := p.stream(t, false)
			stuck := async(func() error {
				_, err := theirs.Write(make([]byte, 100000))
				return err
			})
			testkit.Eventually(t, "something is unread", func() bool {
				return p.ours.paused.Load() || p.ours.cfg.Version == 2 && p.ours.unread.Load() > 0
			})
			must(t, dropped.Close())
			if p.ours.cfg.Version == 1 { // with smux 2 it waits for its window
				must(t, testkit.Within(t, "the write to a closed stream", stuck))
			}
			transfer(t, "beside it", kept, ours, randomBytes(50000))
			if n := p.ours.unread.Load(); n != 0 {
				t.Errorf("%d bytes are unread", n)
			}
		}
	})
}

// counter is a connection that counts the NOPs written to it.
type counter struct {
	net.Conn
	nops atomic.Int32
}

func (c *counter) Write(p []byte) (int, error) {
	if len(p) == headerBytes && p[1] == cmdNOP && binary.LittleEndian.Uint32(p[4:]) <= nopAnswers {
		c.nops.Add(1)
	}
	return c.Conn.Write(p)
}

// Each end understands the other's keepalives.
func TestSmuxKeepAlive(t *testing.T) {
	for version := 1; version <= 2; version++ {
		for _, client := range []bool{true, false} {
			here, there := net.Pipe()
			ours, theirs := &counter{Conn: here}, &counter{Conn: there}
			with := usual
			with.keepAlive = 5 * time.Millisecond
			p := peer(t, ours, theirs, version, client, with)
			testkit.Eventually(t, "both ends send NOPs", func() bool { return ours.nops.Load() > 3 && theirs.nops.Load() > 3 })
			a, b := p.stream(t, true)
			transfer(t, "to the library", a, b, randomBytes(1000))
			transfer(t, "from the library", b, a, randomBytes(1000))
		}
	}
}

// A stock peer takes our message that a stream is closed for a keepalive.
func TestStockPeerIgnoresGone(t *testing.T) {
	for _, version := range []int{1, 2} {
		a, b := net.Pipe()
		s := start(t, a, testConfig(version, true))
		c := smux.DefaultConfig()
		c.Version = version
		peer, err := smux.Server(b, c)
		must(t, err)
		first, err := s.Open()
		must(t, err)
		must(t, first.Flush())
		theirs, err := peer.AcceptStream()
		must(t, err)
		must(t, first.Close()) // the peer has not finished it
		if n, err := theirs.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%d, %v", n, err)
		}
		second, err := s.Open()
		must(t, err)
		_, err = second.Write([]byte("on"))
		must(t, err)
		theirs, err = peer.AcceptStream()
		must(t, err)
		got := make([]byte, 2)
		if _, err = io.ReadFull(theirs, got); err != nil || string(got) != "on" {
			t.Errorf("%q, %v", got, err)
		}
		peer.Close()
	}
}
