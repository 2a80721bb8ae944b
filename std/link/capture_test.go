package link

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/testkit"
)

// tap is an end of a network in memory that keeps what is written to it.
type tap struct {
	addr   net.Addr
	inbox  chan []byte
	peer   *tap
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	wrote [][]byte
}

func newTap(port int) *tap {
	return &tap{
		addr:  &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: port},
		inbox: make(chan []byte, 4096), closed: make(chan struct{}),
	}
}

func (p *tap) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-p.inbox:
		return copy(b, d), p.peer.addr, nil
	case <-p.closed:
		return 0, nil, net.ErrClosed
	}
}

func (p *tap) WriteTo(b []byte, _ net.Addr) (int, error) {
	p.mu.Lock()
	p.wrote = append(p.wrote, bytes.Clone(b))
	p.mu.Unlock()
	select {
	case p.peer.inbox <- bytes.Clone(b):
	default:
	}
	return len(b), nil
}

func (p *tap) packets() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrote[:len(p.wrote):len(p.wrote)]
}

func (p *tap) Close() error                     { p.once.Do(func() { close(p.closed) }); return nil }
func (p *tap) LocalAddr() net.Addr              { return p.addr }
func (p *tap) SetDeadline(time.Time) error      { return nil }
func (p *tap) SetReadDeadline(time.Time) error  { return nil }
func (p *tap) SetWriteDeadline(time.Time) error { return nil }

// kcpSegment is a KCP segment as the tests read it, by a decoder of their own.
type kcpSegment struct {
	conv, sn, una uint32
	ts            uint32
	cmd           byte
	wnd           uint16
	size          int
}

func segments(b []byte) (segs []kcpSegment) {
	le := binary.LittleEndian
	for len(b) >= 24 {
		s := kcpSegment{conv: le.Uint32(b), cmd: b[4], wnd: le.Uint16(b[6:]), ts: le.Uint32(b[8:]), sn: le.Uint32(b[12:]), una: le.Uint32(b[16:]), size: int(le.Uint32(b[20:]))}
		segs = append(segs, s)
		b = b[24+s.size:]
	}
	return segs
}

const captureConv = 0xfeedf00d

// conversation is what two sessions of kcp-go wrote: data both ways, acks, and
// the window probes of a reader that pauses. With FEC also parity and datagrams
// out of band. It ends when each kind that is wanted has been seen.
func conversation(t testing.TB, dataShards, parityShards int, stream bool) [][]byte {
	t.Helper()
	near, far := newTap(1), newTap(2)
	near.peer, far.peer = far, near
	open := func(p *tap) *kcp.UDPSession {
		k, err := kcp.NewConn4(captureConv, p.peer.addr, nil, dataShards, parityShards, true, p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close() })
		//lint:ignore SA1019 stream mode is what the wire has, and kcp-go has no other call for it
		k.SetStreamMode(stream)
		k.SetWriteDelay(true) // gathers several segments in a packet
		k.SetNoDelay(1, 10, 2, 1)
		k.SetWindowSize(32, 32)
		_ = k.SetDeadline(time.Now().Add(testkit.Patience))
		return k
	}
	a, b := open(near), open(far)
	const size = 100_000
	go func() {
		for range size / 100 {
			if _, err := a.Write(make([]byte, 100)); err != nil {
				return
			}
		}
	}()
	all := func() [][]byte { return append(near.packets(), far.packets()...) }
	kinds := kindsOf(dataShards > 0)
	// The reader pauses until the writer asks for the window, and resumes.
	testkit.Eventually(t, "a window ask", func() bool { return kinds(all())["window ask"] })
	if _, err := io.ReadFull(b, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if dataShards > 0 {
		if err := a.SendOOB(nil); err != nil {
			t.Fatal(err)
		}
		if err := b.SendOOB([]byte("out of band")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Write([]byte("back")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(a, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	want := []string{"push", "ack", "several", "window tell"}
	if dataShards > 0 {
		want = append(want, "parity", "out of band")
	}
	for _, kind := range want {
		testkit.Eventually(t, "a packet of kind "+kind, func() bool { return kinds(all())[kind] })
	}
	return all()
}

// kindsOf tells which kinds of packets there are.
func kindsOf(fec bool) func([][]byte) map[string]bool {
	return func(packets [][]byte) map[string]bool {
		seen := make(map[string]bool)
		for _, b := range packets {
			if fec {
				switch binary.LittleEndian.Uint16(b[4:]) {
				case 0xf2:
					seen["parity"] = true
					continue
				case 0xf3:
					seen["out of band"] = true
					continue
				}
				b = b[8:]
			}
			segs := segments(b)
			seen["several"] = seen["several"] || len(segs) > 1
			for _, s := range segs {
				seen[map[byte]string{81: "push", 82: "ack", 83: "window ask", 84: "window tell"}[s.cmd]] = true
			}
		}
		return seen
	}
}
