package link

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"kcptun/std/clock"
	"kcptun/std/link/fec"
)

// A path may carry small datagrams and drop large ones without a word, because of a tunnel
// on the way and a firewall that drops the ICMP messages of its router. So a conversation
// begins with datagrams of baseSize, and a full packet is now and then padded to a larger
// size. If such a probe arrives, the engine makes larger packets. If it does not, nothing
// is stuck: KCP retransmits the packet without the padding. That is the search of RFC 8899,
// with KCP's own acknowledgements.
//
// An end that receives much and sends little has no full packets. But the size matters there,
// too: kcp-go sends its acknowledgements whenever they would fill a packet, although it then
// omits most of them, and the other end looks at its whole window at each of those packets.
// So after a large packet of the peer, a small one is padded.
//
// The path may change later, and segments that were sent in large packets cannot be made
// smaller any more. The watch notices that, see there.

// baseSize is the size in bytes that every path is expected to carry, as in RFC 8899 and in
// QUIC. With the headers of UDP and IPv6 it is less than the 1280 bytes that IPv6 requires
// of any path, even within another tunnel of 32 bytes.
const baseSize = 1200

// fullSlack is by how much a packet may be smaller than the largest and count as full.
const fullSlack = 64

// sizing is the size of the datagrams to a peer. The lock guards what is not atomic. The
// function is called with the lock held, so that the engine gets the sizes in their order.
type sizing struct {
	most      int          // by the settings, never changes; 0: whatever KCP sends
	size      atomic.Int32 // the largest datagram to make packets for
	expecting atomic.Bool  // acknowledgements of probes, or of what the watch has marked
	hears     atomic.Bool  // the peer has sent a large packet since the last probe

	mu      sync.Mutex
	resized func(size int) // tells the engine; may be nil
	search  search
	watch   watch
	told    int // the size that the log knows of

	inFragments bool // what is stuck is sent in fragments, until all below search.from has arrived
}

func (z *sizing) init(most int) {
	z.most, z.told = most, most
	z.size.Store(int32(min(most, baseSize)))
	if most <= baseSize {
		z.most = 0
		return
	}
	z.search.begin(baseSize, most)
}

// Overhead is the number of bytes that the link adds to a packet.
func (c *Conn) Overhead() int {
	n := c.opt.Sealer.Overhead()
	if c.opt.coded() {
		n += fec.Header
	}
	return n
}

// Size is the largest datagram in bytes that may be sent to the peer now. It is 0 if the
// link's options set no size.
func (p *Peer) Size() int { return int(p.sizing.size.Load()) }

// OnResize registers a function that is told Size, now and whenever it changes. It must not
// call the link.
func (p *Peer) OnResize(f func(size int)) {
	p.sizing.mu.Lock()
	defer p.sizing.mu.Unlock()
	p.sizing.resized = f
	f(p.Size())
}

// resize changes the size. The lock is held.
func (z *sizing) resize(size int) {
	if int(z.size.Swap(int32(size))) != size && z.resized != nil {
		z.resized(size)
	}
}

// expect records whether acknowledgements matter now. The lock is held.
func (z *sizing) expect() {
	z.expecting.Store(z.search.probe.size > 0 || z.watch.marked > 0 || z.inFragments)
}

