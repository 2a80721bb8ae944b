package rawtcp

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxFlows bounds the flows of a listener, each of which is a file descriptor.
const maxFlows = 16384

// Flows of which no genuine datagram has come cost their peer a handshake and nothing
// more. A client's first datagram comes with the end of its handshake; one of the original
// may be idle for a keepalive before it. So they are kept as long as others, but where
// there are many, those that have waited for flowGrace make room.
const (
	maxUnproven = 1024            // at most; see unprovenLimit
	flowGrace   = 3 * time.Second // two retransmissions of a first datagram
)

var (
	errTooManyFlows = errors.New("too many connections")
	errUnproven     = errors.New("too many connections of which no datagram has come that opens")
)

// flows is the table of a carrier's flows, by the peer's address.
type flows struct {
	limit int // of unproven flows; a quarter of it from one address

	mu       sync.RWMutex
	table    map[netip.AddrPort]*flow
	unproven []*flow // in the order of arrival; some may be proven or gone since
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

// add takes a flow over, or says why it cannot. A peer that comes again from the same
// port replaces its former flow. dropped is how many unproven flows made room.
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

// roomFor tells whether there is room for one more unproven flow. old is the one that
// has to go for it.
func (t *flows) roomFor(f *flow, now time.Duration) (old *flow, room bool) {
	t.unproven = slices.DeleteFunc(t.unproven, func(u *flow) bool {
		proven, _ := u.isProven()
		return proven || t.table[u.remote] != u
	})
	site := siteOf(f.remote.Addr())
	var neighbour *flow // the oldest of the same site
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

// siteOf is what one attacker has at least: an address, or a subnet of IPv6 (RFC 4291,
// section 2.5.4).
func siteOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, _ := a.Prefix(64)
	return p.Addr()
}

// sweep ends the flows that are silent for too long.
func (t *flows) sweep(now time.Duration) {
	for _, f := range t.silent(now) {
		f.close()
	}
}

// silent takes the flows that are silent for too long out of the table.
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

// close ends every flow and refuses further ones.
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

// unzoned is the form of an address that flows are looked up by: the kernel
// gives zones with accepted connections and not with raw packets.
func unzoned(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}
