package main

import (
	"encoding/binary"
	"net"
	"runtime"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// play sends a datagram to a server from n addresses.
func (s *started) play(t *testing.T, n int, datagram []byte) {
	t.Helper()
	server := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.port}
	for i := range n {
		from := &net.UDPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i)), Port: 4000}
		c, err := net.DialUDP("udp4", from, server)
		if err != nil {
			t.Skipf("loopback has one address here: %v", err)
		}
		_, _ = c.Write(datagram)
		c.Close()
		if i%32 == 31 {
			time.Sleep(time.Millisecond) // this test is not about the socket's buffer
		}
	}
}

// sealed is a datagram with one segment, as it may have been recorded.
func sealed(t *testing.T, cfg *Config, cmd byte, sn, una uint32, data string) []byte {
	t.Helper()
	sealer, err := crypt.NewSealer(cfg.Crypt, cfg.Key)
	if err != nil {
		t.Fatal(err)
	}
	packet := binary.LittleEndian.AppendUint32(nil, 0x1234)
	packet = append(packet, cmd, 0, 0xff, 0xff)
	for _, v := range []uint32{77, sn, una, uint32(len(data))} {
		packet = binary.LittleEndian.AppendUint32(packet, v)
	}
	return sealer.Seal(nil, append(packet, data...))
}

// Regression: a recorded datagram created a session of 272 KiB, and a log line, for each
// address from which it was replayed. Now datagrams from the middle of a session create
// none, first ones create a limited number, and a single line reports that.
func TestRecordedDatagramFromManyAddresses(t *testing.T) {
	const addresses, most = 1000, 96 // the limit of link.Conversations
	for _, c := range []struct {
		name     string
		cmd      byte
		sn, una  uint32
		data     string
		sessions int
		mode     string
	}{
		{"an acknowledgement", 82, 4711, 4000, "", 0, "fast3"},
		{"later data", 81, 4711, 4000, "data", 0, "fast3"},
		{"first data", 81, 0, 0, "\xff\x06\x00", most, "fast3"}, // its first bytes are incomplete
		{"first data, auto", 81, 0, 0, "\xff\x06\x00", most, "auto"},
		{"later data, auto", 81, 4711, 4000, "data", 0, "auto"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := sessions.Config(config.Server)
			cfg.Mode = c.mode
			cfg.Target = startTarget(t, "tcp", "127.0.0.1:0", echoes)
			s := start(t, cfg, 1)
			before, goroutines := heap(), runtime.NumGoroutine()
			s.play(t, addresses, sealed(t, cfg, c.cmd, c.sn, c.una, c.data))
			sess, _ := sessions.Dial(t, sessions.Config(config.Client), (&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.port}).String(), 5)
			st := open(t, sess)
			echo(t, st, "a client gets in all the same")
			testkit.Eventually(t, "its session is open", func() bool { return s.log.Count("session opened") == 1 })
			more, grown := runtime.NumGoroutine()-goroutines, heap()-before
			t.Logf("%d goroutines and %d KiB more", more, grown>>10)
			if most := 6*c.sessions + 40; more > most {
				t.Errorf("%d goroutines more, want at most %d", more, most)
			}
			if most := int64(c.sessions+8) * 800 << 10; grown > most {
				t.Errorf("%d KiB more, want at most %d", grown>>10, most>>10)
			}
			st.Close() // or the server waits for it as long as it has grace
			if err := s.end(t); err != nil {
				t.Error(err)
			}
			if n := s.log.Count("session refused"); n > 1 {
				t.Errorf("%d lines for refused sessions", n)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
