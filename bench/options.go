package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"kcptun/bench/report"
	"kcptun/bench/soak"
	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// options are the settings of one run.
type options struct {
	list    bool
	run     *regexp.Regexp // selects cases by name; nil: all
	rounds  int
	short   bool
	size    int // MB of a bulk transfer; 0: the default
	churn   time.Duration
	json    string
	profile string
	soak    time.Duration // 0: none
	out     string        // name of its files, without the extension

	ours, peer lab.Programs // if empty, ours are built and the peer's are looked for
	lacks      []string     // ciphers that the peer lacks

	targets bool
	resume  bool

	link      bool
	columns   *regexp.Regexp // selects columns of the links; nil: all
	way       string
	beside    string
	echoFirst bool
	cells     []wan.Cell
	time      time.Duration // of each transfer over a link

	given map[string]string // the flags given, without paths
}

// linkRounds keeps the default cells, with 8 columns each, under one and a half hours.
const linkRounds = 3

// helpHead precedes the flags in the help.
const helpHead = `Usage: bench [flags]                             measure
       bench table FILE.json ...                 print what -json wrote as tables in Markdown
       bench plot FILE.json ... -o FILE.svg      draw it as a picture
       bench fill FILE.json ... PAGE.md ...      fill it into pages that say by comments what they want

Flags:
`

func parse(args []string, help io.Writer) (options, error) {
	var o options
	var pattern, columns, lacks, cells string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.BoolVar(&o.list, "list", false, "list the cases and end")
	fs.StringVar(&pattern, "run", "", "measure only the cases whose name matches this `regexp`")
	fs.IntVar(&o.rounds, "rounds", targetRounds, "times that each case is measured, in alternating order; 3 by default with -link")
	fs.BoolVar(&o.short, "short", false, "small sizes, to see that everything works; the figures mean little")
	fs.IntVar(&o.size, "size", 0, "`MB` of a bulk transfer, 0 is 256, or 8 with -short")
	fs.DurationVar(&o.churn, "churn", 0, "how long streams and sessions come and go in the case churn, 0 is 30s, or 1s with -short")
	fs.StringVar(&o.json, "json", "", "`file` to write the figures to")
	fs.BoolVar(&o.resume, "resume", false, "keep what the file of -json has from the same command, and measure the rest")
	fs.StringVar(&o.profile, "profile", "", "`folder` for CPU profiles of our ends in the bulk cases, taken after the rounds, of which there may be 0")
	fs.DurationVar(&o.soak, "soak", 0, "run tunnels for so `long` under a load of streams, sessions and faults that come and go, and see whether anything grows; Linux")
	fs.StringVar(&o.out, "o", "", "`name` of the files that -soak writes, to which it adds .csv and .svg; soak by default")
	fs.StringVar(&o.ours.Client, "client", "", "`file` of our client, built by default")
	fs.StringVar(&o.ours.Server, "server", "", "`file` of our server, built by default")
	fs.StringVar(&o.peer.Client, "peer-client", "", "`file` of the client to compare with, by default the installed one")
	fs.StringVar(&o.peer.Server, "peer-server", "", "`file` of the server to compare with, by default the installed one")
	fs.StringVar(&lacks, "peer-lacks", "aes-128-gcm,null", "`ciphers` that the peer does not have; of some releases an unknown one silently becomes aes")
	fs.BoolVar(&o.targets, "targets", false, "measure mode auto in all that it has targets for, over links and on loopback; Linux, root")
	fs.BoolVar(&o.link, "link", false, "measure over an emulated link instead of loopback; Linux, root")
	fs.StringVar(&cells, "cells", defaultCells, "links to measure, each `"+wan.CellSyntax+"`: "+wan.CellHelp)
	fs.StringVar(&columns, "columns", "", "measure over links only the columns whose name matches this `regexp`, such as auto, or 'auto|bbr'")
	fs.StringVar(&o.way, "way", wayDown, "`way` of the transfers over a link: down, up, or both in turn; or messages, small ones at a steady pace, instead of a transfer")
	fs.StringVar(&o.beside, "beside", besideNone, "`what` else transfers over the same link: tunnel for one more pair, or a congestion control of the kernel, such as bbr")
	fs.BoolVar(&o.echoFirst, "echofirst", false, "open the stream of the echoes before the transfer over a link, as of a shell in which somebody types already; by default it opens beside the transfer")
	fs.DurationVar(&o.time, "time", 0, "length of each transfer over a link, 0 is 8s, or 12s for messages, or 3s with -short")
	if err := parseFlags(fs, args, helpHead, help); err != nil {
		return o, err
	}
	o.lacks = words(lacks)
	o.remember(fs)
	if o.link && o.given["rounds"] == "" {
		o.rounds = linkRounds
	}
	return o, o.complete(fs, pattern, columns, cells)
}

