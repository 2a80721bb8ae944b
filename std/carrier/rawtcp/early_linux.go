package rawtcp

import (
	"net/netip"
	"sync"
	"time"

	"kcptun/std/carrier"
)

// How many segments are kept for connections not yet accepted, and for how long. Few are
// enough: a client sends one or two before it hears anything.
const (
	earlyLimit = 32
	earlyTime  = time.Second
)

// earlySegments are data segments from peers that have no flow yet. A client's first one
// arrives right after its handshake, often before accept returns. If it were dropped, the
// session would have to wait for a retransmission.
type earlySegments struct {
	mu   sync.Mutex
	kept []earlySegment // in order of arrival
}

type earlySegment struct {
	from, to netip.AddrPort
	raw      []byte
	at       time.Duration // on std/clock
}

// keep keeps a copy of a segment, or returns the flow if it has just appeared. Anybody may
// send such segments, so memory is bounded: the oldest makes room.
func (e *earlySegments) keep(flows *flows, from, to netip.AddrPort, raw []byte, now time.Duration) *flow {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := flows.get(from); f != nil {
		return f
	}
	s := earlySegment{from: from, to: to, at: now}
	if len(e.kept) == earlyLimit {
		s.raw = e.kept[0].raw[:0] // reuse its memory
		e.kept = append(e.kept[:0], e.kept[1:]...)
	}
	s.raw = append(s.raw, raw...)
	e.kept = append(e.kept, s)
	return nil
}

// claim removes and returns the datagrams that were kept for a flow that is now in the
// table.
func (e *earlySegments) claim(f *flow, now time.Duration) (found []carrier.Inbound) {
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
