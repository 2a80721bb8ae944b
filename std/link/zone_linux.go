package link

import (
	"net"
	"strconv"
)

// zoneName is the zone for the number of an interface, as package net gives it.
func zoneName(scope uint32) string {
	if i, err := net.InterfaceByIndex(int(scope)); err == nil {
		return i.Name
	}
	return strconv.FormatUint(uint64(scope), 10)
}
