package link

import (
	"container/list"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxUnconfirmed is how many conversations a program has at a time in which the other
	// end has acknowledged nothing: whoever began them may not be at the address that they
	// came from. A session takes 272 KiB, and 580 with compression, so these are 26 to
	// 56 MB. It must be below 128, which is how many sessions may wait in a listener of
	// kcp-go. At a round trip of 200 ms some 400 clients a second get in.
	maxUnconfirmed = 96

	// unconfirmedStays is how long such a conversation keeps its place while others need
	// one. An honest client needs a round trip and an interval of KCP's clock.
	unconfirmedStays = 3 * time.Second

	// maxCopies is how many of them may have the same number. An honest client has one, or
	// two if a router gives it another port between its first packets. A first packet that
	// is replayed from thousands of addresses gets no more than these.
	maxCopies = 4

	// maxEnded is how many conversations that were never confirmed a program remembers
	// after their end.
	maxEnded = 4096

	// maxNumbers is how many numbers of confirmed conversations it remembers, which takes
	// at most 2 MB. Clients draw numbers of 32 bits, so that one in 65,000 new conversations
	// has a number that is remembered, and its client has to draw another.
	maxNumbers = 1 << 16
)

// Conversations is what the links of a program share about the conversations that others
// begin: which ones there are, which of them are not confirmed yet, and which have ended.
// The zero value is ready to use. Its lock guards all of it, and is never held
// together with the lock of a table.
type Conversations struct {
	mu          sync.Mutex
	unconfirmed list.List        // of *Peer, the oldest first
	copies      map[uint32]int   // how many of them have the same number
	living      map[uint32]*Peer // those that are confirmed, by their numbers

	ended   ring[uint64] // digests of those that ended before they were confirmed
	numbers ring[uint32] // of those that were confirmed, alive or not
}

// ring remembers the latest values that were put in.
type ring[T comparable] struct {
	known  map[T]struct{}
	order  []T
	oldest int // index in order, once that is full
}

func (r *ring[T]) has(v T) bool {
	_, known := r.known[v]
	return known
}

// put adds a value. It forgets the oldest if there are as many as most already.
func (r *ring[T]) put(v T, most int) {
	if r.has(v) {
		return
	}
	if r.known == nil {
		r.known = make(map[T]struct{})
	}
	r.known[v] = struct{}{}
	if len(r.order) < most {
		r.order = append(r.order, v)
		return
	}
	delete(r.known, r.order[r.oldest])
	r.order[r.oldest] = v
	r.oldest = (r.oldest + 1) % most
}

// identity is the number of a conversation and the address of its peer. Until one of them is
// confirmed, the same number from another address is another conversation.
type identity struct {
	addr netip.AddrPort
	conv uint32
}

// seed makes hashes unpredictable. Nobody can choose addresses that all share one lane, or a
// conversation that is mistaken for another.
var seed = maphash.MakeSeed()

func (i identity) digest() uint64 { return maphash.Comparable(seed, i) }

// begin finds a place for a conversation that begins. The verdict tells if there is none, or
// if the conversation is known: a delayed copy of its first packet, or a replay from
// anywhere, would deliver its requests once more. Another conversation may have to make
// room, and the caller must end it.
func (c *Conversations) begin(ps *peers, id identity, in *lane, now time.Duration) (p, evicted *Peer, v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.living[id.conv] != nil || c.numbers.has(id.conv) || c.ended.has(id.digest()) {
		return nil, nil, isKnown
	}
	if c.copies[id.conv] >= maxCopies {
		return nil, nil, crowded
	}
	if c.unconfirmed.Len() >= maxUnconfirmed {
		first := c.unconfirmed.Front().Value.(*Peer)
		if now-first.confirmation.since < unconfirmedStays {
			return nil, nil, crowded
		}
		c.end(first)
		evicted = first
	}
	p = ps.newcomer(id, in)
	p.confirmation.since, p.confirmation.place = now, c.unconfirmed.PushBack(p)
	if c.copies == nil {
		c.copies, c.living = make(map[uint32]int), make(map[uint32]*Peer)
	}
	c.copies[id.conv]++
	return p, evicted, begins
}

// verdict is the outcome for a packet that may begin a conversation.
type verdict int

const (
	begins  verdict = iota
	isKnown         // there is one of this number, or was
	crowded         // too many are not confirmed
)

// confirm records that the other end of a conversation is where it says. From now on this
// one owns its number. confirm returns the others of the same number, which the caller must
// end. It is false if another owns the number already, or if this one has ended.
func (c *Conversations) confirm(p *Peer) (others []*Peer, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conv := p.conv.Load()
	if p.confirmation.place == nil || c.living[conv] != nil {
		return nil, false
	}
	c.removeUnconfirmed(p)
	c.living[conv] = p
	c.numbers.put(conv, maxNumbers)
	if c.copies[conv] > 0 {
		for e := c.unconfirmed.Front(); e != nil; e = e.Next() {
			if o := e.Value.(*Peer); o.conv.Load() == conv {
				others = append(others, o)
			}
		}
	}
	for _, o := range others {
		c.end(o)
	}
	return others, true
}

// alive returns the confirmed conversation of a number, or nil if there is none.
func (c *Conversations) alive(conv uint32) *Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.living[conv]
}

// exists tells whether there is a conversation of a number, confirmed or not.
func (c *Conversations) exists(conv uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.living[conv] != nil || c.copies[conv] > 0
}

// at returns the conversation of a number that lives at an address, confirmed or not, or nil if
// there is none.
func (c *Conversations) at(id identity) *Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.living[id.conv]; p != nil && p.addr() == id.addr {
		return p
	}
	if c.copies[id.conv] == 0 {
		return nil
	}
	for e := c.unconfirmed.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*Peer); p.identity() == id {
			return p
		}
	}
	return nil
}

// unconfirmedOf returns the conversation that is not confirmed yet and that a packet belongs
// to whose client has moved, or nil if there is none. It has heard us if the packet proves
// that. Otherwise it hears nothing until we follow, so data is enough if there is only one of
// the number. Nobody gains by that: a recording can begin anywhere.
func (c *Conversations) unconfirmedOf(h *Packet) *Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	copies := c.copies[h.Conv]
	if copies == 0 {
		return nil
	}
	for e := c.unconfirmed.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*Peer); p.conv.Load() == h.Conv && (p.isProof(h) || h.Push && copies == 1) {
			return p
		}
	}
	return nil
}

// forget records that a conversation is over.
func (c *Conversations) forget(p *Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(p)
}

// removeUnconfirmed removes a conversation from those that are not confirmed; c.mu is held.
func (c *Conversations) removeUnconfirmed(p *Peer) {
	if p.confirmation.place == nil {
		return
	}
	c.unconfirmed.Remove(p.confirmation.place)
	p.confirmation.place = nil
	conv := p.conv.Load()
	if c.copies[conv]--; c.copies[conv] == 0 {
		delete(c.copies, conv)
	}
}

// end is forget; c.mu is held.
func (c *Conversations) end(p *Peer) {
	if conv := p.conv.Load(); c.living[conv] == p {
		delete(c.living, conv)
		return
	}
	c.removeUnconfirmed(p)
	c.ended.put(p.identity().digest(), maxEnded)
}
