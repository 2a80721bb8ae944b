package link

import "time"

// What a link does about trouble: a socket that refuses, and faults of our own.

// sendFailed records datagrams that the system refused. They are lost like any other, and
// KCP retransmits.
func (c *Conn) sendFailed(refused int, err error) {
	if c.isClosed() {
		return
	}
	c.opt.Stats.SendErrors.Add(uint64(refused))
	if times, due := c.sendTrouble.Due(); due {
		c.opt.Log.Warn("sending failed, going on", "err", err, "times", times)
	}
}

// pause keeps the receiver from spinning if the socket fails at every call, as it does
// without any network. The first failures cost nothing; then the pause is 1 ms, and doubles
// up to 256 ms.
func (c *Conn) pause(failures int) {
	if failures < 4 {
		return
	}
	t := time.NewTimer(time.Millisecond << min(failures-4, 8))
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.closed:
	}
}

// failed handles a panic of the reader. If it was over a packet of a conversation, only that
// ends. Otherwise the datagram is dropped.
func (t *intake) failed(why error) {
	t.restored, t.spare = nil, nil
	if t.owner != nil {
		t.peers.fail(t.owner, why)
	}
}

// fail ends a conversation because it cannot go on. At a dialled link, the reader ends
// it when it sees the reason.
func (ps *peers) fail(p *Peer, why error) {
	p.life.failure.CompareAndSwap(nil, &why)
	if ps.only != nil {
		return
	}
	ps.forget(p)
	if p.life.end != nil {
		p.life.end()
	}
}

// Failure is why the link has ended the conversation, which could not go on; nil: it has not.
func (p *Peer) Failure() error {
	if why := p.life.failure.Load(); why != nil {
		return *why
	}
	return nil
}

// ended is why the reader of a dialled link ends; nil: it goes on.
func (p *Peer) ended() error {
	if p.IsForgotten() {
		return ErrForgotten
	}
	return p.Failure()
}
