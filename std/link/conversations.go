package link

import (
	"container/list"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxUnconfirmed is how many conversations a program has at a time of which nothing
	// that it sent has been acknowledged: whoever began them may not be at the address
	// that they came from. A session takes 272 KiB, and 580 with compression, so these are
	// 26 to 56 MB. It must be below 128, which is how many sessions may wait in a listener
	// of kcp-go. At a round trip of 200 ms some 400 clients a second get in.
	maxUnconfirmed = 96

	// unconfirmedStays is how long such a conversation keeps its place while others want
	// one. An honest client needs a round trip and an interval of KCP's clock.
	unconfirmedStays = 3 * time.Second

	// maxEnded is how many conversations a program remembers that have ended.
	maxEnded = 4096
)

// Conversations is what the links of a program have in common about the conversations
// that others begin: how many of them are not confirmed yet, and which have ended. The
// zero value is ready.
type Conversations struct {
	mu          sync.Mutex
	unconfirmed list.List           // of *Peer, in the order in which they began
	origin      uint32              // of stamps, see stampOrigin; 0: not drawn yet
	ended       map[uint64]struct{} // see digest
	order       []uint64            // of ended, a ring
	oldest      int                 // in order, once that is full
}

// identity is what makes a conversation at a listening link: the same number from
// another address is another conversation.
type identity struct {
	addr netip.AddrPort
	conv uint32
}

// seed keeps others from choosing addresses that all meet in one lane, and
// conversations that are taken for others.
var seed = maphash.MakeSeed()

func (i identity) digest() uint64 { return maphash.Comparable(seed, i) }

// begin finds a place for a conversation that begins. It is false where there is none,
// or where this conversation has ended here: a late copy of its first packet would have
// its requests delivered once more. Another conversation may have to make room, which
// the caller must end.
func (c *Conversations) begin(ps *peers, id identity, now time.Duration) (p, evicted *Peer, v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, again := c.ended[id.digest()]; again {
		return nil, nil, hasEnded
	}
	if c.unconfirmed.Len() >= maxUnconfirmed {
		first := c.unconfirmed.Front().Value.(*Peer)
		if now-first.since < unconfirmedStays {
			return nil, nil, crowded
		}
		c.end(first)
		evicted = first
	}
	p = ps.newcomer(id)
	p.since, p.place = now, c.unconfirmed.PushBack(p)
	return p, evicted, begins
}

// verdict is what becomes of a packet that may begin a conversation.
type verdict int

const (
	begins   verdict = iota
	hasEnded         // the conversation is over
	crowded          // there are too many that are not confirmed
)

// confirm takes note that the other end of a conversation is where it says.
func (c *Conversations) confirm(p *Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(p)
}

// forget takes note that a conversation is over.
func (c *Conversations) forget(p *Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(p)
}

// settle takes a conversation from those that are not confirmed.
func (c *Conversations) settle(p *Peer) {
	if p.place != nil {
		c.unconfirmed.Remove(p.place)
		p.place = nil
	}
}

func (c *Conversations) end(p *Peer) {
	c.settle(p)
	d := p.identity().digest()
	if _, known := c.ended[d]; known {
		return
	}
	if c.ended == nil {
		c.ended = make(map[uint64]struct{})
	}
	c.ended[d] = struct{}{}
	if len(c.order) < maxEnded {
		c.order = append(c.order, d)
		return
	}
	delete(c.ended, c.order[c.oldest])
	c.order[c.oldest] = d
	c.oldest = (c.oldest + 1) % maxEnded
}
