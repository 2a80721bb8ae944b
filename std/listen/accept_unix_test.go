//go:build unix

package listen

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"

	"kcptun/std/testkit"
)

// limitDescriptors allows the test this many more descriptors.
func limitDescriptors(t *testing.T, more int) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	next, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Close(next)
	limited := old
	setNumber(&limited.Cur, next+more)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limited); err != nil {
		t.Skip("the limit of descriptors cannot be set: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
}

// setNumber sets a field whose type differs by system.
func setNumber[T int64 | uint64](field *T, n int) { *field = T(n) }

// A crowd of connections leaves descriptors for what they wait for. When they have gone,
// the next connection is accepted.
func TestAcceptLoopLeavesSpare(t *testing.T) {
	testkit.NoLeak(t)
	const spare, crowd = 6, 60
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	var apps []net.Conn
	for range crowd {
		apps = append(apps, dial())
	}
	limitDescriptors(t, 40)
	log, book := testkit.NewLog()
	ctx, cancel := context.WithCancel(context.Background())
	var held sync.WaitGroup
	conns, done := make(chan struct{}, crowd+1), make(chan error, 1)
	go func() {
		done <- Accept(ctx, lis, log, spare, func(c net.Conn) {
			held.Go(func() {
				conns <- struct{}{}
				_, _ = c.Read(make([]byte, 1)) // until the application leaves
				c.Close()
			})
		})
	}()
	testkit.Eventually(t, "accepting pauses", func() bool { return book.Count("accepting pauses") == 1 })
	for range spare - 1 { // the connection that brought it to notice has taken one
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	testkit.Eventually(t, "most of the 40 descriptors carry connections", func() bool { return len(conns) >= 20 })
	for _, app := range apps {
		app.Close()
	}
	for range crowd {
		testkit.Within(t, "the rest of the crowd is accepted", conns)
	}
	last := dial()
	testkit.Within(t, "a new connection is accepted", conns)
	last.Close()
	cancel()
	lis.Close()
	testkit.Within(t, "it ends", done)
	held.Wait()
	testkit.Lacks(t, book.String(), "too many open files")
}
