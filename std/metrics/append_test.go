package metrics

import (
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

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

func TestAppend(t *testing.T) {
	// The name of the directory looks like a layout, too, and must not be changed.
	dir := filepath.Join(t.TempDir(), "20060102")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.Local)
	for i := range 3 {
		if err := Append(filepath.Join(dir, "snmp-20060102.log"), now.Add(time.Duration(i)*time.Second)); err != nil {
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
	if err := Append(filepath.Join(dir, "no", "such"), now); err == nil {
		t.Error("no directory, no error")
	}
}

// An empty file that already exists gets the header; a file with lines does not.
func TestAppendHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snmp")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Append(path, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "Unix,") != 1 || !strings.HasPrefix(string(text), "Unix,BytesSent,") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestAppendEach(t *testing.T) {
	testkit.NoLeak(t)
	path := filepath.Join(t.TempDir(), "snmp")
	ctx, cancel := context.WithCancel(context.Background())
	log, book := testkit.NewLog()
	done := make(chan struct{})
	go func() { AppendEach(ctx, path, 5*time.Millisecond, log); close(done) }()
	testkit.Eventually(t, "three lines", func() bool {
		text, _ := os.ReadFile(path)
		return strings.Count(string(text), "\n") > 3
	})
	cancel()
	testkit.Within(t, "it ends with the context", done)
	if book.String() != "" {
		t.Error(book)
	}
}

// A problem is logged once, and a last line is written at the end.
func TestAppendEachTrouble(t *testing.T) {
	testkit.NoLeak(t)
	dir := filepath.Join(t.TempDir(), "late")
	path := filepath.Join(dir, "snmp")
	ctx, cancel := context.WithCancel(context.Background())
	log, book := testkit.NewLog()
	done := make(chan struct{})
	go func() { AppendEach(ctx, path, time.Millisecond, log); close(done) }()
	testkit.Eventually(t, "the trouble is logged", func() bool { return book.String() != "" })
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "it goes on", func() bool { _, err := os.Stat(path); return err == nil })
	cancel()
	testkit.Within(t, "it ends", done)
	testkit.Contains(t, book.String(), "snmplog was not written", "no such file")
	if n := strings.Count(book.String(), "\n"); n != 1 {
		t.Errorf("%d lines for one trouble", n)
	}
}
