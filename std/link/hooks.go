package link

import "sync/atomic"

// hooks is how a session learns of the packets of its peer. The reader and the writer both
// count activity and call the waker, each time without a lock. The owner belongs to the
// reader alone.
type hooks struct {
	activity atomic.Uint64          // packets to and from the peer
	waker    atomic.Pointer[func()] // called at the next of them, once
	owner    any                    // see SetOwner
}

// active counts a packet to or from the peer, and wakes its session. This order lets a
// session fall asleep without missing a packet: it calls OnWake first, and looks at
// Activity afterwards.
func (h *hooks) active() {
	h.activity.Add(1)
	h.wake()
}

func (h *hooks) wake() {
	if h.waker.Load() == nil {
		return
	}
	if f := h.waker.Swap(nil); f != nil {
		(*f)()
	}
}

// Activity grows with every packet to or from the peer.
func (p *Peer) Activity() uint64 { return p.hooks.activity.Load() }

// OnWake registers f to be called once: before the next packet of the peer is delivered
// or the next packet to it is sent, or at the next Wake.
func (p *Peer) OnWake(f func()) { p.hooks.waker.Store(&f) }

// Wake calls the function that OnWake registered. Call it when a sleeping session is
// about to have something to do.
func (p *Peer) Wake() { p.hooks.wake() }

// Owner is the value that SetOwner has stored.
func (p *Peer) Owner() any { return p.hooks.owner }

// SetOwner stores a value with the peer, for whoever reads its packets. Only the
// goroutine that reads may call it.
func (p *Peer) SetOwner(o any) { p.hooks.owner = o }
