package main

import (
	"slices"
	"strconv"
)

// config holds settings for both programs of a pair. smuxver is always given, because its
// default differs between releases.
type config struct {
	name    string
	crypt   string // "": the default; so for the empty values below
	mode    string
	window  int  // both windows of both ends, in packets
	fec     bool // 10/3
	comp    bool
	conn    int    // sessions per client
	clients int    // number of client processes; 0: 1
	stock   bool   // keeps the defaults of FEC and compression, too
	kcpgo   bool   // the client is not a program of the pair but kcp-go's own, see serveStock
	pprof   string // which end serves profiles: "client" or "server"
	apart   bool   // runs the target in a process of its own
}

// standard is the configuration of the first measurements in design.md: what people use for
// speed.
var standard = config{name: "aes", crypt: "aes", mode: "fast3", window: 2048, fec: true}

// variants are the other configurations: each of the four ciphers with and without FEC, and
// compression of incompressible data.
func variants() []config {
	var all []config
	for _, crypt := range []string{"aes", "aes-128-gcm", "salsa20", "null"} {
		for _, fec := range []bool{true, false} {
			c := standard
			c.name, c.crypt, c.fec = crypt, crypt, fec
			if !fec {
				c.name += "-nofec"
			}
			if c != standard {
				all = append(all, c)
			}
		}
	}
	comp := standard
	comp.name, comp.comp = "aes-comp", true
	return append(all, comp)
}

// ciphers are the ciphers of all configurations.
func ciphers() (names []string) {
	for _, c := range append([]config{standard}, variants()...) {
		if !slices.Contains(names, c.crypt) {
			names = append(names, c.crypt)
		}
	}
	return names
}

// resting is for idle sessions: the default windows and mode.
func resting(sessions int) config {
	return config{name: "aes", crypt: "aes", mode: "fast", fec: true, conn: sessions}
}

// flags returns the flags for both ends.
func (c config) flags() []string {
	args := []string{"--smuxver", "2", "--quiet"}
	if c.crypt != "" {
		args = append(args, "--crypt", c.crypt)
	}
	if c.mode != "" {
		args = append(args, "--mode", c.mode)
	}
	if c.window > 0 {
		args = append(args, "--sndwnd", strconv.Itoa(c.window), "--rcvwnd", strconv.Itoa(c.window))
	}
	if c.stock {
		return args
	}
	switch {
	case c.fec:
		args = append(args, "--datashard", "10", "--parityshard", "3")
	case c.mode != "auto": // which chooses its own if none is given
		args = append(args, "--datashard", "0", "--parityshard", "0")
	}
	if !c.comp {
		args = append(args, "--nocomp")
	}
	return args
}

// shown returns the flags as results show them, including the client's own.
func (c config) shown() []string {
	args := slices.DeleteFunc(c.flags(), func(s string) bool { return s == "--quiet" })
	if c.conn > 1 {
		args = append(args, "--conn", strconv.Itoa(c.conn))
	}
	return args
}

func (c config) clientFlags() []string {
	args := c.flags()
	if c.conn > 1 {
		args = append(args, "--conn", strconv.Itoa(c.conn))
	}
	return c.profiled(args, "client")
}

func (c config) serverFlags() []string { return c.profiled(c.flags(), "server") }

func (c config) profiled(args []string, end string) []string {
	if c.pprof == end {
		args = append(args, "--pprof")
	}
	return args
}
