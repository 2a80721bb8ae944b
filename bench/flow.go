package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"kcptun/bench/report"
	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// Parts of a transfer over a link. Of 8 s, the first 2 count as its start, and the flow
// beside it begins after 1.
const (
	startShare  = 4
	besideShare = 8
	tenths      = 10
)

// echoLead is for how long echoes go there and back before a transfer that begins after
// them, as of somebody who has been typing: long enough for a client to see a stream in use.
const echoLead = 3 * time.Second

// flow is a transfer that goes on until it is stopped.
type flow struct {
	way   string
	run   func(context.Context) error
	moved func() int64 // bytes that have arrived
}

// newFlow makes a flow through a load. For an upload, the target knows how much has
// arrived.
func newFlow(way string, l load, target *lab.Target) *flow {
	moved := new(atomic.Int64)
	if way == wayUp {
		return &flow{way, func(ctx context.Context) error { return l.push(ctx, endless, moved) }, target.Received}
	}
	return &flow{way, func(ctx context.Context) error { return l.pull(ctx, endless, moved) }, moved.Load}
}

// Values of -beside: another pair of the same programs, and nothing.
const (
	besideTunnel = "tunnel"
	besideNone   = ""
)

// openBeside opens the flow beside the transfer: none, one through another tunnel, or
// kernel TCP. The returned function closes it.
func openBeside(ctx context.Context, w *wan.Link, r linkRun, open func() (*tunnel, error)) (*flow, func() error, error) {
	switch r.beside {
	case besideNone:
		return nil, func() error { return nil }, nil
	case besideTunnel:
		t, err := open()
		if err != nil {
			return nil, nil, err
		}
		return newFlow(r.way, t.load, t.served), func() error { return errors.Join(t.kill(), t.close()) }, nil
	}
	target, dial, err := w.Target(ctx, r.beside)
	if err != nil {
		return nil, nil, err
	}
	return newFlow(r.way, load{dial}, target), target.Close, nil
}

// moment is the progress of a transfer and of the link.
type moment struct {
	at              time.Time
	payload, beside int64 // bytes that have arrived, of the transfer and of the flow beside it
	wire, backward  int64 // bytes offered to the link, including lost ones
	lost, dropped   int64 // packets
}

// look returns the current moment.
func look(w *wan.Link, f, beside *flow) moment {
	there, back := w.Down.Counters(), w.Up.Counters()
	if f.way == wayUp {
		there, back = back, there
	}
	m := moment{
		at: time.Now(), payload: f.moved(), wire: int64(there.BytesIn), backward: int64(back.BytesIn),
		lost: int64(there.Lost), dropped: int64(there.QueueDrops),
	}
	if beside != nil {
		m.beside = beside.moved()
	}
	return m
}

// measure does what the run says through a load that crosses the link.
func (r linkRun) measure(ctx context.Context, w *wan.Link, l load, f, beside *flow) ([]figure, error) {
	if r.way == wayMessages {
		w.Begin()
		return messages(ctx, l, r, func() int64 {
			m := look(w, f, nil)
			return m.wire + m.backward
		})
	}
	return r.transfer(ctx, w, l, f, beside)
}

