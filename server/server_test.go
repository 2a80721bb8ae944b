package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"kcptun/std/build"
	"kcptun/std/config"
	"kcptun/std/mux"
	"kcptun/std/session"
	"kcptun/std/shutdown"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

var _ func(*Config, string) error = parseJSONConfig

// The names and types used by tests of other programs.
func TestConfigFields(t *testing.T) {
	c := Config{
		Listen: "", Target: "", Key: "", Crypt: "", Mode: "", MTU: int(1), SndWnd: int(1), RcvWnd: int(1),
		DataShard: int(1), ParityShard: int(1), NoComp: true, AckNodelay: true, CloseWait: int(1), TCP: true,
	}
	path := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(path, []byte(`{"listen":":1-2","target":"x:2","key":"k","closewait":7,"tcp":false}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := parseJSONConfig(&c, path); err != nil || c.Listen != ":1-2" || c.Target != "x:2" || c.Key != "k" || c.CloseWait != 7 || c.TCP || !c.NoComp {
		t.Errorf("%+v, %v", c, err)
	}
	if VERSION != "SELFBUILD" {
		t.Error(VERSION)
	}
}

// A client reaches the target, over TCP or a unix socket, through every port of the range.
func TestRun(t *testing.T) {
	for name, addr := range map[string]string{
		"tcp":      "127.0.0.1:0",
		"unix":     filepath.Join(t.TempDir(), "s"),
		"abstract": fmt.Sprintf("@kcptun-server-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			if name == "abstract" && runtime.GOOS != "linux" {
				t.Skip("only Linux has abstract names")
			}
			testkit.NoLeak(t)
			network := "unix"
			if name == "tcp" {
				network = "tcp"
			}
			cfg := sessions.Config(config.Server)
			cfg.Target = startTarget(t, network, addr, echoes)
			s := start(t, cfg, 3)
			for i := range 3 {
				sess, _ := s.session(t, sessions.Config(config.Client), i)
				st := open(t, sess)
				echo(t, st, "hello")
				if err := st.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if rest, err := io.ReadAll(st); len(rest) != 0 || err != nil {
					t.Error(rest, err)
				}
				st.Close()
			}
			testkit.Eventually(t, "all streams are closed", func() bool { return s.log.Count("stream closed") == 3 })
			begun := time.Now()
			if err := s.end(t); err != nil || time.Since(begun) > shutdown.Grace {
				t.Errorf("with nothing left to do it ended after %v, %v", time.Since(begun), err)
			}
			testkit.Contains(t, s.log.String(), `reason="client finished, then target"`, "up=5 down=5", `msg="session closed"`, `reason="server ends"`)
			if n := s.log.Count("session opened"); n != 3 {
				t.Errorf("%d sessions", n)
			}
		})
	}
}

// The server adapts to the client and says so.
func TestRunAdapts(t *testing.T) {
	testkit.NoLeak(t)
	cfg := sessions.Config(config.Server)
	cfg.Target = startTarget(t, "tcp", "127.0.0.1:0", echoes)
	s := start(t, cfg, 1)
	cc := sessions.Config(config.Client)
	cc.NoComp, cc.SmuxVer = true, 1
	sess, _ := s.session(t, cc, 0)
	st := open(t, sess)
	echo(t, st, "hello")
	st.Close()
	testkit.Eventually(t, "the settings are compared", func() bool { return s.log.Count("client differs in smuxver") == 1 })
	testkit.Contains(t, s.log.String(), `msg="client differs in nocomp, speaking as it does"`, "ours=false theirs=true", `msg="client differs in smuxver`, "ours=2 theirs=1")
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}

// A target that cannot be reached ends the stream, which does not look like an empty answer,
// and the log names it.
func TestRunTargetRefuses(t *testing.T) {
	testkit.NoLeak(t)
	cfg := sessions.Config(config.Server)
	cfg.Target = filepath.Join(t.TempDir(), "nobody")
	s := start(t, cfg, 1)
	sess, _ := s.session(t, sessions.Config(config.Client), 0)
	st := open(t, sess)
	if rest, err := io.ReadAll(st); len(rest) != 0 || err != mux.ErrReset {
		t.Error(rest, err)
	}
	testkit.Contains(t, s.log.String(), `msg="stream refused"`, "to="+cfg.Target, "no such file")
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}

// Regression: --quiet, which is meant for servers with many streams, logged a line for each
// stream that did not reach its target.
func TestQuietRefusals(t *testing.T) {
	testkit.NoLeak(t)
	cfg := sessions.Config(config.Server)
	cfg.Target, cfg.Quiet = filepath.Join(t.TempDir(), "nobody"), true
	s := start(t, cfg, 1)
	sess, _ := s.session(t, sessions.Config(config.Client), 0)
	for range 5 {
		if _, err := io.ReadAll(open(t, sess)); err != mux.ErrReset {
			t.Error(err)
		}
	}
	if n := s.log.Count("stream refused"); n != 1 {
		t.Errorf("%d lines for 5 streams without a target, want 1", n)
	}
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}

// A stream that arrives while the server ends, and that nobody will serve, is reset: what it
// sends must not look received. It used to get a proper end.
func TestStreamsAtTheEndAreReset(t *testing.T) {
	testkit.NoLeak(t)
	release := make(chan struct{})
	cfg := sessions.Config(config.Server)
	cfg.Target = startTarget(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		_, _ = c.Write(make([]byte, 1))
		<-release
	})
	s := start(t, cfg, 1)
	sess, _ := s.session(t, sessions.Config(config.Client), 0)
	old := open(t, sess) // keeps the server from ending at once
	echo(t, old, "\x00")
	s.cancel()
	testkit.Eventually(t, "a stream that is not served", func() bool {
		st := open(t, sess)
		if _, err := st.Write([]byte("an upload")); err != nil {
			return false
		}
		_ = st.CloseWrite()
		got, err := io.ReadAll(st)
		if len(got) > 0 || err == nil {
			t.Fatalf("it reads %q, %v", got, err)
		}
		return err == mux.ErrReset
	})
	close(release)
	old.Close()
	if err := testkit.Within(t, "the server ends", s.ended); err != nil {
		t.Error(err)
	}
}

func TestOpenLinks(t *testing.T) {
	testkit.NoLeak(t)
	cfg := sessions.Config(config.Server)
	env, book := newEnv()
	opt, err := session.LinkOptions(cfg, env.Log, env.Stats)
	if err != nil {
		t.Fatal(err)
	}
	port := freePorts(t, 3)
	taken, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port+2))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen = fmt.Sprintf("127.0.0.1:%d-%d", port, port+2)
	if _, err := openLinks(context.Background(), cfg, env, opt); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("listening on 127.0.0.1:%d: ", port+2)) {
		t.Error(err)
	}
	taken.Close()
	links, err := openLinks(context.Background(), cfg, env, opt) // the first two were closed again
	if err != nil || len(links) != 3 {
		t.Fatal(len(links), err)
	}
	closeAll(links)
	testkit.Contains(t, book.String(), fmt.Sprintf("addr=127.0.0.1:%d over=udp", port+1))
	cfg.Listen = "x"
	if _, err := openLinks(context.Background(), cfg, env, opt); err == nil {
		t.Error("no port, no error")
	}
	cfg.Crypt = "x"
	if err := run(context.Background(), cfg, env); err == nil {
		t.Error("no cipher, no error")
	}
}

