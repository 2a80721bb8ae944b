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

// A server that was restarted, or has given a session up, knows nothing of a conversation
// that its client goes on with. It says so: to data of a conversation that it does not know
// it answers with a segment that tells a window, of this conversation, that acknowledges
// nothing, and whose number is that of the data. A server that knows a conversation never
// sends that. KCP takes nothing from it but the window; our client ends the session.
//
// A server of the original makes a session of such data, and acknowledges it by itself, and
// nothing before it. Our client understands that, too.

// ErrForgotten ends a dialled link whose server does not know the conversation.
var ErrForgotten = errors.New("the server does not know the conversation")

// answerEvery is the least time between two answers to the same address.
const answerEvery = time.Second

// answerWindow is what such an answer says that there is room for: KCP's default.
const answerWindow = 128

// answers bounds how often strangers are answered: at most one of the addresses that share
// a place is, so that all together get 256 answers in answerEvery.
type answers struct {
	last [256]atomic.Int64 // when by std/clock, plus answerEvery; 0: never
}

// due tells whether an address may be answered now, and takes note that it was.
func (a *answers) due(to netip.AddrPort, now time.Duration) bool {
	place := &a.last[maphash.Comparable(seed, to)%uint64(len(a.last))]
	next := place.Load()
	return (next == 0 || int64(now) >= next) && place.CompareAndSwap(next, int64(now+answerEvery))
}

// tellForgotten answers to data of a conversation that is not known. The answer is not longer than
// what it answers, and goes where that came from.
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
	_ = t.out.put(stranger, b[:]) // closed: so is all
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
