package e2e_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// versions runs a test with both versions of smux, because they end streams differently, and
// in mode auto.
func versions(t *testing.T, test func(t *testing.T, flags []string)) {
	t.Helper()
	for name, flags := range map[string][]string{"smux 1": smux1, "smux 2": smux2, "auto": with(smux2, "--mode auto")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, flags)
		})
	}
}

func TestManyStreamsAtOnce(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, flags []string) {
		tn := start(t, plan{both: flags})
		var calls []func() error
		for i := range int64(100) {
			calls = append(calls,
				func() error { return tn.pull(t, 20*kib+i) },
				func() error { return tn.push(t, 20*kib+i) },
				func() error {
					_, err := lab.Echo(patient(t), tn.dial, 3, int(kib+i))
					return err
				})
		}
		concurrently(t, calls)
		if n := tn.target.Accepted(); n != int64(len(calls)) {
			t.Errorf("the target was connected to %d times, want %d", n, len(calls))
		}
	})
}

func TestManyStreamsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	count := 1000
	if testing.Short() {
		count = 100
	}
	tn := start(t, plan{})
	ctx := patient(t)
	for i := range count {
		if _, err := lab.Echo(ctx, tn.dial, 1, 100+i); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	for _, p := range []*program{tn.client, tn.server} {
		closed := p.mustLogTimes(t, count, `msg="stream closed"`)
		if ids := fields(t, closed, "stream"); len(ids) != count {
			t.Errorf("the %s closed %d different streams, want %d", p.name, len(ids), count)
		}
	}
}

// If the target is down, the connection is reset at once, which does not look like an empty
// answer, and the log says why. The next one works once the target is up again.
func TestRefusedTarget(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	tn := start(t, plan{target: addr})
	for range 3 {
		begun := time.Now()
		conn, err := tn.dial(patient(t))
		if err == nil {
			must(t, conn.SetReadDeadline(begun.Add(patience)))
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		} // otherwise the reset came before dial had returned
		if err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%v, want a reset", err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("the connection was closed after %v, want at once", took)
		}
	}
	for _, line := range tn.server.mustLogTimes(t, 3, "stream refused") {
		if !strings.Contains(line, addr) || !strings.Contains(line, "refused\"") {
			t.Errorf("the line does not say what refused: %s", line)
		}
	}
	target := startTarget(t, addr)
	tn.exchange(t, 64*kib)
	must(t, target.WaitIdle(patient(t)))
}

// A target that answers only after a second, long after the client has sent everything.
func TestSlowTarget(t *testing.T) {
	t.Parallel()
	target := startHand(t, func(conn *net.TCPConn) {
		defer conn.Close()
		var question [8]byte
		if _, err := io.ReadFull(conn, question[:]); err == nil {
			time.Sleep(time.Second) // the delay is what is tested
			_, _ = conn.Write(question[:])
		}
	})
	tn := start(t, plan{target: target.addr()})
	ask := func() error {
		conn, err := tn.dial(patient(t))
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err = io.WriteString(conn, "question"); err != nil {
			return err
		}
		answer, err := io.ReadAll(conn)
		if err == nil && string(answer) != "question" {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	}
	concurrently(t, []func() error{ask, ask, ask, ask})
}

// The application sends EOF and only then receives its answer.
func TestHalfCloseByApplication(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, flags []string) {
		for _, more := range [][]string{nil, {"--nocomp"}, {"--QPP"}} {
			tn := start(t, plan{both: append(more, flags...)})
			for _, size := range [][2]int64{{0, 0}, {1, 1}, {2 * mib, 0}, {0, 2 * mib}, {2 * mib, 2 * mib}, {1, 5 * mib}} {
				if _, err := lab.HalfClose(patient(t), tn.dial, size[0], size[1]); err != nil {
					t.Errorf("%d bytes up, %d down, %v: %v", size[0], size[1], more, err)
				}
			}
		}
	})
}

// The target sends EOF first, and the application goes on sending for a long time.
func TestHalfCloseByTarget(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, flags []string) {
		sums := make(chan [sha256.Size]byte, 1)
		target := startHand(t, func(conn *net.TCPConn) {
			defer conn.Close()
			_, _ = io.WriteString(conn, "that is all from me")
			_ = conn.CloseWrite()
			sum := sha256.New()
			_, _ = io.Copy(sum, conn)
			sums <- [sha256.Size]byte(sum.Sum(nil))
		})
		tn := start(t, plan{target: target.addr(), both: flags})
		conn, err := tn.dial(patient(t))
		must(t, err)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		greeting, err := io.ReadAll(conn)
		must(t, err)
		if string(greeting) != "that is all from me" {
			t.Fatalf("the greeting is %q", greeting)
		}
		want := sha256.New()
		block := make([]byte, 64*kib)
		for i := range 64 { // 4 MiB after the target's EOF
			block[i] = byte(i)
			_, err := io.MultiWriter(conn, want).Write(block)
			must(t, err)
		}
		conn.Close()
		select {
		case got := <-sums:
			if got != [sha256.Size]byte(want.Sum(nil)) {
				t.Error("the target received other data")
			}
		case <-patient(t).Done():
			t.Fatal("the target did not get EOF")
		}
	})
}

// lazyConn reads a little at a time, so that the buffers on the way fill up.
type lazyConn struct {
	*net.TCPConn
	begun bool
}

func (c *lazyConn) Read(b []byte) (int, error) {
	if !c.begun {
		c.begun = true
		time.Sleep(2 * time.Second) // long enough for everything that fits to arrive
	}
	time.Sleep(time.Millisecond)
	return c.TCPConn.Read(b[:min(len(b), 16*kib)])
}

// A reply far larger than all buffers, to a slow reader, which in the second case has sent
// EOF first. Other streams are not held up.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, flags []string) {
		tn := start(t, plan{both: flags})
		lazy := func(ctx context.Context) (net.Conn, error) {
			conn, err := tn.dial(ctx)
			if err != nil {
				return nil, err
			}
			tcp := conn.(*net.TCPConn)
			return &lazyConn{TCPConn: tcp}, tcp.SetReadBuffer(64 * kib)
		}
		concurrently(t, []func() error{
			func() error { _, err := lab.Pull(patient(t), lazy, 16*mib, nil); return err },
			func() error { _, err := lab.HalfClose(patient(t), lazy, 1*mib, 12*mib); return err },
			func() error {
				if flags[1] == "1" {
					return nil // smux 1 has a single window for all streams, so a slow one does stop the others
				}
				times, err := lab.Echo(patient(t), tn.dial, 20, 100)
				if err == nil && slices.Max(times) > 5*time.Second {
					err = fmt.Errorf("a slow stream held another one up: %v", times)
				}
				return err
			},
		})
	})
}
