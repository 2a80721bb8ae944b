package session

import (
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/link"
	"kcptun/std/testkit"
)

// An acknowledgement of a time before the session, sent from the peer's address, used to give
// KCP a round trip as long as it was old: three of them set the timeout to 10 s.
func TestReplayedAcknowledgement(t *testing.T) {
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c := testConfig(config.Client)
	c.Crypt, c.NoComp, c.DataShard, c.ParityShard = "null", true, 0, 0
	opt := linkOptions(t, c)
	l, err := link.Dial(context.Background(), opt, peer.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(c).Client(l, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(errTestEnds)
	st, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	var recorded []byte // the first acknowledgement, as it was on the wire
	var from *net.UDPAddr
	acknowledge := func() {
		buf := make([]byte, 2000)
		for answered := false; !answered; {
			_ = peer.SetReadDeadline(time.Now().Add(20 * time.Second))
			n, a, err := peer.ReadFromUDP(buf)
			if err != nil {
				t.Fatal(err)
			}
			from = a
			for b := buf[:n]; len(b) >= 24; b = b[24+binary.LittleEndian.Uint32(b[20:]):] {
				if b[4] != 81 {
					continue
				}
				ack := append([]byte(nil), b[:24]...)
				ack[4] = 82
				binary.LittleEndian.PutUint32(ack[16:], binary.LittleEndian.Uint32(b[12:])+1)
				binary.LittleEndian.PutUint32(ack[20:], 0)
				if recorded == nil {
					recorded = append([]byte(nil), ack...)
					binary.LittleEndian.PutUint32(recorded[8:], binary.LittleEndian.Uint32(ack[8:])-5000) // of 5 s ago
				}
				_, _ = peer.WriteToUDP(ack, from)
				answered = true
			}
		}
	}
	acknowledge()
	for range 5 {
		if _, err := st.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		acknowledge()
	}
	testkit.Eventually(t, "all is acknowledged", func() bool { return l.Peer().InFlight() == 0 })
	before := classicOf(s).GetRTO()
	for range 3 {
		_, _ = peer.WriteToUDP(recorded, from)
	}
	testkit.Eventually(t, "they are refused", func() bool { return opt.Stats.Strays.Load() == 3 })
	if _, err := st.Write([]byte("x")); err != nil { // behind them, so that KCP has them
		t.Fatal(err)
	}
	acknowledge()
	testkit.Eventually(t, "all is acknowledged", func() bool { return l.Peer().InFlight() == 0 })
	if after := classicOf(s).GetRTO(); after > 10*before+1000 {
		t.Errorf("the timeout was %d ms, after three acknowledgements of 5 s ago it is %d ms", before, after)
	}
}
