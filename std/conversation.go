package std

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/link"
)

// Conversation is what a client has begun, and no session yet.
type Conversation struct {
	engine engine
	peer   *link.Peer
	link   *link.Conn
}

// Addr is the address of the client.
func (c *Conversation) Addr() net.Addr { return c.peer.Addr() }

// Conv is the conversation's number.
func (c *Conversation) Conv() uint32 { return c.engine.Conv() }

// Drop ends the conversation.
func (c *Conversation) Drop() {
	c.link.Forget(c.peer) // first: kcp-go would make a session of what comes after its end
	c.engine.Close()
}

// Listener accepts the conversations that clients begin on a link, or on one of its
// lanes.
type Listener interface {
	// Accept waits for one. Its error is why there will be no more.
	Accept() (*Conversation, error)
	// Close ends accepting. What has been accepted goes on until the link is closed.
	Close() error
}

// Listen accepts conversations of a link that come in by a lane of it, which may be the
// link itself.
func (f *Sessions) Listen(l *link.Conn, lane net.PacketConn) (Listener, error) {
	if f.cfg.Mode == modeAuto {
		a := &autoListener{sessions: f, link: l, fresh: make(chan *Conversation, backlog), done: make(chan struct{})}
		l.Serve(lane, a.take)
		return a, nil
	}
	lis, err := kcp.ServeConn(nil, 0, 0, lane)
	if err != nil {
		return nil, err
	}
	return &classicListener{Listener: lis, sessions: f, link: l}, nil
}

// backlog is how many conversations may wait for Accept. It is kcp-go's.
const backlog = 128

type classicListener struct {
	*kcp.Listener
	sessions *Sessions
	link     *link.Conn
}

func (c *classicListener) Accept() (*Conversation, error) {
	for {
		k, err := c.AcceptKCP()
		if err != nil {
			return nil, err
		}
		peer, ok := k.RemoteAddr().(*link.Peer)
		if ok && c.link.Hold(peer, func() { k.Close() }) {
			return &Conversation{engine: c.sessions.newClassic(k, c.link, peer), peer: peer, link: c.link}, nil
		}
		k.Close() // its conversation has ended before it was accepted
	}
}

// autoListener makes conversations of what begins on a link.
type autoListener struct {
	sessions *Sessions
	link     *link.Conn
	fresh    chan *Conversation
	closed   atomic.Bool
	done     chan struct{}
	once     sync.Once
}

// take takes a packet in. The link has seen to it that the first of a peer begins its
// conversation.
func (a *autoListener) take(peer *link.Peer, packet []byte) {
	if e, ok := peer.Owner().(*auto); ok {
		e.take(packet)
		return
	}
	if a.closed.Load() || len(a.fresh) == cap(a.fresh) {
		a.link.Forget(peer)
		return
	}
	e := a.sessions.newAuto(a.link, peer, peer.Conv())
	if !a.link.Hold(peer, func() { e.Close() }) {
		e.Close()
		return
	}
	peer.SetOwner(e)
	e.take(packet)
	a.fresh <- &Conversation{engine: e, peer: peer, link: a.link}
}

func (a *autoListener) Accept() (*Conversation, error) {
	select {
	case c := <-a.fresh:
		return c, nil
	case <-a.done:
		return nil, net.ErrClosed
	}
}

func (a *autoListener) Close() error {
	a.once.Do(func() {
		a.closed.Store(true)
		close(a.done)
	})
	return nil
}
