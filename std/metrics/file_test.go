package metrics

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSnmpFileNames(t *testing.T) {
	at := time.Date(2026, time.November, 26, 17, 8, 9, 0, time.Local)
	dir := filepath.Join("20060102", "stat-2")
	for _, c := range []struct{ name, file, advice string }{
		{"counters.csv", "counters.csv", ""},
		{"snmp-20060102.log", "snmp-20261126.log", ""},
		{"snmp-060102.log", "snmp-261126.log", ""},
		{"Jan-2006.csv", "Nov-2026.csv", ""},
		{"2006-01-02T15.csv", "2026-11-26T17.csv", ""},
		{"stat-2.log", "stat-26.log", "a single digit"},
		{"kcp1.log", "kcp11.log", "a single digit"},
		{"kcp1-20060102.log", "kcp11-20261126.log", "a single digit"},
		{"v3.csv", "v5.csv", "a single digit"},
		{"port-4000.csv", "port-8000.csv", "a single digit"},
		{"snmp-0102.log", "snmp-1126.log", "has no year"},
		{"snmp-Mon.log", "snmp-Thu.log", "has no year"},
		{"Monitor.log", "Monitor.log", ""},
		{"stat-7.log", "stat-7.log", ""},
		{"15.log", "17.log", "has no year"},
	} {
		if got, want := FileName(filepath.Join(dir, c.name), at), filepath.Join(dir, c.file); got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
		got := Advice(filepath.Join(dir, c.name))
		if c.advice == "" && got != "" || !strings.Contains(got, c.advice) {
			t.Errorf("%s: %q, want %q", c.name, got, c.advice)
		}
	}
}

// narrowFile has room for a limited number of bytes.
type narrowFile struct {
	bytes.Buffer
	room int
}

func (f *narrowFile) Write(p []byte) (int, error) {
	n := min(len(p), f.room-f.Len())
	_, _ = f.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

func (f *narrowFile) Truncate(size int64) error {
	f.Buffer.Truncate(int(size))
	return nil
}

// Regression: a disk that was full for a while left half a row in the file, and the next
// row was appended to it.
func TestSnmpRowsAreWhole(t *testing.T) {
	f := &narrowFile{room: 20}
	row := []byte("1,2,3,4,5\n")
	for i, good := range []bool{true, true, false} {
		if err := appendWhole(f, int64(f.Len()), row); (err == nil) != good {
			t.Error(i, err)
		}
	}
	f.room = 25
	if err := appendWhole(f, int64(f.Len()), row); err == nil {
		t.Error("20 of 25 bytes are taken, and 10 were written")
	}
	f.room = 100
	if err := appendWhole(f, int64(f.Len()), row); err != nil || f.String() != strings.Repeat(string(row), 3) {
		t.Errorf("%v, %q", err, f.String())
	}
}
