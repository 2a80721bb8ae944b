package app

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/build"
	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/testkit"
)

func TestCountersLine(t *testing.T) {
	stats := new(link.Stats)
	stats.BadShape.Add(7)
	line := countersLine(Env{Stats: stats})
	if !strings.HasPrefix(line, "KCP SNMP:") || strings.Contains(line, "\n") {
		t.Error(line)
	}
	for _, name := range kcp.DefaultSnmp.Header() {
		testkit.Contains(t, line, " "+name+":")
	}
	testkit.Contains(t, line, " "+stats.String(), "BadShape:7", " LogLost:0", " Goroutines:")
}

func TestStartBackground(t *testing.T) {
	testkit.NoLeak(t)
	c := config.Default(config.Client)
	c.SnmpLog = filepath.Join(t.TempDir(), "snmp")
	c.Pprof = true
	log, book := testkit.NewLog()
	ctx, cancel := context.WithCancel(context.Background())
	wg := startBackground(ctx, &c, Env{Log: log, Stats: new(link.Stats)})
	if build.Pprof {
		testkit.Eventually(t, "pprof says what it does", func() bool { return strings.Contains(book.String(), "pprof is") })
	}
	if strings.Contains(book.String(), "pprof is served") { // another program may use the port
		client := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
		for path, want := range map[string]int{"": 200, "symbol": 200, "cmdline": 404} {
			resp, err := client.Get("http://127.0.0.1:6060/debug/pprof/" + path)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%q: %s", path, resp.Status) // cmdline would reveal the key
			}
		}
	}
	cancel()
	wg.Wait()
	text, err := os.ReadFile(c.SnmpLog)
	if n := strings.Count(string(text), "\n"); err != nil || n != 2 {
		t.Errorf("%d lines, %v, want a header and the last", n, err)
	}
}

// Without a period there is no file.
func TestSnmpPeriodOff(t *testing.T) {
	c := config.Default(config.Client)
	c.SnmpLog, c.SnmpPeriod = filepath.Join(t.TempDir(), "snmp"), 0
	log, _ := testkit.NewLog()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	startBackground(ctx, &c, Env{Log: log, Stats: new(link.Stats)}).Wait()
	if _, err := os.Stat(c.SnmpLog); err == nil {
		t.Error("written all the same")
	}
}
