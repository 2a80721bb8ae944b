package mux

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"kcptun/std/testkit"

	"github.com/xtaci/smux"
)

// The marks of a hello, as docs/protocol.md describes them.
func TestHelloFrames(t *testing.T) {
	got := Hello{Can: 0x123456, Settings: 0xabcdef}.frames(2)
	want := []byte{
		2, 3, 0, 0, 0x12, 0x54, 0x4b, 0xff,
		2, 3, 0, 0, 0x56, 0x34, 0x12, 0x81,
		2, 3, 0, 0, 0xef, 0xcd, 0xab, 0x82,
	}
	if !bytes.Equal(got, want) {
		t.Errorf("% x\nwant % x", got, want)
	}
}

func TestGreeting(t *testing.T) {
	const can, settings, bye = 0x81000005, 0x82000007, 0x83000000
	head := func(version, follow uint32) uint32 { return 0xff4b5400 | version<<4 | follow }
	for _, c := range []struct {
		name  string
		marks []uint32
		want  *Hello
		bye   bool
	}{
		{"ours", []uint32{head(1, 2), can, settings}, &Hello{1, 5, 7}, false},
		{"another order", []uint32{head(1, 2), settings, can}, &Hello{1, 5, 7}, false},
		{"a later version with marks that we do not know", []uint32{head(9, 4), 0x91ffffff, can, 0xfe000001, settings}, &Hello{9, 5, 7}, false},
		{"with nothing", []uint32{head(1, 0)}, &Hello{1, 0, 0}, false},
		{"not yet whole", []uint32{head(1, 2), can}, nil, false},
		{"goodbye", []uint32{head(1, 2), can, settings, bye}, &Hello{1, 5, 7}, true},
		{"goodbye with a reason that we do not know", []uint32{head(1, 2), can, settings, bye | 77}, &Hello{1, 5, 7}, true},
		{"unknown marks", []uint32{0x90000000, head(1, 2), can, settings, 0x90000000, 0xff000000}, &Hello{1, 5, 7}, false},
		{"no hello", []uint32{can, settings, bye}, nil, false},
		{"another magic", []uint32{0xff4b5512, can, settings, bye}, nil, false},
		{"a second one", []uint32{head(1, 2), can, settings, head(1, 2), can | 2, settings}, &Hello{1, 5, 7}, false},
	} {
		var g greeting
		var got *Hello
		bye := false
		for _, id := range c.marks {
			whole, ends := g.add(mark(id))
			if whole {
				hello := g.hello
				got = &hello
			}
			bye = bye || ends
		}
		if bye != c.bye || (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %+v, goodbye %t; want %+v, %t", c.name, got, bye, c.want, c.bye)
		}
	}
}

// helloConfig returns a configuration with a hello.
func helloConfig(version int, client bool, settings uint32) Config {
	cfg := testConfig(version, client)
	cfg.Hello = &Hello{Can: 1, Settings: settings}
	return cfg
}

// A hello is part of the first write, whatever that contains, and of no other.
func TestHelloIsBehindTheFirstBytes(t *testing.T) {
	const hello = "NOP 4283126802, NOP 2164260865, NOP 2181038089"
	for _, c := range []struct {
		name  string
		first func(s *Session)
		want  string
	}{
		{"a stream", func(s *Session) {
			st, err := s.Open()
			must(t, err)
			_, err = st.Write([]byte("hello"))
			must(t, err)
		}, "SYN 3, " + hello + ", PSH 3 5"},
		{"a NOP", func(s *Session) { must(t, s.Nop()) }, "NOP 0, " + hello},
		{"a NOP that is not waited for", (*Session).Ask, "NOP 0, " + hello},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newSink()
			s := start(t, k, helloConfig(2, true, 9))
			c.first(s)
			synctest.Wait()
			writes := k.written()
			if got := framesOf(t, bytes.Join(writes, nil)); got != c.want || len(writes) != 1 {
				t.Errorf("%s: %q in %d writes, want %q", c.name, got, len(writes), c.want)
			}
			must(t, s.Nop())
			if got := framesOf(t, bytes.Join(k.written(), nil)); got != "NOP 0" {
				t.Errorf("%s: then %q", c.name, got)
			}
		})
	}
}

// Each end learns what the other says about itself.
func TestHello(t *testing.T) {
	for version := 1; version <= 2; version++ {
		client, server := startPair(t, helloConfig(version, true, 3), helloConfig(version, false, 4))
		if client.Hello() != nil {
			t.Error("a hello before anything was sent")
		}
		for s, want := range map[*Session]uint32{client: 4, server: 3} {
			s.Ask()
			testkit.Eventually(t, "the hello", func() bool { return s.Hello() != nil })
			if h := s.Hello(); *h != (Hello{helloVersion, 1, want}) {
				t.Errorf("%+v", h)
			}
		}
	}
}

// A goodbye ends the other end's session at once, after everything sent before it. Unread
// data can still be read, and a stream has EOF only if its FIN was sent.
func TestGoodbye(t *testing.T) {
	for version := 1; version <= 2; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			testkit.NoLeak(t)
			client, server := startPair(t, helloConfig(version, true, 3), helloConfig(version, false, 3))
			var ours, theirs []*Stream
			for range 2 {
				st, err := client.Open()
				must(t, err)
				_, err = st.Write([]byte("last words"))
				must(t, err)
				ours = append(ours, st)
				st, err = server.Accept()
				must(t, err)
				theirs = append(theirs, st)
			}
			must(t, ours[0].CloseWrite())
			client.Goodbye()
			testkit.Within(t, "the end of the session", server.Ended())
			if server.Err() != ErrGoodbye {
				t.Error(server.Err())
			}
			for i, want := range []error{nil, ErrCut} {
				if got, err := io.ReadAll(theirs[i]); string(got) != "last words" || err != want {
					t.Errorf("%q, %v, want %v", got, err, want)
				}
			}
			if _, err := theirs[1].Write([]byte("x")); err != ErrCut {
				t.Error(err)
			}
			if client.Err() != nil {
				t.Error("who says goodbye still hears: ", client.Err())
			}
			must(t, theirs[1].Close()) // which is no EOF for the client
			must(t, server.Drain(context.Background()))
			server.Close(errEnough)
			end := async(func() error { _, err := ours[1].Read(make([]byte, 1)); return err })
			if err := testkit.Within(t, "the end of a stream that was cut", end); err != ErrCut {
				t.Error(err)
			}
		})
	}
}

// A stock peer takes a hello, future marks and a goodbye for keepalives: streams work
// before and after them.
func TestStockPeerIgnoresMarks(t *testing.T) {
	for version := 1; version <= 2; version++ {
		for _, client := range []bool{true, false} {
			a, b := net.Pipe()
			s := start(t, a, helloConfig(version, client, 3))
			c := smux.DefaultConfig()
			c.Version = version
			role := smux.Client
			if client {
				role = smux.Server
			}
			lib, err := role(b, c)
			must(t, err)
			p := peers{s, lib}
			for range 2 {
				ours, theirs := p.stream(t, client)
				transfer(t, "to the library", ours, theirs, randomBytes(1000))
				transfer(t, "from the library", theirs, ours, randomBytes(1000))
				s.Goodbye()
				s.post(cmdNOP, uint32(newMark(0x55, 0x123456)), false)
			}
			if s.Hello() != nil {
				t.Error("the library has said hello")
			}
			lib.Close()
		}
	}
}