// Streams that are open when the server is told to end are allowed to finish.
func TestRunLetsStreamsFinish(t *testing.T) {
	testkit.NoLeak(t)
	ending := make(chan struct{})
	cfg := sessions.Config(config.Server)
	cfg.Target = startTarget(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 5))
		<-ending
		_, _ = io.WriteString(c, "answer")
	})
	s := start(t, cfg, 1)
	sess, _ := s.session(t, sessions.Config(config.Client), 0)
	st := open(t, sess)
	if _, err := io.WriteString(st, "query"); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the stream is open", func() bool { return s.log.Count("stream opened") == 1 })
	s.cancel()
	close(ending)
	got := make(chan string, 1)
	go func() {
		b, err := io.ReadAll(st)
		got <- fmt.Sprint(string(b), err)
	}()
	if text := testkit.Within(t, "the answer", got); text != "answer<nil>" {
		t.Error(text)
	}
	st.Close() // after that the server need not wait for the rest of its grace period
	begun := time.Now()
	if err := testkit.Within(t, "the server ends", s.ended); err != nil || time.Since(begun) > shutdown.Grace {
		t.Error(err, time.Since(begun))
	}
}

// The path dies with full windows, and the server is told to end: it must not wait for data
// that can never be sent.
func TestRunEndsOnDeadPath(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the grace of five seconds")
	}
	testkit.NoLeak(t)
	cfg := sessions.Config(config.Server)
	cfg.Target = startTarget(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		for {
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	s := start(t, cfg, 1)
	cc := sessions.Config(config.Client)
	cc.SmuxVer = 1 // where no stream's window stops it before the session's window
	sess, l := s.session(t, cc, 0)
	for range 8 {
		open(t, sess) // and does not read what the target sends
	}
	testkit.Eventually(t, "all streams are open", func() bool { return s.log.Count("stream opened") == 8 })
	l.Close()                          // the server is not told
	time.Sleep(500 * time.Millisecond) // while its windows fill
	begun := time.Now()
	if err := s.end(t); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > shutdown.Grace+2*shutdown.DrainLimit+3*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestLanesOfAPort(t *testing.T) {
	for _, c := range []struct{ cores, ports, want int }{
		{1, 1, 1}, {2, 1, 1}, {3, 1, 1}, {4, 1, 2}, {8, 1, 4}, {64, 1, 8},
		{8, 2, 2}, {8, 4, 1}, {8, 1000, 1},
	} {
		if got := lanes(c.cores, c.ports); got != c.want {
			t.Errorf("%d cores, %d ports: %d lanes, want %d", c.cores, c.ports, got, c.want)
		}
	}
}

// A session that arrives from the address of another one exists beside it: a first packet
// from that address ends nothing.
func TestSessionsFromOneAddress(t *testing.T) {
	sc := sessions.Config(config.Server)
	sc.Target = startTarget(t, "tcp", "127.0.0.1:0", echoes)
	s := start(t, sc, 1)
	nat := testkit.NewCable(t, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.port})
	first, _ := sessions.Dial(t, sessions.Config(config.Client), nat.Addr().String(), 1)
	old := open(t, first)
	echo(t, old, "hello")
	second, _ := sessions.Dial(t, sessions.Config(config.Client), nat.Addr().String(), 2)
	st := open(t, second)
	echo(t, st, "hello")
	testkit.Eventually(t, "both sessions are open", func() bool { return s.log.Count("session opened") == 2 })
	if n := s.log.Count("session closed") + s.log.Count("session refused"); n > 0 {
		t.Errorf("%d sessions have ended", n)
	}
	if strings.Contains(s.log.String(), "#") {
		t.Error("the log names conversations by more than their number")
	}
	echo(t, st, "hello again")
	st.Close()
	testkit.Eventually(t, "the stream is closed", func() bool { return s.log.Count("stream closed") == 1 })
	old.Close() // or the server waits for it as long as it has grace
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}

// A client whose QPP settings differ from ours is reported, and only once.
func TestRunNamesQPP(t *testing.T) {
	if !build.QPP {
		t.Skip("built without QPP")
	}
	testkit.NoLeak(t)
	cfg := sessions.Config(config.Server)
	cfg.Target = startTarget(t, "tcp", "127.0.0.1:0", echoes)
	cfg.QPP = true
	s := start(t, cfg, 1)
	for i := range 2 { // with two conversations: one that has ended is not started again
		sess, _ := sessions.Dial(t, sessions.Config(config.Client), fmt.Sprintf("127.0.0.1:%d", s.port), uint32(77+i))
		open(t, sess).Close()
		testkit.Eventually(t, "the server's hello", sess.Greeted)
	}
	testkit.Eventually(t, "the settings are compared", func() bool { return s.log.Count("client differs in QPP, its streams cannot be read") == 1 })
	testkit.Contains(t, s.log.String(), "ours=true theirs=false times=1")
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}
