package link

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kcptun/std/carrier"
	"kcptun/std/clock"
	"kcptun/std/crypt"
)

// This file knows the inside of a carrier; the other tests do not.

// fakeCarrier is a carrier in memory whose calls can be made to fail. It loses
// what finds its peer's inbox full, as a socket does.
type fakeCarrier struct {
	addr   netip.AddrPort
	peer   *fakeCarrier // hears what is sent; nil is nobody
	inbox  chan carrier.Inbound
	closed chan struct{}
	once   sync.Once

	recvFault func(call int64) error // nil is none; set before use
	sendFault func(call int64) error
	onSend    func(datagram []byte)

	cut          atomic.Bool // what is sent is lost
	recvs, sends atomic.Int64
	recvFaults   atomic.Int64
	sendFaults   atomic.Int64
}

var (
	fakeClientAddr = netip.MustParseAddrPort("192.0.2.1:4001")
	fakeServerAddr = netip.MustParseAddrPort("192.0.2.2:29900")
)

func newFake(addr netip.AddrPort) *fakeCarrier {
	return &fakeCarrier{addr: addr, inbox: make(chan carrier.Inbound, 4096), closed: make(chan struct{})}
}

// fakePair are two carriers that hear each other.
func fakePair() (client, server *fakeCarrier) {
	client, server = newFake(fakeClientAddr), newFake(fakeServerAddr)
	client.peer, server.peer = server, client
	return client, server
}

// fakeConns are a dialled and a listening link over two carriers in memory. The stamps of the
// dialled one are KCP's.
func fakeConns(t testing.TB, client, server *fakeCarrier, opt Options) (c, s *Conn) {
	t.Helper()
	c, s = newConn(client, opt, server.addr), newConn(server, opt, netip.AddrPort{})
	c.Peer().shift.Store(0)
	t.Cleanup(func() { c.Close(); s.Close() })
	return c, s
}

func (f *fakeCarrier) Recv() ([]carrier.Inbound, error) {
	if call := f.recvs.Add(1); f.recvFault != nil {
		if err := f.recvFault(call); err != nil {
			f.recvFaults.Add(1)
			return nil, err
		}
	}
	select {
	case in := <-f.inbox:
		return []carrier.Inbound{in}, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *fakeCarrier) Send(batches []*carrier.Batch) (refused int, err error) {
	for _, b := range batches {
		b.Datagrams(func(d []byte) {
			if e := f.sendOne(d); e != nil {
				refused, err = refused+1, e
			}
		})
	}
	return refused, err
}

func (f *fakeCarrier) sendOne(b []byte) error {
	if call := f.sends.Add(1); f.sendFault != nil {
		if err := f.sendFault(call); err != nil {
			f.sendFaults.Add(1)
			return err
		}
	}
	select {
	case <-f.closed:
		return net.ErrClosed
	default:
	}
	if f.onSend != nil {
		f.onSend(b)
	}
	if f.peer != nil && !f.cut.Load() {
		f.peer.deliver(b, f.addr)
	}
	return nil
}

func (f *fakeCarrier) deliver(b []byte, from netip.AddrPort) {
	select {
	case f.inbox <- carrier.Inbound{Data: bytes.Clone(b), Size: len(b), From: from}:
	default:
	}
}

func (f *fakeCarrier) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(f.addr) }
func (f *fakeCarrier) Advice() string      { return "fake advice" }

var errFakeClose = errors.New("closing the fake")

func (f *fakeCarrier) Close() error {
	f.once.Do(func() { close(f.closed) })
	return errFakeClose
}

// admit returns a function that hands a link a copy of one datagram again and
// again, without memory of its own, and tells whether it is admitted.
func admit(c *Conn, datagram []byte, from netip.AddrPort) func() bool {
	in := &carrier.Inbound{Data: bytes.Clone(datagram), Size: len(datagram), From: from}
	return func() bool {
		copy(in.Data, datagram)
		c.in.now = clock.Now()
		_, peer := c.in.admit(in.Data, in)
		return peer != nil
	}
}

// peerOf is the peer of a conversation at a listening link, which begins where it has
// not yet.
func peerOf(c *Conn, from netip.AddrPort, conv uint32) *Peer {
	id := identity{from, conv}
	c.peers.mu.Lock()
	defer c.peers.mu.Unlock()
	p := c.peers.table[id]
	if p == nil {
		var home *lane
		if c.lanes != nil {
			home = c.byHash(from)
		}
		p = c.peers.newcomer(id, home)
		c.peers.list(p)
	}
	return p
}

// beginAt has the conversation of a dialled link begin, as its first data does. Its stamp is
// not that of seg.
func beginAt(c *Conn, conv uint32) {
	c.Peer().sent(parsed(stamped(seg(conv, 81, 0, 0, "x"), stampGap)))
}

// aged makes a conversation an hour old.
func aged(p *Peer) { p.ledger.sndFirstStamp.Add(^millis(time.Hour)) }

// logbook is a slog.Handler that keeps the lines.
type logbook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logbook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logbook) WithGroup(string) slog.Handler            { return l }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// with are the lines that contain a text.
func (l *logbook) with(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// options are those of a link that seals with s, and the book it logs into.
func options(s crypt.Sealer) (Options, *logbook) {
	book := new(logbook)
	return Options{Sealer: s, Stats: new(Stats), Log: slog.New(book)}, book
}

// addrNumber is one of many addresses.
func addrNumber(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}), uint16(1024+n>>8))
}
