package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/mux"
	"kcptun/std/testkit"
)

// The server speaks what the client speaks, whatever its own settings are, and reports each
// setting that differs.
func TestServerAdapts(t *testing.T) {
	for _, theirs := range []dialect{{true, 1}, {true, 2}, {false, 1}, {false, 2}} {
		for _, ours := range []dialect{{true, 1}, {true, 2}, {false, 1}, {false, 2}} {
			t.Run(fmt.Sprintf("client %+v, server %+v", theirs, ours), func(t *testing.T) {
				testkit.NoLeak(t)
				cc, sc := testConfig(config.Client), testConfig(config.Server)
				cc.NoComp, cc.SmuxVer = !theirs.compressed, theirs.version
				sc.NoComp, sc.SmuxVer = !ours.compressed, ours.version
				if ours.version != theirs.version {
					sc.Mode = config.ModeAuto // which is nothing that the ends agree on
				}
				u := newTunnel(t, cc, sc)
				want := []string{}
				if theirs.compressed != ours.compressed {
					want = append(want, "nocomp")
				}
				if theirs.version != ours.version {
					want = append(want, "smuxver")
				}
				if strings.Join(u.notes, " ") != strings.Join(want, " ") {
					t.Errorf("noted %v, want %v", u.notes, want)
				}
				go func() { _, _ = io.Copy(u.far, u.far); _ = u.far.CloseWrite() }()
				data := testkit.RandomBytes(1, 50_000)
				go func() { _, _ = u.near.Write(data); _ = u.near.CloseWrite() }()
				if got := testkit.Within(t, "the echo", testkit.Gather(u.near)); got != testkit.SumOf(data) {
					t.Errorf("%d bytes of %d, %v", got.N, len(data), got.Err)
				}
				u.closed()
			})
		}
	}
}

