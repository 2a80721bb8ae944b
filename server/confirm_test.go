package main

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/testkit"
	"kcptun/std/testkit/sessions"
)

// A client's acknowledgement is lost, and its next packet says that everything has arrived. The
// server retransmits all the same, and the client's stream does not wait for a keepalive.
func TestLostAcknowledgementOfTheFirstFrame(t *testing.T) {
	testkit.NoLeak(t)
	heard := make(chan string, 1)
	cfg := sessions.Config(config.Server)
	cfg.Crypt, cfg.KeepAlive, cfg.DataShard, cfg.ParityShard = "null", 120, 0, 0
	cfg.Target = startTarget(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		b := make([]byte, 100)
		n, _ := c.Read(b)
		heard <- string(b[:n])
	})
	s := start(t, cfg, 1)
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.port})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func(cmd byte, ts, sn, una uint32, data string) {
		packet := append([]byte{5, 0, 0, 0, cmd, 0, 0xff, 0}, make([]byte, 16)...)
		for i, v := range []uint32{ts, sn, una, uint32(len(data))} {
			binary.LittleEndian.PutUint32(packet[8+4*i:], v)
		}
		if _, err := c.Write(append(packet, data...)); err != nil {
			t.Fatal(err)
		}
	}
	// data waits for the server's segment with this number or an earlier one.
	data := func(most uint32) (ts, sn uint32) {
		_ = c.SetReadDeadline(time.Now().Add(testkit.Patience))
		for buf := make([]byte, 2000); ; {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatalf("no data with the number %d: %v", most, err)
			}
			for b := buf[:n]; len(b) >= 24; b = b[24+binary.LittleEndian.Uint32(b[20:]):] {
				if sn := binary.LittleEndian.Uint32(b[12:]); b[4] == 81 && sn <= most {
					return binary.LittleEndian.Uint32(b[8:]), sn
				}
			}
		}
	}
	say(81, 1, 0, 0, "\x02\x00\x00\x00\x03\x00\x00\x00"+"\x02\x02\x05\x00\x03\x00\x00\x00hello"+"\x02\x01\x00\x00\x03\x00\x00\x00")
	_, sn := data(9)
	say(84, 0, 0, sn+1, "") // announces a window, and says that this segment has arrived
	ts, sn := data(sn)      // again
	say(82, ts, sn, sn+1, "")
	if got := testkit.Within(t, "the target hears of it", heard); got != "hello" {
		t.Errorf("the target heard %q", got)
	}
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}
