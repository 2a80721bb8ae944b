package session

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/testkit"
)

// prompt is far longer than a session that was asleep takes to answer, which is an interval
// of 10 ms. It is shorter than the up to 5 s that it took if the answer came with kcp-go's
// slowed clock.
const prompt = time.Second

// barePeer is a server that knows KCP's segments and nothing above. It acknowledges
// what it receives.
type barePeer struct {
	conn *net.UDPConn
	to   *net.UDPAddr
	came chan byte // commands of the segments that came
}

const (
	barePush = 81
	bareAck  = 82
	bareWask = 83
	bareWins = 84
	bareConv = 7
)

// newBarePeer is such a server, and a client's session with it that is asleep.
func newBarePeer(t *testing.T) (*barePeer, *Session) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c := testConfig(config.Client)
	c.Crypt, c.NoComp, c.DataShard, c.ParityShard = "null", true, 0, 0
	l, err := link.Dial(context.Background(), linkOptions(t, c), conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(c).Client(l, bareConv)
	if err != nil {
		t.Fatal(err)
	}
	p := &barePeer{conn: conn, to: l.LocalAddr().(*net.UDPAddr), came: make(chan byte, 1000)}
	p.to = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.to.Port}
	var wg sync.WaitGroup
	wg.Go(p.receive)
	t.Cleanup(func() { s.Close(errTestEnds); conn.Close(); wg.Wait() })
	if _, err := s.Open(); err != nil { // its first data begins the conversation
		t.Fatal(err)
	}
	p.await(t, "the opening", barePush)
	return p, s
}

func (p *barePeer) receive() {
	buf := make([]byte, 2000)
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			return
		}
		for b := buf[:n]; len(b) >= 24; b = b[24+binary.LittleEndian.Uint32(b[20:]):] {
			if b[4] == barePush {
				sn := binary.LittleEndian.Uint32(b[12:])
				p.send(bareAck, binary.LittleEndian.Uint32(b[8:]), sn, sn+1, "")
			}
			p.came <- b[4]
		}
	}
}

func (p *barePeer) send(command byte, ts, sn, una uint32, data string) {
	b := binary.LittleEndian.AppendUint32(nil, bareConv)
	b = append(b, command, 0, 0xff, 1) // no fragments; a window of 511
	for _, v := range []uint32{ts, sn, una, uint32(len(data))} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	_, _ = p.conn.WriteToUDP(append(b, data...), p.to)
}

// await waits for a segment and returns how long it took.
func (p *barePeer) await(t *testing.T, what string, command byte) time.Duration {
	t.Helper()
	begun := time.Now()
	for testkit.Within(t, what, p.came) != command {
	}
	return time.Since(begun)
}

// A session that was asleep does not fall asleep again while KCP owes something: the answer
// to a question for its window, or the acknowledgement of data that arrived before, because
// the first acknowledgement was lost. The link knows of neither. They used to come with
// kcp-go's slowed clock.
func TestDozerOwesAnswers(t *testing.T) {
	nop := "\x02\x03\x00\x00\x00\x00\x00\x00"
	p, s := newBarePeer(t)
	p.send(barePush, 5, 0, 1, nop)
	p.await(t, "the acknowledgement of new data", bareAck)
	for _, c := range []struct {
		what    string
		ask     func()
		command byte
	}{
		{"the answer to the question for the window", func() { p.send(bareWask, 1, 0, 1, "") }, bareWins},
		{"the acknowledgement of repeated data", func() { p.send(barePush, 5, 0, 1, nop) }, bareAck},
	} {
		for range 3 {
			testkit.Eventually(t, "the session falls asleep", classicOf(s).doze.isAsleep)
			for len(p.came) > 0 {
				<-p.came
			}
			c.ask()
			if took := p.await(t, c.what, c.command); took > prompt {
				t.Errorf("%s came after %v", c.what, took)
			}
		}
	}
}

// A session whose window was shut announces that its reader has continued. With smux 1 only
// KCP itself tells the peer, and it used to do so with kcp-go's slowed clock.
func TestShutWindowOpensWhileAsleep(t *testing.T) {
	cc, sc := testConfig(config.Client), testConfig(config.Server)
	for _, c := range []*config.Config{cc, sc} {
		c.SmuxVer, c.NoComp, c.SmuxBuf, c.StreamBuf = 1, true, 64<<10, 64<<10
		c.RcvWnd, c.SndWnd = 64, 512
		c.DataShard, c.ParityShard = 0, 0
	}
	var way *testkit.Cable
	u := newTunnelBy(t, cc, sc, func(server net.Addr) net.Addr {
		way = testkit.NewCable(t, server)
		return way.Addr()
	})
	var writing sync.WaitGroup
	writing.Go(func() { _, _ = u.far.Write(make([]byte, 4<<20)) })
	t.Cleanup(func() { u.closed(); writing.Wait() })
	peer := u.client.peer
	const paused = 64 << 10 // unread, and the client's receiver pauses
	for range 4 {
		testkit.Eventually(t, "the window is shut", func() bool {
			return classicOf(u.client).doze.isAsleep() && u.server.peer.InFlight() == 0 && u.server.peer.Busy()
		})
		way.Cut.Store(true) // or the server's question would wake the client
		testkit.Eventually(t, "the client is asleep", classicOf(u.client).doze.isAsleep)
		before, begun := peer.Activity(), time.Now()
		if _, err := io.CopyN(io.Discard, u.near, paused); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the client sends something", func() bool { return peer.Activity() != before })
		if took := time.Since(begun); took > prompt {
			t.Errorf("the client has told its window after %v", took)
		}
		way.Cut.Store(false)
		if _, err := io.CopyN(io.Discard, u.near, 4*paused); err != nil { // more than had come
			t.Fatal(err)
		}
	}
}

// An echo takes no longer if the sessions were asleep before it, even if datagrams are lost
// on the way. There is no parity: a packet that parity restores is acknowledged only then,
// and KCP would measure that as a round trip.
func TestEchoesAfterSleep(t *testing.T) {
	for _, c := range []struct {
		name  string
		lose  uint64
		pause time.Duration // 0: until both are asleep
	}{
		{"asleep", 0, 0},
		{"asleep, each third datagram is lost", 3, 0},
		{"falling asleep, each third datagram is lost", 3, idleLeast},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cc, sc := testConfig(config.Client), testConfig(config.Server)
			cc.ParityShard, sc.ParityShard = 0, 0
			u, way := newDozingBy(t, cc, sc)
			var echoing sync.WaitGroup
			echoing.Go(func() { _, _ = io.Copy(u.far, u.far) })
			t.Cleanup(func() { u.closed(); echoing.Wait() })
			for range 10 {
				way.Lose.Store(c.lose)
				begun := time.Now()
				pass(t, u.near, u.near)
				if took := time.Since(begun); took > soon {
					t.Errorf("an echo took %v", took)
				}
				if c.pause == 0 {
					way.Lose.Store(0)
					u.doze(t)
				}
				time.Sleep(c.pause)
			}
		})
	}
}
