package report

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// chart shows a group of horizontal bars for each case, with one bar per column.
type chart struct {
	title  string
	metric string
	series []string
	groups []group
}

// group is one case, with a bar for each series, in order.
type group struct {
	name string
	bars []bar
}

type bar struct {
	Spread
	note string // shown instead of a bar
}

func (c *chart) addSeries(name string) {
	if !slices.Contains(c.series, name) {
		c.series = append(c.series, name)
	}
}

func (c *chart) add(name string, r Result) {
	g := group{name: name}
	for _, s := range c.series {
		b := bar{Spread: Spread{none, none, none}}
		if col := r.Column(s); col != nil {
			if b.note = col.Note; col.Metric(c.metric) != nil {
				b.Spread = col.Metric(c.metric).Spread
			}
		}
		g.bars = append(g.bars, b)
	}
	c.groups = append(c.groups, g)
}

// most is the largest value, and never zero.
func (c *chart) most() float64 {
	most := 1e-9
	for _, g := range c.groups {
		for _, b := range g.bars {
			if !b.Max.missing() {
				most = max(most, float64(b.Max))
			}
		}
	}
	return most
}

// Sizes in pixels.
const (
	svgWidth  = 760
	svgMargin = 12
	nameWidth = 150 // of the names beside the bars, if they fit there
	textRoom  = 150 // to the right of the longest bar
	barHeight = 14
	barStep   = 17
	groupGap  = 12
	lineStep  = 20
)

// svgStyle uses medium tones without a background, which suit light and dark pages, and
// lighter text if the reader prefers dark.
const svgStyle = `<style>
text { font: 12px system-ui, sans-serif; fill: #656d76 }
.title { font-weight: 600; font-size: 14px }
.small { font-size: 11px; fill: #6e7781 }
.spread { stroke: #57606a; stroke-width: 1.5 }
.s0 { fill: #2f81f7 } .s1 { fill: #9aa4b0 } .s2 { fill: #8957e5 }
.s3 { fill: #c4a7f0 } .s4 { fill: #2da44e } .s5 { fill: #d29922 } .s6 { fill: #cf222e } .s7 { fill: #1b7c83 }
@media (prefers-color-scheme: dark) {
text { fill: #d1d7e0 } .small { fill: #9198a1 } .spread { stroke: #d1d7e0 }
}
</style>
`

// canvas collects the elements of an SVG from top to bottom.
type canvas struct {
	strings.Builder
	y float64
}

// drawing returns an SVG of the charts, one below the other.
func drawing(charts []chart, captions []string) string {
	body := &canvas{y: svgMargin}
	for _, c := range charts {
		body.chart(c)
	}
	return body.page(charts[0].title, captions, "")
}

// page returns the complete SVG, with captions below.
func (v *canvas) page(title string, captions []string, style string) string {
	for _, caption := range captions {
		v.y += lineStep
		v.text(svgMargin, v.y, "small", caption)
	}
	height := v.y + svgMargin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %d %.0f" role="img">`+"\n<title>%s</title>\n",
		svgWidth, height, svgWidth, height, html.EscapeString(title)) + svgStyle + style + v.String() + "</svg>\n"
}

func (v *canvas) text(x, y float64, class, text string) {
	fmt.Fprintf(v, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", x, y, class, html.EscapeString(text))
}

func (v *canvas) rect(x, y, width float64, class string) {
	fmt.Fprintf(v, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" class=\"%s\"/>\n", x, y, width, barHeight, class)
}

func (v *canvas) chart(c chart) {
	v.y += lineStep
	v.text(svgMargin, v.y, "title", c.title)
	v.legend(c.series)
	left := float64(svgMargin + nameWidth)
	long := slices.ContainsFunc(c.groups, func(g group) bool { return len(g.name) > 22 })
	if long { // names get lines of their own
		left = svgMargin
	}
	scale := (svgWidth - textRoom - left) / c.most()
	for _, g := range c.groups {
		v.y += groupGap
		v.text(svgMargin, v.y+barHeight-2, "", g.name)
		if long {
			v.y += lineStep
		}
		for i, b := range g.bars {
			v.bar(left, scale, i, b)
		}
	}
	v.y += groupGap
}

func (v *canvas) legend(series []string) {
	v.y += lineStep - barHeight
	x := float64(svgMargin)
	for i, name := range series {
		if x > svgWidth-textRoom {
			x, v.y = svgMargin, v.y+lineStep
		}
		v.rect(x, v.y, barHeight, fmt.Sprintf("s%d", i))
		v.text(x+barHeight+5, v.y+barHeight-3, "", name)
		x += barHeight + 25 + 7*float64(len(name))
	}
	v.y += barHeight
}

// bar draws one bar with its extremes and its value.
func (v *canvas) bar(left, scale float64, series int, b bar) {
	end := left
	if b.Median.missing() {
		if b.note == "" { // it was not measured
			return
		}
		v.text(left+4, v.y+barHeight-3, "small", b.note)
		v.y += barStep
		return
	}
	v.rect(left, v.y, float64(b.Median)*scale, fmt.Sprintf("s%d", series))
	end += float64(b.Max) * scale
	if b.Min != b.Max {
		middle := v.y + barHeight/2
		fmt.Fprintf(v, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"spread\"/>\n", left+float64(b.Min)*scale, middle, end, middle)
	}
	label := b.Median.String()
	v.text(end+5, v.y+barHeight-3, "", label)
	if b.note != "" {
		v.text(end+10+7*float64(len(label)), v.y+barHeight-3, "small", shortNote(b.note))
	}
	v.y += barStep
}

// shortNote is the end of a note: beside a bar there is room for a few words only.
func shortNote(note string) string {
	_, after, found := strings.Cut(note, ": ")
	if !found {
		return ""
	}
	return after
}
