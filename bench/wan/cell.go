package wan

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"kcptun/e2e/lab"
)

// CellSyntax is the syntax that ParseCell reads.
const CellSyntax = "RTT/RATE/LOSS[/BURST[/JITTER[/QUEUE]]][/NAME=VALUE...]"

// CellHelp explains the parts.
const CellHelp = "ms, Mbit/s, percent each way, packets, ms, ms; NAME is burst, jitter, queue, " +
	"up (Mbit/s of the uplink), police (kB of a burst), swing (s between the rate and a third of it), low (Mbit/s instead of that third), half or double (s until the rate is)"

// defaultQueue is the longest time that a bottleneck holds packets, about as in home
// routers.
const defaultQueue = 100 // ms

// Cell describes a link. Both directions are the same, except for Up.
type Cell struct {
	Name   string
	RTT    time.Duration // round-trip time without queueing
	Rate   float64       // Mbit/s of IP packets; 0: no limit
	Up     float64       // Rate from the near end to the far end; 0: the same as Rate
	Loss   float64       // percent of the packets, in each direction
	Burst  float64       // mean number of packets lost in a row; 1: independent losses
	Jitter time.Duration // extra delay in each direction, uniform from 0 to this; packets overtake each other
	Queue  time.Duration // longest wait for the rate; packets that would wait longer are dropped
	Police float64       // kB by which a burst may exceed the rate, beyond which packets are dropped; 0: they queue

	Swing        time.Duration // the rate alternates with a lower one, at this interval; 0: it does not
	Low          float64       // the lower rate in Mbit/s; 0: a third of Rate
	Half, Double time.Duration // the rate halves or doubles after this time; 0: it does not
}

// ParseCells reads a list of cells.
func ParseCells(words []string) ([]Cell, error) {
	var cells []Cell
	for _, word := range words {
		c, err := ParseCell(word)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", word, err)
		}
		cells = append(cells, c)
	}
	return cells, nil
}

// names of the parts of a cell, the positional ones first.
var names = []string{"rtt", "rate", "loss", "burst", "jitter", "queue", "up", "police", "swing", "low", "half", "double"}

// At most nameless parts may be given without their name, and the first needed ones must be
// given.
const (
	nameless = 6
	needed   = 3
)

// ParseCell reads a single cell, such as 100/20/1/queue=500.
func ParseCell(word string) (Cell, error) {
	values := map[string]float64{"burst": 1, "queue": defaultQueue}
	parts := strings.Split(word, "/")
	plain := 0
	for i, part := range parts {
		name, text, named := strings.Cut(part, "=")
		if !named {
			if plain++; plain != i+1 || plain > nameless {
				return Cell{}, fmt.Errorf("want %s", CellSyntax)
			}
			name, text = names[i], part
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v >= 0 && v <= 1e5) {
			return Cell{}, fmt.Errorf("%q is not a number from 0 to 100000", part)
		}
		if _, known := find(name); !known || named && i < needed {
			return Cell{}, fmt.Errorf("want %s", CellSyntax)
		}
		values[name] = v
	}
	if plain < needed {
		return Cell{}, fmt.Errorf("want %s", CellSyntax)
	}
	return newCell(word, values)
}

func find(name string) (int, bool) {
	for i, n := range names {
		if n == name {
			return i, true
		}
	}
	return 0, false
}

func newCell(word string, v map[string]float64) (Cell, error) {
	of := func(name string, unit time.Duration) time.Duration { return time.Duration(v[name] * float64(unit)) }
	c := Cell{
		Name: word, RTT: of("rtt", time.Millisecond), Rate: v["rate"], Up: v["up"], Loss: v["loss"], Burst: v["burst"],
		Jitter: of("jitter", time.Millisecond), Queue: of("queue", time.Millisecond), Police: v["police"],
		Swing: of("swing", time.Second), Low: v["low"], Half: of("half", time.Second), Double: of("double", time.Second),
	}
	changes := 0
	for _, d := range []time.Duration{c.Swing, c.Half, c.Double} {
		if d > 0 {
			changes++
		}
	}
	switch {
	case c.Loss > 50 || c.Burst < 1 || max(c.RTT, c.Jitter, c.Queue) > 10*time.Second:
		return Cell{}, fmt.Errorf("want an RTT, a jitter and a queue up to 10000, a loss up to 50, and a burst of 1 or more")
	case c.Low > 0 && (c.Swing == 0 || c.Low > c.Rate):
		return Cell{}, fmt.Errorf("want a low that is at most the rate, and only with swing")
	case changes > 1 || c.Rate == 0 && changes+int(c.Police) > 0:
		return Cell{}, fmt.Errorf("want one of swing, half and double, and a rate for these and police")
	}
	return c, nil
}

