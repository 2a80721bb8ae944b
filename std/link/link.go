// Package link does everything that touches a datagram. Its Conn is a net.PacketConn for
// kcp-go, which gets no cipher of its own. The link sees every KCP packet in the clear,
// seals it, carries it over UDP (or an imitation of TCP) and hides the transient errors of
// the socket. It knows packets, peers and conversations, but no streams, sessions or
// settings. The ciphers are in package crypt, the sockets in package carrier.
//
// A received datagram is checked in this order, and each failure has its own counter:
// length, address, seal, shape of the KCP header, conversation.
package link

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/crypt"
	"kcptun/std/link/fec"
	"kcptun/std/notice"
	"kcptun/std/rescue"
)

// MaxDatagram is the largest UDP payload in bytes that the link sends.
const MaxDatagram = carrier.MaxDatagram

// Options are the settings of a link, the same for every socket of a program.
type Options struct {
	Sealer    crypt.Sealer // turns packets into datagrams; crypt.Plain for no crypto
	DSCP      int          // 0 to 63, 0 leaves the socket as it is
	Buffer    int          // socket buffers in bytes, each direction; 0 leaves them
	RateLimit int          // bytes per second and peer, whole datagrams; 0 is no limit
	Stats     *Stats       // shared by all links of a program
	Log       *slog.Logger // never nil
	OneByOne  bool         // one datagram per system call, no offloads
	MTU       int          // the largest datagram in bytes, see Peer.Size; 0: whatever KCP sends

	DataShards, ParityShards int        // of the groups that are sent, as fec.Check allows; 0 turns parity off
	Bare                     bool       // WriteTo adds no parity: the engine chooses what WriteCoded sends
	Codes                    *fec.Codes // shared by all links of a program; nil: the link's own

	// Settled keeps each conversation at its address. It is for datagrams without a seal:
	// one with a flipped bit may claim to be later than all others, and what its client
	// sends afterwards would not bring the conversation back. ListenTCP sets it.
	Settled bool

	Conversations *Conversations // shared by all links of a program; nil: the link's own

	// Siblings tells that the program listens on several UDP ports with links that share
	// Conversations: a client may continue its conversation at another of them.
	Siblings bool

	// Range are the ports of the server, at a dialled link; 0: it has only the one dialled.
	Range PortRange

	// Ports is how many ports a server listens on; 0: one. They share some limits.
	Ports int

	Panics *rescue.Net // a panic over a packet ends its conversation; nil: it ends the program
}

// carrier is the part of the settings that its sockets need.
func (o *Options) carrier() carrier.Options {
	return carrier.Options{
		DSCP: o.DSCP, Buffer: o.Buffer, OneByOne: o.OneByOne, Log: o.Log,
		Notices: &o.Stats.notices, FlowsRefused: &o.Stats.FlowsRefused, Ports: o.Ports,
	}
}

// Conn is a net.PacketConn over sealed datagrams. It deliberately is not, and
// does not embed, a *net.UDPConn: kcp-go would find the socket behind it and
// send past the seal.
type Conn struct {
	sock    carrier.Carrier
	opt     Options
	peers   *peers
	in      intake         // for ReadFrom
	lanes   []*lane        // none if ReadFrom is used
	readers sync.WaitGroup // goroutines that Lanes and Serve have started
	out     *outbox
	closed  chan struct{}
	once    sync.Once
	err     error // from closing the socket

	answers answers // to unknown senders
	guests  guests  // peers of siblings

	recvTrouble, sendTrouble, sealTrouble, moves, sizes notice.Recurring
}

var _ net.PacketConn = (*Conn)(nil)

func newConn(sock carrier.Carrier, opt Options, only netip.AddrPort) *Conn {
	if opt.Codes == nil {
		opt.Codes = new(fec.Codes)
	}
	if opt.Conversations == nil {
		opt.Conversations = new(Conversations)
	}
	c := &Conn{sock: sock, opt: opt, closed: make(chan struct{})}
	c.peers = newPeers(only, opt, c.closed)
	c.in = intake{Conn: c, refill: c.receive}
	c.out = newOutbox(sock, c.sendFailed)
	return c
}