// remember keeps the flags that affect the figures. Of paths it keeps only that they were
// given, because the files are published.
func (o *options) remember(fs *flag.FlagSet) {
	o.given = make(map[string]string)
	paths := []string{"json", "profile", "o", "resume", "client", "server", "peer-client", "peer-server"}
	fs.Visit(func(f *flag.Flag) {
		switch {
		case !slices.Contains(paths, f.Name):
			o.given[f.Name] = f.Value.String()
		case strings.Contains(f.Name, "client") || strings.Contains(f.Name, "server"):
			o.given[f.Name] = report.PathGiven
		}
	})
}

// complete checks combinations of flags.
func (o *options) complete(fs *flag.FlagSet, pattern, columns, cells string) (err error) {
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q, want flags only, or table, plot or fill as the first word", fs.Arg(0))
	}
	for _, f := range []struct {
		name  string
		value any
		bad   bool
	}{
		{"rounds", o.rounds, o.rounds < 0 || o.rounds == 0 && o.profile == ""},
		{"size", o.size, o.size < 0 || o.size > maxSize},
		{"churn", o.churn, o.churn < 0 || o.churn > maxTime},
		{"soak", o.soak, o.soak < 0 || o.soak > maxTime || o.soak > 0 && o.soak < soak.MinTime},
		{"time", o.time, o.time < 0 || o.time > maxTime},
	} {
		if f.bad {
			return fmt.Errorf("-%s is %v, want %s", f.name, f.value, wanted(fs, f.name))
		}
	}
	for _, name := range o.lacks {
		if !slices.Contains(ciphers(), name) {
			return fmt.Errorf("-peer-lacks has %q, want %s", name, wanted(fs, "peer-lacks"))
		}
	}
	for _, name := range []string{"cells", "time", "columns", "way", "beside", "echofirst"} {
		if _, given := o.given[name]; given && !o.link && name != "columns" {
			return fmt.Errorf("-%s is for -link", name)
		}
	}
	switch {
	case !slices.Contains(ways, o.way):
		return fmt.Errorf("-way is %q, want %s", o.way, wanted(fs, "way"))
	case o.echoFirst && o.way == wayMessages:
		return errors.New("-echofirst is for transfers, and -way messages has none")
	case columns != "" && !o.link && !o.targets:
		return errors.New("-columns is for -link and -targets")
	case o.targets && o.link:
		return errors.New("-targets and -link are two commands")
	case o.resume && o.json == "":
		return errors.New("-resume needs -json")
	case o.out != "" && o.soak == 0:
		return errors.New("-o is for -soak")
	case len(words(cells)) == 0:
		return fmt.Errorf("-cells is empty, want %s", wanted(fs, "cells"))
	case (o.ours.Client == "") != (o.ours.Server == ""):
		return fmt.Errorf("-client and -server go together")
	case (o.peer.Client == "") != (o.peer.Server == ""):
		return fmt.Errorf("-peer-client and -peer-server go together")
	}
	if o.run, err = compiled("run", pattern); err != nil {
		return err
	}
	if o.columns, err = compiled("columns", columns); err != nil {
		return err
	}
	if o.cells, err = wan.ParseCells(words(cells)); err != nil {
		return fmt.Errorf("-cells: %w", err)
	}
	return nil
}

func (o *options) selects(name string) bool { return o.run == nil || o.run.MatchString(name) }

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
