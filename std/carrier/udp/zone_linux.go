package udp

import (
	"net"
	"strconv"
	"time"
)

// zoneKept is how long the name of an interface is taken for granted. Package
// net does so for a minute; our names are to be right soon after a change.
const zoneKept = time.Second

// zones keeps the names of the interfaces that link-local peers are on: to look
// one up takes system calls and memory, and each datagram needs it. The numbers
// come from the kernel, so there are no more of them than interfaces.
type zones struct {
	names map[uint32]string
	until time.Time // when all are looked up anew
}

// name is the zone for the number of an interface.
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

// zoneName looks a zone up, in the form that package net gives: a name, or the
// number of an interface that is gone.
func zoneName(scope uint32) string {
	if i, err := net.InterfaceByIndex(int(scope)); err == nil {
		return i.Name
	}
	return strconv.FormatUint(uint64(scope), 10)
}
