package rawtcp

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxFlows bounds the flows of a listener. Each takes a file descriptor.
const maxFlows = 16384

// A flow without a genuine datagram has cost its peer no more than a handshake. A client's
// first datagram arrives at the end of its handshake, but an original client may be idle
// for a keepalive interval before it sends one. So such flows are kept as long as others,
// but if there are many, those that have waited for flowGrace make room.
const (
	maxUnproven   = 1024            // upper limit; see unprovenLimit
	leastUnproven = 8               // at a port, however many there are
	flowGrace     = 3 * time.Second // two retransmissions of a first datagram
)

var (
	errTooManyFlows = errors.New("too many connections")
	errUnproven     = errors.New("too many connections that have not sent a valid datagram")
)

// flows is the table of a carrier's flows, keyed by the peer's address.
type flows struct {
	limit int // of unproven flows; a quarter of it from one address

	mu       sync.RWMutex
	table    map[netip.AddrPort]*flow
	unproven []*flow // in order of arrival; some may have been proven or removed since
	shut     bool
}

func newFlows(limit int) *flows {
	return &flows{limit: limit, table: make(map[netip.AddrPort]*flow)}
}

func (t *flows) get(remote netip.AddrPort) *flow {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.table[remote]
}

// add takes over a flow, or says why it cannot. A peer that connects again from the same
// port replaces its earlier flow. dropped is how many unproven flows were evicted.
func (t *flows) add(f *flow, now time.Duration) (dropped int, err error) {
	gone, err := t.insert(f, now)
	for _, old := range gone {
		old.close()
		if old.remote != f.remote {
			dropped++
		}
	}
	return dropped, err
}

func (t *flows) insert(f *flow, now time.Duration) (gone []*flow, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shut {
		return nil, errTooManyFlows
	}
	if old := t.table[f.remote]; old != nil {
		gone = append(gone, old)
		delete(t.table, f.remote)
	}
	old, room := t.roomFor(f, now)
	if old != nil {
		gone = append(gone, old)
		delete(t.table, old.remote)
	}
	switch {
	case !room:
		return gone, errUnproven
	case len(t.table) >= maxFlows:
		return gone, errTooManyFlows
	}
	t.table[f.remote] = f
	t.unproven = append(t.unproven, f)
	return gone, nil
}

// roomFor tells whether there is room for one more unproven flow. old is the flow that must
// be evicted for it.
func (t *flows) roomFor(f *flow, now time.Duration) (old *flow, room bool) {
	t.unproven = slices.DeleteFunc(t.unproven, func(u *flow) bool {
		proven, _ := u.isProven()
		return proven || t.table[u.remote] != u
	})
	site := siteOf(f.remote.Addr())
	var neighbour *flow // the oldest flow of the same site
	neighbours := 0
	for _, u := range t.unproven {
		if siteOf(u.remote.Addr()) == site {
			if neighbours++; neighbour == nil {
				neighbour = u
			}
		}
	}
	switch {
	case neighbours >= max(1, t.limit/4):
		old = neighbour
	case len(t.unproven) >= t.limit:
		old = t.unproven[0]
	default:
		return nil, true
	}
	if _, since := old.isProven(); now-since < flowGrace {
		return nil, false
	}
	return old, true
}

// siteOf is the smallest range that one attacker is assumed to control: an IPv4 address or
// an IPv6 subnet (RFC 4291, section 2.5.4).
func siteOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, _ := a.Prefix(64)
	return p.Addr()
}

// sweep closes the flows that have been silent for too long.
func (t *flows) sweep(now time.Duration) {
	for _, f := range t.silent(now) {
		f.close()
	}
}

// silent removes and returns the flows that have been silent for too long.
func (t *flows) silent(now time.Duration) (silent []*flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for remote, f := range t.table {
		if f.expired(now) {
			silent = append(silent, f)
			delete(t.table, remote)
		}
	}
	return silent
}

// close closes every flow and refuses further ones.
func (t *flows) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shut = true
	for _, f := range t.table {
		f.close()
	}
	clear(t.table)
	t.unproven = nil
}

// unzoned is the form of an address used to look up flows: the kernel reports zones for
// accepted connections but not for raw packets.
func unzoned(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}
