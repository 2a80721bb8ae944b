package session

import (
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/config"
)

// A keepalive timeout shorter than the interval would end each session.
func TestPatience(t *testing.T) {
	for keepalive, want := range map[int]float64{1: 30, 10: 30, 11: 33, 60: 180} {
		c := config.Default(config.Client)
		c.KeepAlive = keepalive
		if got := muxConfig(&c).Patience.Seconds(); got != want {
			t.Errorf("keepalive %d: given up after %v s, want %v", keepalive, got, want)
		}
	}
}

// An idle session of the imitation of TCP is heard at least every half minute: after a minute
// a server forgets its flow, and the session used to be lost without a word. The patience
// stays that of the setting.
func TestKeepAliveOfTCP(t *testing.T) {
	for keepalive, want := range map[int]float64{10: 10, 30: 30, 31: 30, 86400: 30} {
		for _, tcp := range []bool{true, false} {
			c := config.Default(config.Client)
			c.KeepAlive, c.TCP = keepalive, tcp
			if !tcp {
				want = float64(keepalive)
			}
			got := muxConfig(&c)
			if got.KeepAlive.Seconds() != want || got.Patience.Seconds() != float64(max(3*keepalive, 30)) {
				t.Errorf("keepalive %d, tcp %t: every %v, given up after %v", keepalive, tcp, got.KeepAlive, got.Patience)
			}
		}
	}
}

// What the mux gathers fits the datagrams that are known to pass, and not those of --mtu, which
// the path may never carry.
func TestSegmentFollowsThePath(t *testing.T) {
	for mtu, want := range map[int]int{1350: 1200, 1000: 1000} {
		cfg := testConfig(config.Client)
		cfg.MTU = mtu
		u := newTunnel(t, cfg, testConfig(config.Server))
		l, peer := u.client.link, u.client.peer
		if got := New(cfg).segment(l, peer)(); got != want-l.Overhead()-kcp.IKCP_OVERHEAD {
			t.Errorf("with an MTU of %d, a segment has %d bytes", mtu, got)
		}
		u.closed()
	}
}
