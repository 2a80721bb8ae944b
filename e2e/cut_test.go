package e2e_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// How a program ends in the middle of a transfer. The one that is killed is started again,
// so that the client learns soon that its session is gone. Those that are asked to end are
// returned.
var cuts = map[string]func(t *testing.T, tn *tunnel, p plan) (asked *program){
	"the server is asked to end": func(t *testing.T, tn *tunnel, _ plan) *program {
		tn.server.terminate(t)
		return tn.server
	},
	"the client is asked to end": func(t *testing.T, tn *tunnel, _ plan) *program {
		tn.client.terminate(t)
		return tn.client
	},
	"the server is killed": func(t *testing.T, tn *tunnel, p plan) *program {
		tn.server.kill(t)
		tn.server = startServer(t, p)
		return nil
	},
}

// A transfer that was cut is never taken for a complete one, neither by an application that
// downloads nor by a target that is sent an upload: both see a reset. They used to see an
// ordinary end.
func TestCutTransfersLookCut(t *testing.T) {
	t.Parallel()
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			accepted := make(chan *net.TCPConn, 1)
			target := startHand(t, func(conn *net.TCPConn) { accepted <- conn })
			p := plan{listen: freeAddr(t), target: target.addr()}
			tn := start(t, p)
			app, err := tn.dial(patient(t))
			must(t, err)
			defer app.Close()
			_, err = io.WriteString(app, "half of an upload")
			must(t, err)
			far := <-accepted
			_, err = io.WriteString(far, "half of a download")
			must(t, err)
			bothEnds := map[string]net.Conn{"half of a download": app, "half of an upload": far}
			for half, conn := range bothEnds {
				must(t, conn.SetDeadline(time.Now().Add(patience)))
				_, err := io.ReadFull(conn, make([]byte, len(half)))
				must(t, err)
			}
			asked := cut(t, tn, p)
			if asked == nil {
				delete(bothEnds, "half of an upload") // the system has closed that socket
			}
			for half, conn := range bothEnds {
				n, err := conn.Read(make([]byte, 1))
				if n != 0 || err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after %s: %d bytes, %v", half, n, err)
				}
			}
			if asked != nil {
				asked.mustExit(t, 0)
			}
			tn.client.stopUnlessGone(t)
			tn.server.stopUnlessGone(t)
		})
	}
}
