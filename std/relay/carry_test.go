package relay

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/mux"
	"kcptun/std/shutdown"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// An application at one end of a tunnel, a target at the other, and what each log says
// about the stream.
func TestCarryStream(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		testkit.NoLeak(t)
		u := sessions.NewPair(t, sessions.Config(config.Client), sessions.Config(config.Server))
		app, a := testkit.TCPPair(t)
		b, target := testkit.TCPPair(t)
		log, book := testkit.NewLog()
		done := make(chan struct{}, 2)
		go func() {
			Carry{Log: log, Quiet: quiet, From: "app:1", To: "server:2", FromName: "application", ToName: "server", Stream: u.Near.ID(), A: a, B: u.Near}.Run()
			done <- struct{}{}
		}()
		go func() {
			Carry{Log: log, Quiet: quiet, From: "client:3", To: "target:4", FromName: "client", ToName: "target", Stream: u.Far.ID(), A: u.Far, B: b, CloseWait: 30,
				Delivered: func() error { return errors.New("not acknowledged") }}.Run()
			done <- struct{}{}
		}()
		up, down := testkit.RandomBytes(1, 300_000), testkit.RandomBytes(2, 400_000)
		go func() { _, _ = app.Write(up); _ = app.CloseWrite() }()
		if got := testkit.Within(t, "the request", testkit.Gather(testkit.Deadline(t, target))); got != testkit.SumOf(up) {
			t.Errorf("%d bytes of %d, %v", got.N, len(up), got.Err)
		}
		go func() { _, _ = target.Write(down); target.Close() }()
		if got := testkit.Within(t, "the answer", testkit.Gather(testkit.Deadline(t, app))); got != testkit.SumOf(down) {
			t.Errorf("%d bytes of %d, %v", got.N, len(down), got.Err)
		}
		testkit.Within(t, "one end", done)
		testkit.Within(t, "the other end", done)
		if quiet {
			if book.String() != "" {
				t.Error(book)
			}
		} else {
			testkit.Contains(t, book.String(), `msg="stream opened" from=app:1 to=server:2 stream=`, `msg="stream opened" from=client:3 to=target:4`,
				"up=300000 down=400000", `reason="application finished, then server"`, `reason="client finished, then target: not acknowledged"`)
			if n := strings.Count(book.String(), "\n"); n != 4 {
				t.Errorf("%d lines", n)
			}
		}
		u.Close()
	}
}

func TestCarryReasons(t *testing.T) {
	c := Carry{FromName: "application", ToName: "server"}
	reset, gone := errors.New("reset"), errors.New("gone")
	for _, tt := range []struct {
		result Result
		want   string
	}{
		{Result{FirstA: true}, "application finished, then server"},
		{Result{}, "server finished, then application"},
		{Result{FirstA: true, ErrA: reset}, "application: reset"},
		{Result{ErrB: gone}, "server: gone"},
		{Result{ErrB: gone, ErrA: reset}, "server: gone"},
		{Result{FirstA: true, ErrB: errSilent}, "application finished, then server: silent since the other direction ended"},
		{Result{ErrA: errSilent}, "server finished, then application: silent since the other direction ended"},
	} {
		if got := c.reason(tt.result); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.result, got, tt.want)
		}
	}
}

// A stream that is still open when the program ends is cut, and the log says so. It used to
// report an error of closing, of either end.
func TestCarryCutByShutdown(t *testing.T) {
	for _, c := range []struct {
		name string
		half bool // the application has finished
		want string
	}{
		{"both ways", false, `reason="cut by the shutdown of this end"`},
		{"one way", true, `reason="application finished, then cut by the shutdown of this end"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.NoLeak(t)
			u := sessions.NewPair(t, sessions.Config(config.Client), sessions.Config(config.Server))
			app, a := testkit.TCPPair(t)
			log, book := testkit.NewLog()
			var group shutdown.Group
			ends := new(shutdown.Closers)
			ends.Add(a)
			ends.Add(u.Near)
			group.Go(ends, func() {
				Carry{Log: log, FromName: "application", ToName: "server", Stream: u.Near.ID(), A: a, B: u.Near, Group: &group}.Run()
			})
			if c.half {
				closeWrite(t, app)
				testkit.Within(t, "the end to pass", testkit.Gather(u.Far))
			}
			group.Finish(0)
			testkit.Contains(t, book.String(), c.want)
			u.Close()
		})
	}
}

// The target dies in the middle of an upload, and the server closes the stream. Our server
// tells the client, so that the relay needs no limit.
func TestRelayToAbandonedStream(t *testing.T) {
	for _, version := range []int{1, 2} {
		testkit.NoLeak(t)
		cc, sc := sessions.Config(config.Client), sessions.Config(config.Server)
		cc.SmuxVer, sc.SmuxVer = version, version
		u := sessions.NewPair(t, cc, sc)
		app, a := testkit.TCPPair(t)
		near := make(chan Result, 1)
		go func() { near <- relay(a, u.Near, limits{}, newGoroutine, nil) }()
		go func() { _, _ = app.Write(testkit.RandomBytes(1, 8<<20)); app.Close() }()
		if _, err := io.ReadFull(u.Far, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		u.Far.Close()
		if got := testkit.Within(t, "the client's end", near); !errors.Is(got.ErrA, mux.ErrGone) {
			t.Errorf("smux %d: %+v", version, got)
		}
		u.Close()
	}
}

// A stream on which nobody writes is not given up, and a socket never is.
func TestRelayAbandonsOnlyStuckStreams(t *testing.T) {
	testkit.NoLeak(t)
	u := sessions.NewPair(t, sessions.Config(config.Client), sessions.Config(config.Server))
	app, a := testkit.TCPPair(t)
	near := make(chan Result, 1)
	go func() { near <- relay(a, u.Near, limits{write: 100 * time.Millisecond}, newGoroutine, nil) }()
	if err := u.Far.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := testkit.Within(t, "EOF", testkit.Gather(testkit.Deadline(t, app))); got != testkit.SumOf(nil) {
		t.Errorf("%+v", got)
	}
	for range 3 {
		time.Sleep(120 * time.Millisecond) // longer than the limit, without a Write
		send(t, app, []byte("x"))
		if _, err := io.ReadFull(u.Far, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	closeWrite(t, app)
	if got := testkit.Within(t, "the end", near); got.ErrA != nil || got.FromA != 3 {
		t.Errorf("%+v", got)
	}
	u.Far.Close()
	u.Close()

	x, xa := testkit.TCPPair(t)
	yb, y := testkit.TCPPair(t)
	go func() { near <- relay(xa, yb, limits{write: time.Millisecond}, newGoroutine, nil) }()
	closeWrite(t, y)
	data := testkit.RandomBytes(1, 20<<20) // more than the sockets hold
	go func() { _, _ = x.Write(data); x.Close() }()
	time.Sleep(50 * time.Millisecond)
	if got := testkit.Within(t, "all", testkit.Gather(testkit.Deadline(t, y))); got != testkit.SumOf(data) {
		t.Errorf("%d bytes of %d, %v", got.N, len(data), got.Err)
	}
	testkit.Within(t, "the end", near)
}
