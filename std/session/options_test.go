package session

import (
	"testing"

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
