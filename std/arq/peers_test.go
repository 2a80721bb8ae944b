package arq

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// scripted is a network with a script of bytes that decides the fate of each packet, either
// way. It is perfect once the script is used up, or after a minute.
type scripted struct {
	sim    *sim
	script []byte
	run    int // packets that are still lost of a run
}

const goodAfter = time.Minute

func (s *scripted) next() byte {
	if len(s.script) == 0 || s.sim.now > goodAfter {
		s.script, s.run = nil, 0
		return 0
	}
	b := s.script[0]
	s.script = s.script[1:]
	return b
}

func (s *scripted) send(p []byte, deliver func([]byte)) {
	p = bytes.Clone(p)
	arrive := func(after time.Duration) { s.sim.after(20*msec+after, func() { deliver(p) }) }
	b := s.next()
	if s.run > 0 {
		s.run--
		return
	}
	much := time.Duration(b >> 3) // up to 31
	switch b & 7 {
	case 3: // lost
	case 4: // with a copy
		arrive(0)
		arrive(much * much * msec)
	case 5: // late
		arrive(much * much * msec)
	case 6:
		s.spoil(p, b>>3)
		arrive(0)
	case 7:
		s.run = int(much)
	default:
		arrive(0)
	}
}

// spoil changes the header of a segment without lying about what was sent or has arrived:
// the checksums of the layers below prevent that.
func (s *scripted) spoil(p []byte, how byte) {
	for skip := how >> 3; skip > 0 && len(p) > headerBytes; skip-- { // to a later segment
		if _, rest, ok := parse(p); ok && len(rest) >= headerBytes {
			p = rest
		}
	}
	if len(p) < headerBytes {
		return
	}
	how &= 7
	if how >= 4 && p[4] == cmdAck { // who acknowledges a segment tells no una before it
		how = 6
	}
	switch v := s.next(); how {
	case 0:
		p[0] ^= v | 1 // another conversation
	case 1:
		p[4] = v & 63 // an unknown command
	case 2:
		p[22] = v | 1 // longer than the packet
	case 3:
		binary.LittleEndian.PutUint16(p[6:], uint16(v)<<8|uint16(v)) // a wrong window
	case 4: // una of long ago
		una := binary.LittleEndian.Uint32(p[16:])
		binary.LittleEndian.PutUint32(p[16:], una-min(una, uint32(v)))
	case 5: // una of before the begin
		binary.LittleEndian.PutUint32(p[16:], 0-uint32(v))
	default:
		if p[4] == cmdAck { // of a transmission that never was
			binary.LittleEndian.PutUint32(p[8:], binary.LittleEndian.Uint32(p[8:])+uint32(int8(v)))
		}
	}
}

// fuzzModes are the modes of kcp-go's that a fuzzer chooses from.
var fuzzModes = [][4]int{modes["fast3"], modes["fast"], modes["normal"], modes["plain"]}

// Whatever a network does to packets, what our engine and kcp-go's send each other arrives
// whole within some minutes after the network recovers. The same holds for two engines of
// ours.
func FuzzPeers(f *testing.F) {
	f.Add([]byte{}, uint8(0), uint16(10_000))
	f.Add([]byte{3, 11, 4, 5, 253, 6, 14, 22, 255, 6 | 3<<3, 0, 255, 30, 1, 2, 3}, uint8(1), uint16(20_000))
	rnd := rand.New(rand.NewPCG(7, 7))
	for mode := range uint8(4) {
		script := make([]byte, 400)
		for i := range script {
			script[i] = byte(rnd.Uint32())
		}
		f.Add(script, mode, uint16(rnd.Uint32()))
	}
	f.Fuzz(func(t *testing.T, script []byte, mode uint8, size uint16) {
		script = script[:min(len(script), 1000)]
		synctest.Test(t, func(t *testing.T) { converse(t, script, int(size), &fuzzModes[mode%4]) })
		synctest.Test(t, func(t *testing.T) { converse(t, script, int(size), nil) })
	})
}

// mostEvents is far more than the packets and timers of a conversation. It detects an end
// that is called over and over for nothing.
const mostEvents = 1_000_000

// converse moves this many bytes each way between an engine of ours and one of kcp-go's in
// the given mode, or another of ours if mode is nil.
func converse(t *testing.T, script []byte, size int, mode *[4]int) {
	s := new(sim)
	net := &scripted{sim: s, script: script}
	there, back := make([]byte, size), make([]byte, size)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(there)
	_, _ = rnd.Read(back)
	s.now = time.Second
	cfg := Config{Conv: 7, MTU: 400, Overhead: simOverhead, Send: 128, Receive: 64, Clock: 1<<32 - 2000}
	a := &ours{sim: s, stream: stream{send: there}, Engine: New(cfg)}
	var b side
	var atB *stream
	if mode == nil {
		o := &ours{sim: s, stream: stream{send: back}, Engine: New(cfg)}
		o.out = func(p []byte) { net.send(p, a.input) }
		a.TellRuns()
		o.TellRuns()
		b, atB = o, &o.stream
	} else {
		k := newTheirs(s, cfg, *mode, back, func(p []byte) { net.send(p, a.input) })
		b, atB = k, &k.stream
	}
	a.out = func(p []byte) { net.send(p, b.input) }
	a.poll()
	b.poll()
	s.runReal(goodAfter+15*time.Minute, func() bool { return s.n > mostEvents || len(a.got) >= size && len(atB.got) >= size })
	if s.n > mostEvents {
		t.Errorf("an end does not come to rest: %d calls by %v; next %v", s.n, s.now, fmt.Sprint(a.Next()))
	}
	if !bytes.Equal(a.got, back) || !bytes.Equal(atB.got, there) {
		t.Errorf("we have %d bytes of %d, as sent: %v; the peer has %d, as sent: %v; script % x, mode %v",
			len(a.got), size, bytes.HasPrefix(back, a.got), len(atB.got), bytes.HasPrefix(there, atB.got), script, mode)
	}
}

func newTheirs(s *sim, cfg Config, mode [4]int, send []byte, out func(p []byte)) *theirs {
	k := &theirs{sim: s, stream: stream{send: send}, mss: cfg.MTU - headerBytes, interval: time.Duration(mode[1]) * msec}
	k.KCP = kcp.NewKCP(cfg.Conv, func(buf []byte, n int) {
		if n >= headerBytes {
			out(buf[:n])
		}
	})
	k.SetMtu(cfg.MTU)
	k.NoDelay(mode[0], mode[1], mode[2], mode[3])
	k.WndSize(cfg.Send, cfg.Receive)
	return k
}
