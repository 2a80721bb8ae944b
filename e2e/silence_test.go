package e2e_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// ask opens a connection and sends something, like a user who then waits.
func (tn *tunnel) ask(t *testing.T) {
	t.Helper()
	conn, err := tn.dial(patient(t))
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, "is there anybody?")
	must(t, err)
}

const (
	saysNoAnswer    = "the server does not answer: it is not running, or key or crypt differ, or address, port or a firewall is in the way"
	saysUnheard     = "a client is heard and acknowledges nothing"
	saysUndelivered = "the client did not acknowledge the last of it"
	saysUnopened    = "datagrams arrive that do not open: key or crypt differ"
)

// The request fails, and each end that can know the reason reports it. A client used to
// report only that its session was open, and then nothing for half a minute.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	other := []string{"--key", "another " + secret}
	for name, c := range map[string]struct {
		plan           plan
		deaf           bool // nothing gets back to the client
		client, server string
	}{
		"no server":                {plan: plan{noServer: true}, client: saysNoAnswer},
		"key":                      {plan: plan{client: other}, client: saysNoAnswer, server: saysUnopened},
		"key, auto":                {plan: plan{both: []string{"--mode", "auto"}, client: other}, client: saysNoAnswer, server: saysUnopened},
		"key, older server":        {plan: plan{client: other, oldSide: "server"}, client: saysNoAnswer},
		"key, older client":        {plan: plan{client: other, oldSide: "client"}, server: saysUnopened},
		"crypt":                    {plan: plan{client: []string{"--crypt", "salsa20"}}, client: saysNoAnswer, server: saysUnopened},
		"crypt none at the server": {plan: plan{server: []string{"--crypt", "null"}}, client: saysNoAnswer},
		"the way back":             {deaf: true, client: saysNoAnswer, server: saysUnheard},
		"the way back, old client": {plan: plan{both: smux2, oldSide: "client"}, deaf: true, server: saysUnheard},
		"the way back, auto":       {plan: plan{both: []string{"--mode", "auto"}}, deaf: true, client: saysNoAnswer, server: saysUnheard},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.deaf {
				c.plan.relay = new(lab.Fault)
			}
			tn := start(t, c.plan)
			if c.deaf {
				must(t, tn.relay.SetFault(lab.Down, lab.Fault{Loss: 1}))
			}
			begun := time.Now()
			tn.ask(t)
			if c.client != "" {
				line := tn.client.mustLog(t, c.client)
				if refused := field(t, line, "refused"); refused != "false" && !c.plan.noServer {
					t.Errorf("a server that is there was said to be not: %s", line)
				}
			}
			if c.server != "" {
				tn.server.mustLog(t, c.server)
			}
			t.Logf("named after %v", time.Since(begun).Round(10*time.Millisecond))
			for _, p := range []*program{tn.client, tn.server} {
				if p != nil && !p.old {
					if lines := p.lines("session opened"); len(lines) > 0 {
						t.Errorf("the %s says that a session is open: %s", p.name, lines)
					}
				}
			}
		})
	}
}

// The way back is cut in the middle of a session. The server does not report a good end for
// a stream whose answer was never acknowledged, and reports that it is not heard.
func TestAnswerThatIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]plan{
		"fast":         {},
		"auto":         {both: []string{"--mode", "auto"}},
		"older client": {both: smux2, oldSide: "client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.relay = new(lab.Fault)
			p.target = startHand(t, func(conn *net.TCPConn) { // answers, and after EOF once more
				_, _ = io.ReadFull(conn, make([]byte, 1))
				_, _ = conn.Write([]byte("1"))
				_, _ = io.Copy(io.Discard, conn)
				_, _ = conn.Write([]byte("2"))
				conn.Close()
			}).addr()
			tn := start(t, p)
			begin := func() net.Conn {
				conn, err := tn.dial(patient(t))
				must(t, err)
				t.Cleanup(func() { conn.Close() })
				_, err = io.WriteString(conn, "?")
				must(t, err)
				_, err = io.ReadFull(conn, make([]byte, 1))
				must(t, err)
				return conn
			}
			begin().Close()
			if reason := field(t, tn.server.mustLog(t, `msg="stream closed"`), "reason"); strings.Contains(reason, saysUndelivered) {
				t.Errorf("a stream whose answer arrived: %s", reason)
			}
			conn := begin()
			must(t, tn.relay.SetFault(lab.Down, lab.Fault{Loss: 1}))
			must(t, conn.(*net.TCPConn).CloseWrite())
			line := tn.server.mustLogTimes(t, 2, `msg="stream closed"`)[1]
			if reason := field(t, line, "reason"); !strings.Contains(reason, saysUndelivered) {
				t.Errorf("the reason is %q", reason)
			}
			tn.server.mustLog(t, saysUnheard)
			tn.client.kill(t) // neither can take leave of the other
			tn.server.kill(t)
		})
	}
}

// A network that corrupts one packet in a hundred is not reported as a wrong key.
func TestCorruptionIsNoMismatch(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"fast3", "auto"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			tn := start(t, plan{both: []string{"--mode", mode}, relay: &lab.Fault{Corrupt: 0.01}})
			for range 4 {
				tn.exchange(t, mib)
			}
			if tn.relay.Counters(lab.Up).Corrupted == 0 || tn.relay.Counters(lab.Down).Corrupted == 0 {
				t.Error("nothing was spoilt")
			}
			for _, p := range []*program{tn.client, tn.server} {
				if lines := p.lines(saysUnopened); len(lines) > 0 {
					t.Errorf("the %s raises an alarm: %s", p.name, strings.Join(lines, "\n"))
				}
			}
		})
	}
}
