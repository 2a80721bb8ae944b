package main

import (
	"time"

	"kcptun/e2e/lab"
)

// usage is what both ends have used so far.
type usage struct {
	at  time.Time
	cpu [2]time.Duration // user and system, in steps of 10 ms
}

func (t *tunnel) usage() (u usage, err error) {
	u.at = time.Now()
	u.cpu, err = perProgram(t, (*lab.Process).CPU)
	return u, err
}

// perProgram adds up a number over the programs of each end, that is, over all clients if
// there are several.
func perProgram[N int64 | time.Duration](t *tunnel, of func(*lab.Process) (N, error)) (sum [2]N, err error) {
	for i, programs := range t.ends() {
		for _, p := range programs {
			n, err := of(p)
			if err != nil {
				return sum, err
			}
			sum[i] += n
		}
	}
	return sum, nil
}

// spent is the CPU time of each end since an earlier reading.
func (u usage) spent(before usage) [2]time.Duration {
	return [2]time.Duration{u.cpu[0] - before.cpu[0], u.cpu[1] - before.cpu[1]}
}

// resident is the current memory of each end in MB.
func (t *tunnel) resident() ([2]float64, error) {
	n, err := perProgram(t, (*lab.Process).RSS)
	return megabytes(n), err
}

// peak is the peak resident memory of each end in MB since its start.
func (t *tunnel) peak() ([2]float64, error) {
	n, err := perProgram(t, (*lab.Process).PeakRSS)
	return megabytes(n), err
}

func megabytes(n [2]int64) [2]float64 { return [2]float64{float64(n[0]) / 1e6, float64(n[1]) / 1e6} }

// figure is one number measured in one round.
type figure struct {
	name, unit string
	value      float64
}

// perEnd returns two figures, for client and server.
func perEnd(name, unit string, values [2]float64) []figure {
	return []figure{{"client " + name, unit, values[0]}, {"server " + name, unit, values[1]}}
}

// costs returns the CPU figures of both ends, and of the two together.
func costs(spent [2]time.Duration, unit string, per func(time.Duration) float64) []figure {
	both := per(spent[0] + spent[1])
	return append(perEnd("cpu", unit, [2]float64{per(spent[0]), per(spent[1])}), figure{"cpu of both", unit, both})
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
