package mux

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
)

var headers = []struct {
	version, command byte
	size             int
	v1, v2           bool // valid in this version
}{
	{1, cmdSYN, 0, true, false},
	{1, cmdFIN, 0, true, false},
	{1, cmdPSH, 0, true, false},
	{1, cmdPSH, 65535, true, false},
	{1, cmdNOP, 0, true, false},
	{1, cmdUPD, 8, false, false},
	{2, cmdSYN, 0, false, true},
	{2, cmdFIN, 0, false, true},
	{2, cmdPSH, 0, false, true},
	{2, cmdPSH, 65535, false, true},
	{2, cmdNOP, 0, false, true},
	{2, cmdUPD, 8, false, true},
	{0, cmdNOP, 0, false, false},
	{3, cmdNOP, 0, false, false},
	{0xff, cmdPSH, 6, false, false},
	{1, cmdSYN, 1, false, false},
	{2, cmdSYN, 1, false, false},
	{1, cmdFIN, 65535, false, false},
	{2, cmdFIN, 8, false, false},
	{1, cmdNOP, 8, false, false},
	{2, cmdNOP, 1, false, false},
	{2, cmdUPD, 0, false, false},
	{2, cmdUPD, 7, false, false},
	{2, cmdUPD, 9, false, false},
	{2, cmdUPD, 65535, false, false},
	{1, 5, 0, false, false},
	{2, 5, 8, false, false},
	{2, 255, 0, false, false},
}

func TestHeaderCheck(t *testing.T) {
	for _, c := range headers {
		for version, want := range map[byte]bool{1: c.v1, 2: c.v2} {
			h := newHeader(c.version, c.command, c.size, 7)
			err := h.check(version)
			if (err == nil) != want || err != nil && !errors.Is(err, ErrProtocol) {
				t.Errorf("version %d, command %d, %d bytes in smux %d: %v", c.version, c.command, c.size, version, err)
			}
		}
	}
}

func TestHeaderLayout(t *testing.T) {
	h := newHeader(2, cmdPSH, 0x1234, 0x89abcdef)
	if want := (header{2, 2, 0x34, 0x12, 0xef, 0xcd, 0xab, 0x89}); h != want {
		t.Errorf("% x, want % x", h, want)
	}
	if h.version() != 2 || h.command() != cmdPSH || h.size() != 0x1234 || h.stream() != 0x89abcdef {
		t.Errorf("read back: %d %d %d %d", h.version(), h.command(), h.size(), h.stream())
	}
}

// A frame that smux never sends ends the session, with an error that says why.
func TestWrongFrameEndsSession(t *testing.T) {
	for _, c := range headers {
		for version, right := range map[int]bool{1: c.v1, 2: c.v2} {
			if right {
				continue
			}
			t.Run(fmt.Sprintf("%d-%d-%d-in-%d", c.version, c.command, c.size, version), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, peer := withPeer(t, testConfig(version, false))
					peer.send(cmdSYN, 3, nil)
					st, err := s.Accept()
					must(t, err)
					h := newHeader(c.version, c.command, c.size, 3)
					_, err = peer.Write(h[:])
					must(t, err)
					if _, err := s.Accept(); !errors.Is(err, ErrProtocol) {
						t.Errorf("Accept: %v", err)
					}
					if _, err := s.Open(); !errors.Is(err, ErrProtocol) {
						t.Errorf("Open: %v", err)
					}
					if _, err := st.Read(make([]byte, 1)); err != ErrCut {
						t.Errorf("Read: %v", err)
					}
				})
			})
		}
	}
}
