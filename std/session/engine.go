package session

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/mux"
	"kcptun/std/rescue"
)

// engine carries a session's bytes to the peer and back, complete and in order, in KCP's
// wire format: kcp-go in the classic modes, package arq in mode auto. Close ends it at
// once.
type engine interface {
	net.Conn
	mux.BuffersWriter
	Conv() uint32
	// begin is called when the session above it begins, which end ends after a panic.
	begin(end func(error))
	// drain waits until the peer has acknowledged everything written, or until ctx ends.
	drain(ctx context.Context) error
	// timeout is how long to wait for an acknowledgement before the first retransmission.
	timeout() time.Duration
	// load is how many bytes were moved in about the last second, or 0 if that is not
	// counted.
	load() int64
	// backlog is how many bytes may wait above it for their turn; 0 means the default of
	// the mux.
	backlog() int
	// window is how many bytes may be in flight from the peer, if that changes; otherwise
	// 0.
	window() int64
}

// newEngine makes the engine for a client's conversation over a link of its own.
func (f *Maker) newEngine(l *link.Conn, conv uint32) (engine, error) {
	if f.cfg.Auto() {
		a := f.newAuto(l, l.Peer(), conv)
		l.Serve(l, func(_ *link.Peer, packet []byte) { a.deliver(packet) }, func(error) { a.Close() })
		return a, nil
	}
	k, err := kcp.NewConn4(conv, l.Peer(), nil, 0, 0, false, guarded{l, f.Panics})
	if err != nil {
		return nil, err
	}
	return f.newClassic(k, l, l.Peer()), nil
}

// classic is kcp-go, plus the clock of idle sessions.
type classic struct {
	*kcp.UDPSession
	cfg  *config.Config
	peer *link.Peer
	doze *dozer // nil before begin

	panics   *rescue.Net
	overhead int // of the link, in bytes per datagram

	closing chan struct{} // closed by Close
	once    sync.Once
}

func (f *Maker) newClassic(k *kcp.UDPSession, l *link.Conn, peer *link.Peer) *classic {
	c := f.cfg
	//lint:ignore SA1019 the wire uses stream mode, and kcp-go has no other call for it
	k.SetStreamMode(true)
	k.SetWriteDelay(false)
	k.SetNoDelay(c.NoDelay, c.Interval, c.Resend, c.NoCongestion)
	k.SetWindowSize(c.SndWnd, c.RcvWnd)
	k.SetMtu(c.MTU - l.Overhead()) // kcp-go knows nothing of the link's overhead
	k.SetACKNoDelay(c.AckNodelay)
	return &classic{UDPSession: k, cfg: c, peer: peer, panics: f.Panics, overhead: l.Overhead(), closing: make(chan struct{})}
}

// WriteBuffers waits for the rate limit before it gives KCP more.
func (c *classic) WriteBuffers(v [][]byte) (int, error) {
	n := 0
	for _, b := range v {
		n += len(b)
	}
	if !c.peer.AwaitRate(n, c.closing) {
		return 0, io.ErrClosedPipe
	}
	return c.UDPSession.WriteBuffers(v)
}

// Write is WriteBuffers, for the compression above.
func (c *classic) Write(b []byte) (int, error) { return c.WriteBuffers([][]byte{b}) }

func (c *classic) Conv() uint32 { return c.GetConv() }

func (c *classic) begin(end func(error)) {
	c.doze = newDozer(c.UDPSession, c.peer, c.cfg, c.panics, end)
	c.peer.RepeatInSilence()
	c.peer.OnResize(func(size int) { c.SetMtu(size - c.overhead) })
}

// drain waits for three intervals of silence: within one interval, kcp-go sends what was
// waiting for the window.
func (c *classic) drain(ctx context.Context) error {
	return c.peer.Drain(ctx, 3*time.Duration(c.cfg.Interval)*time.Millisecond)
}

func (c *classic) timeout() time.Duration { return time.Duration(c.GetRTO()) * time.Millisecond }

func (c *classic) load() int64 { return 0 }

func (c *classic) backlog() int { return 0 }

func (c *classic) window() int64 { return 0 }

func (c *classic) Close() error {
	c.once.Do(func() { close(c.closing) })
	if c.doze != nil {
		c.doze.close()
	}
	return c.UDPSession.Close()
}
