package session

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/arq"
	"kcptun/std/clock"
	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/metrics"
	"kcptun/std/rescue"
)

// datagramHeaders are the bytes of UDP and IP before each datagram. A link's rate
// includes them.
const datagramHeaders = 8 + 20

// auto is the engine of mode auto.
type auto struct {
	*arq.Conn
	moved meter

	protected bool            // Protect was called because the peer sends such groups, too
	confirmed <-chan struct{} // closed once the peer has shown that it hears us; nil after that was noticed

	coded bool // the user has given a code, which is in force once the peer is known to understand it

	cfg     *config.Config
	link    *link.Conn
	peer    *link.Peer
	among   *autos     // closing it takes it out
	segment func() int // bytes of data in a full segment
	panics  *rescue.Net

	wire, payload atomic.Uint64 // bytes sent: datagrams with their headers, and stream data
	explained     atomic.Uint64 // value of payload when it was last logged

	once   sync.Once
	closed error
}

func (f *Maker) newAuto(l *link.Conn, peer *link.Peer, conv uint32) *auto {
	c := f.cfg
	mtu := c.MTU - l.Overhead()
	cfg := arq.Config{
		Conv: conv, MTU: mtu, Send: min(c.SndWnd, config.MaxAutoWindow), Receive: min(c.RcvWnd, config.MaxAutoWindow),
		Grow: c.FollowsWindow(), Memory: f.memory,
		Overhead: l.Overhead() + datagramHeaders, Limit: c.RateLimit, Clock: rand.Uint32(), Count: countSegments,
		Panics: f.Panics,
	}
	coded := c.DataShard > 0 && c.ParityShard > 0
	if coded {
		cfg.Code = arq.Code{Data: c.DataShard, Parity: c.ParityShard}
	}
	metrics.Opened(l.Peer() != nil)
	a := &auto{coded: coded, cfg: c, link: l, peer: peer, among: &f.autos, segment: f.segment(l, peer), panics: f.Panics}
	a.Conn = arq.NewConn(cfg, l.LocalAddr(), peer, func(packet []byte, code arq.Code) {
		var n int
		var parity link.Extra
		var err error
		if code.Parity > 0 {
			n, parity, err = l.WriteCoded(packet, peer, code.Data, code.Parity)
		} else {
			n, err = l.WriteTo(packet, peer)
		}
		if err == nil { // otherwise the link is closed
			a.wire.Add(uint64(n + parity.Bytes + (1+parity.Datagrams)*datagramHeaders))
			metrics.Sent(1, n)
		}
	})
	peer.OnResize(func(size int) { a.SetMTU(size - l.Overhead()) })
	if a.confirmed = peer.Confirmed(); a.confirmed == nil {
		a.Vouch() // we began the conversation, so it is not a replayed recording
	}
	f.autos.add(a)
	return a
}

// deliver processes a packet from the peer. A packet that does not belong to the
// conversation either was refused by the link or is malformed and is dropped. A panic ends
// only this conversation: the caller reads for others, too.
func (a *auto) deliver(packet []byte) {
	defer a.panics.Catch(a.Fail)
	metrics.Received(1, len(packet))
	select {
	case <-a.confirmed:
		a.confirmed = nil
		a.Vouch()
	default:
	}
	if a.coded && !a.protected && a.peer.IsAlike() {
		a.protected = true
		a.Protect()
	}
	if a.Deliver(packet) != nil {
		metrics.Malformed()
	}
}

func (a *auto) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	a.moved.add(clock.Now(), n)
	metrics.Read(n)
	return n, err
}

func (a *auto) Write(p []byte) (int, error) { return a.WriteBuffers([][]byte{p}) }

func (a *auto) WriteBuffers(v [][]byte) (int, error) {
	n, err := a.Conn.WriteBuffers(v)
	a.payload.Add(uint64(n))
	a.moved.add(clock.Now(), n)
	metrics.Written(n)
	return n, err
}

// countSegments adds to the counters of kcp-go, which cover both engines.
func countSegments(s arq.Stats) {
	metrics.Segments{
		Sent: s.Sent + s.Resent + s.Copies, Received: s.Received + s.Repeated,
		Resent: s.Resent, Lost: s.Lost, Repeated: s.Repeated,
	}.Count()
}

func (a *auto) begin(func(error)) {}

// Close ends the conversation.
func (a *auto) Close() error {
	a.once.Do(func() {
		metrics.Closed()
		a.closed = a.Conn.Close()
		a.among.remove(a)
	})
	return a.closed
}

// drainLook is how often drain checks whether everything has arrived.
const drainLook = 5 * time.Millisecond

func (a *auto) drain(ctx context.Context) error {
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	for a.Pending() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (a *auto) timeout() time.Duration { return a.Timeout() }

func (a *auto) load() int64 { return a.moved.load(clock.Now()) }

func (a *auto) backlog() int { return a.Backlog() }

func (a *auto) window() int64 { return a.Window() }

// autos is a set of engines that have not been closed.
type autos struct {
	mu  sync.Mutex
	all map[*auto]struct{}
}

func (s *autos) add(a *auto) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[*auto]struct{})
	}
	s.all[a] = struct{}{}
}

func (s *autos) remove(a *auto) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, a)
}

// list returns the engines of the moment, so that each can be closed meanwhile.
func (s *autos) list() []*auto {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.all))
}
