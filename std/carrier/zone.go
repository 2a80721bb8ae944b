package carrier

import (
	"net"
	"net/netip"
	"strconv"
)

// ScopeOf is the number of the interface of a link-local address.
func ScopeOf(a netip.Addr) uint32 {
	zone := a.Zone()
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32) // 0 if it is neither a name nor a number
	return uint32(n)
}

// ZoneOf is the zone of an address as it appears in received datagrams: a name, even if the
// address was written with the number of the interface.
func ZoneOf(a netip.Addr) string {
	if i, err := net.InterfaceByIndex(int(ScopeOf(a))); err == nil {
		return i.Name
	}
	return a.Zone()
}

// Unmap converts an address in the IPv4-mapped form of a dual-stack socket to IPv4.
func Unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
