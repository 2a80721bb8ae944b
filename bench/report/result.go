package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
)

// Document is what -json writes: all figures of all rounds.
type Document struct {
	Kind    string            `json:"kind"` // Loopback, Link, or Targets with results of both
	Date    string            `json:"date"`
	Machine Machine           `json:"machine"`
	Flags   map[string]string `json:"flags"` // of the bench
	Rounds  int               `json:"rounds"`
	Results []Result          `json:"results"`

	file string // that it was read from, without folder
}

// Result is the result of one case.
type Result struct {
	Kind    string   `json:"kind,omitempty"` // Loopback or Link; "": that of the document
	Case    string   `json:"case"`
	About   string   `json:"about"`
	Flags   []string `json:"flags,omitempty"` // of both programs
	Columns []Column `json:"columns"`
}

// Column holds the measurements of one contender.
type Column struct {
	Name     string   `json:"name"`
	Against  string   `json:"against,omitempty"`
	Note     string   `json:"note,omitempty"`
	Flags    []string `json:"flags,omitempty"` // if they differ from the case's
	Metrics  []Metric `json:"metrics,omitempty"`
	Failures []string `json:"failures,omitempty"`
}

// Metric holds one figure over all rounds.
type Metric struct {
	Name   string `json:"name"`
	Unit   string `json:"unit,omitempty"`
	Rounds Series `json:"rounds"` // as measured; null if the round failed
	Spread
	Ratio *Spread `json:"ratio,omitempty"` // relative to the column that this one is compared with
}

// Spread summarizes a series.
type Spread struct {
	Median Number `json:"median"`
	Min    Number `json:"min"`
	Max    Number `json:"max"`
}

// Series has one number for each round.
type Series []Number

// Number is a float64 that JSON stores as null if it is NaN.
type Number float64

var none = Number(math.NaN())

func (n Number) missing() bool { return math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) }

// MarshalJSON writes five significant digits; no measurement is more precise.
func (n Number) MarshalJSON() ([]byte, error) {
	if n.missing() {
		return []byte("null"), nil
	}
	v := float64(n)
	if v < 10000 {
		v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64)
	}
	return strconv.AppendFloat(nil, v, 'f', -1, 64), nil
}

// UnmarshalJSON reads what MarshalJSON has written.
func (n *Number) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		*n = none
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	*n = Number(v)
	return err
}

func (s Series) spread() Spread {
	have := slices.DeleteFunc(slices.Clone(s), Number.missing)
	if len(have) == 0 {
		return Spread{none, none, none}
	}
	slices.Sort(have)
	mid := len(have) / 2
	median := have[mid]
	if len(have)%2 == 0 {
		median = (have[mid-1] + have[mid]) / 2
	}
	return Spread{median, have[0], have[len(have)-1]}
}

// over is the ratio of two series. Its extremes are ratios of single rounds, in which both
// were measured one after the other. Its median is the ratio of the medians.
func (s Series) over(base Series) *Spread {
	var each Series
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

// Add records a figure of one round. A metric without a figure in some round is marked
// missing there.
func (c *Column) Add(round int, name, unit string, value float64) {
	i := slices.IndexFunc(c.Metrics, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		i = len(c.Metrics)
		c.Metrics = append(c.Metrics, Metric{Name: name, Unit: unit})
	}
	m := &c.Metrics[i]
	for len(m.Rounds) < round {
		m.Rounds = append(m.Rounds, none)
	}
	m.Rounds = append(m.Rounds, Number(value))
}

// Metric returns the metric with this name, or nil.
func (c *Column) Metric(name string) *Metric {
	for i := range c.Metrics {
		if c.Metrics[i].Name == name {
			return &c.Metrics[i]
		}
	}
	return nil
}

// Column returns the column with this name, or nil.
func (r *Result) Column(name string) *Column {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return &r.Columns[i]
		}
	}
	return nil
}

// Result returns the case with this name, or nil.
func (d *Document) Result(name string) *Result {
	for i := range d.Results {
		if d.Results[i].Case == name {
			return &d.Results[i]
		}
	}
	return nil
}

// Conclude computes what follows from the raw figures.
func (r *Result) Conclude(rounds int) {
	for i := range r.Columns {
		for k := range r.Columns[i].Metrics {
			m := &r.Columns[i].Metrics[k]
			for len(m.Rounds) < rounds {
				m.Rounds = append(m.Rounds, none)
			}
			m.Spread = m.Rounds.spread()
		}
	}
	for i := range r.Columns {
		base := r.Column(r.Columns[i].Against)
		for k := range r.Columns[i].Metrics {
			m := &r.Columns[i].Metrics[k]
			if base == nil || base.Metric(m.Name) == nil {
				continue
			}
			m.Ratio = m.Rounds.over(base.Metric(m.Name).Rounds)
		}
	}
}

// Failed reports whether any round of any column failed.
func (r *Result) Failed() bool {
	return slices.ContainsFunc(r.Columns, func(c Column) bool { return len(c.Failures) > 0 })
}

// Write replaces the file in one step, so that nobody sees it half written.
func (d *Document) Write(path string) error {
	text, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// ReadDocument reads a file written by Write.
func ReadDocument(path string) (*Document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := new(Document)
	if err := json.Unmarshal(text, d); err != nil || !slices.Contains([]string{Loopback, Link, Targets}, d.Kind) {
		return nil, fmt.Errorf("%s: not a file written by -json", path)
	}
	return d, nil
}
