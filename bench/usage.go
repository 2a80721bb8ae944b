package main

import (
	"time"
)

// usage is what the two ends have used so far.
type usage struct {
	at  time.Time
	cpu [2]time.Duration // user and system, in steps of 10 ms
}

func (t *tunnel) usage() (usage, error) {
	u := usage{at: time.Now()}
	for i, p := range t.ends() {
		var err error
		if u.cpu[i], err = p.CPU(); err != nil {
			return u, err
		}
	}
	return u, nil
}

// spent is the CPU time of each end since an earlier time.
func (u usage) spent(before usage) [2]time.Duration {
	return [2]time.Duration{u.cpu[0] - before.cpu[0], u.cpu[1] - before.cpu[1]}
}

// resident is the memory of each end now, in MB.
func (t *tunnel) resident() (mb [2]float64, err error) {
	for i, p := range t.ends() {
		n, err := p.RSS()
		if err != nil {
			return mb, err
		}
		mb[i] = float64(n) / 1e6
	}
	return mb, nil
}

// peak is the most that each end was resident with since its start, in MB.
func (t *tunnel) peak() (mb [2]float64, err error) {
	for i, p := range t.ends() {
		n, err := p.PeakRSS()
		if err != nil {
			return mb, err
		}
		mb[i] = float64(n) / 1e6
	}
	return mb, nil
}

// figure is one number of one round.
type figure struct {
	name, unit string
	value      float64
}

// perEnd makes two figures, of client and server.
func perEnd(name, unit string, values [2]float64) []figure {
	return []figure{{"client " + name, unit, values[0]}, {"server " + name, unit, values[1]}}
}

// costs are CPU figures of both ends, and of the two together.
func costs(spent [2]time.Duration, unit string, per func(time.Duration) float64) []figure {
	both := per(spent[0] + spent[1])
	return append(perEnd("cpu", unit, [2]float64{per(spent[0]), per(spent[1])}), figure{"cpu of both", unit, both})
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
