package lab

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// Ports are handed out below those that systems use for outgoing sockets (32768 and above).
// Otherwise such a socket might take one between the moment it was found free and the
// moment a program opens it.
const (
	firstPort = 10000
	numPorts  = 20000
)

// nextPort starts at random, so that processes that test at the same time rarely collide.
// It only goes up, so that no port is handed out again before the first program has opened
// it.
var nextPort = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(rand.Uint32N(numPorts))
	return &n
}()

// FreePorts returns the first of count consecutive ports that are free on 127.0.0.1, for
// UDP and TCP. They are for programs that cannot choose a port themselves, or whose port
// must be known before they start.
func FreePorts(count int) (first int, err error) {
	for range 1000 {
		begin := int(nextPort.Add(uint32(count))-uint32(count)) % numPorts
		if first = firstPort + begin; begin+count <= numPorts && areFree(first, count) {
			return first, nil
		}
	}
	return 0, errors.New("no free ports on 127.0.0.1")
}

func areFree(first, count int) bool {
	for port := first; port < first+count; port++ {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		conn, err := net.ListenPacket("udp", addr)
		if err != nil {
			return false
		}
		conn.Close()
		lis, err := net.Listen("tcp", addr)
		if err != nil {
			return false
		}
		lis.Close()
	}
	return true
}

// FreeAddr returns an address of 127.0.0.1 with a free port, as [FreePorts] does.
func FreeAddr() (string, error) {
	port, err := FreePorts(1)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}
