package link

import (
	"net"
	"net/netip"
)

// carrier moves sealed datagrams, many at a time where the system can; UDP and
// the imitation of TCP are the two.
type carrier interface {
	// recv blocks until datagrams have arrived. What it returns is valid until
	// the next call. It is called from one goroutine.
	recv() ([]inbound, error)
	// send sends batches, in order. It returns how many datagrams the system
	// refused and the last of its errors; what a peer does not get is lost like
	// any other datagram. It is called from one goroutine.
	send(batches []*batch) (refused int, err error)
	localAddr() net.Addr
	// advice is one line about a setting that the system did not grant, or "".
	advice() string
	close() error
}

// inbound is one or more datagrams of one source, back to back.
type inbound struct {
	data []byte
	size int            // of each datagram; the last may be shorter
	from netip.AddrPort // IPv4 in its own form, also on a dual-stack socket
	at   netip.Addr     // the address it was sent to; invalid where not known

	path    path       // to be told that it is genuine; nil over UDP
	segment tcpNumbers // and with these numbers
}

// path is what a carrier keeps of the way to a source. Anybody can send to it in the
// source's name, so it changes by datagrams alone that were found genuine: that opened
// and belong to a conversation.
type path interface{ confirm(n *tcpNumbers) }

// next takes the first datagram out of in.
func (in *inbound) next() []byte {
	n := min(in.size, len(in.data))
	d := in.data[:n:n]
	in.data = in.data[n:]
	return d
}

// A batch goes out in one system call, which limits it: the kernel takes 64
// segments, all of one size but for a shorter last one, in one IP packet before
// it is cut up.
const (
	maxSegments   = 64
	maxBatchBytes = 65000
)

// smallBatch is the room of a batch at first: one datagram, as most are when
// little is sent. The second one moves it to the full size.
const smallBatch = 2048

// batch is datagrams to one peer, back to back.
type batch struct {
	peer  *Peer
	buf   []byte
	size  int  // of each datagram but the last
	count int  // of datagrams
	short bool // the last is shorter: nothing can follow

	small [smallBatch]byte
	large *[maxBatchBytes]byte // where buf is, once small is too small
}

// fits tells whether a datagram of n bytes can be added.
func (b *batch) fits(n int) bool {
	return b.count == 0 || !b.short && n <= b.size && b.count < maxSegments && len(b.buf)+n <= maxBatchBytes
}

// add takes note of a datagram of n bytes that was appended to buf.
func (b *batch) add(n int) {
	if b.count == 0 {
		b.size = n
	}
	b.count++
	b.short = n < b.size
}

// datagrams calls f with each datagram.
func (b *batch) datagrams(f func([]byte)) {
	for rest := b.buf; len(rest) > 0; {
		n := min(b.size, len(rest))
		f(rest[:n:n])
		rest = rest[n:]
	}
}
