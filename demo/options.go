package main

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"kcptun/e2e/lab"
)

// options are the settings of one run.
type options struct {
	loss  float64       // percent of the datagrams, in each direction
	delay time.Duration // in each direction
	size  int           // MiB of the generated file
	file  string        // moved instead of a generated one, if set

	mode, crypt          string // passed to both programs, like everything below
	nocomp               bool
	conn, sndwnd, rcvwnd int
	programs             lab.Programs // built if empty; tests set it
}

func parse(args []string, usage io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.SetOutput(usage)
	fs.Float64Var(&o.loss, "loss", 2, "`percent` of the datagrams that the network loses each way, 0 to 50")
	fs.DurationVar(&o.delay, "delay", 25*time.Millisecond, "one-way delay of the network, at most 1s")
	fs.IntVar(&o.size, "size", 16, "size of the generated file in `MiB`, 1 to 1024")
	fs.StringVar(&o.file, "file", "", "`path` of a file to move instead of a generated one")
	fs.StringVar(&o.mode, "mode", "auto", "both programs' --mode")
	fs.StringVar(&o.crypt, "crypt", "aes", "both programs' --crypt")
	fs.BoolVar(&o.nocomp, "nocomp", false, "both programs' --nocomp")
	fs.IntVar(&o.conn, "conn", 1, "the client's --conn")
	fs.IntVar(&o.sndwnd, "sndwnd", 0, "both programs' --sndwnd, in packets; 0 is what mode auto chooses, and 1024 in other modes")
	fs.IntVar(&o.rcvwnd, "rcvwnd", 0, "both programs' --rcvwnd, in packets; 0 as for -sndwnd")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	return o, o.validate(fs.Args())
}

// validate checks what the demo itself uses. The programs check their own flags, and their
// messages are shown.
func (o options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case !(o.loss >= 0 && o.loss <= 50):
		return fmt.Errorf("-loss is %v, want 0 to 50 percent", o.loss)
	case o.delay < 0 || o.delay > time.Second:
		return fmt.Errorf("-delay is %v, want 0 to 1s", o.delay)
	case o.size < 1 || o.size > 1024:
		return fmt.Errorf("-size is %d, want 1 to 1024 MiB", o.size)
	}
	return nil
}

// fault returns the faults of each direction of the network.
func (o options) fault() lab.Fault {
	return lab.Fault{Loss: o.loss / 100, Delay: o.delay}
}

// flags returns the arguments for both programs.
func (o options) flags(snmplog string) []string {
	args := []string{"--mode", o.mode, "--crypt", o.crypt, "--snmplog", snmplog, "--snmpperiod", "1"}
	args = append(args, o.window("--sndwnd", o.sndwnd)...)
	args = append(args, o.window("--rcvwnd", o.rcvwnd)...)
	if o.nocomp {
		args = append(args, "--nocomp")
	}
	return args
}

// window returns the flag of a window, or nothing where mode auto is to choose it. The other
// modes get more than their defaults, which were chosen for slower links: 1024 full packets
// in 50 ms are 27 MB/s.
func (o options) window(flag string, packets int) []string {
	switch {
	case packets != 0:
		return []string{flag, strconv.Itoa(packets)}
	case o.mode == "auto":
		return nil
	}
	return []string{flag, "1024"}
}
