package session

import (
	"io"
	"strings"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/testkit"
)

// The log reports what a session of mode auto has found, but nothing about a session that
// has ended.
func TestSessionRateIsExplained(t *testing.T) {
	cc, sc := testConfig(config.Client), testConfig(config.Server)
	cc.Mode, sc.Mode = config.ModeAuto, config.ModeAuto
	u := newTunnel(t, cc, sc)
	go func() { _, _ = u.near.Write(testkit.RandomBytes(1, 100_000)) }()
	if _, err := io.ReadFull(u.far, make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	log, book := testkit.NewLog()
	u.clients.explain(log, explainLeast)
	if book.String() != "" {
		t.Errorf("of 100,000 bytes the log says %q", book)
	}
	u.clients.explain(log, 0)
	testkit.Contains(t, book.String(), `msg="session rate"`, "rate=", "rtt=", "least=", "lossout=", "latein=", "rebuilt=0", "wire/payload=", "phase=", "limit=application")
	u.client.Close(errTestEnds)
	if left := len(u.clients.autos.list()); left != 0 {
		t.Errorf("%d of its sessions are there after their end", left)
	}
}

// The cost of configured windows and buffers is logged, but not that of values that mode
// auto chooses.
func TestCapsAreExplained(t *testing.T) {
	own := config.Config{Mode: config.ModeAuto, RcvWnd: config.MaxAutoWindow, SndWnd: config.MaxAutoWindow, SmuxBuf: config.AutoSmuxBuf, StreamBuf: config.AutoSmuxBuf / 2}
	for _, c := range []struct {
		given func(c *config.Config)
		trip  time.Duration
		want  string
	}{
		{func(*config.Config) {}, 170 * time.Millisecond, ""},
		{func(c *config.Config) { c.RcvWnd = 512 }, 170 * time.Millisecond, "rcvwnd 512 caps this peer at 31.5 Mbit/s at 170 ms"},
		{func(c *config.Config) { c.RcvWnd = 512 }, time.Millisecond, ""},
		{func(c *config.Config) { c.SndWnd = 128 }, 100 * time.Millisecond, "sndwnd 128 caps us at 13.4 Mbit/s at 100 ms"},
		{func(c *config.Config) { c.SmuxBuf, c.StreamBuf = 4<<20, 1<<20 }, 200 * time.Millisecond,
			"smuxbuf 4194304 caps this peer at 168 Mbit/s at 200 ms, streambuf 1048576 caps each stream of this peer at 41.9 Mbit/s at 200 ms"},
	} {
		cfg := own
		c.given(&cfg)
		if got := strings.Join(caps(&cfg, c.trip, 1306), ", "); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
