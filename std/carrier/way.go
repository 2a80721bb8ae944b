package carrier

import (
	"net/netip"
	"sync/atomic"
)

// Way is where the datagrams for a peer go. It does not change, so that batches can
// refer to it: a peer that moves, or is heard at another of our addresses, is given
// another.
type Way struct {
	Addr  netip.AddrPort
	Scope uint32     // interface of a link-local address, else 0
	Text  string     // of Addr, for the log
	Local netip.Addr // the address to send from; invalid: the system's choice

	whole atomic.Bool // see NoSegments
}

// NewWay is the way to an address, from whichever of ours the system chooses.
func NewWay(to netip.AddrPort) *Way {
	return &Way{Addr: to, Scope: ScopeOf(to.Addr()), Text: to.String()}
}

// From is the way to the same address from another of ours. It may take segments where
// this one does not.
func (w *Way) From(local netip.Addr) *Way {
	other := &Way{Addr: w.Addr, Scope: w.Scope, Text: w.Text, Local: local}
	if !w.Segments() && !(w.Local.IsValid() && local.IsValid()) {
		other.NoSegments() // nobody knows that it is another
	}
	return other
}

// NoSegments has the system not segment what goes this way. Segments that would need
// fragments are refused on some paths.
func (w *Way) NoSegments() { w.whole.Store(true) }

// Segments tells whether the system may segment what goes this way.
func (w *Way) Segments() bool { return !w.whole.Load() }
