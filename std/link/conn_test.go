package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

func TestConnCarriesKCP(t *testing.T) {
	for _, form := range []struct {
		name   string
		sealer crypt.Sealer
	}{{"plain", crypt.Plain{}}, {"cfb", newAES()}, {"own aes", sealForms()[0].make(testkit.RandomBytes(3, 32))}, {"aead", newGCM(testkit.RandomBytes(3, 32))}} {
		for _, shards := range [][2]int{{0, 0}, {10, 3}} {
			name := form.name
			if shards[0] > 0 {
				name += " with FEC"
			}
			t.Run("udp/"+name, func(t *testing.T) {
				opt, _ := options(form.sealer)
				opt.Buffer, opt.DataShards, opt.ParityShards = 1<<20, shards[0], shards[1]
				client, server := udpConns(t, opt, "127.0.0.1")
				c, s := sessions(t, client, server)
				exchange(t, c, s, 2<<20)
			})
			t.Run("memory/"+name, func(t *testing.T) {
				opt, _ := options(form.sealer)
				opt.DataShards, opt.ParityShards = shards[0], shards[1]
				near, far := fakePair()
				client, server := fakeConns(t, near, far, opt)
				c, s := sessions(t, client, server)
				exchange(t, c, s, 2<<20)
			})
		}
	}
}

