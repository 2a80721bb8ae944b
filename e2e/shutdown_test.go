package e2e_test

import (
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// ends selects one of the two programs.
var ends = map[string]func(*tunnel) *program{
	"client": func(tn *tunnel) *program { return tn.client },
	"server": func(tn *tunnel) *program { return tn.server },
}

// eitherEnds runs a test for each of the two programs, which is to end. No keepalive frees
// one that hangs.
func eitherEnds(t *testing.T, test func(t *testing.T, start func(plan) (tn *tunnel, ending *program))) {
	t.Parallel()
	never := []string{"--keepalive", "3600"}
	for name, pick := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(p plan) (*tunnel, *program) {
				p.client, p.server = append(p.client, never...), append(p.server, never...)
				tn := start(t, p)
				return tn, pick(tn)
			})
		})
	}
}

// terminate sends SIGTERM and waits until the program has reacted.
func (p *program) terminate(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	must(t, p.Signal(syscall.SIGTERM))
	p.mustLog(t, "msg=\"ending")
}

// A transfer that is nearly complete is allowed to finish.
func TestShutdownFinishesTransfers(t *testing.T) {
	eitherEnds(t, func(t *testing.T, start func(plan) (*tunnel, *program)) {
		tn, ending := start(plan{})
		transfer := tn.heldPull(t, 200*kib)
		ending.terminate(t)
		if ending == tn.client {
			wait(t, "the client to refuse connections", func() bool {
				conn, err := tn.dial(patient(t))
				if err == nil {
					conn.Close()
				}
				return err != nil
			})
		}
		tn.target.Release()
		must(t, <-transfer)
		ending.mustExit(t, 0)
	})
}

// A transfer that never ends is cut, and the application is told, whichever end it is that
// ends: the server says goodbye.
func TestShutdownCutsEndlessTransfers(t *testing.T) {
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			eitherEnds(t, func(t *testing.T, start func(plan) (*tunnel, *program)) {
				tn, ending := start(p)
				transfer := tn.slowPull(t)
				begun := time.Now()
				ending.terminate(t)
				ending.mustExit(t, 0)
				ending.mustLog(t, "cut by the shutdown of this end")
				if err := <-transfer; err == nil {
					t.Error("the download of a cut stream came to a good end")
				}
				t.Logf("the application was told after %v", time.Since(begun).Round(10*time.Millisecond))
				tn.client.stopUnlessGone(t)
				tn.server.stopUnlessGone(t)
			})
		})
	}
}

func (p *program) stopUnlessGone(t *testing.T) {
	t.Helper()
	if !p.gone {
		p.stop(t)
	}
}

// Regression: a stream with one direction ended and the other silent delayed the end of the
// program until the keepalive ended the session, or for closewait.
func TestShutdownWithHalfOpenStream(t *testing.T) {
	eitherEnds(t, func(t *testing.T, start func(plan) (*tunnel, *program)) {
		silent := startSilent(t)
		tn, ending := start(plan{target: silent.addr(), server: []string{"--closewait", "3600"}})
		conn, err := tn.dial(patient(t))
		must(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "hello")
		must(t, err)
		must(t, conn.(*net.TCPConn).CloseWrite())
		silent.waitEOF(t)
		ending.terminate(t)
		ending.mustExit(t, 0)
	})
}

// The second signal ends the program at once.
func TestSecondSignal(t *testing.T) {
	eitherEnds(t, func(t *testing.T, start func(plan) (*tunnel, *program)) {
		tn, ending := start(plan{})
		transfer := tn.slowPull(t)
		ending.terminate(t)
		must(t, ending.Signal(os.Interrupt))
		ending.mustExit(t, 1)
		ending.mustLog(t, "ended at once")
		tn.client.stopUnlessGone(t)
		<-transfer // cut; how does not matter
		tn.server.stopUnlessGone(t)
	})
}
