package report

import (
	"strings"
	"testing"
	"time"
)

func TestTimelines(t *testing.T) {
	at := []time.Duration{0, time.Minute, time.Hour}
	svg := Timelines([]Timeline{{
		Title:  "memory <MB>",
		Curves: []Curve{{"client", at, []float64{1, 2, 3.5}}, {"server", at, []float64{0, 0, 0}}},
		Marks:  []Mark{{50 * time.Minute, "idle"}},
	}, {Title: "nothing was seen"}}, []string{"a caption"})
	wellFormedXML(t, svg)
	for want, times := range map[string]int{"<polyline": 2, ">client<": 1, ">idle<": 1, ">1:00 h<": 1, ">4<": 1, ">a caption<": 1, "memory &lt;MB&gt;": 2} {
		if n := strings.Count(svg, want); n != times {
			t.Errorf("%q is there %d times, want %d", want, n, times)
		}
	}
}

func TestNiceAbove(t *testing.T) {
	for in, want := range map[float64]float64{0.3: 0.4, 1: 1, 9: 10, 23: 40, 410: 500, 1e-9: 1e-9} {
		if got := niceAbove(in); got < want*0.999 || got > want*1.001 {
			t.Errorf("above %v: %v, want %v", in, got, want)
		}
	}
}
