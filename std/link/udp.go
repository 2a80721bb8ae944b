package link

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Dial opens a link to one peer. remote is host:port; of a name, the first address
// that Resolve gives now. The socket is not
// connected: it survives a change of the local network, and no ICMP ends it.
func Dial(ctx context.Context, opt Options, remote string) (*Conn, error) {
	peer, err := resolve(ctx, remote)
	if err != nil {
		return nil, err
	}
	network := "udp6"
	if peer.Addr().Is4() {
		network = "udp4"
	}
	sock, err := openUDP(ctx, opt, network, "")
	if err != nil {
		return nil, err
	}
	return newConn(sock, opt, peer), nil
}

// Listen opens a link for any number of peers on local, a host:port. An empty
// host and [::] take IPv4 and IPv6, 0.0.0.0 takes IPv4 alone.
func Listen(ctx context.Context, opt Options, local string) (*Conn, error) {
	network := "udp"
	if host, _, err := net.SplitHostPort(local); err == nil {
		if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
			network = "udp4"
		}
	}
	sock, err := openUDP(ctx, opt, network, local)
	if err != nil {
		return nil, err
	}
	return newConn(sock, opt, netip.AddrPort{}), nil
}

// openUDP opens a socket for a network of package net, with the offloads of the
// system where there are any.
func openUDP(ctx context.Context, opt Options, network, local string) (carrier, error) {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, network, local)
	if err != nil {
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	s := &udpSocket{conn: conn}
	s.askLocal(conn)
	if opt.DSCP > 0 {
		if err := setDSCP(conn, opt.DSCP); err != nil {
			opt.Log.Warn("dscp is not in force", "dscp", opt.DSCP, "err", err)
		}
	}
	if opt.Buffer > 0 {
		s.clamp = setBuffers(conn, opt.Buffer)
	}
	if !opt.Plain {
		return newBatchSocket(s, opt, local != ""), nil
	}
	return s, nil
}

// udpSocket is the carrier with one datagram per system call.
type udpSocket struct {
	localInfo
	conn  *net.UDPConn
	clamp string
	buf   [2 * MaxDatagram]byte
	in    [1]inbound
}

func (s *udpSocket) recv() ([]inbound, error) {
	n, from, at, err := s.read(s.conn, s.buf[:])
	if err != nil {
		return nil, err
	}
	s.in[0] = inbound{data: s.buf[:n], size: n, from: unmap(from), at: at}
	return s.in[:], nil
}

func (s *udpSocket) send(batches []*batch) (refused int, err error) {
	for _, b := range batches {
		b.datagrams(func(d []byte) {
			if e := s.write(s.conn, d, b.peer); e != nil {
				refused, err = refused+1, e
			}
		})
	}
	return refused, err
}

func (s *udpSocket) localAddr() net.Addr { return s.conn.LocalAddr() }
func (s *udpSocket) advice() string      { return s.clamp }
func (s *udpSocket) close() error        { return s.conn.Close() }

// setDSCP marks both families: a dual-stack socket sends IPv4 with its own
// field, where the system lets it. The six bits are the upper ones of the octet
// in both headers.
func setDSCP(conn *net.UDPConn, dscp int) error {
	err4 := ipv4.NewPacketConn(conn).SetTOS(dscp << 2)
	err6 := ipv6.NewPacketConn(conn).SetTrafficClass(dscp << 2)
	if conn.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
		return err4
	}
	return err6
}

// setBuffers asks for size bytes in each direction and returns what to say where
// the system granted less.
func setBuffers(conn *net.UDPConn, size int) string {
	errR, errW := conn.SetReadBuffer(size), conn.SetWriteBuffer(size)
	gotR, gotW, ok := readBuffers(conn, size)
	switch {
	case errR != nil || errW != nil:
		return fmt.Sprintf("the system refused socket buffers of %d bytes (%v): %s", size, firstError(errR, errW), bufferCure(size))
	case ok && (gotR < size || gotW < size):
		return fmt.Sprintf("the system granted socket buffers of %d and %d bytes (receive, send) instead of %d, bursts will be lost: %s", gotR, gotW, size, bufferCure(size))
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

// unmap takes the IPv4 address out of the form a dual-stack socket gives.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
