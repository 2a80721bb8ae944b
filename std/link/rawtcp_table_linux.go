package link

import (
	"net/netip"
	"sync"
	"time"
)

// maxFlows bounds the flows of a listener, each of which is a file descriptor.
const maxFlows = 16384

// flows is the table of a carrier's flows, by the peer's address.
type flows struct {
	mu    sync.RWMutex
	table map[netip.AddrPort]*flow
	shut  bool
}

func newFlows() *flows { return &flows{table: make(map[netip.AddrPort]*flow)} }

func (t *flows) get(remote netip.AddrPort) *flow {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.table[remote]
}

// add takes a flow over, or tells that it cannot. A peer that comes again from
// the same port replaces its former flow.
func (t *flows) add(f *flow) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.table[f.remote]
	if t.shut || old == nil && len(t.table) >= maxFlows {
		return false
	}
	if old != nil {
		release(old.conn, old.sock.ipv6)
	}
	t.table[f.remote] = f
	return true
}

// sweep ends the flows that are silent for too long.
func (t *flows) sweep(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for remote, f := range t.table {
		if f.expired(now) {
			release(f.conn, f.sock.ipv6)
			delete(t.table, remote)
		}
	}
}

// close ends every flow and refuses further ones.
func (t *flows) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shut = true
	for _, f := range t.table {
		release(f.conn, f.sock.ipv6)
	}
	clear(t.table)
}

// unzoned is the form of an address that flows are looked up by: the kernel
// gives zones with accepted connections and not with raw packets.
func unzoned(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}
