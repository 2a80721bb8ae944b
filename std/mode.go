package std

// modeAuto is the mode of the engine that finds its rate, package arq.
const modeAuto = "auto"

// modeManual is the mode that leaves the four parameters to their own flags.
const modeManual = "manual"

// mode is one row of the table of modes: what kcp-go's NoDelay is given.
type mode struct {
	name                              string
	noDelay, interval, resend, noCong int
}

// modes is the one table of modes, in the order of the help text.
var modes = []mode{
	{name: modeAuto},
	{"fast3", 1, 10, 2, 1},
	{"fast2", 1, 20, 2, 1},
	{"fast", 0, 30, 2, 1},
	{"normal", 0, 40, 2, 1},
	{name: modeManual},
}

// Auto tells whether the mode is the one that finds the rate by itself.
func (c *Config) Auto() bool { return c.Mode == modeAuto }

// ModeNames are the values that --mode takes.
func ModeNames() []string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = m.name
	}
	return names
}

// applyMode sets the four parameters of c that its mode stands for. An unknown
// mode, manual and auto leave them alone.
func (c *Config) applyMode() {
	for _, m := range modes {
		if m.name == c.Mode && m.interval > 0 {
			c.NoDelay, c.Interval, c.Resend, c.NoCongestion = m.noDelay, m.interval, m.resend, m.noCong
		}
	}
}

// applyAuto puts what mode auto finds by itself, or does better without, in the place of
// settings that have their defaults. Others win over it.
func (c *Config) applyAuto(r Role) {
	if c.Mode != modeAuto {
		return
	}
	def := DefaultConfig(r)
	if c.DataShard == def.DataShard && c.ParityShard == def.ParityShard {
		c.DataShard, c.ParityShard = 0, 0
	}
	for _, s := range []struct {
		value     *int
		def, auto int
	}{
		{&c.SndWnd, def.SndWnd, maxAutoWindow},
		{&c.RcvWnd, def.RcvWnd, maxAutoWindow},
		{&c.SmuxBuf, def.SmuxBuf, autoSmuxBuf},
		{&c.StreamBuf, def.StreamBuf, autoSmuxBuf / 2},
	} {
		if *s.value == s.def {
			*s.value = s.auto
		}
	}
}

// autoSmuxBuf is --smuxbuf in mode auto, where nothing else is said: what 300 Mbit/s have
// on their way in 0.2 s, four times.
const autoSmuxBuf = 32 << 20
