package main

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/app"
	"kcptun/std/session"
)

// spreadWait is how long a connection waits for the session of its own slot while another
// session could carry it. Dialling one address takes a millisecond; if it takes longer, it
// is waiting for a name server or for an address that does not answer.
const spreadWait = 300 * time.Millisecond

// pool keeps the client's sessions in slots, which are used in turn. In mode auto there are
// two or more, and a connection gets the one that carries the least traffic, and of equals
// one without streams in use: a loss in a download then delays only the streams that share
// its session.
type pool struct {
	slots  []*slot
	auto   bool // prefer the least busy slot
	next   atomic.Uint64
	ended  <-chan struct{}
	cancel context.CancelFunc
	wg     sync.WaitGroup
	dial   *dialer
	news   news
	spares spares
	lately time.Duration // how long a stream counts as in use after it was, see spares
}

func newPool(cfg *Config, env app.Env, dial *dialer) *pool { return startPool(cfg, env, dial, lately) }

func startPool(cfg *Config, env app.Env, dial *dialer, lately time.Duration) *pool {
	ctx, cancel := context.WithCancel(context.Background())
	p := &pool{auto: cfg.Auto(), lately: lately, ended: ctx.Done(), cancel: cancel, dial: dial}
	p.slots = make([]*slot, slots(cfg))
	for i := range p.slots {
		p.slots[i] = newSlot(cfg, env, dial, p)
	}
	for _, s := range p.slots {
		p.wg.Go(func() { s.run(ctx) })
	}
	return p
}

// doubt makes the sessions of all other slots prove that they are alive. Whatever ended
// this one, such as a restart of the server, may have ended the others, too.
func (p *pool) doubt(but *slot) {
	for _, s := range p.slots {
		if sess := s.live.Load(); sess != nil && s != but {
			sess.Doubt()
		}
	}
}

// slots is the maximum number of sessions that take streams.
func slots(cfg *Config) int {
	if cfg.Auto() {
		return max(cfg.Conn, 2)
	}
	return cfg.Conn
}

// bulk is the rate in bytes per second above which a session is considered busy.
const bulk = 64 << 10

// pick chooses the slot for a new connection: the next in turn, or in mode auto the least
// busy one, and of equals the one that suits best. Slots in trouble, or without room, are
// passed over. A slot opens its session only when the session is needed.
func (p *pool) pick() *slot {
	if !p.auto {
		for range p.slots {
			if s := p.nextSlot(); !s.troubled() {
				return s
			}
		}
		return p.nextSlot()
	}
	best, least, state := p.slots[0], int64(math.MaxInt64), quiet
	for _, s := range p.slots {
		if s.troubled() {
			continue
		}
		load, sess := int64(0), s.ready()
		if sess != nil {
			load = sess.Load() / bulk
		}
		is := p.stateOf(sess)
		if load < least || load == least && is < state {
			best, least, state = s, load, is
		}
	}
	return best
}

// nextSlot returns the next slot in turn.
func (p *pool) nextSlot() *slot {
	i := p.next.Add(1) - 1
	return p.slots[i%uint64(len(p.slots))]
}

// session waits for the session of a slot until ctx ends. If that slot cannot dial, or is
// slow, any other slot's session will do, so that one bad slot fails no connection.
func (p *pool) session(ctx context.Context, s *slot) (*session.Session, error) {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	look := time.NewTicker(spreadWait)
	defer look.Stop()
	for waited := false; ; {
		change := p.news.next()
		if sess := s.ready(); sess != nil {
			return sess, nil
		}
		if waited || s.failing.Load() {
			if sess := p.living(); sess != nil {
				s.want() // for the connections that follow
				return sess, nil
			}
		}
		s.ask()
		select {
		case <-change:
		case <-look.C:
			waited = true
		case <-p.ended:
			return nil, errClientEnds
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// living returns a session of any slot, or nil.
func (p *pool) living() *session.Session {
	for range p.slots {
		if sess := p.nextSlot().ready(); sess != nil {
			return sess
		}
	}
	return nil
}

// close closes all sessions and waits for them. Data already sent has a bounded time to
// arrive.
func (p *pool) close() {
	p.cancel()
	p.wg.Wait()
	p.dial.leaving.Wait()
}

// news tells everyone waiting for a session that one was opened or that a dial failed.
type news struct {
	mu   sync.Mutex
	wait chan struct{} // closed at the next news; nil: nobody waits
}

// next returns a channel that the next call of tell closes.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wait == nil {
		n.wait = make(chan struct{})
	}
	return n.wait
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wait != nil {
		close(n.wait)
		n.wait = nil
	}
}
