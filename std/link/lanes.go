package link

import (
	"hash/maphash"
	"net"
	"net/netip"
	"sync"
	"time"

	"kcptun/std/carrier"
)

// laneBytes bounds the bytes that wait for one lane. Above it the receiver waits, and so do
// the other lanes. Then the socket's buffer fills, and datagrams are lost, as they are on a
// link without lanes. The bound is about what the windows of a few busy clients hold.
const laneBytes = 1 << 20

// laneList bounds how many arrivals wait for one lane, however small. Each takes about 150
// bytes besides its data, even if it has none.
const laneList = 1 << 12

// Lanes spreads receiving over n goroutines, for a link with many peers on a machine with
// many cores. To check a datagram and to put it into KCP takes several times as long as to
// receive it. So one goroutine receives and distributes, and each lane is a net.PacketConn
// for its own listener of kcp-go. All that comes from one address goes through one lane, in
// order. WriteTo and Close are those of the link.
//
// Call it once, before anything is read, and do not call ReadFrom of the link afterwards.
// If n is below 2, the link itself is the only lane, unless it has siblings, which may
// receive for its peers.
func (c *Conn) Lanes(n int) []net.PacketConn {
	switch {
	case n < 2 && c.opt.Siblings:
		n = 1
	case n < 2:
		return []net.PacketConn{c}
	}
	conns := make([]net.PacketConn, n)
	c.lanes = make([]*lane, n)
	for i := range c.lanes {
		l := &lane{Conn: c}
		l.in = intake{Conn: c, lane: l, refill: l.swap}
		l.more.L, l.room.L = &l.mu, &l.mu
		c.lanes[i], conns[i] = l, l
	}
	c.readers.Go(c.distribute)
	return conns
}

// Serve reads from the link, or from a lane of it, in a goroutine of its own. It calls
// deliver for each packet, which deliver must not keep. When the link is closed, it calls
// end with the reason. It replaces the reading of kcp-go.
func (c *Conn) Serve(lane net.PacketConn, deliver func(from *Peer, packet []byte), end func(error)) {
	in := lane.(interface{ intake() *intake }).intake()
	c.readers.Go(func() {
		for {
			packet, from, err := in.next()
			if err != nil {
				end(err)
				return
			}
			deliver(from, packet)
		}
	})
}

// laneOf returns the lane of an address. It follows from the address alone, unless a client
// has moved there: its session stays in the lane where it began.
func (c *Conn) laneOf(from netip.AddrPort) *lane {
	if l := c.peers.route(from); l != nil {
		return l
	}
	if l := c.guests.laneOf(from); l != nil {
		return l
	}
	return c.byHash(from)
}

func (c *Conn) byHash(from netip.AddrPort) *lane {
	return c.lanes[maphash.Comparable(seed, from)%uint64(len(c.lanes))]
}

// distribute receives for all lanes until the link is closed.
func (c *Conn) distribute() {
	for {
		inbox, now, err := c.receive()
		if err != nil {
			return // closed: Close tells the lanes
		}
		for i := range inbox {
			l := c.laneOf(inbox[i].From)
			if inbox[i].Through = nil; l.Conn != c {
				inbox[i].Through = c
			}
			l.put(&inbox[i], now)
		}
	}
}

// closeLanes ends the reading of all lanes, and the goroutine that distributes.
func (c *Conn) closeLanes() {
	for _, l := range c.lanes {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		l.more.Broadcast()
		l.room.Broadcast()
	}
	c.readers.Wait()
}

// lane receives for some of a link's peers.
type lane struct {
	*Conn
	in intake

	mu         sync.Mutex
	more, room sync.Cond // more: something waits; room: nothing waits any more; both: the lane is closed
	waiting    *parcel   // nil: nothing waits
	reading    *parcel   // the reader's, until its next swap; nil: none
	closed     bool
}

// parcel is datagrams on their way to a lane.
type parcel struct {
	list []carrier.Inbound
	buf  []byte        // holds their data
	now  time.Duration // when the last arrived, by std/clock
}

// parcels are what lanes borrow. A lane for which nothing has arrived holds none, so the lanes
// of all the ports of a server share a few, even after each has been flooded.
var parcels = sync.Pool{New: func() any { return new(parcel) }}

// ReadFrom is that of Conn, for the peers of this lane.
func (l *lane) ReadFrom(p []byte) (int, net.Addr, error) { return l.in.readFrom(p) }

func (l *lane) intake() *intake { return &l.in }

// put copies the datagrams of one source into what waits for the lane, because the
// receiver uses its buffers again.
func (l *lane) put(in *carrier.Inbound, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && l.isFull(in) {
		l.room.Wait()
	}
	if !l.closed {
		l.add(in, now)
	}
}

// offer is put, but drops the datagrams if there is no room. It is for the reader of
// another lane, which must not wait for this one.
func (l *lane) offer(in *carrier.Inbound, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed && !l.isFull(in) {
		l.add(in, now)
	}
}

// isFull tells whether there is no room for more datagrams; l.mu is held.
func (l *lane) isFull(in *carrier.Inbound) bool {
	w := l.waiting
	return w != nil && (len(w.list) >= laneList || len(w.buf) > 0 && len(w.buf)+len(in.Data) > laneBytes)
}

// add is put, once there is room; l.mu is held.
func (l *lane) add(in *carrier.Inbound, now time.Duration) {
	if l.waiting == nil {
		l.waiting = parcels.Get().(*parcel)
	}
	w := l.waiting
	begin := len(w.buf)
	w.buf = append(w.buf, in.Data...) // slices of the previous array stay valid
	w.list = append(w.list, *in)
	w.list[len(w.list)-1].Data = w.buf[begin:]
	w.now = now
	l.more.Signal()
}

// swap waits until something has arrived, and returns all of it.
func (l *lane) swap() ([]carrier.Inbound, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reading != nil {
		l.reading.giveBack()
		l.reading = nil
	}
	if l.waiting == nil {
		l.in.rest()
	}
	for l.waiting == nil && !l.closed {
		l.more.Wait()
	}
	if l.closed {
		return nil, 0, net.ErrClosed
	}
	l.reading, l.waiting = l.waiting, nil
	l.room.Signal()
	return l.reading.list, l.reading.now, nil
}

// rest lets go of what was received last before the reader waits, for hours perhaps: the memory
// of a burst, and a session that may end meanwhile.
func (t *intake) rest() { t.inbox, t.last, t.owner = nil, nil, nil }

// keepBytes and keepList are how much memory, in bytes and in arrivals, a parcel keeps if it
// was hardly used: 16 KiB of data, and about as much for the list.
const (
	keepBytes = 1 << 14
	keepList  = 1 << 7
)

// giveBack empties a parcel for another lane. After a burst it releases the memory instead.
func (p *parcel) giveBack() {
	if cap(p.buf) > keepBytes && len(p.buf) < keepBytes || cap(p.list) > keepList && len(p.list) < keepList {
		return
	}
	clear(p.list) // it holds addresses and flows
	p.list, p.buf = p.list[:0], p.buf[:0]
	parcels.Put(p)
}
