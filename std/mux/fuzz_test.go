package mux

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"

	"kcptun/std/testkit"
)

// held is the memory of a session's unread data in bytes.
func held(s *Session) (size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.streams {
		st.mu.Lock()
		for b := st.unread.first; b != nil; b = b.next {
			size += cap(b.bytes)
		}
		st.mu.Unlock()
	}
	return size
}

// Unread data takes at most the ReceiveBuffer and one frame, whatever the sizes of the
// frames, or with smux 2 twice the ReceiveBuffer, because the peer may send that much
// before it is told a smaller window.
func TestUnreadMemory(t *testing.T) {
	for _, buffer := range []int{64 << 10, 128 << 10, 256 << 10} {
		unreadMemory(t, 1, buffer, buffer)
		unreadMemory(t, 2, buffer, 2*buffer)
	}
}

func unreadMemory(t *testing.T, version, receive, buffer int) {
	t.Helper()
	for _, sizes := range [][]int{{1}, {2, 0, 1}, {512}, {513}, {1, 513}, {257}, {512, 1}, {1025}, {1, 1025}, {8193}, {32769, 1}, {65535}} {
		p := frame{cmdSYN, 3, nil}.bytes(version)
		for n, i := 0, 0; n < 2*buffer; i++ {
			size := sizes[i%len(sizes)]
			p = append(p, frame{cmdPSH, 3, make([]byte, size)}.bytes(version)...)
			n += size
		}
		cfg := testConfig(version, false)
		cfg.ReceiveBuffer, cfg.StreamBuffer = receive, receive/2
		s := start(t, &script{bytes: p}, cfg)
		testkit.Eventually(t, "the buffer is full", s.paused.Load)
		if n := s.unread.Load(); n < int64(buffer) || n > int64(buffer)+65536 {
			t.Errorf("frames of %v: %d bytes unread", sizes, n)
		}
		if n := held(s); n != int(s.unread.Load()) {
			t.Errorf("frames of %v: %d bytes held, %d counted", sizes, n, s.unread.Load())
		}
	}
}

// seeds are valid inputs of the parser.
func seeds(version int) [][]byte {
	var all []byte
	for _, f := range []frame{
		{cmdSYN, 3, nil}, {cmdPSH, 3, []byte("hello")}, {cmdNOP, 0, nil}, {cmdSYN, 5, nil}, {cmdPSH, 5, make([]byte, 600)},
		{cmdFIN, 3, nil}, {cmdPSH, 3, []byte("late")}, {cmdPSH, 7, []byte("nobody's")}, {cmdFIN, 5, nil},
	} {
		all = append(all, f.bytes(version)...)
	}
	upd := frame{cmdUPD, 3, update(1, 2)}.bytes(version)
	said := append((Hello{Can: 1}).frames(byte(version)), all...)
	bye := frame{cmdNOP, uint32(newMark(kindGoodbye, 0)), nil}.bytes(version)
	return [][]byte{said, slices.Concat(said, bye, all), slices.Concat(bye, said[:20], all), nil, all, append(upd, all...), append(all, upd...), all[:len(all)/2], {1, 2, 3, 4, 5, 6, 7, 8}}
}