// rawServer is a listening link whose first session is given to Maker.Server,
// and a kcp-go session to it that can say anything.
func rawServer(t *testing.T, ctx context.Context, mode, words string) error {
	t.Helper()
	c := testConfig(config.Server)
	c.Mode = mode
	l, err := link.Listen(ctx, linkOptions(t, c), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sessions := New(c)
	lis, err := sessions.Listen(l, l)
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	d, err := link.Dial(ctx, linkOptions(t, c), l.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	near, err := kcp.NewConn4(7, d.Peer(), nil, 0, 0, false, d)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	//lint:ignore SA1019 stream mode is what the wire has, and kcp-go has no other call for it
	near.SetStreamMode(true)
	if _, err := near.Write([]byte(words)); err != nil {
		t.Fatal(err)
	}
	begun, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s, err := sessions.Server(ctx, begun, func(Difference) { t.Error("noted") })
	if s != nil {
		t.Error("a session came of it")
		s.Close(errTestEnds)
	}
	if _, err2 := begun.engine.Write([]byte("x")); err2 == nil {
		t.Error("the KCP session is still open")
	}
	closeSessions(l, lis)
	return err
}

func TestServerRefuses(t *testing.T) {
	for words, want := range map[string]string{
		"GET / HTTP/1.0\r\n":                  "0x47 is neither snappy's nor smux's",
		"\xff\xff\xff\xffxx":                  "snappy",
		string(compressed("SSH-2.0-OpenSSH")): "0x53",
	} {
		for _, mode := range []string{"fast3", config.ModeAuto} {
			testkit.NoLeak(t)
			err := rawServer(t, context.Background(), mode, words)
			if err == nil {
				t.Fatalf("%q was taken in mode %s", words, mode)
			}
			testkit.Contains(t, err.Error(), want)
		}
	}
}

// A client that does not get to the point holds the server no longer than the server's
// context, whose cause is the error.
func TestServerEndsWithContext(t *testing.T) {
	for _, mode := range []string{"fast3", config.ModeAuto} {
		testkit.NoLeak(t)
		why := errors.New("said nothing in time")
		ctx, cancel := context.WithTimeoutCause(context.Background(), 50*time.Millisecond, why)
		defer cancel()
		if err := rawServer(t, ctx, mode, string(snappyHead)); !errors.Is(err, why) {
			t.Errorf("mode %s: %v", mode, err)
		}
	}
}

// stranger answers a client's session with words of its own.
func stranger(t *testing.T, cc *config.Config, answer func(k *kcp.UDPSession)) (*Session, func()) {
	t.Helper()
	ctx := context.Background()
	l, err := link.Listen(ctx, linkOptions(t, cc), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis, err := kcp.ServeConn(nil, 0, 0, l)
	if err != nil {
		t.Fatal(err)
	}
	d, err := link.Dial(ctx, linkOptions(t, cc), l.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(cc).Client(d, 9)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		k, err := lis.AcceptKCP()
		if err != nil {
			return
		}
		//lint:ignore SA1019 stream mode is what the wire has, and kcp-go has no other call for it
		k.SetStreamMode(true)
		answer(k)
		for err == nil {
			_, err = k.Read(make([]byte, 1000))
		}
		k.Close()
	}()
	_, _ = s.Open() // the answer may be here before it returns
	return s, func() {
		closeListener(l, lis)
		s.Close(errTestEnds)
		<-answered
	}
}

// The error of a client's session with a peer that speaks something else names the setting
// to check.
func TestClientExplains(t *testing.T) {
	smuxAnswer := func(version int) func(*kcp.UDPSession) {
		return func(k *kcp.UDPSession) { _, _ = k.Write([]byte{byte(version), 3, 0, 0, 0, 0, 0, 0}) }
	}
	for name, tt := range map[string]struct {
		noComp bool
		answer func(*kcp.UDPSession)
		want   string
	}{
		"the other smux":            {true, smuxAnswer(1), "does not speak smux 2 here: is smuxver or nocomp different"},
		"not compressed":            {false, smuxAnswer(2), "not compressed by snappy: is nocomp different"},
		"compressed":                {true, func(k *kcp.UDPSession) { _, _ = k.Write(compressed("\x02\x03......")) }, "is smuxver or nocomp different"},
		"the other smux compressed": {false, func(k *kcp.UDPSession) { _, _ = k.Write(compressed("\x01\x03\x00\x00\x00\x00\x00\x00")) }, "does not speak smux 2"},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			cc := testConfig(config.Client)
			cc.NoComp = tt.noComp
			s, end := stranger(t, cc, tt.answer)
			accepted := make(chan error, 1)
			go func() { _, err := s.Accept(); accepted <- err }()
			if err := testkit.Within(t, "Accept ends", accepted); err == nil {
				t.Error("no error")
			} else {
				testkit.Contains(t, err.Error(), tt.want)
			}
			end()
		})
	}
}

func TestExplain(t *testing.T) {
	testkit.NoLeak(t)
	u := newTunnel(t, testConfig(config.Client), testConfig(config.Server))
	if _, err := u.far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(u.near, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	other := errors.New("other")
	for err, want := range map[error]string{
		mux.ErrProtocol:   "smux 2",
		snappy.ErrCorrupt: "nocomp",
		net.ErrClosed:     "the link was closed",
		mux.ErrSilent:     "nothing heard from the peer for 0s",
		other:             "other",
	} {
		testkit.Contains(t, u.client.explain(fmt.Errorf("wrapped: %w", err)).Error(), want)
	}
	u.closed()
	if err := u.client.explain(other); !errors.Is(err, errTestEnds) {
		t.Error("the reason of Close comes first:", err)
	}
}

// A peer that never existed is distinguished from one that fell silent.
func TestExplainNeverAnswered(t *testing.T) {
	testkit.NoLeak(t)
	nobody, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	c := testConfig(config.Client)
	l, err := link.Dial(context.Background(), linkOptions(t, c), nobody.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(c).Client(l, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(errTestEnds)
	testkit.Contains(t, s.silence().Error(), "never answered", "port", "key", "firewall")
}
