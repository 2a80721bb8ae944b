package link

import (
	"net"
	"net/netip"
	"strconv"
)

// scopeOf is the number of the interface that a link-local address is on.
func scopeOf(a netip.Addr) uint32 {
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

// zoneName is the zone for the number of an interface, as package net gives it.
func zoneName(scope uint32) string {
	if i, err := net.InterfaceByIndex(int(scope)); err == nil {
		return i.Name
	}
	return strconv.FormatUint(uint64(scope), 10)
}
