package carrier

import (
	"net/netip"
	"sync/atomic"
)

// Way is where the datagrams for a peer go. It is immutable, so batches can refer to it. A
// peer that moves, or that sends to another of our addresses, gets a new Way.
type Way struct {
	Addr  netip.AddrPort
	Scope uint32     // interface of a link-local address, otherwise 0
	Text  string     // of Addr, for the log
	Local netip.Addr // the source address; if invalid, the system chooses

	whole     atomic.Bool  // see NoSegments
	fragments *atomic.Bool // see Fragment; shared by all ways that were made of one
}

// To returns the way to another address, from a source address that the system chooses.
// Fragment is about both.
func (w *Way) To(addr netip.AddrPort) *Way {
	other := NewWay(addr)
	other.fragments = w.fragments
	return other
}

// NewWay returns the way to an address, from a source address that the system chooses.
func NewWay(to netip.AddrPort) *Way {
	return &Way{Addr: to, Scope: ScopeOf(to.Addr()), Text: to.String(), fragments: new(atomic.Bool)}
}

// From returns the way to the same address from another source address. It may support
// segmentation even if this one does not. Fragment is about both.
func (w *Way) From(local netip.Addr) *Way {
	other := &Way{Addr: w.Addr, Scope: w.Scope, Text: w.Text, Local: local, fragments: w.fragments}
	if !w.Segments() && !(w.Local.IsValid() && local.IsValid()) {
		other.NoSegments() // for all we know it is the same path
	}
	return other
}

// NoSegments stops the system from segmenting what goes this way. Some paths refuse
// segments that would need fragments.
func (w *Way) NoSegments() { w.whole.Store(true) }

// Segments tells whether the system may segment what goes this way.
func (w *Way) Segments() bool { return !w.whole.Load() }

// Fragment lets IP split datagrams that are too large for the path, where the carrier can: on
// Linux. Otherwise a path may drop them. Over IPv4 the routers split, and over IPv6 the
// system, but only what is larger than the network card takes: see Splits. It also holds for the ways that were made of this one, and for the one it was made of: the
// peer may move while somebody decides.
func (w *Way) Fragment(on bool) {
	if w.fragments.Load() != on {
		w.fragments.Store(on)
	}
}

// Splits is the size in bytes that a datagram should have, as far as possible, to be split: over
// IPv6 it must be larger than the network card takes, and common ones take 1500 with all
// headers. 0: any, or the system cannot.
func (w *Way) Splits() int {
	if w.Addr.Addr().Is4() {
		return 0
	}
	return splitsIPv6
}

// Fragments tells whether datagrams may be split into IP fragments.
func (w *Way) Fragments() bool { return w.fragments.Load() }
