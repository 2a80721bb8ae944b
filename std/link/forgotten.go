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
// segment. KCP reads only the window in it; our client ends the session.
//
// A server of the original makes a session of such data. It acknowledges the data singly, and
// nothing before it. Our client understands that, too.

// ErrForgotten ends a dialled link whose server does not know the conversation.
var ErrForgotten = errors.New("the server does not know the conversation")

// answerEvery is the minimum time between two answers to the same address.
const answerEvery = time.Second

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

// tellForgotten answers data of a conversation that is not known. The answer is not longer
// than that data, and goes to the address that it came from.
func (t *intake) tellForgotten(h Packet, in *carrier.Inbound) {
	if !h.Push || h.Begins || t.opt.Conversations.alive(h.Conv) != nil || !t.answers.due(in.From, t.now) || t.out.isFull() {
		return
	}
	var b [segHeader]byte
	binary.LittleEndian.PutUint32(b[:], h.Conv)
	b[offsetCmd] = cmdWindow
	binary.LittleEndian.PutUint16(b[offsetWnd:], answerWindow)
	binary.LittleEndian.PutUint32(b[offsetSN:], h.Next-1)
	stranger := new(Peer)
	stranger.way.Store(carrier.NewWay(in.From).From(in.At))
	_ = t.out.put(stranger, b[:]) // it fails only when the link is closed
}

// showsForgotten tells whether a packet shows that the server does not know the
// conversation: the server has received a segment that was sent after it had acknowledged
// something, and acknowledges nothing up to there. That segment must be in flight, which
// no recording can know.
func (l *ledger) showsForgotten(h Packet) bool {
	una := l.sndUna.Load()
	if h.Kind != Segments || h.Una != 0 || !after(una, 0) {
		return false
	}
	var sn uint32
	switch {
	case l.isSacked(h):
		sn = h.Ack
	case h.Tells && !h.Acked && !h.Push:
		sn = h.Number
	default:
		return false
	}
	return !after(una, sn) && after(l.sndNext.Load(), sn) && !after(l.sndAtFirst.Load(), sn)
}
