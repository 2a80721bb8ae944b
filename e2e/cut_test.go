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

// An application or a target that resets its connection in the middle of a transfer has not
// finished it: the other end sees a reset, too. One that only finishes sending is answered.
func TestResetsArePassedOn(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, flags []string) {
		accepted := make(chan *net.TCPConn, 1)
		target := startHand(t, func(conn *net.TCPConn) { accepted <- conn })
		tn := start(t, plan{target: target.addr(), both: flags})
		dial := func() (app, far *net.TCPConn) {
			conn, err := tn.dial(patient(t))
			must(t, err)
			t.Cleanup(func() { conn.Close() })
			_, err = io.WriteString(conn, "half of an upload")
			must(t, err)
			app, far = conn.(*net.TCPConn), <-accepted
			for _, c := range []*net.TCPConn{app, far} {
				must(t, c.SetDeadline(time.Now().Add(patience)))
			}
			return app, far
		}
		read := func(conn net.Conn, half string) {
			_, err := io.ReadFull(conn, make([]byte, len(half)))
			must(t, err)
		}
		for _, fromApp := range []bool{true, false} {
			app, far := dial()
			_, err := io.WriteString(far, "half of a download")
			must(t, err)
			read(app, "half of a download")
			read(far, "half of an upload")
			near, other := app, far
			if !fromApp {
				near, other = far, app
			}
			leavings["resets"](near)
			if n, err := other.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("reset by the application %t: %d bytes, %v", fromApp, n, err)
			}
		}
		app, far := dial()
		must(t, app.CloseWrite())
		if got, err := io.ReadAll(far); string(got) != "half of an upload" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		_, err := io.WriteString(far, "an answer")
		must(t, err)
		far.Close()
		if got, err := io.ReadAll(app); string(got) != "an answer" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}
