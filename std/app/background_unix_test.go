//go:build unix

package app

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/testkit"
)

// Regression: the end of the program waited for a file of counters that could not be
// written, for example on a network disk that is unreachable. Here it is a pipe without a
// reader.
func TestEndWithStuckSnmp(t *testing.T) {
	testkit.NoLeak(t)
	c := config.Default(config.Client)
	c.SnmpLog = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(c.SnmpLog, 0o600); err != nil {
		t.Skip("no pipes with a name here:", err)
	}
	log, book := testkit.NewLog()
	ctx, cancel := context.WithCancel(context.Background())
	background := startBackground(ctx, &c, Env{Log: log, Stats: new(link.Stats)})
	cancel()
	waited := make(chan struct{})
	go func() { waitBackground(background, &c, log); close(waited) }()
	testkit.Within(t, "the end does not wait for it", waited)
	testkit.Contains(t, book.String(), "snmplog is stuck, its last line is lost")
	f, err := os.OpenFile(c.SnmpLog, os.O_RDWR, 0) // unblocks the write
	if err != nil {
		t.Fatal(err)
	}
	background.Wait()
	f.Close()
}
