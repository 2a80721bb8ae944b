package link

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// errNoFlow is what sending to a peer gives that has no connection, or was not
// heard yet: the sequence numbers come from what it sends.
var errNoFlow = errors.New("no imitated TCP connection with the peer")

// flow is one imitated connection: the kernel's, which the handshake made and
// which is mute and deaf since, and the numbers of ours.
type flow struct {
	conn          *net.TCPConn
	sock          *rawSocket
	local, remote netip.AddrPort // without zones
	peer          netip.AddrPort // remote as the link knows it
	pseudo        uint64         // of segments to the peer and, the same, from it
	header        [tcpHeaderSize]byte

	mu     sync.Mutex
	known  bool // the peer was heard: seq is set
	acked  bool // ack is set
	ending bool // the peer sent a FIN or a RST last
	seq    uint32
	ack    uint32
	echo   uint32
	heard  time.Time

	// What every segment to the peer is sent with.
	name4   unix.RawSockaddrInet4
	name6   unix.RawSockaddrInet6
	control []byte
}

// newFlow takes a kernel connection, which it silences.
func newFlow(conn *net.TCPConn, sock *rawSocket) (*flow, error) {
	peer := unmap(conn.RemoteAddr().(*net.TCPAddr).AddrPort())
	local, remote := unzoned(unmap(conn.LocalAddr().(*net.TCPAddr).AddrPort())), unzoned(peer)
	f := &flow{conn: conn, sock: sock, local: local, remote: remote, peer: peer, heard: time.Now()}
	f.pseudo = pseudoSum(local.Addr(), remote.Addr())
	f.header = newHeader(local.Port(), remote.Port())
	// The source address is stated: the server's socket is bound to none.
	if sock.ipv6 {
		scope := scopeOf(peer.Addr())
		f.name6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: remote.Addr().As16(), Scope_id: scope}
		f.control = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: local.Addr().As16(), Ifindex: scope})
	} else {
		f.name4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: remote.Addr().As4()}
		f.control = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: local.Addr().As4()})
	}
	return f, silence(conn, sock.ipv6)
}

// accept takes a segment of the peer, given as it arrived, too. It returns the
// datagram in it, where there is one.
func (f *flow) accept(seg *tcpSegment, raw []byte, now time.Time) (inbound, bool) {
	// The kernel leaves the sum of its own segments to the hardware, so on one
	// machine a handshake has none; what carries data always has it.
	if seg.isData() && !sumIsRight(f.pseudo, raw) {
		return inbound{}, false // the kernel has counted it among its InCsumErrors
	}
	f.arrived(seg, now)
	in := inbound{data: seg.payload, size: len(seg.payload), from: f.peer, at: f.local.Addr()}
	return in, seg.isData()
}

// arrived takes note of a segment of the peer, as tcpraw does: our next number
// is what the peer acknowledges, and our acknowledgement rises with what arrives
// in order and stands still after a gap.
func (f *flow) arrived(s *tcpSegment, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = now
	f.ending = s.has(flagFIN | flagRST)
	if s.has(flagRST) {
		return // a kernel's, with numbers of its own
	}
	if s.has(flagACK) {
		f.seq, f.known = s.ack, true
	}
	if s.stamped {
		f.echo = s.stamp
	}
	if next := s.next(); next != s.seq && (!f.acked || f.ack == s.seq) {
		f.ack, f.acked = next, true
	}
}

// isKnown tells whether the flow can send.
func (f *flow) isKnown() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known
}

// advance gives the numbers of the next segment, of n bytes.
func (f *flow) advance(n int) (fields headerFields, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fields = headerFields{seq: f.seq, ack: f.ack, echo: f.echo}
	f.seq += uint32(n)
	return fields, f.known
}

// Flows are dropped after a minute of silence, as tcpraw's are. One that ended
// with a FIN or a RST is dropped sooner, but not at once: a middlebox may have
// forged it, and then the next segment takes it back.
const (
	flowSilence = time.Minute
	flowEnding  = 5 * time.Second
)

// expired tells whether a flow is silent for too long.
func (f *flow) expired(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	limit := flowSilence
	if f.ending {
		limit = flowEnding
	}
	return now.Sub(f.heard) > limit
}

// isData tells whether a segment carries a datagram.
func (s *tcpSegment) isData() bool { return s.has(flagPSH) && len(s.payload) > 0 }
