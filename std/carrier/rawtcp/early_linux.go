package rawtcp

import (
	"net/netip"
	"sync"
	"time"

	"kcptun/std/carrier"
)

// How many segments are kept for connections that are not accepted yet, and for
// how long. They are few: a client sends one or two before it hears something.
const (
	earlyLimit = 32
	earlyTime  = time.Second
)

// earlySegments are segments with data of peers that have no flow. A client's
// first one comes right after its handshake, often before accept returns; lost,
// it would cost the session the time of a retransmission.
type earlySegments struct {
	mu   sync.Mutex
	kept []earlySegment // in the order of arrival
}

type earlySegment struct {
	from, to netip.AddrPort
	raw      []byte
	at       time.Duration // by std/clock
}

// keep keeps a copy of a segment, or returns the flow that came just now. What
// anybody may send must not fill the memory: the oldest makes room.
func (e *earlySegments) keep(flows *flows, from, to netip.AddrPort, raw []byte, now time.Duration) *flow {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := flows.get(from); f != nil {
		return f
	}
	s := earlySegment{from: from, to: to, at: now}
	if len(e.kept) == earlyLimit {
		s.raw = e.kept[0].raw[:0] // its room is used again
		e.kept = append(e.kept[:0], e.kept[1:]...)
	}
	s.raw = append(s.raw, raw...)
	e.kept = append(e.kept, s)
	return nil
}

// take returns the datagrams that were kept for a flow that is in the table.
func (e *earlySegments) take(f *flow, now time.Duration) (found []carrier.Inbound) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest := e.kept[:0]
	for _, s := range e.kept {
		if s.from != f.remote || s.to != f.local {
			rest = append(rest, s)
			continue
		}
		if seg, ok := parseSegment(s.raw); ok && now-s.at < earlyTime {
			if in, ok := f.accept(&seg, s.raw, now); ok {
				found = append(found, in)
			}
		}
	}
	clear(e.kept[len(rest):])
	e.kept = rest
	return found
}
