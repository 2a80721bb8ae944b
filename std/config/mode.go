package config

import (
	"fmt"
	"strings"
)

// ModeAuto is the mode whose engine, package arq, finds its own rate.
const ModeAuto = "auto"

// modeManual is the mode that leaves the four parameters to their own flags.
const modeManual = "manual"

// mode is one row of the table of modes, with the arguments of kcp-go's SetNoDelay.
type mode struct {
	name                              string
	noDelay, interval, resend, noCong int
}

// modes is the only table of modes, in the order of the help text.
var modes = []mode{
	{name: ModeAuto},
	{"fast3", 1, 10, 2, 1},
	{"fast2", 1, 20, 2, 1},
	{"fast", 0, 30, 2, 1},
	{"normal", 0, 40, 2, 1},
	{name: modeManual},
}

// Auto reports whether the mode is auto.
func (c *Config) Auto() bool { return c.Mode == ModeAuto }

// ModeNames returns the values that --mode takes.
func ModeNames() []string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = m.name
	}
	return names
}

// applyMode sets the four parameters that the mode implies. An unknown mode, manual and
// auto change nothing.
func (c *Config) applyMode() {
	for _, m := range modes {
		if m.name == c.Mode && m.interval > 0 {
			c.NoDelay, c.Interval, c.Resend, c.NoCongestion = m.noDelay, m.interval, m.resend, m.noCong
			for _, name := range []string{"nodelay", "interval", "resend", "nc"} {
				c.Note(name, FromMode)
			}
		}
	}
}

// applyAuto sets what mode auto finds by itself or works better without, unless the user
// has set it. What the user has set wins, even if it equals the default. A warning then
// says so, because it may come from a file that just lists all settings.
func (c *Config) applyAuto(r Role) {
	if !c.Auto() {
		return
	}
	def := Default(r)
	own := []struct {
		name      string
		value     *int
		def, auto int
	}{
		{"datashard", &c.DataShard, def.DataShard, 0},
		{"parityshard", &c.ParityShard, def.ParityShard, 0},
		{"sndwnd", &c.SndWnd, def.SndWnd, MaxAutoWindow},
		{"rcvwnd", &c.RcvWnd, def.RcvWnd, MaxAutoWindow},
		{"smuxbuf", &c.SmuxBuf, def.SmuxBuf, AutoSmuxBuf},
		{"streambuf", &c.StreamBuf, def.StreamBuf, AutoSmuxBuf / 2},
	}
	chosen := func(i int) bool {
		return c.Source(own[i].name) != FromDefault || *own[i].value != own[i].def
	}
	coded := chosen(0) || chosen(1) // each of the two asks for error correction, which needs both
	ownStreamBuf := !chosen(len(own) - 1)
	var kept []string
	for i, s := range own {
		switch {
		case chosen(i):
			if *s.value == s.def {
				kept = append(kept, fmt.Sprintf("--%s %d", s.name, *s.value))
			}
		case i < 2 && coded:
		default:
			*s.value = s.auto
			c.Note(s.name, FromMode)
		}
	}
	if ownStreamBuf {
		c.StreamBuf = min(c.StreamBuf, c.SmuxBuf/2) // SmuxBuf may have been lowered by the user
	}
	if len(kept) > 0 {
		c.warn("mode auto would choose for itself, and keeps what was given: %s", strings.Join(kept, ", "))
	}
}

// AutoSmuxBuf is the largest --smuxbuf in mode auto, unless one is set: five times what 1
// Gbit/s has in flight in 0.2 s.
const AutoSmuxBuf = 128 << 20

// MaxAutoWindow is the most segments in flight or waiting for the application: 45 MB.
// Windows on the wire have 16 bits.
const MaxAutoWindow = 1 << 15

// FollowsWindow reports whether the receive window follows the traffic, as it does in mode
// auto unless the user has set it.
func (c *Config) FollowsWindow() bool { return c.Auto() && c.RcvWnd >= MaxAutoWindow }

// FollowsBuffers reports the same for the buffers of streams.
func (c *Config) FollowsBuffers() bool { return c.Auto() && c.SmuxBuf == AutoSmuxBuf }

// ChoosesParity reports whether mode auto chooses the error correction, because the user
// has not.
func (c *Config) ChoosesParity() bool {
	return c.Auto() && c.Source("datashard") == FromMode && c.Source("parityshard") == FromMode
}
