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
}

// eventLog notes what a frameConn tells; of UPD frames their stream and what they
// say.
type eventLog struct {
	events  []event
	updates [][3]uint32
}

func (l *eventLog) sawSYN(stream uint32) { l.events = append(l.events, event{frameSYN, stream}) }
func (l *eventLog) sawFIN(stream uint32) { l.events = append(l.events, event{frameFIN, stream}) }
func (l *eventLog) sawUPD(stream, consumed, window uint32) {
	l.updates = append(l.updates, [3]uint32{stream, consumed, window})
}

func (l *eventLog) sentFIN(stream uint32) bool { return stream == finished }

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
	for _, u := range log.updates {
		if u[0] == 3 && u != [3]uint32{3, 0x34333231, 0x38373635} {
			panic("an UPD frame misread")
		}
	}
	return log.events, c
}

var (
	someFrames = slices.Concat(
		frame(frameSYN, 3, ""), frame(2, 3, "body \x01\x01\x00\x00 that looks like a frame"), frame(3, 0, ""),
		frame(4, 3, "12345678"), frame(frameSYN, 0xfffffffd, ""), frame(2, 3, ""), frame(frameFIN, 3, ""), frame(frameFIN, 0xfffffffd, ""),
	)
	someEvents = []event{{frameSYN, 3}, {frameSYN, 0xfffffffd}, {frameFIN, 3}, {frameFIN, 0xfffffffd}}
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
	f.Fuzz(func(t *testing.T, data []byte, i, j int) {
		// A plain reading of the same bytes.
		var want []event
		for rest := data; len(rest) >= frameHeader; {
			if rest[1] == frameSYN || rest[1] == frameFIN {
				want = append(want, event{rest[1], binary.LittleEndian.Uint32(rest[4:])})
			}
			rest = rest[min(len(rest), frameHeader+int(binary.LittleEndian.Uint16(rest[2:]))):]
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
	go func() { all, _ := io.ReadAll(d); written <- all }()
	out := newFrameConn(e, 1000, 1, &log, never)
	err := out.writeFIN(0x01020304)
	n, err2 := out.WriteBuffers([][]byte{[]byte("head"), []byte("body")})
	err3 := out.writePSH(5, []byte("data"))
	eventually(t, "all is written", func() bool {
		out.out.mu.Lock()
		defer out.out.mu.Unlock()
		return len(out.out.pending) == 0
	})
	out.Close()
	if all := <-written; n != 8 || hexOf(all) != "0101000004030201"+hexOf([]byte("headbody"))+"0102040005000000"+hexOf([]byte("data")) {
		t.Errorf("%x, %d, %v, %v, %v", all, n, err, err2, err3)
	}
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
