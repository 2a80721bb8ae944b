package main

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A stream arrives when there are no descriptors left: it waits until another one ends, and
// is connected within a second of that. It used to be refused. The time is that of the test.
func TestDialTargetWaitsForDescriptor(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	free := takeDescriptors(t)
	synctest.Test(t, func(t *testing.T) {
		dialled := make(chan error, 1)
		go func() {
			conn, err := target(lis.Addr().String()).dial(context.Background())
			if err == nil {
				conn.Close()
			}
			dialled <- err
		}()
		time.Sleep(3 * time.Second)
		if len(dialled) > 0 {
			t.Fatalf("%v, with no descriptor left", <-dialled)
		}
		free()
		freed := time.Now()
		if err := <-dialled; err != nil {
			t.Error(err)
		}
		if late := time.Since(freed); late > time.Second {
			t.Errorf("connected %v after a descriptor was free", late)
		}
	})
}

// takeDescriptors uses up all descriptors, under a limit that is lowered for the test,
// until free is called.
func takeDescriptors(t *testing.T) (free func()) {
	t.Helper()
	lowerLimit(t, 64)
	var taken []*os.File
	free = func() {
		for _, f := range taken {
			f.Close()
		}
		taken = nil
	}
	t.Cleanup(free)
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return free
		}
		taken = append(taken, f)
	}
}

// lowerLimit sets the limit of descriptors for the test.
func lowerLimit(t *testing.T, n uint64) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: old.Max}); err != nil {
		t.Skip("the limit of descriptors cannot be set: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
}

// A target is reached although one of its addresses never answers. (Another address of the
// same family would be tried, too, but after a part of dialTimeout: too long for this test.)
func TestDialTargetPassesASilentAddress(t *testing.T) {
	for _, c := range []struct{ silent, living string }{{"::1", "127.0.0.1"}, {"127.0.0.1", "::1"}} {
		t.Run(c.silent, func(t *testing.T) {
			port := silence(t, c.silent)
			lis, err := net.Listen("tcp", net.JoinHostPort(c.living, port))
			if err != nil {
				t.Skip("the port is not free for both families:", err)
			}
			defer lis.Close()
			resolveAs(t, c.silent, c.living)
			conn, err := target(net.JoinHostPort("target.example", port)).dial(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if got := conn.RemoteAddr().String(); got != lis.Addr().String() {
				t.Errorf("connected with %s, want %s", got, lis.Addr())
			}
		})
	}
}

// silence returns a port of an address that answers no SYN: its listener accepts nothing and
// its queue is full.
func silence(t *testing.T, addr string) (port string) {
	t.Helper()
	lis, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Skip("no such address here:", err)
	}
	t.Cleanup(func() { lis.Close() })
	raw, err := lis.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var full error
	if err := raw.Control(func(fd uintptr) { full = syscall.Listen(int(fd), 0) }); err != nil || full != nil {
		t.Fatal(err, full)
	}
	for timeouts := 0; timeouts < 2; timeouts++ { // one may be due to a busy machine
		if conn, err := net.DialTimeout("tcp", lis.Addr().String(), 100*time.Millisecond); err == nil {
			t.Cleanup(func() { conn.Close() })
			timeouts = -1
		}
	}
	_, port, _ = net.SplitHostPort(lis.Addr().String())
	return port
}
