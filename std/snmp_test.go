package std

import (
	"context"
	"encoding/csv"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/link"
	"kcptun/std/testkit"
)

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestAppendSnmp(t *testing.T) {
	// The directory looks like a layout, too, and must stay as it is.
	dir := filepath.Join(t.TempDir(), "20060102")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.Local)
	for i := range 3 {
		if err := appendSnmp(filepath.Join(dir, "snmp-20060102.log"), now.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	rows := readCSV(t, filepath.Join(dir, "snmp-20310506.log"))
	if len(rows) != 4 {
		t.Fatalf("%d lines, want a header and three", len(rows))
	}
	header := kcp.DefaultSnmp.Header()
	if rows[0][0] != "Unix" || !slices.Equal(rows[0][1:], header) {
		t.Errorf("header %v", rows[0])
	}
	for i, row := range rows[1:] {
		if row[0] != strconv.FormatInt(now.Unix()+int64(i), 10) || len(row) != len(rows[0]) {
			t.Errorf("line %v", row)
		}
	}
	if err := appendSnmp(filepath.Join(dir, "no", "such"), now); err == nil {
		t.Error("no directory, no error")
	}
}

// An empty file that somebody made gets the header, a file with lines does not.
func TestAppendSnmpHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snmp")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := appendSnmp(path, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "Unix,") != 1 || !strings.HasPrefix(string(text), "Unix,BytesSent,") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestLogSnmp(t *testing.T) {
	testkit.NoLeak(t)
	path := filepath.Join(t.TempDir(), "snmp")
	ctx, cancel := context.WithCancel(context.Background())
	log, book := testkit.NewLog()
	done := make(chan struct{})
	go func() { logSnmp(ctx, path, 5*time.Millisecond, log); close(done) }()
	testkit.Eventually(t, "three lines", func() bool {
		text, _ := os.ReadFile(path)
		return strings.Count(string(text), "\n") > 3
	})
	cancel()
	testkit.Within(t, "logSnmp ends with the context", done)
	if book.String() != "" {
		t.Error(book)
	}
}

// Trouble is logged once, and a last line is written at the end.
func TestLogSnmpTrouble(t *testing.T) {
	testkit.NoLeak(t)
	dir := filepath.Join(t.TempDir(), "late")
	path := filepath.Join(dir, "snmp")
	ctx, cancel := context.WithCancel(context.Background())
	log, book := testkit.NewLog()
	done := make(chan struct{})
	go func() { logSnmp(ctx, path, time.Millisecond, log); close(done) }()
	testkit.Eventually(t, "the trouble is logged", func() bool { return book.String() != "" })
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "it goes on", func() bool { return exists(path) })
	cancel()
	testkit.Within(t, "logSnmp ends", done)
	testkit.Contains(t, book.String(), "snmplog was not written", "no such file")
	if n := strings.Count(book.String(), "\n"); n != 1 {
		t.Errorf("%d lines for one trouble", n)
	}
}

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

func TestStartAside(t *testing.T) {
	testkit.NoLeak(t)
	c := DefaultConfig(Client)
	c.SnmpLog = filepath.Join(t.TempDir(), "snmp")
	c.Pprof = true
	log, book := testkit.NewLog()
	ctx, cancel := context.WithCancel(context.Background())
	wg := startAside(ctx, &c, Env{Log: log, Stats: new(link.Stats)})
	if pprofBuilt {
		testkit.Eventually(t, "pprof says what it does", func() bool { return strings.Contains(book.String(), "pprof is") })
	}
	if strings.Contains(book.String(), "pprof is served") { // the port may be taken by another program
		client := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
		for path, want := range map[string]int{"": 200, "symbol": 200, "cmdline": 404} {
			resp, err := client.Get("http://127.0.0.1:6060/debug/pprof/" + path)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%q: %s", path, resp.Status) // cmdline would show the key
			}
		}
	}
	cancel()
	wg.Wait()
	if rows := readCSV(t, c.SnmpLog); len(rows) != 2 {
		t.Errorf("%d lines, want a header and the last", len(rows))
	}
}

// Without a period there is no log.
func TestSnmpPeriodOff(t *testing.T) {
	c := DefaultConfig(Client)
	c.SnmpLog, c.SnmpPeriod = filepath.Join(t.TempDir(), "snmp"), 0
	log, _ := testkit.NewLog()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	startAside(ctx, &c, Env{Log: log, Stats: new(link.Stats)}).Wait()
	if exists(c.SnmpLog) {
		t.Error("written all the same")
	}
}
