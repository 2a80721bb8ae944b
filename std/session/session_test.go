package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/mux"
	"kcptun/std/testkit"
)

// overDialects runs test over each way to speak above KCP.
func overDialects(t *testing.T, test func(t *testing.T, cc, sc *config.Config)) {
	for _, version := range []int{1, 2} {
		for _, noComp := range []bool{false, true} {
			for _, mode := range []string{"fast3", config.ModeAuto} {
				t.Run(fmt.Sprintf("%s,smux%d,nocomp=%t", mode, version, noComp), func(t *testing.T) {
					testkit.NoLeak(t)
					cc, sc := testConfig(config.Client), testConfig(config.Server)
					for _, c := range []*config.Config{cc, sc} {
						c.Mode, c.SmuxVer, c.NoComp = mode, version, noComp
					}
					test(t, cc, sc)
				})
			}
		}
	}
}

// Megabytes both ways at once over one stream, and a stream id that both ends
// agree on.
func TestStreamBothWays(t *testing.T) {
	overDialects(t, func(t *testing.T, cc, sc *config.Config) {
		u := newTunnel(t, cc, sc)
		if u.near.ID() != u.far.ID() || len(u.notes) > 0 {
			t.Error(u.near.ID(), u.far.ID(), u.notes)
		}
		near, far := u.near, u.far
		up, down := testkit.RandomBytes(1, 1<<20), bytes.Repeat([]byte("down"), 300_000)
		go func() { _, _ = near.Write(up); _ = near.CloseWrite() }()
		go func() { _, _ = far.Write(down); _ = far.CloseWrite() }()
		atFar, atNear := testkit.Gather(far), testkit.Gather(near)
		if got := testkit.Within(t, "all at the server", atFar); got != testkit.SumOf(up) {
			t.Errorf("%d bytes of %d, %v", got.N, len(up), got.Err)
		}
		if got := testkit.Within(t, "all at the client", atNear); got != testkit.SumOf(down) {
			t.Errorf("%d bytes of %d, %v", got.N, len(down), got.Err)
		}
		near.Close()
		far.Close()
		if u.client.NumStreams() != 0 || u.server.NumStreams() != 0 {
			t.Error(u.client.NumStreams(), u.server.NumStreams())
		}
		u.closed()
	})
}

// Both ends have finished before the slow reader begins. smux's own CloseWrite would
// discard everything.
func TestHalfCloseWithSlowReader(t *testing.T) {
	overDialects(t, func(t *testing.T, cc, sc *config.Config) {
		u := newTunnel(t, cc, sc)
		near, far := u.near, u.far
		data := testkit.RandomBytes(1, 204_800)
		wrote := make(chan error, 1)
		go func() {
			_, err := far.Write(data)
			wrote <- errors.Join(err, far.CloseWrite())
		}()
		if err := near.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := testkit.Within(t, "the writer", wrote); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the FIN has arrived", u.near.Finished)
		if got := testkit.Within(t, "all", testkit.Gather(near)); got != testkit.SumOf(data) {
			t.Errorf("%d bytes of %d, %v", got.N, len(data), got.Err)
		}
		if n, err := far.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%d, %v; want EOF", n, err)
		}
		u.closed()
	})
}

