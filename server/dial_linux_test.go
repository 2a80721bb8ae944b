package main

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"kcptun/std/testkit"
)

// A stream arrives when there are no descriptors left: it waits until another one ends. It
// used to be refused.
func TestDialTargetWaitsForDescriptor(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	free := takeDescriptors(t)
	dialled := make(chan error, 1)
	go func() {
		conn, err := target(lis.Addr().String()).dial(context.Background())
		if err == nil {
			conn.Close()
		}
		dialled <- err
	}()
	select {
	case err := <-dialled:
		t.Fatalf("%v, with no descriptor left", err)
	case <-time.After(100 * time.Millisecond): // it waits that long on any machine
	}
	free()
	if err := testkit.Within(t, "the target is dialled", dialled); err != nil {
		t.Error(err)
	}
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
