// Package carrier is what moves sealed datagrams between machines: package udp, and
// package rawtcp for the imitation of TCP. Here is what both have in common: the
// interface, the batches and ways that are handed to it, names and addresses, and what
// an error of a socket is about.
//
// A carrier owns its sockets. It knows nothing of what is in a datagram, of keys, peers
// or conversations: that is package link.
package carrier

import (
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// MaxDatagram is the largest payload in bytes that is sent. Stock receivers read into
// 1500 bytes.
const MaxDatagram = 1500

// Carrier moves sealed datagrams, many at a time where the system can.
type Carrier interface {
	// Recv blocks until datagrams have arrived. What it returns is valid until
	// the next call. It is called from one goroutine.
	Recv() ([]Inbound, error)
	// Send sends batches, in order. It returns how many datagrams the system
	// refused and the last of its errors; what a peer does not get is lost like
	// any other datagram. It is called from one goroutine.
	Send(batches []*Batch) (refused int, err error)
	LocalAddr() net.Addr
	// Advice is one line about a setting that the system did not grant, or "".
	Advice() string
	// Close ends Recv and Send.
	Close() error
}

// Options are the settings of a carrier.
type Options struct {
	DSCP     int          // 0 to 63, 0 leaves the socket as it is
	Buffer   int          // socket buffers in bytes, each direction; 0 leaves them
	OneByOne bool         // one datagram per system call, no offloads
	Log      *slog.Logger // never nil
	Notices  *Notices     // never nil; shared by all carriers of a program

	FlowsRefused *atomic.Uint64 // counts connections of the imitation of TCP that were refused, or dropped for others
}

// Inbound is one or more datagrams of one source, back to back.
type Inbound struct {
	Data []byte
	Size int            // of each datagram; the last may be shorter
	From netip.AddrPort // IPv4 in its own form, also on a dual-stack socket
	At   netip.Addr     // the address it was sent to; invalid where not known

	Path    Path    // to be told that it is genuine; nil over UDP
	Numbers Numbers // and with these numbers
}

// Next takes the first datagram out of in.
func (in *Inbound) Next() []byte {
	n := min(in.Size, len(in.Data))
	d := in.Data[:n:n]
	in.Data = in.Data[n:]
	return d
}

// Path is what a carrier keeps of the way to a source. Anybody can send to it in the
// source's name, so it changes by datagrams alone that were found genuine: that opened
// and belong to a conversation.
type Path interface{ Confirm(n *Numbers) }

// Numbers are what a flow of the imitation of TCP takes from a segment whose datagram is
// genuine.
type Numbers struct {
	Seq, Next     uint32 // of the segment and of what follows it
	Ack, Stamp    uint32
	Acks, Stamped bool          // Ack and Stamp are there
	At            time.Duration // when it came, by std/clock
}
