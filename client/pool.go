package main

import (
	"context"
	"sync"
	"sync/atomic"

	"kcptun/std"
)

// pool keeps the client's sessions, in slots used in turn.
type pool struct {
	slots  []*slot
	next   atomic.Uint64
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newPool(cfg *Config, env std.Env, dial *dialer) *pool {
	ctx, cancel := context.WithCancel(context.Background())
	p := &pool{cancel: cancel, slots: make([]*slot, cfg.Conn)}
	for i := range p.slots {
		s := newSlot(cfg, env, dial)
		p.slots[i] = s
		p.wg.Go(func() { s.run(ctx) })
	}
	return p
}

// turn is the slot whose turn it is.
func (p *pool) turn() *slot {
	i := p.next.Add(1) - 1
	return p.slots[i%uint64(len(p.slots))]
}

// close closes all sessions, after what was sent has arrived or a bounded time,
// and waits for them.
func (p *pool) close() {
	p.cancel()
	p.wg.Wait()
}
