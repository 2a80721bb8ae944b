package link

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"kcptun/std/carrier"
)

// A server that was restarted, or that has given up a session, does not know a conversation
// that its client continues. It says so. It answers data of an unknown conversation with a
// segment of this conversation that reports a window, acknowledges nothing, and has the
// sequence number of the data. A server that knows a conversation never sends such a
// segment. KCP reads only the window in it.
//
// A server of the original makes a session of such data. It acknowledges the data singly, and
// nothing before it. Our client understands that, too.
//
// Somebody may copy data on its way to another server that has the same key, and send its
// answer on with the address of the right one. But then the right one acknowledges the data.
// So our client ends the session only when it is told again, disownedFor after it was told
// first, and nothing with news has come in between.

// ErrForgotten ends a dialled link whose server does not know the conversation.
var ErrForgotten = errors.New("the server does not know the conversation")

// answerEvery is the minimum time between two answers to the same address. It is a fraction of
// disownedFor, so that the client is told again soon after that.
const answerEvery = 250 * time.Millisecond

// disownedFor is for how long the answers that a server does not know a conversation must have
// come, and no news of one that does. It is more than a round trip, within which a server
// acknowledges what it gets, and less than a client allows a silent server.
const disownedFor = time.Second

// answerWindow is the window in such an answer, in segments: KCP's default.
const answerWindow = 128

// answers limits how often unknown senders are answered. Addresses share 256 slots, and each
// slot allows one answer in answerEvery.
type answers struct {
	next [256]atomic.Int64 // when the next answer is allowed, by std/clock; 0: now
}

// due tells whether an address may be answered now, and records the answer.
func (a *answers) due(to netip.AddrPort, now time.Duration) bool {
	slot := &a.next[maphash.Comparable(seed, to)%uint64(len(a.next))]
	next := slot.Load()
	return (next == 0 || int64(now) >= next) && slot.CompareAndSwap(next, int64(now+answerEvery))
}

// tellForgotten answers data of a conversation that is not known here, at any address. The
// answer is not longer than that data, and goes to the address that it came from.
func (t *intake) tellForgotten(h *Packet, in *carrier.Inbound) {
	c := t.through(in)
	if !h.Push || h.Begins || t.opt.Conversations.exists(h.Conv) || !c.answers.due(in.From, t.now) || c.out.isFull() {
		return
	}
	b := report(cmdWindow, h.Conv, answerWindow, h.Next-1, 0)
	stranger := &Peer{seal: c.peers.seal}
	stranger.way.Store(carrier.NewWay(in.From).From(in.At))
	_ = c.out.put(stranger, b[:]) // it fails only when the link is closed
}

// report is a segment without data and without a time.
func report(command byte, conv uint32, window uint16, sn, una uint32) (s [segHeader]byte) {
	binary.LittleEndian.PutUint32(s[:], conv)
	s[offsetCmd] = command
	binary.LittleEndian.PutUint16(s[offsetWnd:], window)
	binary.LittleEndian.PutUint32(s[offsetSN:], sn)
	binary.LittleEndian.PutUint32(s[offsetUna:], una)
	return s
}

// isDisowned tells whether a packet shows that a server does not know the conversation of a
// dialled link. It ends the conversation once that is certain.
func (t *intake) isDisowned(p *Peer, h *Packet) bool {
	if t.peers.only == nil || !p.ledger.showsForgotten(h, t.now) {
		return false
	}
	if p.ledger.disowned(t.now) {
		p.life.forgotten.Store(true)
	}
	return true
}

// disowned records a packet that shows that a server does not know the conversation, and
// tells whether to believe that it is ours: we were told so for disownedFor, without news.
func (l *ledger) disowned(now time.Duration) bool {
	if l.disownedAt == notYet || l.heard.Load() >= l.disownedAt {
		l.disownedAt = int64(now)
	}
	return now-time.Duration(l.disownedAt) >= disownedFor
}

// showsForgotten tells whether a packet shows that a server does not know the
// conversation: the server has received a segment that was sent after ours had acknowledged
// something, and acknowledges nothing up to there. That segment must be in flight, which
// no recording can know. A server of ours may have acknowledged all below 0, too, once the
// numbers have wrapped: it has if 0 is in flight.
func (l *ledger) showsForgotten(h *Packet, now time.Duration) bool {
	una, next := l.sndUna.Load(), l.sndNext.Load()
	if h.Kind != Segments || h.Una != 0 || !l.sndHeard.Load() || 0-una <= next-una || l.isReflected(h, now) {
		return false
	}
	var sn uint32
	switch {
	case l.isSacked(h), h.Acked && after(h.AckStamp, l.echoed):
		sn = h.Ack
	case h.Tells && !h.Acked && !h.Push:
		sn = h.Number
	default:
		return false
	}
	return sn-una < next-una && !after(l.heardFrom, sn)
}
