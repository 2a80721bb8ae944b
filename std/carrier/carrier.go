// Package carrier moves sealed datagrams between machines: over UDP in package udp, and
// over the imitation of TCP in package rawtcp. This package holds what both share: the
// interface, the batches and ways passed to it, names and addresses, and the classification
// of socket errors.
//
// A carrier owns its sockets. It knows nothing of the contents of datagrams, keys, peers or
// conversations: those belong to package link.
package carrier

import (
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// MaxDatagram is the largest payload sent, in bytes. Stock receivers read into a buffer of
// 1500 bytes.
const MaxDatagram = 1500

// Carrier moves sealed datagrams, many at a time if the system can.
type Carrier interface {
	// Recv blocks until datagrams have arrived. Its result is valid until the next call. It
	// must be called from one goroutine only.
	Recv() ([]Inbound, error)
	// Send sends batches in order. It returns how many datagrams the system refused, and
	// the last such error; a datagram that does not reach a peer is lost like any other. It
	// must be called from one goroutine only.
	Send(batches []*Batch) (refused int, err error)
	LocalAddr() net.Addr
	// Advice is a line about a setting that the system did not grant, or "".
	Advice() string
	// Close makes Recv and Send return.
	Close() error
}

// Options are the settings of a carrier.
type Options struct {
	DSCP     int          // 0 to 63; 0 leaves the socket unchanged
	Buffer   int          // socket buffers in bytes, each direction; 0 leaves them unchanged
	OneByOne bool         // one datagram per system call, no offloads
	Log      *slog.Logger // never nil
	Notices  *Notices     // never nil; shared by all carriers of a program

	Ports        int            // how many ports share the limit of unproven connections; 0: one
	FlowsRefused *atomic.Uint64 // counts connections of the imitation of TCP that were refused or evicted
}

// Inbound is one or more datagrams from one source, back to back.
type Inbound struct {
	Data []byte
	Size int            // of each datagram; the last may be shorter
	From netip.AddrPort // IPv4 in plain form, also on a dual-stack socket
	At   netip.Addr     // the address it was sent to; invalid if unknown

	Through any // the link that received it at another port of the server, if it was passed on; nil: it was not

	Path    Path    // told if the datagram is genuine; nil over UDP
	Numbers Numbers // passed to Path.Confirm
}

// Next removes the first datagram from in and returns it.
func (in *Inbound) Next() []byte {
	n := min(in.Size, len(in.Data))
	d := in.Data[:n:n]
	in.Data = in.Data[n:]
	return d
}

// Path is what a carrier remembers about the way to a source. Anybody can send packets in
// the name of that source, so only datagrams found to be genuine change it: those that
// opened and belong to a conversation.
type Path interface{ Confirm(n *Numbers) }

// Numbers are what a flow of the imitation of TCP takes over from the segment of a genuine
// datagram.
type Numbers struct {
	Seq, Next     uint32 // of the segment, and of what follows it
	Ack, Stamp    uint32
	Acks, Stamped bool          // Ack and Stamp are present
	At            time.Duration // when it arrived, on std/clock
	Fresh         bool          // the datagram cannot be a recording; set before Path.Confirm
}
