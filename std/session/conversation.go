package session

import (
	"net"
	"sync"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/link"
)

// Conversation is a conversation that a client has begun and that is not a session yet.
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
	c.link.Forget(c.peer) // first, or kcp-go would start a new session when another packet arrives
	c.engine.Close()
}

// Listener accepts the conversations that clients begin on a link or on one of its lanes.
type Listener interface {
	// Accept waits for a conversation. Its error tells why there will be no more.
	Accept() (*Conversation, error)
	// Close stops accepting. Accepted conversations go on until the link is closed.
	Close() error
}

// Listen accepts the conversations on a link that arrive through one of its lanes, or
// through the link itself.
func (f *Maker) Listen(l *link.Conn, lane net.PacketConn) (Listener, error) {
	if f.cfg.Auto() {
		a := &autoListener{
			sessions: f, link: l,
			fresh: make(chan *Conversation, backlog), done: make(chan struct{}),
		}
		l.Serve(lane, a.deliver, a.end)
		return a, nil
	}
	lis, err := kcp.ServeConn(nil, 0, 0, guarded{lane, f.Panics})
	if err != nil {
		return nil, err
	}
	return &classicListener{Listener: lis, sessions: f, link: l}, nil
}

// backlog is how many conversations may wait for Accept, as in kcp-go.
const backlog = 128

type classicListener struct {
	*kcp.Listener
	sessions *Maker
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
		k.Close() // its conversation ended before it was accepted
	}
}

// autoListener accepts the conversations of mode auto on a link.
type autoListener struct {
	sessions *Maker
	link     *link.Conn
	fresh    chan *Conversation
	done     chan struct{} // closed when no more conversations can begin

	mu  sync.Mutex
	err error // why no more can begin
}

// deliver processes a packet. The link has made sure that the first packet of a peer begins
// its conversation.
func (a *autoListener) deliver(peer *link.Peer, packet []byte) {
	e, ok := peer.Owner().(*auto)
	if !ok {
		if e = a.begin(peer); e == nil {
			a.link.Forget(peer)
			return
		}
	}
	e.deliver(packet)
}

// begin starts the conversation of a peer. It returns nil if there is no room for it.
func (a *autoListener) begin(peer *link.Peer) *auto {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil || len(a.fresh) == cap(a.fresh) {
		return nil
	}
	e := a.sessions.newAuto(a.link, peer, peer.Conv())
	peer.SetOwner(e)
	a.fresh <- &Conversation{engine: e, peer: peer, link: a.link}
	return e
}

func (a *autoListener) Accept() (*Conversation, error) {
	for {
		select {
		case c := <-a.fresh:
			if a.link.Hold(c.peer, func() { c.engine.Close() }) {
				return c, nil
			}
			c.engine.Close() // it ended before it was accepted
		case <-a.done:
			a.mu.Lock()
			defer a.mu.Unlock()
			return nil, a.err
		}
	}
}

// Close stops accepting, and drops the conversations that nobody has accepted.
func (a *autoListener) Close() error {
	a.finish(net.ErrClosed)
	for {
		select {
		case c := <-a.fresh:
			c.Drop()
		default:
			return nil
		}
	}
}

// finish stops new conversations from beginning. The first reason given is kept.
func (a *autoListener) finish(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
		close(a.done)
	}
}

// end is called when the link is closed, which ends all conversations.
func (a *autoListener) end(err error) {
	a.finish(err)
	for _, e := range a.sessions.autos.list() {
		if e.link == a.link {
			e.Close()
		}
	}
}
