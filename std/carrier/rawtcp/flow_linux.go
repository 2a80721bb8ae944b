package rawtcp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"kcptun/std/carrier"
	"kcptun/std/clock"
)

// errNoFlow is returned when sending to a peer that has no connection or has not been heard
// yet: our sequence numbers come from what it sends.
var errNoFlow = errors.New("no imitated TCP connection with the peer")

// flow is one imitated connection: the kernel's connection, which made the handshake and
// has been silenced since, and our own sequence numbers.
type flow struct {
	conn          *net.TCPConn
	sock          *rawSocket
	local, remote netip.AddrPort // without zones
	peer          netip.AddrPort // remote as the link knows it
	pseudo        uint64         // checksum part of segments to the peer, and equally from it
	header        [tcpHeaderSize]byte

	mu     sync.Mutex
	known  bool // seq is set
	acked  bool // ack is set
	proven bool // a genuine datagram has arrived
	seq    uint32
	ack    uint32
	echo   uint32
	heard  time.Duration // on std/clock: last genuine datagram, or the handshake if there was none

	// What every segment to the peer is sent with.
	name4   unix.RawSockaddrInet4
	name6   unix.RawSockaddrInet6
	control []byte
}

// newFlow takes over a kernel connection and silences it.
func newFlow(conn *net.TCPConn, sock *rawSocket) (*flow, error) {
	peer := carrier.Unmap(conn.RemoteAddr().(*net.TCPAddr).AddrPort())
	local, remote := unzoned(carrier.Unmap(conn.LocalAddr().(*net.TCPAddr).AddrPort())), unzoned(peer)
	f := &flow{conn: conn, sock: sock, local: local, remote: remote, peer: peer, heard: clock.Now()}
	f.pseudo = pseudoSum(local.Addr(), remote.Addr())
	f.header = newHeader(local.Port(), remote.Port())
	// The source address is explicit, because the server's socket is bound to none.
	if sock.ipv6 {
		scope := carrier.ScopeOf(peer.Addr())
		f.name6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: remote.Addr().As16(), Scope_id: scope}
		f.control = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: local.Addr().As16(), Ifindex: scope})
	} else {
		f.name4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: remote.Addr().As4()}
		f.control = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: local.Addr().As4()})
	}
	return f, silence(conn, sock.ipv6)
}

// accept returns the datagram in a segment from the peer, if there is one; raw is the
// segment as it arrived. Everything else that arrives is ignored: anybody can forge a RST,
// a FIN or an acknowledgement, and middleboxes do.
func (f *flow) accept(seg *tcpSegment, raw []byte, now time.Duration) (carrier.Inbound, bool) {
	if !seg.isData() || !sumIsRight(f.pseudo, raw) { // the kernel has counted a wrong checksum in its InCsumErrors
		return carrier.Inbound{}, false
	}
	in := carrier.Inbound{Data: seg.payload, Size: len(seg.payload), From: f.peer, At: f.local.Addr()}
	in.Path, in.Numbers = f, seg.numbers(now)
	return in, true
}

// Confirm records the segment of a genuine datagram, as tcpraw does for every segment. Our
// next sequence number is what the peer acknowledges, but a datagram that may be a recording
// sets only the first: a firewall on the way would drop what we send with the numbers of
// whoever plays it again. Our acknowledgement advances with what arrives in order, and stops
// at a gap.
func (f *flow) Confirm(n *carrier.Numbers) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard, f.proven = n.At, true
	believed := n.Fresh || !f.known
	if n.Acks && believed {
		f.seq, f.known = n.Ack, true
	}
	if n.Stamped && believed {
		f.echo = n.Stamp
	}
	if !f.acked || f.ack == n.Seq {
		f.ack, f.acked = n.Next, true
	}
}

// answered sets the first sequence numbers of a dialled flow from the answer of the
// handshake. A forged answer cannot be recognized yet, but would have to arrive before the
// real one; the first genuine datagram corrects the sequence number.
func (f *flow) answered(s *tcpSegment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.known && s.has(flagSYN) && s.has(flagACK) && !s.has(flagRST) {
		f.seq, f.known = s.ack, true
		f.ack, f.acked = s.next(), true
	}
}

// isKnown tells whether the flow can send.
func (f *flow) isKnown() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known
}

// advance returns the numbers for the next segment, of n bytes.
func (f *flow) advance(n int) (fields headerFields, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fields = headerFields{seq: f.seq, ack: f.ack, echo: f.echo}
	f.seq += uint32(n)
	return fields, f.known
}

// flowSilence is how long a flow is kept without a genuine datagram, as in tcpraw. A flow
// ends in no other way, because the closing handshake of the kernels can be forged.
const flowSilence = time.Minute

// expired tells whether a flow has been silent for too long.
func (f *flow) expired(now time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return now-f.heard > flowSilence
}

// isProven tells whether a genuine datagram has arrived, and if not, since when the flow
// has been waiting.
func (f *flow) isProven() (proven bool, since time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.proven, f.heard
}

// close closes the kernel's connection.
func (f *flow) close() { release(f.conn, f.sock.ipv6) }

// isData tells whether a segment carries a datagram.
func (s *tcpSegment) isData() bool { return s.has(flagPSH) && len(s.payload) > 0 }
