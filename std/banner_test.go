package std

import (
	"strings"
	"testing"
	"time"

	"kcptun/std/metrics"
	"kcptun/std/testkit"
)

func TestFingerprint(t *testing.T) {
	base := DefaultConfig(Client)
	if got := base.Fingerprint(); len(got) != 8 {
		t.Errorf("%q", got)
	}
	server := DefaultConfig(Server)
	if base.Fingerprint() != server.Fingerprint() {
		t.Error("the defaults of the two ends fit together")
	}
	for name, change := range map[string]func(*Config){
		"crypt":   func(c *Config) { c.Crypt = "salsa20" },
		"nocomp":  func(c *Config) { c.NoComp = true },
		"smuxver": func(c *Config) { c.SmuxVer = 1 },
		"QPP":     func(c *Config) { c.QPP = true },
	} {
		c := base
		change(&c)
		if c.Fingerprint() == base.Fingerprint() {
			t.Errorf("%s must match, and changes nothing", name)
		}
	}
	one, other := base, base
	one.QPP, other.QPP, other.QPPCount = true, true, 67
	if one.Fingerprint() == other.Fingerprint() {
		t.Error("QPPCount must match under QPP, and changes nothing")
	}
	other = base
	other.Key, other.QPPCount, other.MTU, other.Mode, other.DataShard, other.SndWnd, other.RemoteAddr, other.CloseWait = "k", 67, 1200, "fast3", 5, 7, "x:1", 9
	if other.Fingerprint() != base.Fingerprint() {
		t.Error("the key and what may differ changes it")
	}
}

func TestBanner(t *testing.T) {
	c := DefaultConfig(Server)
	c.Key, c.Crypt, c.SnmpLog = "s3cret", "null", "/tmp/x.log"
	c.Warnings = []string{"beware"}
	log, book := testkit.NewLog()
	banner(&c, Server, "1.2.3", log)
	testkit.Contains(t, book.String(), `msg="kcptun server"`, "version=1.2.3", "fingerprint="+c.Fingerprint(), "listen=:29900", "crypt=null", "mtu=1350", "nocomp=false", "snmplog=/tmp/x.log", "level=WARN msg=beware", `msg="counters are appended to a file" file=/tmp/x.log`)
	testkit.Lacks(t, book.String(), "s3cret", "key=", "localaddr", " log=")
	if lines := strings.Count(book.String(), "\n"); lines != 4 {
		t.Errorf("%d lines", lines)
	}
}

func TestModes(t *testing.T) {
	for name, want := range map[string][4]int{
		"normal": {0, 40, 2, 1}, "fast": {0, 30, 2, 1}, "fast2": {1, 20, 2, 1}, "fast3": {1, 10, 2, 1}, "manual": {1, 77, 5, 0},
	} {
		c, err := checked(Client, func(c *Config) {
			c.Mode, c.NoDelay, c.Interval, c.Resend, c.NoCongestion = name, 1, 77, 5, 0
		})
		if got := [4]int{c.NoDelay, c.Interval, c.Resend, c.NoCongestion}; got != want || err != nil {
			t.Errorf("%s: %v, want %v; %v", name, got, want, err)
		}
	}
	if got := strings.Join(ModeNames(), " "); got != "auto fast3 fast2 fast normal manual" {
		t.Error(got)
	}
}

// Mode auto takes the place of what has its default, and of nothing else.
func TestModeAuto(t *testing.T) {
	for _, r := range []Role{Client, Server} {
		c, err := checked(r, func(c *Config) { c.Mode = modeAuto })
		if err != nil || c.DataShard != 0 || c.ParityShard != 0 || c.SndWnd != maxAutoWindow || c.RcvWnd != maxAutoWindow || c.SmuxBuf != autoSmuxBuf || c.StreamBuf != autoSmuxBuf/2 {
			t.Errorf("%v: %+v, %v", r, c, err)
		}
		c, err = checked(r, func(c *Config) {
			c.Mode, c.DataShard, c.ParityShard, c.SndWnd, c.RcvWnd, c.SmuxBuf, c.StreamBuf = modeAuto, 20, 2, 300, 400, 5<<20, 1<<20
		})
		if err != nil || c.DataShard != 20 || c.ParityShard != 2 || c.SndWnd != 300 || c.RcvWnd != 400 || c.SmuxBuf != 5<<20 || c.StreamBuf != 1<<20 {
			t.Errorf("%v: %+v, %v", r, c, err)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"rcvwnd", "sndwnd", "nocomp", "QPP", "parityshard", "log", "crypt", "conn", "c"}
	for typed, want := range map[string]string{
		"rcvwind": "rcvwnd", "nocmp": "nocomp", "qpp": "QPP", "RCVWND": "rcvwnd", "paritiyshards": "parityshard",
		"crpyt": "crypt", "con": "conn", "foo": "", "t": "", "xyzzy": "", "": "", "completely-other": "",
	} {
		got := didYouMean(typed, known)
		if want == "" && got != "" && typed != "" || want != "" && !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"ab", "ba", 2}, {strings.Repeat("a", 100), "a", 63}} {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// A keepalive timeout shorter than the interval would end each session.
func TestPatience(t *testing.T) {
	for keepalive, want := range map[int]float64{1: 30, 10: 30, 11: 33, 60: 180} {
		c := DefaultConfig(Client)
		c.KeepAlive = keepalive
		if got := muxConfig(&c).Patience.Seconds(); got != want {
			t.Errorf("keepalive %d: given up after %v s, want %v", keepalive, got, want)
		}
	}
}

// The banner names the file, whatever its name becomes.
func TestBannerNamesTheFileOfCounters(t *testing.T) {
	c := DefaultConfig(Client)
	c.SnmpLog = "/tmp/stat-2.log"
	log, book := testkit.NewLog()
	banner(&c, Client, "1.2.3", log)
	testkit.Contains(t, book.String(), "file="+metrics.FileName(c.SnmpLog, time.Now()), "level=WARN msg=\"a single digit in the name of --snmplog", "snmplog=/tmp/stat-2.log")
	c.SnmpPeriod = 0
	log, book = testkit.NewLog()
	banner(&c, Client, "1.2.3", log)
	testkit.Lacks(t, book.String(), "a single digit", "counters are appended")
}
