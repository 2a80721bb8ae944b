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