// ReadFrom copies the next packet that passes every check into p, and returns its length
// and its *Peer. It fails only when the link is closed, or at a dialled link with why the
// conversation has ended: ErrForgotten, or Peer.Failure. Only one goroutine may call it, as
// in kcp-go; for several, see Lanes.
func (c *Conn) ReadFrom(p []byte) (int, net.Addr, error) { return c.in.readFrom(p) }

func (c *Conn) intake() *intake { return &c.in }

// receive waits for the next datagrams. It counts transient errors of the socket, and goes
// on.
func (c *Conn) receive() (inbox []carrier.Inbound, now time.Duration, err error) {
	for failures := 0; ; {
		inbox, err := c.sock.Recv()
		if c.isClosed() || errors.Is(err, net.ErrClosed) {
			return nil, 0, net.ErrClosed
		}
		if err == nil {
			return inbox, clock.Now(), nil
		}
		c.opt.Stats.RecvErrors.Add(1)
		if times, due := c.recvTrouble.Due(); due {
			c.opt.Log.Warn("receiving failed, going on", "err", err, "times", times)
		}
		if !carrier.OfOneDatagram(err) {
			c.pause(failures)
			failures++
		}
	}
}

// WriteTo seals p into the open batch of addr, which must be a *Peer of this link. If p is
// the last packet of its group, the parity of the group follows. WriteTo returns the length
// of the whole datagram, so that kcp-go's counter OutBytes includes what the link adds. It
// blocks while the peer is above its rate limit or the socket accepts no more, and fails
// only when the link is closed. It may change the stamps in p, see drawShift.
func (c *Conn) WriteTo(p []byte, addr net.Addr) (int, error) {
	peer, ok := addr.(*Peer)
	if !ok {
		return 0, &net.AddrError{Err: "not a peer of this link", Addr: fmt.Sprint(addr)}
	}
	if peer.life.gone.Load() { // kcp-go empties its queue when its session ends
		return len(p), nil
	}
	var h Packet
	probe, ok := c.prepare(p, peer, &h)
	if peer.pacing.pacer != nil {
		defer peer.hasLeft(&h)
	}
	if probe != nil {
		return c.post(peer, probe)
	}
	if ok && c.opt.coded() && h.Kind == Segments && !h.Framed && len(p) <= fec.MaxPacket-fec.Header {
		n, _, err := c.postCoded(peer, p, c.opt.DataShards, c.opt.ParityShards)
		return n, err
	}
	return c.post(peer, p)
}

// Peer is the only peer of a dialled link. It is nil at a listening one.
func (c *Conn) Peer() *Peer { return c.peers.only }

// Hold ties a peer to the session that begins with it, until Forget. It is false if the
// conversation is over: kcp-go was still processing a packet of it when its session was
// closed, and has made another session. As long as the peer is not confirmed, the link
// calls end if the session has to make room for others.
func (c *Conn) Hold(p *Peer, end func()) bool { return c.peers.hold(p, end) }

// Forget drops what the link knows of a peer whose session ends. Packets of the conversation
// that still arrive are dropped, too.
func (c *Conn) Forget(p *Peer) {
	c.peers.forget(p)
	p.repeat.close()
	p.Rest()
}

// Advice is one line about a setting that the system did not grant in full (a clamped
// socket buffer), and how to mend that; or "".
func (c *Conn) Advice() string { return c.sock.Advice() }

// LocalAddr is the address of the socket.
func (c *Conn) LocalAddr() net.Addr { return c.sock.LocalAddr() }

// Close ends ReadFrom and WriteTo and closes the socket. It is idempotent.
func (c *Conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.err = c.out.close(c.sock.Close)
		c.closeLanes()
	})
	return c.err
}

// SetDeadline exists for net.PacketConn; kcp-go does not use it.
func (c *Conn) SetDeadline(time.Time) error { return errors.ErrUnsupported }

// SetReadDeadline exists for net.PacketConn; kcp-go does not use it.
func (c *Conn) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

// SetWriteDeadline exists for net.PacketConn; kcp-go does not use it.
func (c *Conn) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

func (c *Conn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}
