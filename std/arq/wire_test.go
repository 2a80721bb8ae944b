package arq

import (
	"bytes"
	"testing"
)

func TestSegments(t *testing.T) {
	a := segment{conv: 0x01020304, cmd: cmdPush, frg: 5, wnd: 0x0607, ts: 0x08090a0b, sn: 0x0c0d0e0f, una: 0x10111213, data: []byte("hello")}
	b := segment{conv: 1, cmd: cmdTell}
	packet := b.appendTo(a.appendTo(nil))
	want := "\x04\x03\x02\x01\x51\x05\x07\x06\x0b\x0a\x09\x08\x0f\x0e\x0d\x0c\x13\x12\x11\x10\x05\x00\x00\x00hello"
	if !bytes.HasPrefix(packet, []byte(want)) {
		t.Errorf("% x", packet)
	}
	for _, s := range []segment{a, b} {
		got, rest, ok := parse(packet)
		if !ok || got.conv != s.conv || got.cmd != s.cmd || got.frg != s.frg || got.wnd != s.wnd || got.ts != s.ts || got.sn != s.sn || got.una != s.una || !bytes.Equal(got.data, s.data) {
			t.Errorf("%+v, %v, want %+v", got, ok, s)
		}
		packet = rest
	}
	if len(packet) > 0 {
		t.Error("something is left")
	}
}

func FuzzParse(f *testing.F) {
	s := segment{conv: 1, cmd: cmdPush, data: []byte("data")}
	f.Add(s.appendTo(nil))
	f.Add(make([]byte, headerBytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		for {
			s, rest, ok := parse(b)
			if !ok {
				return
			}
			if again := s.appendTo(nil); !bytes.Equal(again, b[:len(b)-len(rest)]) {
				t.Fatalf("% x becomes % x", b[:len(b)-len(rest)], again)
			}
			b = rest
		}
	})
}
