package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/std/build"
	"kcptun/std/config"
	"kcptun/std/shutdown"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

var errLost = errors.New("session lost")

// readsReset fails the test unless conn brings n bytes and then a reset. Only Linux is sure
// to keep what has arrived before that.
func readsReset(t *testing.T, conn net.Conn, n int) {
	t.Helper()
	got := testkit.Within(t, "the end of the connection", testkit.Gather(testkit.Deadline(t, conn)))
	if got.N != int64(n) && runtime.GOOS == "linux" || !isReset(got.Err) {
		t.Errorf("%d bytes of %d, then %v", got.N, n, got.Err)
	}
}

// isReset tells that an error is neither an ordinary end nor the test's deadline.
func isReset(err error) bool {
	return err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// A transfer whose session is lost does not look complete: what has come is delivered, and
// then the connection is reset. It used to be closed, like one that has finished.
func TestRelayOfLostSession(t *testing.T) {
	for _, qpp := range []bool{false, true} {
		if qpp && !build.QPP {
			continue
		}
		testkit.NoLeak(t)
		cc, sc := memoryConfigs(2, qpp)
		u, pad := sessions.NewPair(t, cc, sc), padFor(cc)
		app, a := testkit.TCPPair(t)
		done := make(chan Result, 1)
		go func() { done <- Between(a, pad.Wrap(u.Near), 0) }()
		if _, err := u.Far.Write(make([]byte, 10_000)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(testkit.Deadline(t, app), make([]byte, 4000)); err != nil {
			t.Fatal(err)
		}
		u.Client.Close(errLost)
		got := testkit.Within(t, "the relay's end", done)
		if !errors.Is(got.ErrB, errLost) {
			t.Errorf("%+v", got)
		}
		readsReset(t, app, int(got.FromB)-4000)
		u.Close()
	}
}

// The reader is slow, and the session is lost while what has come waits in the socket. All
// of that is delivered before the reset.
func TestRelayDrainsBeforeReset(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not say what a socket has not sent")
	}
	y, done := lostBehind(t)
	readsReset(t, y, 100_000)
	testkit.Within(t, "the relay's end", done)
}

// The session is lost, and the reader resets the connection while what has come waits in the
// socket. Nobody is left to wait for, also if the error of the socket has been read already.
func TestRelayDoesNotDrainAfterReset(t *testing.T) {
	y, done := lostBehind(t)
	y.Close() // with data that was not read: a reset
	testkit.Within(t, "the relay's end", done)
}

// lostBehind relays 100,000 bytes to a connection with a reader that reads nothing yet. All of
// them are in the socket, and their source is lost.
func lostBehind(t *testing.T) (reader *net.TCPConn, done <-chan Result) {
	testkit.NoLeak(t)
	yb, y := testkit.TCPPair(t)
	if err := errors.Join(y.SetReadBuffer(4<<10), yb.SetWriteBuffer(400<<10)); err != nil {
		t.Fatal(err)
	}
	src, result := &lost{left: 100_000, over: make(chan struct{})}, make(chan Result, 1)
	go func() { result <- Between(src, yb, 0) }()
	testkit.Within(t, "all is in the socket", src.over)
	return y, result
}

// lost is an end that brings some bytes, and is lost.
type lost struct {
	left int
	over chan struct{}
}

func (l *lost) Read(p []byte) (int, error) {
	n := min(l.left, len(p))
	if l.left -= n; n == 0 {
		close(l.over)
		return 0, errLost
	}
	return n, nil
}

func (l *lost) Write(p []byte) (int, error) { return len(p), nil }
func (l *lost) Close() error                { return nil }

// The session ends while both directions wait for their sockets: the application neither
// reads nor sends. The relay used to wait for ever.
func TestRelayOfEndedSessionIsBounded(t *testing.T) {
	for _, c := range []struct {
		name     string
		finished bool // the server has finished the stream
		want     string
	}{
		{"amid the stream", false, "session lost"},
		{"after its end", true, "session lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.NoLeak(t)
			cc, sc := memoryConfigs(2, false)
			u := sessions.NewPair(t, cc, sc)
			app, a := testkit.TCPPair(t)
			done := make(chan Result, 1)
			go func() { done <- relay(a, u.Near, limits{last: 100 * time.Millisecond}, newGoroutine, nil) }()
			if c.finished {
				if err := u.Far.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if n, err := testkit.Deadline(t, app).Read(make([]byte, 1)); err != io.EOF {
					t.Fatal(n, err)
				}
			} else {
				failed := make(chan error, 1)
				var written atomic.Int64
				go fill(u.Far, &written, failed)
				still(t, "it to be full", &written)
				defer testkit.Within(t, "the writer's end", failed)
			}
			u.Client.Close(errLost)
			got := testkit.Within(t, "the relay's end", done)
			if err := errors.Join(got.ErrA, got.ErrB); err == nil || err.Error() != c.want {
				t.Errorf("%+v", got)
			}
			u.Close()
		})
	}
}

// cutCase is a stream that is cut by the shutdown of one end.
type cutCase struct {
	far      bool // it is the server's end
	finished bool // the other direction has finished
}

// A stream that the shutdown of an end cuts does not look complete at either end, in either
// direction: both sockets are reset. The stream used to end with a FIN, and the sockets
// like those of a complete transfer.
func TestCutByShutdownLooksCut(t *testing.T) {
	for _, c := range []cutCase{{false, false}, {true, false}, {false, true}, {true, true}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) { cutOneEnd(t, c) })
	}
}

func cutOneEnd(t *testing.T, c cutCase) {
	testkit.NoLeak(t)
	u := sessions.NewPair(t, sessions.Config(config.Client), sessions.Config(config.Server))
	app, a := testkit.TCPPair(t)
	b, target := testkit.TCPPair(t)
	var groups [2]shutdown.Group
	carry := func(g *shutdown.Group, c Carry, ends ...io.Closer) {
		c.Quiet, c.Group, c.Ends = true, g, new(shutdown.Closers)
		for _, e := range ends {
			c.Ends.Add(e)
		}
		g.Go(c.Ends, c.Run)
	}
	carry(&groups[0], Carry{A: a, B: u.Near}, a, u.Near)
	carry(&groups[1], Carry{A: u.Far, B: b}, u.Far, b)
	send(t, app, []byte("up"))
	send(t, target, []byte("down"))
	for conn, n := range map[net.Conn]int{app: 4, target: 2} {
		if _, err := io.ReadFull(testkit.Deadline(t, conn), make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if c.finished {
		closeWrite(t, app)
		if n, err := target.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(n, err)
		}
	}
	sess, mine := u.Client, &groups[0]
	if c.far {
		sess, mine = u.Server, &groups[1]
	}
	mine.Finish(0)
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	sess.Leave(ctx, errLost)
	readsReset(t, app, 0)
	if !c.finished {
		readsReset(t, target, 0)
	}
	u.Close()
	for i := range groups {
		groups[i].Finish(testkit.Patience)
	}
}
