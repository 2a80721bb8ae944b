package std

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"slices"
	"testing"
)

// buffered is memory that can be closed.
type buffered struct{ bytes.Buffer }

func (*buffered) Close() error { return nil }

func hexOf(b []byte) string { return hex.EncodeToString(b) }

type event struct {
	command byte
	stream  uint32
	update  [2]uint32 // what an UPD frame says
}

// eventLog notes what a frameConn tells.
type eventLog struct {
	events []event
}

func (l *eventLog) sawSYN(stream uint32) {
	l.events = append(l.events, event{command: frameSYN, stream: stream})
}
func (l *eventLog) sawFIN(stream uint32) {
	l.events = append(l.events, event{command: frameFIN, stream: stream})
}
func (l *eventLog) sawUPD(stream, consumed, window uint32) {
	l.events = append(l.events, event{frameUPD, stream, [2]uint32{consumed, window}})
}

func (l *eventLog) sentFIN(stream uint32) bool { return stream == finished }

func (l *eventLog) firstUPD(stream uint32) bool { return stream == fresh }

// fresh is the stream for which an eventLog says that no update was made yet.
const fresh = 0x66666666

// finished is the stream for which an eventLog says that a FIN was sent.
const finished = 0x77777777

func never() {}

func frame(command byte, stream uint32, body string) []byte {
	b := []byte{2, command}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(body)))
	b = binary.LittleEndian.AppendUint32(b, stream)
	return append(b, body...)
}

// followed feeds the parts to a frameConn and returns what it saw.
func followed(parts ...[]byte) (events []event, c *frameConn) {
	var log eventLog
	c = &frameConn{version: 2, events: &log, head: make([]byte, 0, frameHeader+updateBytes)}
	for _, p := range parts {
		c.follow(p)
	}
	return log.events, c
}

var (
	someFrames = slices.Concat(
		frame(frameSYN, 3, ""), frame(2, 3, "body \x01\x01\x00\x00 that looks like a frame"), frame(3, 0, ""),
		frame(4, 3, "12345678"), frame(frameSYN, 0xfffffffd, ""), frame(2, 3, ""), frame(frameFIN, 3, ""), frame(frameFIN, 0xfffffffd, ""),
	)
	someEvents = []event{
		{frameSYN, 3, [2]uint32{}}, {frameUPD, 3, [2]uint32{0x34333231, 0x38373635}}, {frameSYN, 0xfffffffd, [2]uint32{}},
		{frameFIN, 3, [2]uint32{}}, {frameFIN, 0xfffffffd, [2]uint32{}},
	}
)