// Whatever the connection returns, cut anywhere, the session neither panics nor hangs, and
// holds little memory.
func FuzzReceive(f *testing.F) {
	for version := 1; version <= 2; version++ {
		for i, p := range seeds(version) {
			f.Add(p, uint8(i), version == 2, i%2 == 0, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, p []byte, cut uint8, second, client bool, reader uint8) {
		version := 1
		if second {
			version = 2
		}
		cfg := testConfig(version, client)
		cfg.ReceiveBuffer, cfg.StreamBuffer = 2000, 1000
		s := New(&script{bytes: bytes.Clone(p), cut: int(cut)}, cfg)
		var all sync.WaitGroup
		all.Go(func() {
			for {
				st, err := s.Accept()
				if err != nil {
					return
				}
				all.Go(func() { use(st, reader) })
			}
		})
		if reader%4 != 0 { // otherwise the receiver may wait for readers for ever
			testkit.Within(t, "the end of the session", s.done)
		}
		if n := held(s); n > 4*2000+2*65536 {
			t.Errorf("%d bytes are held", n)
		}
		s.Close(errEnough)
		testkit.Within(t, "all have ended", async(func() bool { all.Wait(); return true }))
	})
}

// use does to a stream what a careless application does.
func use(st *Stream, reader uint8) {
	switch reader % 4 {
	case 1:
		_, _ = io.Copy(io.Discard, struct{ io.Reader }{st})
	case 2:
		_, _ = st.WriteTo(io.Discard)
	case 3:
		_, _ = st.Write(make([]byte, 3))
		_, _ = st.Read(make([]byte, 3))
		_ = st.CloseWrite()
		_ = st.Close()
	}
}

// plain is what a stream has received in the model.
type plain struct {
	data     []byte
	finished bool
	nops     int // with its id before it was finished
}

// model parses frames in the simplest way; all streams stay open. ids are in the order of
// the SYNs.
func model(p []byte, version byte) (ids []uint32, streams map[uint32]*plain, wrong bool) {
	streams = make(map[uint32]*plain)
	hello := -1 // marks of it that are still missing
	for len(p) >= headerBytes {
		command, size, id := p[1], int(p[2])|int(p[3])<<8, uint32(p[4])|uint32(p[5])<<8|uint32(p[6])<<16|uint32(p[7])<<24
		right := command <= 3 && (size == 0 || command == 2) || command == 4 && size == 8 && version == 2
		if p[0] != version || !right {
			return ids, streams, true
		}
		if len(p) < headerBytes+size {
			break
		}
		data := p[headerBytes : headerBytes+size]
		p = p[headerBytes+size:]
		st := streams[id]
		switch {
		case command == 0 && st == nil:
			streams[id] = &plain{}
			ids = append(ids, id)
		case command == 1 && st != nil:
			st.finished = true
		case command == 2 && st != nil:
			st.data = append(st.data, data...)
		case command == 3 && id > 1 && id>>31 == 0:
			if st != nil && !st.finished {
				st.nops++
			}
		case command == 3 && hello < 0 && id>>8 == 0xff4b54:
			hello = int(id & 15)
		case command == 3 && hello > 0 && id>>31 == 1:
			hello--
		case command == 3 && hello == 0 && id>>24 == 0x83:
			return ids, streams, false
		}
	}
	return ids, streams, false
}

// framesFrom turns arbitrary bytes into frames, three for each byte, and sometimes passes
// bytes through unchanged.
func framesFrom(p []byte, version int) (all []byte) {
	for ; len(p) >= 3; p = p[3:] {
		f := frame{stream: uint32(p[1] % 4)}
		switch p[0] % 16 {
		case 0, 1, 2:
			f.command = cmdSYN
		case 3:
			f.command = cmdFIN
		case 4:
			f.command = cmdNOP
		case 5:
			f.command, f.data = cmdUPD, update(uint32(p[1]), uint32(p[2]))
		case 6:
			all = append(all, p[:3]...)
			continue
		case 10:
			f.command, f.stream = cmdNOP, [...]uint32{0xff4b5411, 0x81000001, 0x83000000}[p[2]%3]
		case 7, 8, 9:
			f.command, f.data = cmdPSH, bytes.Repeat(p[:3], 4*int(p[2]))
		default:
			f.command, f.data = cmdPSH, bytes.Repeat(p[:1], int(p[2]))
		}
		all = append(all, f.bytes(version)...)
	}
	return append(all, p...)
}

// The same frames result in the same streams with the same data as in the model.
func FuzzModel(f *testing.F) {
	for _, version := range []int{1, 2} {
		for i := range 20 {
			f.Add(randomBytes(60 * i)[30*i:], uint8(i), version == 2, i%3 == 0)
			f.Add(slices.Repeat([]byte{byte(i), byte(i) / 3, byte(7 * i)}, i), uint8(0), version == 2, false)
		}
		for _, p := range seeds(version) {
			f.Add(p, uint8(3), version == 2, true)
		}
	}
	f.Fuzz(func(t *testing.T, p []byte, cut uint8, second, raw bool) {
		version := 1
		if second {
			version = 2
		}
		if !raw {
			p = framesFrom(p, version)
		}
		ids, streams, wrong := model(p, byte(version))
		if len(ids) > backlog {
			t.Skip()
		}
		cfg := testConfig(version, false)
		cfg.ReceiveBuffer, cfg.StreamBuffer = 1<<30, 1<<10
		s := New(&script{bytes: bytes.Clone(p), cut: int(cut)}, cfg)
		defer s.Close(errEnough)
		testkit.Within(t, "the end of the session", s.done)
		checkPromises(t, s)
		for _, id := range ids {
			s.windowComputed(true, true)
			st, err := s.Accept()
			must(t, err)
			if st.ID() != id {
				t.Fatalf("stream %d, want %d", st.ID(), id)
			}
			want := streams[id]
			end := ErrCut
			switch {
			case want.nops > 1:
				end = ErrReset
			case want.finished:
				end = nil
			}
			got, err := io.ReadAll(st)
			if !bytes.Equal(got, want.data) || err != end {
				t.Errorf("stream %d: %d bytes, %v; want %d, %v", id, len(got), err, len(want.data), end)
			}
			checkPromises(t, s)
		}
		if _, err := s.Accept(); err == nil || errors.Is(err, ErrProtocol) != wrong {
			t.Errorf("Accept: %v; wrong frames: %t", err, wrong)
		}
	})
}
