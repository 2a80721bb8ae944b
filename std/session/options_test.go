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

// What the mux gathers fits the datagrams that are known to pass, and not those of --mtu, which
// the path may never carry.
func TestSegmentFollowsThePath(t *testing.T) {
	for mtu, want := range map[int]int{1350: 1200, 1000: 1000} {
		cfg := testConfig(config.Client)
		cfg.MTU = mtu
		u := newTunnel(t, cfg, testConfig(config.Server))
		l, peer := u.client.link, u.client.peer
		if got := New(cfg).segment(l, peer); got != want-l.Overhead()-kcp.IKCP_OVERHEAD {
			t.Errorf("with an MTU of %d, a segment has %d bytes", mtu, got)
		}
		u.closed()
	}
}
