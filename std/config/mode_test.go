package config

import (
	"strings"
	"testing"
)

func TestModes(t *testing.T) {
	for name, want := range map[string][4]int{
		"normal": {0, 40, 2, 1}, "fast": {0, 30, 2, 1}, "fast2": {1, 20, 2, 1}, "fast3": {1, 10, 2, 1}, "manual": {1, 77, 5, 0},
	} {
		c, err := checked(Client, func(c *Config) {
			c.Mode, c.NoDelay, c.Interval, c.Resend, c.NoCongestion = name, 1, 77, 5, 0
		})
		if got := [4]int{c.NoDelay, c.Interval, c.Resend, c.NoCongestion}; got != want || err != nil {
			t.Errorf("%s: %v, want %v; %v", name, got, want, err)
		}
	}
	if got := strings.Join(ModeNames(), " "); got != "auto fast3 fast2 fast normal manual" {
		t.Error(got)
	}
}

// Mode auto replaces settings that are at their defaults, and nothing else.
func TestModeAuto(t *testing.T) {
	for _, r := range []Role{Client, Server} {
		c, err := checked(r, func(c *Config) { c.Mode = ModeAuto })
		if err != nil || c.DataShard != 0 || c.ParityShard != 0 || c.SndWnd != MaxAutoWindow || c.RcvWnd != MaxAutoWindow || c.SmuxBuf != AutoSmuxBuf || c.StreamBuf != AutoSmuxBuf/2 {
			t.Errorf("%v: %+v, %v", r, c, err)
		}
		c, err = checked(r, func(c *Config) {
			c.Mode, c.DataShard, c.ParityShard, c.SndWnd, c.RcvWnd, c.SmuxBuf, c.StreamBuf = ModeAuto, 20, 2, 300, 400, 5<<20, 1<<20
		})
		if err != nil || c.DataShard != 20 || c.ParityShard != 2 || c.SndWnd != 300 || c.RcvWnd != 400 || c.SmuxBuf != 5<<20 || c.StreamBuf != 1<<20 {
			t.Errorf("%v: %+v, %v", r, c, err)
		}
	}
}
