package link

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"kcptun/std/clock"
)

// rawCarrier is the imitation of TCP: datagrams as the payload of segments that
// raw sockets send and capture, for flows that kernel connections stand for.
type rawCarrier struct {
	opt   Options
	local net.Addr
	socks []*rawSocket
	flows *flows
	rules []rule
	clamp string

	sender *rawSender
	full   chan harvest // from all sockets
	lent   *rawBatch    // what the reader has
	early  earlySegments

	listener *net.TCPListener // nil at a client
	done     chan struct{}
	once     sync.Once
	wait     sync.WaitGroup // for captures, and a listener's goroutines
	closeErr error
}

func newRawCarrier(opt Options) *rawCarrier {
	return &rawCarrier{
		opt: opt, flows: newFlows(unprovenLimit()), sender: newRawSender(),
		full: make(chan harvest), done: make(chan struct{}),
	}
}

// harvest is what the reader is given: datagrams, and the batch they are in, if
// any, for it to give back.
type harvest struct {
	found []inbound
	err   error
	batch *rawBatch
}

// open adds a raw socket with the settings of the carrier.
func (c *rawCarrier) open(ipv6 bool) (*rawSocket, error) {
	s, err := openRawSocket(ipv6)
	if err != nil {
		return nil, err
	}
	if s.missing != nil {
		c.opt.Stats.notices.oneByOne(c.opt.Log, s.missing)
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

// capture begins to read a socket. While the reader uses one batch the kernel
// fills the other; with both full the socket's buffer is what holds packets.
func (c *rawCarrier) capture(s *rawSocket) {
	free := make(chan *rawBatch, 2)
	free <- newRawBatch(free)
	free <- newRawBatch(free)
	c.wait.Go(func() {
		for {
			var b *rawBatch
			select {
			case b = <-free:
			case <-c.done:
				return
			}
			err := c.fill(s, b)
			if !c.give(harvest{b.found, err, b}) {
				return
			}
		}
	})
}

// give waits for the reader. It is false when the carrier is closed.
func (c *rawCarrier) give(h harvest) bool {
	select {
	case c.full <- h:
		return true
	case <-c.done:
		return false
	}
}

// fill reads until there are datagrams in a batch, or an error.
func (c *rawCarrier) fill(s *rawSocket, b *rawBatch) error {
	for {
		err := s.read(b)
		c.examine(s, b)
		if len(b.found) > 0 || err != nil {
			return err
		}
	}
}

// examine finds the datagrams in a batch, and keeps the flows up to date.
func (c *rawCarrier) examine(s *rawSocket, b *rawBatch) {
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

func (c *rawCarrier) recv() ([]inbound, error) {
	if c.lent != nil {
		c.lent.home <- c.lent // it has room for all that are
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

func (c *rawCarrier) send(batches []*batch) (refused int, err error) {
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	for _, b := range batches {
		f := c.flows.get(unzoned(b.peer.addr))
		if f == nil {
			for range b.count {
				c.sender.refuse(errNoFlow)
			}
			continue
		}
		b.datagrams(func(d []byte) { c.sender.add(f, d) })
	}
	c.sender.flush()
	refused, err = c.sender.result()
	if c.isClosed() {
		err = net.ErrClosed
	}
	return refused, err
}

func (c *rawCarrier) localAddr() net.Addr { return c.local }
func (c *rawCarrier) advice() string      { return c.clamp }

func (c *rawCarrier) isClosed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// close ends what is open in an order: no more connections, then their FINs,
// with the rule still there for what else the kernel says, then the rest.
func (c *rawCarrier) close() error {
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
