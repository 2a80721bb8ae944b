package report

import (
	"fmt"
	"strings"
	"time"
)

// Timeline is a chart of values over time, with one curve per series.
type Timeline struct {
	Title  string
	Curves []Curve
	Marks  []Mark
}

// Curve is one series of values. Both slices have the same length.
type Curve struct {
	Name   string
	At     []time.Duration // since the start, ascending
	Values []float64
}

// Mark is a named moment, such as the end of the load.
type Mark struct {
	At   time.Duration
	Name string
}

// Sizes in pixels.
const (
	timelineHeight = 150
	axisRoom       = 60 // for the numbers on the axis
	axisSteps      = 4
)

// curveStyle uses the colours of the bars.
const curveStyle = `<style>
polyline { fill: none; stroke-width: 1.3 }
.c0 { stroke: #2f81f7 } .c1 { stroke: #9aa4b0 } .c2 { stroke: #8957e5 }
.c3 { stroke: #c4a7f0 } .c4 { stroke: #2da44e } .c5 { stroke: #d29922 }
.axis { stroke: #57606a; stroke-width: 0.5 } .end { text-anchor: end } .mid { text-anchor: middle }
</style>
`

// Timelines returns an SVG of the charts, one below the other.
func Timelines(charts []Timeline, captions []string) string {
	body := &canvas{y: svgMargin}
	for _, c := range charts {
		body.timeline(c)
	}
	return body.page(charts[0].Title, captions, curveStyle)
}

// extent returns the ends of both axes, neither of them 0.
func (c *Timeline) extent() (length time.Duration, most float64) {
	length, most = time.Second, 1e-9
	for _, curve := range c.Curves {
		for i, at := range curve.At {
			length, most = max(length, at), max(most, curve.Values[i])
		}
	}
	return length, niceAbove(most)
}

// niceAbove rounds up to 1, 2, 4, 5 or 8 times a power of ten.
func niceAbove(v float64) float64 {
	unit := 1e-9
	for unit*10 <= v {
		unit *= 10
	}
	for _, n := range []float64{1, 2, 4, 5, 8} {
		if n*unit >= v {
			return n * unit
		}
	}
	return 10 * unit
}

func (v *canvas) timeline(c Timeline) {
	v.y += lineStep
	v.text(svgMargin, v.y, "title", c.Title)
	var names []string
	for _, curve := range c.Curves {
		names = append(names, curve.Name)
	}
	v.legend(names)
	v.y += groupGap
	length, most := c.extent()
	const left, right = svgMargin + axisRoom, svgWidth - svgMargin
	top, bottom := v.y, v.y+timelineHeight
	x := func(at time.Duration) float64 { return left + (right-left)*at.Seconds()/length.Seconds() }
	y := func(value float64) float64 { return bottom - timelineHeight*value/most }
	for i := range axisSteps + 1 {
		value := most * float64(i) / axisSteps
		v.line(left, y(value), right, y(value))
		v.text(left-5, y(value)+4, "small end", Number(value).String())
		at := length * time.Duration(i) / axisSteps
		anchor := "mid"
		if i == axisSteps {
			anchor = "end" // centred, the last label would be cut off
		}
		v.text(x(at), bottom+15, "small "+anchor, clockText(at))
	}
	for _, m := range c.Marks {
		v.line(x(m.At), top, x(m.At), bottom)
		v.text(x(m.At)+3, top+11, "small", m.Name)
	}
	for i, curve := range c.Curves {
		v.curve(i, curve, x, y)
	}
	v.y = bottom + lineStep
}

func (v *canvas) curve(series int, c Curve, x func(time.Duration) float64, y func(float64) float64) {
	points := make([]string, len(c.At))
	for i, at := range c.At {
		points[i] = fmt.Sprintf("%.1f,%.1f", x(at), y(c.Values[i]))
	}
	fmt.Fprintf(v, "<polyline points=\"%s\" class=\"c%d\"/>\n", strings.Join(points, " "), series)
}

func (v *canvas) line(x1, y1, x2, y2 float64) {
	fmt.Fprintf(v, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"axis\"/>\n", x1, y1, x2, y2)
}

// clockText shows minutes and seconds, or from one hour on hours and minutes.
func clockText(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d:%02d h", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
