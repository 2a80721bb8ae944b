package rawtcp

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"kcptun/std/carrier"
	"kcptun/std/clock"
)

// Conn is the imitation of TCP: datagrams are the payload of segments that raw sockets send
// and capture, for flows that are backed by kernel connections.
type Conn struct {
	opt   carrier.Options
	local net.Addr
	socks []*rawSocket
	flows *flows
	rules []rule
	clamp string

	sender *rawSender
	full   chan harvest // from all sockets
	lent   *rawBatch    // the batch that the reader holds
	early  earlySegments

	listener *net.TCPListener // nil on a client
	done     chan struct{}
	once     sync.Once
	wait     sync.WaitGroup // for captures and a listener's goroutines
	closeErr error
}

func newConn(opt carrier.Options) *Conn {
	return &Conn{
		opt: opt, flows: newFlows(unprovenLimit(opt.Ports)), sender: newRawSender(),
		full: make(chan harvest), done: make(chan struct{}),
	}
}

// harvest is what the reader is given: datagrams, and the batch that holds them, if any,
// which the reader must return.
type harvest struct {
	found []carrier.Inbound
	err   error
	batch *rawBatch
}

// open adds a raw socket with the settings of the carrier.
func (c *Conn) open(ipv6 bool) (*rawSocket, error) {
	s, err := openRawSocket(ipv6)
	if err != nil {
		return nil, err
	}
	if s.missing != nil {
		c.opt.Notices.MissingCall(c.opt.Log, s.missing)
	}
	if c.opt.DSCP > 0 {
		if err := s.setDSCP(c.opt.DSCP); err != nil {
			c.opt.Log.Warn("dscp is not in force on the imitation of TCP", "dscp", c.opt.DSCP, "err", err)
		}
	}
	if c.opt.Buffer > 0 {
		c.clamp = s.setBuffers(c.opt.Buffer)
	}
	c.socks = append(c.socks, s)
	return s, nil
}

// capture starts reading a socket. While the reader uses one batch, the kernel fills
// another. If both are full, packets wait in the socket's buffer.
func (c *Conn) capture(s *rawSocket) {
	free := make(chan struct{}, 2)
	free <- struct{}{}
	free <- struct{}{}
	c.wait.Go(func() {
		for {
			select {
			case <-free:
			case <-c.done:
				return
			}
			if !c.give(c.harvest(s, free)) {
				return
			}
		}
	})
}

// harvest reads what to give to the reader. free is told when that has been processed.
func (c *Conn) harvest(s *rawSocket, free chan<- struct{}) harvest {
	b, err := c.fill(s)
	if err != nil {
		free <- struct{}{}
		return harvest{err: err}
	}
	b.home = free
	return harvest{found: b.found, batch: b}
}

// give waits for the reader. It returns false once the carrier is closed.
func (c *Conn) give(h harvest) bool {
	select {
	case c.full <- h:
		return true
	case <-c.done:
		return false
	}
}

// fill reads until a batch contains datagrams, or until an error.
func (c *Conn) fill(s *rawSocket) (*rawBatch, error) {
	for {
		b, err := s.read()
		if err != nil {
			return nil, err
		}
		if c.examine(s, b); len(b.found) > 0 {
			return b, nil
		}
		b.giveBack()
	}
}

// examine finds the datagrams in a batch and keeps the flows up to date.
func (c *Conn) examine(s *rawSocket, b *rawBatch) {
	now := clock.Now()
	for i := range b.count {
		src, dst, rest, ok := b.packet(i, s.ipv6)
		if !ok {
			continue
		}
		seg, ok := parseSegment(rest)
		if !ok {
			continue
		}
		from, to := netip.AddrPortFrom(src, seg.src), netip.AddrPortFrom(dst, seg.dst)
		f := c.flows.get(from)
		if f == nil && c.listener != nil && seg.isData() {
			f = c.early.keep(c.flows, from, to, rest, now)
		}
		if f == nil || f.local != to {
			continue
		}
		if c.listener == nil {
			f.answered(&seg)
		}
		if in, ok := f.accept(&seg, rest, now); ok {
			b.found = append(b.found, in)
		}
	}
}

// Recv implements carrier.Carrier.
func (c *Conn) Recv() ([]carrier.Inbound, error) {
	if c.lent != nil {
		c.lent.giveBack()
		c.lent = nil
	}
	select {
	case h := <-c.full:
		c.lent = h.batch
		return h.found, h.err
	case <-c.done:
		return nil, net.ErrClosed
	}
}

// Send implements carrier.Carrier. It refuses datagrams for a peer that has no flow.
func (c *Conn) Send(batches []*carrier.Batch) (refused int, err error) {
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	for _, b := range batches {
		f := c.flows.get(unzoned(b.Way.Addr))
		if f == nil {
			for range b.Count {
				c.sender.refuse(errNoFlow)
			}
			continue
		}
		c.sender.addBatch(f, b)
	}
	c.sender.flush()
	refused, err = c.sender.result()
	if c.isClosed() {
		err = net.ErrClosed
	}
	return refused, err
}

// LocalAddr is the address of the listener, or of a dialled connection.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// Advice concerns the buffers of the most recently opened socket.
func (c *Conn) Advice() string { return c.clamp }

func (c *Conn) isClosed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Close closes things in order: first it stops accepting connections, then it sends their
// FINs while the rule still suppresses whatever else the kernel sends, then it closes the
// rest.
func (c *Conn) Close() error {
	c.once.Do(func() {
		var errs []error
		close(c.done)
		if c.listener != nil {
			errs = append(errs, c.listener.Close())
		}
		c.flows.close()
		for _, s := range c.socks {
			errs = append(errs, s.close())
		}
		c.wait.Wait()
		for _, r := range c.rules {
			errs = append(errs, r.remove())
		}
		c.closeErr = errors.Join(errs...)
	})
	return c.closeErr
}
