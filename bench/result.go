package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
)

// document is what -json writes: every figure of every round.
type document struct {
	Kind    string            `json:"kind"` // "loopback" or "link"
	Date    string            `json:"date"`
	Machine machine           `json:"machine"`
	Flags   map[string]string `json:"flags"` // of the bench
	Rounds  int               `json:"rounds"`
	Results []result          `json:"results"`
}

// result is one case.
type result struct {
	Case    string   `json:"case"`
	About   string   `json:"about"`
	Flags   []string `json:"flags,omitempty"` // of both programs
	Columns []column `json:"columns"`
}

// column is what was seen of one contender.
type column struct {
	Name     string   `json:"name"`
	Against  string   `json:"against,omitempty"`
	Note     string   `json:"note,omitempty"`
	Flags    []string `json:"flags,omitempty"` // where they are not the case's
	Metrics  []metric `json:"metrics,omitempty"`
	Failures []string `json:"failures,omitempty"`
}

// metric is one figure over all rounds.
type metric struct {
	Name   string `json:"name"`
	Unit   string `json:"unit,omitempty"`
	Rounds series `json:"rounds"` // raw, null where the round failed
	spread
	Ratio *spread `json:"ratio,omitempty"` // to the column that this one is against
}

// spread sums a series up.
type spread struct {
	Median number `json:"median"`
	Min    number `json:"min"`
	Max    number `json:"max"`
}

// series has one number for each round.
type series []number

// number is a float64 for which JSON has null when it is none.
type number float64

var none = number(math.NaN())

func (n number) missing() bool { return math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) }

// MarshalJSON writes five significant digits: no measurement has more.
func (n number) MarshalJSON() ([]byte, error) {
	if n.missing() {
		return []byte("null"), nil
	}
	v := float64(n)
	if v < 10000 {
		v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64)
	}
	return strconv.AppendFloat(nil, v, 'f', -1, 64), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *number) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		*n = none
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	*n = number(v)
	return err
}

func (s series) spread() spread {
	have := slices.DeleteFunc(slices.Clone(s), number.missing)
	if len(have) == 0 {
		return spread{none, none, none}
	}
	slices.Sort(have)
	mid := len(have) / 2
	median := have[mid]
	if len(have)%2 == 0 {
		median = (have[mid-1] + have[mid]) / 2
	}
	return spread{median, have[0], have[len(have)-1]}
}

// over is the ratio of two series. Its extremes are those of single rounds, in
// which both were measured one after the other; its median is the medians'.
func (s series) over(base series) *spread {
	var each series
	for i := range min(len(s), len(base)) {
		each = append(each, s[i]/base[i])
	}
	r := each.spread()
	r.Median = s.spread().Median / base.spread().Median
	if r.Min.missing() || r.Median.missing() {
		return nil
	}
	return &r
}

// add records the figures of a round; a metric that a round does not have is
// missing there.
func (c *column) add(round int, figures []figure) {
	for _, f := range figures {
		i := slices.IndexFunc(c.Metrics, func(m metric) bool { return m.Name == f.name })
		if i < 0 {
			i = len(c.Metrics)
			c.Metrics = append(c.Metrics, metric{Name: f.name, Unit: f.unit})
		}
		m := &c.Metrics[i]
		for len(m.Rounds) < round {
			m.Rounds = append(m.Rounds, none)
		}
		m.Rounds = append(m.Rounds, number(f.value))
	}
}

// metric returns one by name, or nil.
func (c *column) metric(name string) *metric {
	for i := range c.Metrics {
		if c.Metrics[i].Name == name {
			return &c.Metrics[i]
		}
	}
	return nil
}

func (r *result) column(name string) *column {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return &r.Columns[i]
		}
	}
	return nil
}

func (d *document) result(name string) *result {
	for i := range d.Results {
		if d.Results[i].Case == name {
			return &d.Results[i]
		}
	}
	return nil
}

// conclude fills in what follows from the raw figures.
func (r *result) conclude(rounds int) {
	for i := range r.Columns {
		for k := range r.Columns[i].Metrics {
			m := &r.Columns[i].Metrics[k]
			for len(m.Rounds) < rounds {
				m.Rounds = append(m.Rounds, none)
			}
			m.spread = m.Rounds.spread()
		}
	}
	for i := range r.Columns {
		base := r.column(r.Columns[i].Against)
		for k := range r.Columns[i].Metrics {
			m := &r.Columns[i].Metrics[k]
			if base == nil || base.metric(m.Name) == nil {
				continue
			}
			m.Ratio = m.Rounds.over(base.metric(m.Name).Rounds)
		}
	}
}

// failed tells whether any round of any column did.
func (r *result) failed() bool {
	return slices.ContainsFunc(r.Columns, func(c column) bool { return len(c.Failures) > 0 })
}

// write replaces the file at once, so that it is never seen half written.
func (d *document) write(path string) error {
	text, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func readDocument(path string) (*document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := new(document)
	if err := json.Unmarshal(text, d); err != nil || d.Kind != "loopback" && d.Kind != "link" {
		return nil, fmt.Errorf("%s: not a file written by -json", path)
	}
	return d, nil
}