// restart begins a new search, because the path has changed.
func (z *sizing) restart() {
	if z.most == 0 {
		return
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.search.begin(baseSize, z.most)
	z.watch.forget()
	z.expect()
	z.resize(baseSize)
}

// prepare records a packet that will be sent, and reads its headers into h. ok tells whether
// it belongs to the peer's conversation. probe is what to send in its place, without error
// correction; nil: itself.
func (c *Conn) prepare(p []byte, peer *Peer, h *Packet) (probe []byte, ok bool) {
	ok = h.parse(p)
	if h.Push && !h.Framed {
		if c.peers.only == nil && !peer.ledger.sndBegun.Load() {
			peer.drawShift(h.Stamp)
		}
		shift := peer.shift.Load()
		shiftStamps(p, cmdPush, shift)
		h.Stamp += shift
	}
	isNew := after(h.Next, peer.ledger.sndNext.Load())
	peer.sent(h)
	if ok = ok && peer.owns(h); ok {
		var ask bool
		if probe, ask = c.measure(p, peer, h, isNew); ask {
			question := reply(p, cmdAsk)
			_, _ = c.put(peer, question[:]) // it fails only when the link is closed
		}
		if h.Push && !isNew && peer.repeat.wanted.Load() {
			c.keep(p, peer, h)
		}
	}
	return probe, ok
}

// measure is called for each packet before it is sent. isNew tells whether its last segment
// is sent for the first time. measure returns the padded packet if this one is to be a
// probe, or has to be larger to be split, and otherwise nil; and whether to ask the peer for an answer. It sends nothing
// itself: the reader may need the lock of the sizing, and must not wait for the outbox.
func (c *Conn) measure(packet []byte, p *Peer, h *Packet, isNew bool) (probe []byte, ask bool) {
	z := &p.sizing
	if z.most == 0 || !h.Push || h.Framed {
		return nil, false
	}
	length, size, una := len(packet)+c.Overhead(), int(z.size.Load()), p.ledger.sndUna.Load()
	wanted := size < z.most && (length > size-fullSlack || z.hears.Load())
	oldest := length > baseSize && !after(h.First, una) && after(h.Next, una)
	if !wanted && !oldest && !z.expecting.Load() {
		return nil, false
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	defer z.expect()
	now := clock.Now()
	if length > baseSize {
		ask = c.watchLarge(packet, p, h, oldest, now)
	}
	z.search.sent(h)
	if z.inFragments && length > baseSize {
		if size := p.way.Load().Splits(); size > length && z.watch.isTurnToSplit(oldest) {
			return padded(packet, size-p.seal.overhead), ask
		}
	}
	if !wanted || length > size || !isNew || !p.ledger.sndHeard.Load() || p.confirmation.isOpen() || z.inFragments {
		return nil, ask
	}
	if probe = z.search.pad(packet, h, p.seal.overhead, now); probe != nil {
		z.hears.Store(false)
	}
	return probe, ask
}

// received records the length of a packet of the peer.
func (z *sizing) received(length int) {
	if length > baseSize && !z.hears.Load() {
		z.hears.Store(true)
	}
}

// isStuck reads in a packet of the peer which probes have arrived, before its stamps change.
// It ends the conversation, and is true, if that is stuck.
func (t *intake) isStuck(packet []byte, p *Peer) bool {
	if !p.sizing.expecting.Load() || !t.arrivals(packet, p, t.now) {
		return false
	}
	t.peers.fail(p, errStuck)
	return true
}

// arrivals reads in a packet of the peer which probes have arrived. It tells whether the
// conversation has to end because it is stuck.
func (c *Conn) arrivals(packet []byte, p *Peer, now time.Duration) (stuck bool) {
	z := &p.sizing
	z.mu.Lock()
	defer z.mu.Unlock()
	defer z.expect()
	una := p.ledger.sndUna.Load()
	arrived := false
	for b := packet; len(b) >= segHeader; b = b[segHeader+binary.LittleEndian.Uint32(b[offsetLen:]):] {
		if b[offsetCmd] != cmdAck {
			continue
		}
		sn, stamp := binary.LittleEndian.Uint32(b[offsetSN:]), binary.LittleEndian.Uint32(b[offsetTS:])
		arrived = arrived || z.search.probe.is(sn, stamp)
		if z.watch.isMarked(sn-runBefore(b), sn) {
			z.watch.forget()
		}
	}
	if z.inFragments && !after(z.search.from, una) {
		z.inFragments = false
		p.way.Load().Fragment(false)
	}
	if z.search.acknowledged(una, arrived) {
		z.resize(z.search.passes)
		if z.search.isOver() {
			c.settled(p, now)
		}
	}
	return z.watch.isStuck(una, now)
}

// settled logs the result of a search if it is news. The lock is held.
func (c *Conn) settled(p *Peer, now time.Duration) {
	z := &p.sizing
	z.search.next = now + searchAgain
	was := z.told
	z.told = z.search.passes
	switch {
	case z.told < was:
		c.shrunk(p, was, z.told)
	case z.told > was:
		c.opt.Log.Info("larger packets pass again", "to", p.Addr(), "conv", p.Conv(), "was", was, "now", z.told)
	}
}

func (c *Conn) shrunk(p *Peer, was, now int) {
	c.opt.Stats.Shrunk.Add(1)
	if times, due := c.sizes.Due(); due {
		c.opt.Log.Info("large packets do not pass, sending smaller ones", "to", p.Addr(), "conv", p.Conv(), "was", was, "now", now, "times", times)
	}
}

// mostRun is the most segments that an acknowledgement tells of besides its own.
const mostRun = 1024

// runBefore is how many segments before its own an acknowledgement tells of; see Runs in
// docs/protocol.md.
func runBefore(ack []byte) uint32 {
	if binary.LittleEndian.Uint32(ack[offsetLen:]) != 2 {
		return 0
	}
	return min(uint32(binary.LittleEndian.Uint16(ack[segHeader:])), mostRun)
}
