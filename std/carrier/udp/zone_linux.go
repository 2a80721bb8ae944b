package udp

import (
	"net"
	"strconv"
	"time"
)

// zoneKept is how long the name of an interface is cached. Package net caches it for a
// minute, but ours must be right soon after a change.
const zoneKept = time.Second

// zones caches the names of the interfaces of link-local peers: a lookup takes system calls
// and memory, and every datagram needs one. The numbers come from the kernel, so there are
// never more entries than interfaces.
type zones struct {
	names map[uint32]string
	until time.Time // when the cache expires
}

// name is the zone of the interface with this number.
func (z *zones) name(scope uint32) string {
	if now := time.Now(); !now.Before(z.until) {
		z.names, z.until = make(map[uint32]string, 1), now.Add(zoneKept)
	}
	name, known := z.names[scope]
	if !known {
		name = zoneName(scope)
		z.names[scope] = name
	}
	return name
}

// zoneName looks up a zone in the form that package net uses: a name, or the number if the
// interface is gone.
func zoneName(scope uint32) string {
	if i, err := net.InterfaceByIndex(int(scope)); err == nil {
		return i.Name
	}
	return strconv.FormatUint(uint64(scope), 10)
}