// Headers and bodies cut at every position, and at every two.
func TestFollowCutAnywhere(t *testing.T) {
	for i := range len(someFrames) + 1 {
		for j := i; j <= len(someFrames); j++ {
			if got, _ := followed(someFrames[:i], someFrames[i:j], someFrames[j:]); !slices.Equal(got, someEvents) {
				t.Fatalf("cut at %d and %d: %v", i, j, got)
			}
		}
	}
	single := [][]byte{}
	for i := range someFrames {
		single = append(single, someFrames[i:i+1])
	}
	if got, _ := followed(single...); !slices.Equal(got, someEvents) {
		t.Errorf("byte by byte: %v", got)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(someFrames, 5, 20)
	f.Add([]byte{1, 1, 0xff, 0xff, 0, 0, 0, 0, 1}, 1, 8)
	f.Add([]byte{}, 0, 0)
	f.Add(frame(frameUPD, 3, "any eight"[:8]), 5, 20)
	f.Add(frame(frameUPD, 3, "seven b"), 9, 11)
	f.Fuzz(func(t *testing.T, data []byte, i, j int) {
		// A plain reading of the same bytes.
		var want []event
		for rest := data; len(rest) >= frameHeader; {
			size := int(binary.LittleEndian.Uint16(rest[2:]))
			e := event{command: rest[1], stream: binary.LittleEndian.Uint32(rest[4:])}
			switch {
			case e.command == frameSYN || e.command == frameFIN:
				want = append(want, e)
			case e.command == frameUPD && size == updateBytes && len(rest) >= frameHeader+size:
				e.update = [2]uint32{binary.LittleEndian.Uint32(rest[8:]), binary.LittleEndian.Uint32(rest[12:])}
				want = append(want, e)
			}
			rest = rest[min(len(rest), frameHeader+size):]
		}
		i = max(0, min(i, len(data)))
		j = max(i, min(j, len(data)))
		got, c := followed(data[:i], data[i:j], data[j:])
		if !slices.Equal(got, want) {
			t.Errorf("cut at %d and %d: %v, want %v", i, j, got, want)
		}
		if len(c.head) >= frameHeader+updateBytes || cap(c.head) != frameHeader+updateBytes || c.body < 0 || c.body > 0xffff {
			t.Errorf("left behind: %d bytes of a header, %d of a body", len(c.head), c.body)
		}
	})
}

func TestFrameConnReadsAndWrites(t *testing.T) {
	a, b := net.Pipe()
	d, e := net.Pipe()
	var log eventLog
	c := newFrameConn(deadline(t, a), 1000, 1, &log, never)
	defer c.Close()
	go func() { _, _ = b.Write(someFrames); b.Close() }()
	got := make([]byte, len(someFrames))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, someFrames) || !slices.Equal(log.events, someEvents) {
		t.Errorf("%x, %v, %v", got, log.events, err)
	}
	written := make(chan []byte)
	go func() { all := make([]byte, 8+12+12); _, _ = io.ReadFull(d, all); written <- all }()
	out := newFrameConn(e, 1000, 1, &log, never)
	err := out.writeFIN(0x01020304)
	n, err2 := out.WriteBuffers([][]byte{[]byte("headhead"), []byte("body")})
	_, err3 := out.writeData(5, []byte("data"), 65535, false)
	if all := within(t, "all is written", written); n != 12 || hexOf(all) != "0101000004030201"+hexOf([]byte("headheadbody"))+"0102040005000000"+hexOf([]byte("data")) {
		t.Errorf("%x, %d, %v, %v, %v", all, n, err, err2, err3)
	}
	out.Close()
	if err := out.writeFIN(1); err == nil {
		t.Error("a closed connection takes frames")
	}
}

// The peer's SYN and FIN may both arrive before the stream is adopted.
func TestFINBeforeAdopt(t *testing.T) {
	s := &Session{streams: map[uint32]*Stream{}, early: map[uint32]bool{}}
	s.sawFIN(5) // of nobody: forgotten
	s.sawSYN(3)
	s.sawFIN(3)
	if len(s.early) != 1 || !s.early[3] {
		t.Errorf("%v", s.early)
	}
	s.own, s.opening = true, 1
	s.sawFIN(9) // the answer was faster than Open
	if !s.early[9] {
		t.Errorf("%v", s.early)
	}
	s.mu.Lock()
	s.opened()
	s.mu.Unlock()
	if len(s.early) != 0 {
		t.Errorf("kept after Open: %v", s.early)
	}
	st := &Stream{session: s}
	s.streams[7] = st
	s.sawSYN(7)
	if st.peerDone.Load() {
		t.Error("a SYN is no FIN")
	}
	s.sawFIN(7)
	if !st.peerDone.Load() || len(s.early) != 0 {
		t.Error("FIN missed", s.early)
	}
	for id := range uint32(2 * maxEarly) {
		s.sawSYN(1000 + id)
	}
	if len(s.early) != maxEarly {
		t.Errorf("%d kept, want %d", len(s.early), maxEarly)
	}
}

// A session that opens stream id 1 and 3 at once must not lose what arrives for
// one while the other is being opened.
func TestOpenedKeepsWhatOthersWaitFor(t *testing.T) {
	s := &Session{streams: map[uint32]*Stream{}, early: map[uint32]bool{}, own: true, opening: 2}
	s.sawFIN(3)
	s.mu.Lock()
	s.opened()
	s.mu.Unlock()
	if !s.early[3] {
		t.Error("lost")
	}
}
