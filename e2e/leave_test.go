package e2e_test

import (
	"io"
	"net"
	"testing"
	"time"
)

// How an end leaves its connection.
var leavings = map[string]func(conn *net.TCPConn){
	"closes": func(conn *net.TCPConn) { conn.Close() },
	"resets": func(conn *net.TCPConn) {
		_ = conn.SetLinger(0)
		conn.Close()
	},
}

// flood sends data that perhaps nobody reads, until that fails.
func flood(conn net.Conn) {
	block := make([]byte, 64*kib)
	for {
		if _, err := conn.Write(block); err != nil {
			return
		}
	}
}

// Either end may leave, in any way, while idle or in the middle of a bulk transfer. The
// connection at the other end is then released and both programs report the stream closed,
// long before closewait. The test's log shows how long that takes.
func TestEitherEndLeaves(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, flags []string) {
		accepted := make(chan *net.TCPConn, 1)
		target := startHand(t, func(conn *net.TCPConn) {
			_, _ = io.ReadFull(conn, make([]byte, len("question")))
			accepted <- conn
		})
		tn := start(t, plan{target: target.addr(), both: append([]string{"--closewait", "300"}, flags...)})
		streams := 0
		for name, leave := range leavings {
			for _, app := range []bool{true, false} {
				for _, bulk := range []bool{false, true} {
					conn, err := tn.dial(patient(t))
					must(t, err)
					_, err = conn.Write([]byte("question"))
					must(t, err)
					near, far := conn.(*net.TCPConn), <-accepted
					if !app {
						near, far = far, near
					}
					must(t, far.SetDeadline(time.Now().Add(patience)))
					if bulk {
						go flood(far)
						_, err := io.ReadFull(near, make([]byte, mib))
						must(t, err)
					}
					streams++
					begun := time.Now()
					leave(near)
					if !bulk {
						_, _ = io.Copy(io.Discard, far)
						far.Close()
					}
					for _, p := range []*program{tn.client, tn.server} {
						wait(t, "the stream to be closed at the "+p.name, func() bool {
							return len(p.lines(`msg="stream closed"`)) == streams
						})
					}
					t.Logf("it %s, application %t, amid bulk %t: released after %v", name, app, bulk, time.Since(begun))
					near.Close()
					far.Close()
				}
			}
		}
	})
}
