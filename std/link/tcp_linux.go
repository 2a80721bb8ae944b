package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"syscall"

	"github.com/xtaci/tcpraw"
)

// DialTCP opens a link to one peer over tcpraw's imitation of TCP.
func DialTCP(ctx context.Context, opt Options, remote string) (*Conn, error) {
	peer, err := resolve(ctx, remote)
	if err != nil {
		return nil, err
	}
	if err := preflight(peer.Addr().Is4()); err != nil {
		return nil, err
	}
	conn, err := tcpraw.Dial("tcp", peer.String())
	if err != nil {
		return nil, err
	}
	return newConn(newTCPSocket(conn, opt), opt, peer), nil
}

// ListenTCP opens a link for any number of peers over tcpraw's imitation of TCP.
func ListenTCP(_ context.Context, opt Options, local string) (*Conn, error) {
	if err := preflight(true); err != nil {
		return nil, err
	}
	conn, err := tcpraw.Listen("tcp", local)
	if err != nil {
		return nil, err
	}
	return newConn(newTCPSocket(conn, opt), opt, netip.AddrPort{}), nil
}

// tcpSocket is the carrier over tcpraw. It converts addresses: kcp-go would
// compare tcpraw's *net.TCPAddr with a *net.UDPAddr and drop every packet.
type tcpSocket struct {
	conn *tcpraw.TCPConn
}

func newTCPSocket(conn *tcpraw.TCPConn, opt Options) *tcpSocket {
	if opt.DSCP > 0 {
		if err := setRawDSCP(conn, opt.DSCP); err != nil {
			opt.Log.Warn("dscp is not in force on the imitation of TCP", "dscp", opt.DSCP, "err", err)
		}
	}
	if opt.Buffer > 0 {
		_ = conn.SetReadBuffer(opt.Buffer) // clamped like the UDP socket's, which is reported
		_ = conn.SetWriteBuffer(opt.Buffer)
	}
	return &tcpSocket{conn: conn}
}

// setRawDSCP goes through tcpraw, which shifts the value for IPv4 alone: a
// socket of IPv6 is given the whole octet.
func setRawDSCP(conn *tcpraw.TCPConn, dscp int) error {
	if a, ok := conn.LocalAddr().(*net.TCPAddr); ok && a.IP.To4() == nil && !a.IP.IsUnspecified() {
		dscp <<= 2
	}
	return conn.SetDSCP(dscp)
}

func (s *tcpSocket) recv(b []byte) (int, netip.AddrPort, error) {
	n, from, err := s.conn.ReadFrom(b)
	if errors.Is(err, io.EOF) {
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	return n, unmap(from.(*net.TCPAddr).AddrPort()), nil
}

func (s *tcpSocket) send(b []byte, to netip.AddrPort) error {
	_, err := s.conn.WriteTo(b, net.TCPAddrFromAddrPort(to))
	if errors.Is(err, io.EOF) {
		return net.ErrClosed
	}
	return err
}

func (s *tcpSocket) localAddr() net.Addr { return s.conn.LocalAddr() }
func (s *tcpSocket) advice() string      { return "" }
func (s *tcpSocket) close() error        { return s.conn.Close() }

// CheckTCP tells what the imitation of TCP lacks on this machine, and clears
// rules that a crashed run left behind. It is called before anything opens.
func CheckTCP() (cleared []string, err error) {
	if err := preflight(true); err != nil {
		return nil, err
	}
	return clearStaleRules()
}

// preflight names the missing right or program: tcpraw itself goes on without
// its rule, and the kernel then resets every connection.
func preflight(ipv4 bool) error {
	network, program := "ip4:tcp", "iptables"
	if !ipv4 {
		network, program = "ip6:tcp", "ip6tables"
	}
	conn, err := net.ListenPacket(network, "")
	if err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			return errors.New("--tcp needs the right to open raw sockets: run as root, or give the program CAP_NET_RAW and CAP_NET_ADMIN\n" +
				"  setcap cap_net_raw,cap_net_admin+ep PROGRAM")
		}
		return fmt.Errorf("--tcp needs a raw socket: %w", err)
	}
	conn.Close()
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("--tcp needs the program %s, which is not installed\n  apt-get install iptables, or the like", program)
	}
	if out, err := exec.Command(path, "-w", "-S", "OUTPUT").CombinedOutput(); err != nil {
		return fmt.Errorf("--tcp needs the right to change the firewall (root, or CAP_NET_ADMIN): %s: %w: %.200s", program, err, out)
	}
	return nil
}
