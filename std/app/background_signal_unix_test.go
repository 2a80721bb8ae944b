//go:build unix

package app

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/testkit"
)

// catchUSR1 keeps a stray SIGUSR1 from ending the test.
func catchUSR1(t *testing.T) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	t.Cleanup(func() { signal.Stop(c) })
}

func TestDumpSignal(t *testing.T) {
	catchUSR1(t)
	testkit.NoLeak(t)
	log, book := testkit.NewLog()
	ctx, cancel := context.WithCancel(context.Background())
	c := config.Default(config.Server)
	wg := startBackground(ctx, &c, Env{Log: log, Stats: new(link.Stats)})
	for n := 1; n <= 2; n++ {
		testkit.Eventually(t, "a line at each SIGUSR1", func() bool {
			if strings.Count(book.String(), "\n") < n {
				signalMyself(t, syscall.SIGUSR1) // the first may come before it is caught
			}
			return strings.Count(book.String(), "\n") >= n
		})
	}
	cancel()
	wg.Wait()
	testkit.Contains(t, book.String(), `msg="KCP SNMP: BytesSent:`)
}
