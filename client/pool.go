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

// spreadWait is how long a connection waits for the session whose turn it is, while
// another one could carry it. A dial to one address takes a millisecond; one that takes
// longer waits for a name server, or for an address that does not answer.
const spreadWait = 300 * time.Millisecond

// pool keeps the client's sessions, in slots used in turn. In mode auto there are two at
// least, and a connection gets the one that moves least: what is lost of a download holds
// up whatever shares its session, and nothing else.
type pool struct {
	slots  []*slot
	apart  bool // mode auto
	next   atomic.Uint64
	ended  <-chan struct{}
	cancel context.CancelFunc
	wg     sync.WaitGroup
	news   news
}

func newPool(cfg *Config, env app.Env, dial *dialer) *pool {
	ctx, cancel := context.WithCancel(context.Background())
	p := &pool{apart: cfg.Auto(), ended: ctx.Done(), cancel: cancel}
	p.slots = make([]*slot, slots(cfg))
	for i := range p.slots {
		p.slots[i] = newSlot(cfg, env, dial, &p.news, func() { p.doubt(i) })
	}
	for _, s := range p.slots {
		p.wg.Go(func() { s.run(ctx) })
	}
	return p
}

// doubt has all sessions but one slot's show that they live. What has ended that one, such as a
// server that was started again, may have ended them, too.
func (p *pool) doubt(but int) {
	for i, s := range p.slots {
		if sess := s.live.Load(); sess != nil && i != but {
			sess.Doubt()
		}
	}
}

// slots is how many sessions that take streams there may be.
func slots(cfg *Config) int {
	if cfg.Auto() {
		return max(cfg.Conn, 2)
	}
	return cfg.Conn
}

// bulk is how many bytes in a second make a session one that carries bulk.
const bulk = 64 << 10

// pick is the slot for a connection that comes: the one whose turn it is, or in mode auto
// the first of those that have the least to do. One in trouble is passed over. A slot has
// no session before that is needed.
func (p *pool) pick() *slot {
	if !p.apart {
		for range p.slots {
			if s := p.turn(); !s.troubled() {
				return s
			}
		}
		return p.turn()
	}
	best, least := p.slots[0], int64(math.MaxInt64)
	for _, s := range p.slots {
		if s.troubled() {
			continue
		}
		load := int64(0)
		if sess := s.ready(); sess != nil {
			load = sess.Load() / bulk
		}
		if load < least {
			best, least = s, load
		}
	}
	return best
}

// turn is the slot whose turn it is.
func (p *pool) turn() *slot {
	i := p.next.Add(1) - 1
	return p.slots[i%uint64(len(p.slots))]
}

// session waits for the session of a slot until ctx ends. Where that slot cannot dial,
// or takes its time, the session of any other will do: one bad slot fails nobody.
func (p *pool) session(ctx context.Context, s *slot) (*session.Session, error) {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	look := time.NewTicker(spreadWait)
	defer look.Stop()
	for late := false; ; {
		change := p.news.next()
		if sess := s.ready(); sess != nil {
			return sess, nil
		}
		if late || s.failing.Load() {
			if sess := p.living(); sess != nil {
				s.ask() // for those who come next
				return sess, nil
			}
		}
		s.ask()
		select {
		case <-change:
		case <-look.C:
			late = true
		case <-p.ended:
			return nil, errClientEnds
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// living is a session of any slot, nil where there is none.
func (p *pool) living() *session.Session {
	for range p.slots {
		if sess := p.turn().ready(); sess != nil {
			return sess
		}
	}
	return nil
}

// close closes all sessions, after what was sent has arrived or a bounded time,
// and waits for them.
func (p *pool) close() {
	p.cancel()
	p.wg.Wait()
}

// news tells all who wait for a session that one was made, or a dial has failed.
type news struct {
	mu   sync.Mutex
	wait chan struct{} // closed at the next news; nil where nobody waits
}

// next is closed at the next call of tell.
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
