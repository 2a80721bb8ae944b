package carrier

import (
	"net"
	"net/netip"
	"strconv"
)

// ScopeOf is the number of the interface that a link-local address is on.
func ScopeOf(a netip.Addr) uint32 {
	zone := a.Zone()
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32) // 0 where it is neither name nor number
	return uint32(n)
}

// ZoneOf is the zone of an address as received datagrams have it: a name, also
// where the address was written with the interface's number.
func ZoneOf(a netip.Addr) string {
	if i, err := net.InterfaceByIndex(int(ScopeOf(a))); err == nil {
		return i.Name
	}
	return a.Zone()
}

// Unmap takes the IPv4 address out of the form a dual-stack socket gives.
func Unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
