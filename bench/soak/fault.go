package soak

import (
	"context"
	"fmt"
	"time"

	"kcptun/e2e/lab"
)

// fault is one thing that happens to the network, for the length of a step.
type fault struct {
	name  string
	fault lab.Fault
	begin func(*lab.Relay)
	cut   bool // nothing passes during a quarter of the step
}

// faults is the list that is repeated. After every few faults the network is good for a
// step.
var faults = []fault{
	{name: "none"},
	{name: "loss", fault: lab.Fault{Loss: 0.03}},
	{name: "bursts", fault: lab.Fault{Loss: 0.1, Burst: 8}},
	{name: "disorder", fault: lab.Fault{Reorder: 0.2, Duplicate: 0.1, Corrupt: 0.01, Jitter: 20 * time.Millisecond}},
	{name: "none"},
	{name: "narrow", fault: lab.Fault{Rate: 512 << 10, Queue: 300 * time.Millisecond}},
	{name: "long", fault: lab.Fault{Delay: 150 * time.Millisecond, Loss: 0.01}},
	{name: "cut", cut: true},
	{name: "none"},
	{name: "rebound", begin: (*lab.Relay).Rebind},
	{name: "blocked", begin: func(r *lab.Relay) { r.Block() }},
}

// faults repeats the list until ctx ends, and leaves the network good.
func (r *run) faults(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		f := faults[i%len(faults)]
		r.record.setFault(f.name)
		fmt.Fprintf(r.cfg.Progress, "%v %s\n", time.Since(r.begin).Round(time.Second), f.name)
		for _, s := range r.sites {
			s.apply(f)
		}
		left := r.step()
		if f.cut {
			_ = lab.Sleep(ctx, left/4)
			left -= left / 4
			for _, s := range r.sites {
				s.Relay.Cut(false)
			}
		}
		_ = lab.Sleep(ctx, left) // the only error is the end of ctx
	}
	for _, s := range r.sites {
		s.apply(fault{})
	}
	r.record.setFault("idle")
}

func (s *site) apply(f fault) {
	for _, way := range []lab.Direction{lab.Up, lab.Down} {
		if err := s.Relay.SetFault(way, f.fault); err != nil {
			panic(err) // the list above is invalid
		}
	}
	s.Relay.Cut(f.cut)
	if f.begin != nil {
		f.begin(s.Relay)
	}
}
