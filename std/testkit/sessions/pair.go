package sessions

import (
	"math/rand/v2"
	"net"
	"testing"

	"kcptun/std/config"
	"kcptun/std/mux"
	"kcptun/std/session"
	"kcptun/std/testkit"
)

// Pair is the two ends of a session, with one stream.
type Pair struct {
	Client, Server *session.Session
	Near, Far      *mux.Stream // the ends of the stream at the client and at the server
	server         *Server
	over           chan struct{}
}

// NewPair opens a session.
func NewPair(t testing.TB, cc, sc *config.Config) *Pair {
	t.Helper()
	return NewPairBy(t, cc, sc, func(server net.Addr) net.Addr { return server })
}

// NewPairBy does what NewPair does, but the client sends to the address that way makes of
// the server's.
func NewPairBy(t testing.TB, cc, sc *config.Config, way func(server net.Addr) net.Addr) *Pair {
	t.Helper()
	p := &Pair{over: make(chan struct{})}
	accepted := make(chan *session.Session, 1)
	p.server = Serve(t, sc, "127.0.0.1:0", func(s *session.Session) {
		select {
		case accepted <- s:
			<-p.over
		default: // a late packet of the same session
		}
	})
	t.Cleanup(p.Close) // before the server's
	p.Client, _ = Dial(t, cc, way(p.server.link.LocalAddr()).String(), rand.Uint32())
	var err error
	if p.Near, err = p.Client.Open(); err != nil {
		t.Fatal(err)
	}
	p.Server = testkit.Within(t, "the server's session", accepted)
	if p.Far, err = p.Server.Accept(); err != nil {
		t.Fatal(err)
	}
	return p
}

// Open opens another stream.
func (p *Pair) Open(t testing.TB) (near, far *mux.Stream) {
	t.Helper()
	near, err := p.Client.Open()
	if err != nil {
		t.Fatal(err)
	}
	far, err = p.Server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

// Close closes both ends.
func (p *Pair) Close() {
	select {
	case <-p.over:
		return
	default:
		close(p.over)
	}
	p.server.Close()
	if p.Client != nil {
		p.Client.Close(ErrTestEnds)
	}
}
