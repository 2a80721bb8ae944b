package e2e_test

import (
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// An end of ours that is asked to end tells an older release what that understands: the end
// of each stream. The application or the target at the other end need not wait for a
// keepalive.
func TestOlderReleaseIsTold(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"server", "client"} {
		for name, version := range map[string][]string{"smux 1": smux1, "smux 2": smux2} {
			for _, mode := range []string{"fast", "auto"} {
				t.Run("older "+side+", "+name+", "+mode, func(t *testing.T) {
					t.Parallel()
					accepted := make(chan *net.TCPConn, 1)
					target := startHand(t, func(conn *net.TCPConn) {
						_, _ = io.ReadFull(conn, make([]byte, len("question")))
						accepted <- conn
					})
					p := plan{target: target.addr(), both: version, oldSide: side}
					p.addOurs("--mode", mode)
					tn := start(t, p)
					near, err := tn.dial(patient(t))
					must(t, err)
					defer near.Close()
					_, err = io.WriteString(near, "question")
					must(t, err)
					far := <-accepted
					_, err = io.WriteString(far, "half of an answer")
					must(t, err)
					must(t, near.SetDeadline(time.Now().Add(patience)))
					_, err = io.ReadFull(near, make([]byte, len("half of an answer")))
					must(t, err)

					ours, theirs := tn.server, near
					if side == "server" {
						ours, theirs = tn.client, net.Conn(far)
					}
					begun := time.Now()
					ours.terminate(t)
					must(t, theirs.SetDeadline(time.Now().Add(patience/2))) // before a keepalive would end it
					if n, err := theirs.Read(make([]byte, 1)); n > 0 || err == nil || os.IsTimeout(err) {
						t.Errorf("%d bytes, %v", n, err)
					}
					t.Logf("told after %v", time.Since(begun).Round(10*time.Millisecond))
					near.Close()
					far.Close()
					ours.mustExit(t, 0)
				})
			}
		}
	}
}
