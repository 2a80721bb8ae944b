package soak

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"kcptun/bench/report"
)

// Record is what a run has recorded.
type Record struct {
	Programs             []string
	LoadBegins, LoadEnds time.Duration // since the start of the run

	mu      sync.Mutex
	samples []sample
	fault   string
}

func (r *Record) add(s sample) {
	r.mu.Lock()
	r.samples = append(r.samples, s)
	r.mu.Unlock()
}

func (r *Record) setFault(name string) {
	r.mu.Lock()
	r.fault = name
	r.mu.Unlock()
}

func (r *Record) faultNow() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fault
}

// figure is one value read from a program.
type figure struct {
	name  string
	title string
	of    func(reading) float64
	digit int // digits after the decimal point
}

var figures = []figure{
	{"RSS, MB", "Resident memory, MB", func(r reading) float64 { return float64(r.RSS) / 1e6 }, 1},
	{"goroutines", "Goroutines", func(r reading) float64 { return float64(r.Goroutines) }, 0},
	{"descriptors", "Open descriptors", func(r reading) float64 { return float64(r.FDs) }, 0},
}

// window is a part of the run.
type window struct{ from, to time.Duration }

// windows are the parts that are compared: the time before the load, the first and the last
// quarter of the load without its first tenth, and the second half of the idle time.
func (r *Record) windows() [4]window {
	load := r.LoadEnds - r.LoadBegins
	end := r.LoadEnds
	if n := len(r.samples); n > 0 {
		end = r.samples[n-1].at
	}
	warm := r.LoadBegins + load/10
	return [4]window{
		{0, r.LoadBegins}, {warm, warm + load/4}, {r.LoadEnds - load/4, r.LoadEnds}, {(r.LoadEnds + end) / 2, end},
	}
}

// median is the median of a program's figure in a window; ok is false if there is no
// sample.
func (r *Record) median(program int, f figure, w window) (value float64, ok bool) {
	var values []float64
	for _, s := range r.samples {
		if s.at >= w.from && s.at <= w.to {
			values = append(values, f.of(s.read[program]))
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	slices.Sort(values)
	return values[len(values)/2], true
}

// Markdown is a table of the medians, and of what came and went.
func (r *Record) Markdown() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := &report.Grid{Text: 2, Head: []string{"program", "", "before", "first quarter", "last quarter", "at rest"}}
	for i, program := range r.Programs {
		for _, f := range figures {
			row := []string{program, f.name}
			for _, w := range r.windows() {
				cell := "-"
				if v, ok := r.median(i, f, w); ok {
					cell = fmt.Sprintf("%.*f", f.digit, v)
				}
				row = append(row, cell)
			}
			g.Add(row...)
			program = ""
		}
	}
	text := g.String()
	if n := len(r.samples); n > 0 {
		last := r.samples[n-1]
		text += fmt.Sprintf("\n%d streams came and went, %d were cut by the network, and %d sessions of clients that came and went.\n",
			last.streams, last.failed, last.opened)
	}
	return text
}

// Bounds of growth, from the first quarter of the load to the last, which have the same
// load, and from before the load to the idle time after it. More than that is a leak.
const (
	mostGrowth = 1.25 // factor
	mostMore   = 8    // plus this many MB, goroutines or descriptors
)

// leastJudged is the shortest run that is checked for growth. In a shorter one, a window is
// dominated by what the server keeps of vanished clients, for a minute, and by garbage that
// Go keeps for two.
const leastJudged = 20 * time.Minute

// Growth lists what has grown, one line each. It reports nothing for runs of less than
// leastJudged.
func (r *Record) Growth() (grown []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.windows()
	if w[3].to < leastJudged-time.Minute {
		return nil
	}
	compare := func(program int, f figure, from, to int, what string) {
		before, ok1 := r.median(program, f, w[from])
		after, ok2 := r.median(program, f, w[to])
		if ok1 && ok2 && after > mostGrowth*before+mostMore {
			grown = append(grown, fmt.Sprintf("%s: %s %.*f %s, was %.*f", r.Programs[program], f.name, f.digit, after, what, f.digit, before))
		}
	}
	for i := range r.Programs {
		for _, f := range figures {
			compare(i, f, 1, 2, "in the last quarter of the load")
		}
		for _, f := range figures[1:] { // memory is kept for the next load, so it is not compared
			compare(i, f, 0, 3, "at rest")
		}
	}
	return grown
}

// SVG draws the figures over time, and the processor time between samples.
func (r *Record) SVG(caption string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	marks := []report.Mark{{At: r.LoadBegins, Name: "load"}, {At: r.LoadEnds, Name: "idle"}}
	var charts []report.Timeline
	for _, f := range figures {
		c := report.Timeline{Title: f.title, Marks: marks}
		for i, name := range r.Programs {
			curve := report.Curve{Name: name}
			for _, s := range r.samples {
				curve.At, curve.Values = append(curve.At, s.at), append(curve.Values, f.of(s.read[i]))
			}
			c.Curves = append(c.Curves, curve)
		}
		charts = append(charts, c)
	}
	return report.Timelines(append(charts, r.cpuChart(marks)), []string{caption})
}

func (r *Record) cpuChart(marks []report.Mark) report.Timeline {
	c := report.Timeline{Title: "CPU, percent of a core", Marks: marks}
	for i, name := range r.Programs {
		curve := report.Curve{Name: name}
		for k := 1; k < len(r.samples); k++ {
			a, b := r.samples[k-1], r.samples[k]
			spent := b.read[i].CPU - a.read[i].CPU
			curve.At, curve.Values = append(curve.At, b.at), append(curve.Values, 100*spent.Seconds()/(b.at-a.at).Seconds())
		}
		c.Curves = append(c.Curves, curve)
	}
	return c
}
