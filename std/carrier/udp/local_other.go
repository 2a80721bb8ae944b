//go:build !linux

package udp

import (
	"net"
	"net/netip"

	"kcptun/std/carrier"
)

// localInfo is empty here: the system chooses the source address of an answer.
type localInfo struct{}

func (localInfo) prepare(*net.UDPConn, bool) {}

func (localInfo) read(conn *net.UDPConn, b []byte) (n int, from netip.AddrPort, at netip.Addr, err error) {
	n, from, err = conn.ReadFromUDPAddrPort(b)
	return n, from, at, err
}

func (localInfo) write(conn *net.UDPConn, d []byte, way *carrier.Way) error {
	_, err := conn.WriteToUDPAddrPort(d, way.Addr)
	return err
}