// One listening link serves many peers.
func TestConnServesPeers(t *testing.T) {
	opt, _ := options(newAES())
	_, server := udpConns(t, opt, "127.0.0.1")
	listener, err := kcp.ServeConn(nil, 0, 0, server)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for range 5 {
		client, err := Dial(context.Background(), opt, server.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		c, s := dialSession(t, client, listener)
		exchange(t, c, s, 10_000)
	}
}

// kcp-go goes past a PacketConn to the socket where it finds these methods.
func TestConnCannotBeBypassed(t *testing.T) {
	conn := reflect.TypeFor[*Conn]()
	for _, name := range []string{"SyscallConn", "ReadMsgUDP", "WriteMsgUDP", "ReadFromUDP", "WriteToUDP", "ReadBatch", "WriteBatch", "File"} {
		if _, ok := conn.MethodByName(name); ok {
			t.Errorf("*Conn has %s", name)
		}
	}
	for field := range conn.Elem().Fields() {
		if field.Anonymous {
			t.Errorf("Conn embeds %v", field.Type)
		}
	}
}

// proxy stands between a client and a server and keeps every datagram.
type proxy struct {
	front, back *net.UDPConn
	wg          sync.WaitGroup
	mu          sync.Mutex
	seen        [][]byte
}

func newProxy(t *testing.T, server net.Addr) *proxy {
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.DialUDP("udp4", nil, server.(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{front: front, back: back}
	t.Cleanup(func() { front.Close(); back.Close(); p.wg.Wait() })
	var mu sync.Mutex
	var client netip.AddrPort
	p.wg.Go(func() {
		p.pump(front, func(b []byte, from netip.AddrPort) {
			mu.Lock()
			client = from
			mu.Unlock()
			_, _ = back.Write(b)
		})
	})
	p.wg.Go(func() {
		p.pump(back, func(b []byte, _ netip.AddrPort) {
			mu.Lock()
			defer mu.Unlock()
			_, _ = front.WriteToUDPAddrPort(b, client)
		})
	})
	return p
}

func (p *proxy) pump(from *net.UDPConn, pass func([]byte, netip.AddrPort)) {
	buf := make([]byte, 65536)
	for {
		n, addr, err := from.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.mu.Lock()
		p.seen = append(p.seen, bytes.Clone(buf[:n]))
		p.mu.Unlock()
		pass(buf[:n], addr)
	}
}

// What goes over the wire holds none of the text that was sent.
func TestConnSealsWhatItSends(t *testing.T) {
	marker := []byte("the marker that must not be seen on the wire")
	for _, form := range []struct {
		name   string
		sealer crypt.Sealer
		seen   bool
	}{{"plain", crypt.Plain{}, true}, {"aes", newAES(), false}, {"aes-128-gcm", newGCM(testkit.RandomBytes(3, 32)), false}} {
		t.Run(form.name, func(t *testing.T) {
			opt, _ := options(form.sealer)
			opt.DataShards, opt.ParityShards = 10, 3
			_, server := udpConns(t, opt, "127.0.0.1")
			between := newProxy(t, server.LocalAddr())
			client, err := Dial(context.Background(), opt, between.front.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			c, s := sessions(t, client, server)
			text := bytes.Repeat(marker, 200)
			for _, way := range [][2]io.ReadWriter{{c, s}, {s, c}} {
				if _, err := way[0].Write(text); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(text))
				if _, err := io.ReadFull(way[1], got); err != nil || !bytes.Equal(got, text) {
					t.Fatal("the text did not arrive", err)
				}
			}
			between.mu.Lock()
			defer between.mu.Unlock()
			if len(between.seen) < 2*len(text)/MaxDatagram {
				t.Fatalf("only %d datagrams seen", len(between.seen))
			}
			seen := slices.ContainsFunc(between.seen, func(d []byte) bool { return bytes.Contains(d, marker[:8]) })
			if seen != form.seen {
				t.Errorf("the marker is seen on the wire: %v", seen)
			}
		})
	}
}

// WriteTo says how long the whole datagram is, for kcp-go's OutBytes.
func TestWriteToCountsTheDatagram(t *testing.T) {
	for _, s := range []crypt.Sealer{crypt.Plain{}, newAES(), newGCM(testkit.RandomBytes(3, 32))} {
		opt, _ := options(s)
		near, far := fakePair()
		client, _ := fakeConns(t, near, far, opt)
		packet := seg(1, 81, 0, 0, "some data")
		n, err := client.WriteTo(packet, client.Peer())
		if err != nil {
			t.Fatal(err)
		}
		d := <-far.inbox
		if n != len(packet)+s.Overhead() || n != len(d.Data) || client.Overhead() != s.Overhead() {
			t.Errorf("%T: WriteTo says %d, the datagram has %d, the packet %d", s, n, len(d.Data), len(packet))
		}
	}
}

func TestWriteToForeignAddress(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	client, _ := fakeConns(t, near, far, opt)
	for _, addr := range []net.Addr{&net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 1}, &net.TCPAddr{}, nil} {
		n, err := client.WriteTo(seg(1, 81, 0, 0, ""), addr)
		var addrErr *net.AddrError
		if n != 0 || !errors.As(err, &addrErr) {
			t.Errorf("%v: %d, %v", addr, n, err)
		}
	}
	if near.sends.Load() != 0 {
		t.Error("something was sent")
	}
}

func TestCloseEndsReadFrom(t *testing.T) {
	opt, _ := options(newAES())
	udpClient, udpServer := udpConns(t, opt, "127.0.0.1")
	near, far := fakePair()
	client, server := fakeConns(t, near, far, opt)
	for _, c := range []*Conn{udpClient, udpServer, client, server} {
		ended := make(chan error)
		go func() {
			_, _, err := c.ReadFrom(make([]byte, MaxDatagram))
			ended <- err
		}()
		first := c.Close()
		testkit.Returns(t, "the end of ReadFrom", func() {
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("ReadFrom ended with %v", err)
			}
		})
		if c == client && first != errFakeClose {
			t.Errorf("the error of closing is %v", first)
		}
		if again := c.Close(); again != nil && again != first {
			t.Errorf("a second Close: %v", again)
		}
		if _, err := c.WriteTo(seg(1, 81, 0, 0, ""), client.Peer()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("WriteTo after Close: %v", err)
		}
	}
}

// A datagram without a byte is counted as any other that is too short.
func TestEmptyDatagramIsCounted(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	_, server := fakeConns(t, near, far, opt)
	far.deliver(nil, addrNumber(1))
	far.deliver(seg(1, 81, 0, 0, "x"), addrNumber(1))
	if _, _, err := server.ReadFrom(make([]byte, MaxDatagram)); err != nil || opt.Stats.Short.Load() != 1 {
		t.Errorf("%d were too short, %v", opt.Stats.Short.Load(), err)
	}
}

// A socket that somebody else closed ends ReadFrom, too.
func TestClosedCarrier(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	client, _ := fakeConns(t, near, far, opt)
	near.Close()
	if _, _, err := client.ReadFrom(make([]byte, MaxDatagram)); err != net.ErrClosed {
		t.Errorf("ReadFrom: %v", err)
	}
}

func TestConnPassesThrough(t *testing.T) {
	opt, _ := options(crypt.Plain{})
	near, far := fakePair()
	client, server := fakeConns(t, near, far, opt)
	if client.Peer().String() != fakeServerAddr.String() || client.Peer().Network() != "udp" || server.Peer() != nil {
		t.Errorf("peers: %v and %v", client.Peer(), server.Peer())
	}
	if client.Advice() != "fake advice" || client.LocalAddr().String() != fakeClientAddr.String() {
		t.Errorf("advice %q, address %v", client.Advice(), client.LocalAddr())
	}
	for _, err := range []error{client.SetDeadline(time.Time{}), client.SetReadDeadline(time.Time{}), client.SetWriteDeadline(time.Time{})} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a deadline: %v", err)
		}
	}
	if _, ok := net.PacketConn(client).(syscall.Conn); ok {
		t.Error("the link hands out its socket")
	}
}
