package std

// modeManual is the mode that leaves the four parameters to their own flags.
const modeManual = "manual"

// mode is one row of the table of modes: what kcp-go's NoDelay is given.
type mode struct {
	name                              string
	noDelay, interval, resend, noCong int
}

// modes is the one table of modes, in the order of the help text.
var modes = []mode{
	{"fast3", 1, 10, 2, 1},
	{"fast2", 1, 20, 2, 1},
	{"fast", 0, 30, 2, 1},
	{"normal", 0, 40, 2, 1},
	{name: modeManual},
}

// ModeNames are the values that --mode takes.
func ModeNames() []string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = m.name
	}
	return names
}

// applyMode sets the four parameters of c that its mode stands for. An unknown
// mode and manual leave them alone.
func (c *Config) applyMode() {
	for _, m := range modes {
		if m.name == c.Mode && m.name != modeManual {
			c.NoDelay, c.Interval, c.Resend, c.NoCongestion = m.noDelay, m.interval, m.resend, m.noCong
		}
	}
}