// fault describes one direction of the cell at a share of its rate.
func (c Cell) fault(rate, share float64) lab.Fault {
	f := lab.Fault{
		Loss: c.Loss / 100, Burst: c.Burst, Delay: c.RTT / 2, Jitter: c.Jitter, Overtake: true,
		Rate: int(rate * share * 1e6 / 8), Queue: max(c.Queue, 1), // 0 would be the default
	}
	if f.Rate > 0 {
		f.Bucket = int(c.Police * 1e3)
	}
	return f
}

// ways returns the faults of both directions, up and down, at a share of the rate.
func (c Cell) ways(share float64) (up, down lab.Fault) {
	rate := c.Rate
	if c.Up > 0 {
		rate = c.Up
	}
	return c.fault(rate, share), c.fault(c.Rate, share)
}

// share is the share of the rate at a time, and the time of the next change; 0: there is
// none.
func (c Cell) share(at time.Duration) (share float64, next time.Duration) {
	switch {
	case c.Swing > 0:
		n := at / c.Swing
		if n%2 == 1 {
			return c.lowShare(), (n + 1) * c.Swing
		}
		return 1, (n + 1) * c.Swing
	case c.Half > 0 && at < c.Half:
		return 1, c.Half
	case c.Half > 0:
		return 0.5, 0
	case c.Double > 0 && at < c.Double:
		return 1, c.Double
	case c.Double > 0:
		return 2, 0
	}
	return 1, 0
}

// lowShare is the lower rate of a swing as a share of the rate.
func (c Cell) lowShare() float64 {
	if c.Low > 0 {
		return c.Low / c.Rate
	}
	return 1.0 / 3
}

// Carries is the mean of what a direction can deliver between two times after Begin, in MB/s
// of IP packets: its rate less the losses; 0: no limit.
func (c Cell) Carries(up bool, from, to time.Duration) float64 {
	rate := c.Rate
	if up && c.Up > 0 {
		rate = c.Up
	}
	var sum float64 // of the share, over the time in seconds
	for at := from; at < to; {
		share, next := c.share(at)
		if next == 0 || next > to {
			next = to
		}
		sum += share * (next - at).Seconds()
		at = next
	}
	return rate / 8 * (1 - c.Loss/100) * sum / (to - from).Seconds()
}

// About describes the cell in words.
func (c Cell) About() string {
	text := fmt.Sprintf("round trip %v, %g Mbit/s", c.RTT, c.Rate)
	switch {
	case c.Up > 0:
		text += fmt.Sprintf(" down and %g up", c.Up)
	case c.Low > 0:
		text += fmt.Sprintf(" and %g in turn, every %v", c.Low, c.Swing)
	case c.Swing > 0:
		text += fmt.Sprintf(" and a third of it in turn, every %v", c.Swing)
	case c.Half > 0:
		text += fmt.Sprintf(", half of it after %v", c.Half)
	case c.Double > 0:
		text += fmt.Sprintf(", twice as much after %v", c.Double)
	}
	text += fmt.Sprintf(", %g %% loss each way", c.Loss)
	if c.Burst > 1 {
		text += fmt.Sprintf(" in bursts of %g", c.Burst)
	}
	if c.Jitter > 0 {
		text += fmt.Sprintf(", jitter up to %v, which reorders", c.Jitter)
	}
	if c.Police > 0 {
		return text + fmt.Sprintf(", policed with bursts of %g kB", c.Police)
	}
	return text + fmt.Sprintf(", queue of %v", c.Queue)
}
