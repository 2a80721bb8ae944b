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

// shutdownLimit is far more than the programs promise (5 s for open streams and 2 s for
// what is not acknowledged), and far less than the 30 s of the keepalive, which would free
// a program that hangs.
const shutdownLimit = 20 * time.Second

// ends selects one of the two programs.
var ends = map[string]func(*tunnel) *program{
	"client": func(tn *tunnel) *program { return tn.client },
	"server": func(tn *tunnel) *program { return tn.server },
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
	t.Parallel()
	for name, pick := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn := start(t, plan{})
			transfer := tn.heldPull(t, 200*kib)
			pick(tn).terminate(t)
			if pick(tn) == tn.client {
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
			pick(tn).mustExit(t, 0)
		})
	}
}

// A transfer that never ends is cut, and the application is told, whichever end it is that
// ends: the server says goodbye.
func TestShutdownCutsEndlessTransfers(t *testing.T) {
	t.Parallel()
	for name, pick := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn := start(t, plan{})
			transfer := tn.slowPull(t)
			begun := time.Now()
			pick(tn).terminate(t)
			pick(tn).mustExit(t, 0)
			pick(tn).mustLog(t, "cut by the shutdown of this end")
			if took := time.Since(begun); took > shutdownLimit {
				t.Errorf("the %s took %v to end", name, took)
			}
			if err := <-transfer; err == nil {
				t.Error("the download of a cut stream came to a good end")
			}
			t.Logf("the application was told after %v", time.Since(begun).Round(10*time.Millisecond))
			tn.client.stopUnlessGone(t)
			tn.server.stopUnlessGone(t)
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
	t.Parallel()
	for name, pick := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			silent := startSilent(t)
			tn := start(t, plan{target: silent.addr(), server: []string{"--closewait", "3600"}})
			conn, err := tn.dial(patient(t))
			must(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, "hello")
			must(t, err)
			must(t, conn.(*net.TCPConn).CloseWrite())
			silent.waitEOF(t)
			begun := time.Now()
			pick(tn).terminate(t)
			pick(tn).mustExit(t, 0)
			if took := time.Since(begun); took > shutdownLimit {
				t.Errorf("the %s took %v to end", name, took)
			}
		})
	}
}

// The second signal ends the program at once.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for name, pick := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn := start(t, plan{})
			transfer := tn.slowPull(t)
			p := pick(tn)
			p.terminate(t)
			must(t, p.Signal(os.Interrupt))
			p.mustExit(t, 1)
			p.mustLog(t, "ended at once")
			tn.client.stopUnlessGone(t)
			<-transfer // cut; how does not matter
			tn.server.stopUnlessGone(t)
		})
	}
}
