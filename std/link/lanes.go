package link

import (
	"hash/maphash"
	"net"
	"net/netip"
	"sync"
	"time"

	"kcptun/std/carrier"
)

// laneBytes bounds what waits for one lane. Above it the receiver waits, and the
// other lanes with it: the socket's buffer is the next that fills, and then
// datagrams are lost, as they are where nothing is spread. So it is about what the
// windows of some busy clients hold.
const laneBytes = 1 << 20

// laneList bounds how many arrivals wait for one lane, however small: each takes
// about 150 bytes beside its data, also one without any.
const laneList = 1 << 12

// Lanes spreads the way in over n goroutines, for a link with many peers on a
// machine with many cores. Checking a datagram and putting it into KCP takes
// several times as long as receiving it; so one goroutine receives and hands
// out, and each lane is a net.PacketConn for a listener of kcp-go of its own.
// What comes from one address goes through one lane, in order. WriteTo and Close
// are the link's.
//
// It is to be called once, before anything is read; ReadFrom of the link itself
// is not to be called then. n below 2 is the link as it is.
func (c *Conn) Lanes(n int) []net.PacketConn {
	if n < 2 {
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
	c.handing.Go(c.handOut)
	return conns
}

// Serve reads from the link, or from a lane of it, in a goroutine of its own, and hands
// each packet to take, which must not keep it, until the link is closed; then end is called,
// with the reason. It takes the place of kcp-go's reading.
func (c *Conn) Serve(lane net.PacketConn, take func(from *Peer, packet []byte), end func(error)) {
	c.handing.Go(func() {
		var packet [MaxDatagram]byte
		for {
			n, from, err := lane.ReadFrom(packet[:])
			if err != nil {
				end(err)
				return
			}
			take(from.(*Peer), packet[:n])
		}
	})
}

// laneOf is the lane of what comes from an address. It is the same for all of it, but for
// an address that a client has moved to: its session stays in the lane where it began.
func (c *Conn) laneOf(from netip.AddrPort) *lane {
	if l := c.peers.route(from); l != nil {
		return l
	}
	return c.byHash(from)
}

func (c *Conn) byHash(from netip.AddrPort) *lane {
	return c.lanes[maphash.Comparable(seed, from)%uint64(len(c.lanes))]
}

// handOut receives for all lanes until the link is closed.
func (c *Conn) handOut() {
	for {
		inbox, now, err := c.receive()
		if err != nil {
			return // closed, which the lanes are told by Close
		}
		for i := range inbox {
			c.laneOf(inbox[i].From).put(&inbox[i], now)
		}
	}
}

// closeLanes ends the reading of all lanes, and the goroutine that hands out.
func (c *Conn) closeLanes() {
	for _, l := range c.lanes {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		l.more.Broadcast()
		l.room.Broadcast()
	}
	c.handing.Wait()
}

// lane is the way in of some of a link's peers.
type lane struct {
	*Conn
	in intake

	mu         sync.Mutex
	more, room sync.Cond // waiting is no longer empty; it is empty, or the lane is closed
	waiting    parcel
	taken      parcel // by the reader, until its next swap
	closed     bool
}

// parcel is datagrams on their way to a lane.
type parcel struct {
	list []carrier.Inbound
	buf  []byte        // where their data is
	now  time.Duration // when the last arrived, by std/clock
}

// ReadFrom is that of Conn, for the peers of this lane.
func (l *lane) ReadFrom(p []byte) (int, net.Addr, error) { return l.in.next(p) }

// put copies datagrams of one source into what waits for the lane: what they are
// in now is received into again.
func (l *lane) put(in *carrier.Inbound, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &l.waiting
	for !l.closed && (len(w.list) >= laneList || len(w.buf) > 0 && len(w.buf)+len(in.Data) > laneBytes) {
		l.room.Wait()
	}
	begin := len(w.buf)
	w.buf = append(w.buf, in.Data...) // slices of the array before stay good
	w.list = append(w.list, *in)
	w.list[len(w.list)-1].Data = w.buf[begin:]
	w.now = now
	l.more.Signal()
}

// swap waits until there is something, and takes all of it.
func (l *lane) swap() ([]carrier.Inbound, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting.list) == 0 && !l.closed {
		l.more.Wait()
	}
	if l.closed {
		return nil, 0, net.ErrClosed
	}
	l.taken.reuse()
	l.taken, l.waiting = l.waiting, l.taken
	l.room.Signal()
	return l.taken.list, l.taken.now, nil
}

// keepBytes is how much memory a parcel keeps that was hardly used.
const keepBytes = 1 << 14

// reuse empties a parcel. After a burst it gives its memory back.
func (p *parcel) reuse() {
	if cap(p.buf) > keepBytes && len(p.buf) < keepBytes {
		*p = parcel{}
	}
	p.list, p.buf = p.list[:0], p.buf[:0]
}
