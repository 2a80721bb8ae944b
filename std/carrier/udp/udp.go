// Package udp is the carrier over UDP. On Linux it moves several datagrams per system call,
// lets the kernel segment and merge them, and a listening carrier answers from the address to
// which the peer sent. It owns the socket with its settings, and the receive buffers.
package udp

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"kcptun/std/carrier"
)

// Dial opens a carrier to one peer. The socket is not connected, so it survives changes of
// the local network, and ICMP errors cannot end it. The system chooses the source address of
// each datagram by its route to the peer.
func Dial(ctx context.Context, opt carrier.Options, peer netip.AddrPort) (carrier.Carrier, error) {
	network := "udp6"
	if peer.Addr().Is4() {
		network = "udp4"
	}
	return open(ctx, opt, network, "")
}

// Listen opens a carrier for any number of peers on local, a host:port. An empty host or
// [::] accepts IPv4 and IPv6, 0.0.0.0 only IPv4.
func Listen(ctx context.Context, opt carrier.Options, local string) (carrier.Carrier, error) {
	network := "udp"
	if host, _, err := net.SplitHostPort(local); err == nil {
		if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
			network = "udp4"
		}
	}
	return open(ctx, opt, network, local)
}

// open opens a socket for a network of package net, with the offloads that the system
// offers.
func open(ctx context.Context, opt carrier.Options, network, local string) (carrier.Carrier, error) {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, network, local)
	if err != nil {
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	s := &socket{conn: conn}
	s.prepare(conn, local != "")
	if opt.DSCP > 0 {
		if err := setDSCP(conn, opt.DSCP); err != nil {
			opt.Log.Warn("dscp is not in force", "dscp", opt.DSCP, "err", err)
		}
	}
	if opt.Buffer > 0 {
		s.clamp = setBuffers(conn, opt.Buffer)
	}
	if opt.OneByOne {
		return s, nil
	}
	return newBatchSocket(s, opt, local != ""), nil
}

// socket is the carrier with one datagram per system call.
type socket struct {
	localInfo
	conn  *net.UDPConn
	clamp string
	buf   [2 * carrier.MaxDatagram]byte
	in    [1]carrier.Inbound
}

func (s *socket) Recv() ([]carrier.Inbound, error) {
	n, from, at, err := s.read(s.conn, s.buf[:])
	if err != nil {
		return nil, err
	}
	s.in[0] = carrier.Inbound{Data: s.buf[:n], Size: n, From: carrier.Unmap(from), At: at}
	return s.in[:], nil
}

func (s *socket) Send(batches []*carrier.Batch) (refused int, err error) {
	for _, b := range batches {
		b.Datagrams(func(d []byte) {
			if e := s.write(s.conn, d, b.Way); e != nil {
				refused, err = refused+1, e
			}
		})
	}
	return refused, err
}

func (s *socket) LocalAddr() net.Addr { return s.conn.LocalAddr() }
func (s *socket) Advice() string      { return s.clamp }
func (s *socket) Close() error        { return s.conn.Close() }

// setDSCP sets the field for both families: a dual-stack socket sends IPv4 with a field of
// its own, if the system allows that. In both headers the DSCP is the upper six bits of the
// octet.
func setDSCP(conn *net.UDPConn, dscp int) error {
	err4 := ipv4.NewPacketConn(conn).SetTOS(dscp << 2)
	err6 := ipv6.NewPacketConn(conn).SetTrafficClass(dscp << 2)
	if conn.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
		return err4
	}
	return err6
}

// setBuffers requests size bytes in each direction. It returns what to report if the system
// granted less.
func setBuffers(conn *net.UDPConn, size int) string {
	errR, errW := conn.SetReadBuffer(size), conn.SetWriteBuffer(size)
	gotR, gotW, ok := readBuffers(conn, size)
	switch {
	case errR != nil || errW != nil:
		return fmt.Sprintf("the system refused socket buffers of %d bytes (%v): %s", size, firstError(errR, errW), carrier.BufferCure(size))
	case ok && (gotR < size || gotW < size):
		return fmt.Sprintf("the system granted socket buffers of %d and %d bytes (receive, send) instead of %d, bursts will be lost: %s", gotR, gotW, size, carrier.BufferCure(size))
	}
	return ""
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