// transfer runs a transfer for a while, with echoes beside it. Those count that come back
// once its start is over, and only then their stream opens, unless it is to be the first.
func (r linkRun) transfer(ctx context.Context, w *wan.Link, l load, f, beside *flow) ([]figure, error) {
	total := r.time
	var echoes *echoing
	if r.echoFirst {
		echoes = l.echoing(ctx)
		_ = lab.Sleep(ctx, echoLead)
	}
	w.Begin()
	begin := look(w, f, beside)
	limited, cancel := context.WithDeadline(ctx, begin.at.Add(total))
	defer cancel()
	stop := background(ctx, f.run)
	stopBeside := background(ctx, func(ctx context.Context) error {
		_ = lab.Sleep(ctx, total/besideShare)
		if beside == nil || ctx.Err() != nil {
			return nil
		}
		return beside.run(ctx)
	})
	_ = lab.Sleep(ctx, total/startShare)
	steady := look(w, f, beside)
	if !r.echoFirst {
		echoes = l.echoing(ctx)
	}
	var parts []moment
	stopParts := background(limited, func(ctx context.Context) error {
		for len(parts) < tenths {
			_ = lab.Sleep(ctx, (total-total/startShare)/tenths)
			parts = append(parts, look(w, f, beside))
		}
		return nil
	})
	<-limited.Done() // the transfer goes on even if the echoes have failed
	end := look(w, f, beside)
	_ = stopParts() // never fails
	errEcho := echoes.end()
	if err := errors.Join(stop(), stopBeside()); err != nil {
		return nil, err
	}
	figures := flowFigures(begin, steady, end, parts, beside != nil)
	if beside == nil {
		figures = append(figures, r.relative(steady, end)...)
	}
	times := since(echoes.all, steady.at)
	if len(times) == 0 { // the table shows none, unless that is a failure
		return figures, errEcho
	}
	figures = append(figures, percentiles("echo ", times)...)
	return append(figures, figure{"echoes", "", float64(len(times))}), nil
}

func flowFigures(begin, steady, end moment, parts []moment, beside bool) []figure {
	figures := []figure{
		{report.Goodput, "MB/s", steady.rate(end)},
		{"goodput with start", "MB/s", begin.rate(end)},
		{"goodput, least tenth", "MB/s", leastRate(steady, parts)},
	}
	if beside {
		own, other := end.payload-steady.payload, end.beside-steady.beside
		figures = append(figures,
			figure{"goodput beside it", "MB/s", float64(other) / 1e6 / end.at.Sub(steady.at).Seconds()},
			figure{"share of both", "", ratio(own, own+other)})
	} else {
		figures = append(figures,
			figure{"wire/payload steady", "", ratio(end.wire-steady.wire, end.payload-steady.payload)},
			figure{"wire/payload", "", ratio(end.wire-begin.wire, end.payload-begin.payload)},
			figure{"backward/payload", "", ratio(end.backward-begin.backward, end.payload-begin.payload)})
	}
	return append(figures,
		figure{"lost by the link", "packets", float64(end.lost - begin.lost)},
		figure{"dropped by its queue", "packets", float64(end.dropped - begin.dropped)},
		figure{"dropped in the start", "packets", float64(steady.dropped - begin.dropped)})
}

// payloadShare is the payload of a full packet as a share of its bytes on the wire, with
// the default mtu of 1350 and aes: without the headers of KCP (24 bytes), of the cipher (20),
// and of UDP and IPv4 (28).
const payloadShare = 1306.0 / 1378

// relative compares the steady part of a transfer with what the link could carry: full
// packets at its rate, each sent once and again as often as it is lost.
func (r linkRun) relative(steady, end moment) []figure {
	rate := r.cell.Carries(r.way == wayUp, r.time/startShare, r.time) * payloadShare
	if rate == 0 {
		return nil
	}
	ideal := 1 / payloadShare / (1 - r.cell.Loss/100)
	return []figure{
		{report.ShareOfCap, "%", 100 * steady.rate(end) / rate},
		{report.OverIdeal, "", ratio(end.wire-steady.wire, end.payload-steady.payload) - ideal},
	}
}

// leastRate is the goodput of the slowest part. In a long run it shows what the mean hides.
func leastRate(from moment, parts []moment) float64 {
	least := -1.0
	for _, to := range parts {
		if r := from.rate(to); least < 0 || r < least {
			least = r
		}
		from = to
	}
	return max(least, 0)
}

// rate is the goodput between two moments in MB/s.
func (m moment) rate(end moment) float64 {
	return float64(end.payload-m.payload) / 1e6 / end.at.Sub(m.at).Seconds()
}

func ratio(a, b int64) float64 { return float64(a) / float64(b) }
