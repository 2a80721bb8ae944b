package lab

import (
	"fmt"
	"net"
)

// FreeUDPPort returns a UDP port of 127.0.0.1 that was free a moment ago. It is
// for programs that cannot be told to choose one themselves.
func FreeUDPPort() (int, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, fmt.Errorf("free udp port: %w", err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port, nil
}

// FreeTCPPort returns a TCP port of 127.0.0.1 that was free a moment ago.
func FreeTCPPort() (int, error) {
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, fmt.Errorf("free tcp port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}