// After the peer's FIN the other direction continues, and likewise after ours.
func TestHalfCloseAnswers(t *testing.T) {
	overDialects(t, func(t *testing.T, cc, sc *config.Config) {
		u := newTunnel(t, cc, sc)
		near, far := u.near, u.far
		if _, err := io.WriteString(near, "question"); err != nil {
			t.Fatal(err)
		}
		for range 2 { // a second one is no error
			if err := near.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		if got := testkit.Within(t, "question and EOF", testkit.Gather(far)); got != testkit.SumOf([]byte("question")) {
			t.Errorf("%+v", got)
		}
		if _, err := io.WriteString(far, "answer"); err != nil {
			t.Fatal("after the peer's FIN:", err)
		}
		far.Close()
		if got := testkit.Within(t, "answer and EOF", testkit.Gather(near)); got != testkit.SumOf([]byte("answer")) {
			t.Errorf("%+v", got)
		}
		u.closed()
	})
}

// EOF means the peer's FIN and nothing else: if the session dies or the stream is closed
// here, what was read is incomplete.
func TestEOFOnlyAfterFIN(t *testing.T) {
	why := errors.New("why it ended")
	for name, read := range map[string]func(*mux.Stream) (int64, error){
		"Read":    func(st *mux.Stream) (int64, error) { return io.Copy(io.Discard, struct{ io.Reader }{st}) },
		"WriteTo": func(st *mux.Stream) (int64, error) { return st.WriteTo(io.Discard) },
	} {
		overEnds := map[string]func(u *tunnel) error{
			"session closed":   func(u *tunnel) error { u.client.Close(why); return why },
			"link closed":      func(u *tunnel) error { u.clientLink.Close(); return nil },
			"streams closed":   func(u *tunnel) error { u.client.mux.Close(why); return why },
			"stream closed":    func(u *tunnel) error { u.near.Close(); return nil },
			"protocol error":   func(u *tunnel) error { _, _ = u.server.engine.Write([]byte("not snappy at all")); return nil },
			"closed after all": func(u *tunnel) error { _, _ = u.near.Read(make([]byte, 5)); u.client.Close(why); return why },
		}
		for end, how := range overEnds {
			for _, mode := range []string{"fast3", config.ModeAuto} {
				t.Run(name+"/"+end+"/"+mode, func(t *testing.T) {
					testkit.NoLeak(t)
					cc, sc := testConfig(config.Client), testConfig(config.Server)
					cc.Mode, sc.Mode = mode, mode
					u := newTunnel(t, cc, sc)
					if _, err := io.WriteString(u.far, "begun"); err != nil {
						t.Fatal(err)
					}
					done := make(chan error, 1)
					want := error(nil)
					if end == "closed after all" {
						want = how(u)
					}
					go func() { _, err := read(u.near); done <- err }()
					if end != "closed after all" {
						want = how(u)
					}
					err := testkit.Within(t, "the reader ends", done)
					if err == nil || errors.Is(err, io.EOF) {
						t.Errorf("taken for a good end: %v", err)
					}
					if want != nil && !errors.Is(err, want) {
						t.Errorf("%v, want %v", err, want)
					}
					u.closed()
				})
			}
		}
	}
}

// A slow reader finds a stream that was closed here ended by an error: what had arrived was
// discarded.
func TestReadAfterClose(t *testing.T) {
	overDialects(t, func(t *testing.T, cc, sc *config.Config) {
		u := newTunnel(t, cc, sc)
		if _, err := u.far.Write([]byte("unread")); err != nil {
			t.Fatal(err)
		}
		if err := u.far.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the FIN has arrived", u.near.Finished)
		u.near.Close()
		if n, err := u.near.Read(make([]byte, 9)); n != 0 || err == nil || errors.Is(err, io.EOF) {
			t.Errorf("Read: %d, %v", n, err)
		}
		if n, err := u.near.WriteTo(io.Discard); n != 0 || err == nil {
			t.Errorf("WriteTo: %d, %v", n, err)
		}
		if _, err := u.near.Write([]byte("x")); err == nil {
			t.Error("Write goes on")
		}
		u.closed()
	})
}

func TestSessionClose(t *testing.T) {
	testkit.NoLeak(t)
	u := newTunnel(t, testConfig(config.Client), testConfig(config.Server))
	first, second := errors.New("first reason"), errors.New("second reason")
	if err := u.client.Err(); err != nil {
		t.Error(err)
	}
	select {
	case <-u.client.Done():
		t.Error("done before Close")
	default:
	}
	u.client.Close(first)
	u.client.Close(second)
	testkit.Within(t, "Done", u.client.Done())
	if !errors.Is(u.client.Err(), first) {
		t.Error(u.client.Err())
	}
	for what, call := range map[string]func() error{
		"Open":   func() error { _, err := u.client.Open(); return err },
		"Accept": func() error { _, err := u.client.Accept(); return err },
		"Read":   func() error { _, err := u.near.Read(make([]byte, 1)); return err },
		"Write":  func() error { _, err := u.near.Write([]byte("x")); return err },
	} {
		if err := call(); !errors.Is(err, first) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	_ = u.near.CloseWrite()
	if u.client.Conv() == 0 || u.client.Conv() != u.server.Conv() {
		t.Error(u.client.Conv(), u.server.Conv())
	}
	if u.client.RemoteAddr().String() != u.server.LocalAddr().String() {
		t.Error(u.client.RemoteAddr(), u.server.LocalAddr())
	}
	u.closed()
}

func TestRetire(t *testing.T) {
	testkit.NoLeak(t)
	u := newTunnel(t, testConfig(config.Client), testConfig(config.Server))
	near, far := u.open(t)
	u.client.Retire()
	if _, err := u.client.Open(); !errors.Is(err, ErrRetired) {
		t.Error(err)
	}
	if u.client.NumStreams() != 2 {
		t.Error(u.client.NumStreams())
	}
	u.near.Close()
	select {
	case <-u.client.Idle():
		t.Error("idle with a stream")
	default:
	}
	if _, err := io.WriteString(near, "goes on"); err != nil {
		t.Error(err)
	}
	near.Close()
	if got := testkit.Within(t, "all", testkit.Gather(far)); got != testkit.SumOf([]byte("goes on")) {
		t.Errorf("%+v", got)
	}
	testkit.Within(t, "Idle", u.client.Idle())
	u.client.Retire() // again does no harm
	u.server.Retire() // with streams
	far.Close()
	u.far.Close()
	testkit.Within(t, "the server's Idle", u.server.Idle())
	u.closed()
}

func TestDrain(t *testing.T) {
	testkit.NoLeak(t)
	u := newTunnel(t, testConfig(config.Client), testConfig(config.Server))
	data := testkit.RandomBytes(1, 300_000)
	got := testkit.Gather(u.far)
	if _, err := u.near.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := u.near.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	if err := u.client.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	u.client.Close(errTestEnds) // nothing more is sent, and all has arrived
	if got := testkit.Within(t, "all", got); got != testkit.SumOf(data) {
		t.Errorf("%d bytes of %d, %v", got.N, len(data), got.Err)
	}
	u.closed()
}

// The end of a stream that is closed just before the session drains is sent even if nothing
// else is in flight. In mode auto it was lost, and the other end held the stream and its
// connection to the target until it gave up the session.
func TestDrainSendsTheEnd(t *testing.T) {
	testkit.NoLeak(t)
	cc, sc := testConfig(config.Client), testConfig(config.Server)
	for role, c := range map[config.Role]*config.Config{config.Client: cc, config.Server: sc} {
		c.Mode = config.ModeAuto
		if err := c.Check(role); err != nil {
			t.Fatal(err)
		}
	}
	u := newTunnel(t, cc, sc)
	got := testkit.Gather(u.far)
	if _, err := io.WriteString(u.near, "all"); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "it is acknowledged", func() bool { return u.client.engine.(*auto).Pending() == 0 })
	u.near.Close()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	if err := u.client.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	u.client.Close(errTestEnds)
	if got := testkit.Within(t, "the end", got); got != testkit.SumOf([]byte("all")) {
		t.Errorf("%d bytes, %v", got.N, got.Err)
	}
	u.closed()
}

// Data that is never acknowledged holds Drain until the context ends.
func TestDrainGivesUp(t *testing.T) {
	testkit.NoLeak(t)
	u := newTunnel(t, testConfig(config.Client), testConfig(config.Server))
	u.serverLink.Close()
	if _, err := u.near.Write(testkit.RandomBytes(1, 1000)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := u.client.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	u.closed()
}

func TestManyStreams(t *testing.T) {
	overDialects(t, func(t *testing.T, cc, sc *config.Config) {
		u := newTunnel(t, cc, sc)
		const n = 50
		echo := make(chan error, n)
		go func() {
			for range n {
				st, err := u.server.Accept()
				if err != nil {
					echo <- err
					return
				}
				go func() {
					_, err := io.Copy(st, st)
					echo <- errors.Join(err, st.CloseWrite())
				}()
			}
		}()
		answers := make(chan error, n)
		for i := range n {
			go func() {
				st, err := u.client.Open()
				if err != nil {
					answers <- err
					return
				}
				defer st.Close()
				text := strings.Repeat(fmt.Sprint(i, " "), 500)
				_, err = io.WriteString(st, text)
				err = errors.Join(err, st.CloseWrite())
				if got, err2 := io.ReadAll(st); string(got) != text {
					err = errors.Join(err, err2, fmt.Errorf("stream %d: %d bytes of %d", i, len(got), len(text)))
				}
				answers <- err
			}()
		}
		for range n {
			if err := errors.Join(testkit.Within(t, "an answer", answers), testkit.Within(t, "an echo", echo)); err != nil {
				t.Error(err)
			}
		}
		testkit.Eventually(t, "all but the first are gone", func() bool { return u.client.NumStreams() == 1 })
		u.closed()
	})
}

// A session that has used up its stream ids retires, and keeps the streams that it has.
func TestExhaustedSessionRetires(t *testing.T) {
	testkit.NoLeak(t)
	u := newTunnel(t, testConfig(config.Client), testConfig(config.Server))
	client := u.client
	near, far := u.open(t)
	defer far.Close()
	defer near.Close()
	next := reflect.ValueOf(client.mux).Elem().FieldByName("next")
	*(*uint32)(next.Addr().UnsafePointer()) = math.MaxUint32
	if _, err := client.Open(); !errors.Is(err, ErrRetired) {
		t.Error(err)
	}
	testkit.Within(t, "it has retired", client.Retired())
	if _, err := far.Write([]byte("more")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(near, make([]byte, 4)); err != nil || client.Err() != nil {
		t.Error(err, client.Err())
	}
}
