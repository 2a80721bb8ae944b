package rawtcp

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/carrier/mmsg"
)

// rawSocket receives the TCP segments of one family that arrive at this machine and pass
// its filter, and sends segments whose header we wrote.
type rawSocket struct {
	ipv6 bool
	fd   int // valid only before the socket is shared
	file *os.File
	raw  syscall.RawConn

	calls   mmsg.Calls
	missing error // why a call moves only one message; nil: all move several

	// Only one goroutine reads. What the callback needs is stored here rather than in a
	// closure of its own, so that a read allocates nothing.
	got      *rawBatch
	readErr  error
	readable func(fd uintptr) bool
}

func openRawSocket(ipv6 bool) (*rawSocket, error) {
	family := unix.AF_INET
	if ipv6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, rawSocketError(err)
	}
	s := &rawSocket{ipv6: ipv6, fd: fd, file: os.NewFile(uintptr(fd), "raw TCP socket")}
	s.readable = s.tryRead
	err = clearQueue(fd)
	s.calls, s.missing = mmsg.Find(uintptr(fd))
	if err == nil && ipv6 { // request the destination: IPv6, unlike IPv4, does not show the header
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	if err == nil {
		s.raw, err = s.file.SyscallConn()
	}
	if err != nil {
		s.file.Close()
		return nil, fmt.Errorf("raw TCP socket: %w", err)
	}
	return s, nil
}

// clearQueue empties a new socket and blocks further packets until filter is called. At
// first the socket receives every segment of the machine, and nobody reads it yet: if other
// connections were busy, the queue would fill up before the answer of the handshake
// arrives.
func clearQueue(fd int) error {
	err := attachFilter(fd, []bpf.Instruction{bpf.RetConstant{Val: 0}})
	for err == nil {
		if _, _, e := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_DONTWAIT); e != nil && e != unix.EINTR {
			break // empty; any other error will show up again where it matters
		}
	}
	return err
}

// filter makes the kernel pass only segments between these ports; 0 is any. Without it, a
// raw socket receives every segment of the machine.
func (s *rawSocket) filter(src, dst uint16) error {
	program := []bpf.Instruction{bpf.LoadMemShift{Off: 0}} // X: the length of the IPv4 header
	if s.ipv6 {
		program[0] = bpf.LoadConstant{Dst: bpf.RegX, Val: 0}
	}
	ports := []struct {
		offset uint32
		port   uint16
	}{{0, src}, {2, dst}}
	for _, p := range ports {
		if p.port != 0 {
			program = append(program,
				bpf.LoadIndirect{Off: p.offset, Size: 2},
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(p.port), SkipTrue: 1},
				bpf.RetConstant{Val: 0})
		}
	}
	return attachFilter(s.fd, append(program, bpf.RetConstant{Val: 1 << 18}))
}

func attachFilter(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

// bind restricts the socket to segments for one local address.
func (s *rawSocket) bind(local netip.Addr, scope uint32) error {
	return unix.Bind(s.fd, sockaddr(netip.AddrPortFrom(local, 0), scope))
}

// bindToward binds the socket to the local address that the system's routes choose for a
// remote one, and returns that address and its scope. It does not leave the socket
// connected: a connected raw socket gets every ICMP error that names the two addresses,
// from anybody and about any connection, and each one costs an outgoing datagram.
func (s *rawSocket) bindToward(remote netip.Addr, scope uint32) (netip.Addr, uint32, error) {
	probe, err := openRawSocket(s.ipv6)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	defer probe.close()
	if err := unix.Connect(probe.fd, sockaddr(netip.AddrPortFrom(remote, 0), scope)); err != nil {
		return netip.Addr{}, 0, err
	}
	local, scope, err := socketName(probe.fd)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	return local.Addr(), scope, s.bind(local.Addr(), scope)
}

func sockaddr(a netip.AddrPort, scope uint32) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), ZoneId: scope, Addr: a.Addr().As16()}
}

func socketName(fd int) (netip.AddrPort, uint32, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, 0, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), 0, nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)), sa.ZoneId, nil
	}
	return netip.AddrPort{}, 0, fmt.Errorf("a socket of family %T", sa)
}

// setDSCP marks what the socket sends.
func (s *rawSocket) setDSCP(dscp int) error {
	if s.ipv6 {
		return unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, dscp<<2)
	}
	return unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_TOS, dscp<<2)
}

// setBuffers requests size bytes each way, and reports what was not granted.
func (s *rawSocket) setBuffers(size int) string {
	_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size)
	recv := carrier.ForceBuffer(s.fd, unix.SO_RCVBUF, unix.SO_RCVBUFFORCE, size)
	send := carrier.ForceBuffer(s.fd, unix.SO_SNDBUF, unix.SO_SNDBUFFORCE, size)
	if recv >= size && send >= size {
		return ""
	}
	return fmt.Sprintf("the system granted raw socket buffers of %d and %d bytes (receive, send) instead of %d, bursts will be lost: %s", recv, send, size, carrier.BufferCure(size))
}

// close makes pending reads and sends return.
func (s *rawSocket) close() error { return s.file.Close() }
