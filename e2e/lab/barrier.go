package lab

import (
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
)

// barrier decides whose packets are blocked. Both lines of a relay ask it about each
// packet, when the packet arrives and again when it leaves.
type barrier struct {
	all   atomic.Bool
	flows atomic.Pointer[map[netip.AddrPort]bool] // nil: none is blocked; never changed, only replaced
	mu    sync.Mutex                              // serializes block
}

func (b *barrier) stops(client netip.AddrPort) bool {
	if b.all.Load() {
		return true
	}
	flows := b.flows.Load()
	return flows != nil && (*flows)[client]
}

// block blocks these clients in addition to those blocked already.
func (b *barrier) block(clients []netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	flows := make(map[netip.AddrPort]bool)
	if old := b.flows.Load(); old != nil {
		maps.Copy(flows, *old)
	}
	for _, c := range clients {
		flows[c] = true
	}
	b.flows.Store(&flows)
}
