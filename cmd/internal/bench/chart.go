package bench

import (
	"fmt"
	"html"
	"strings"
)

// chart is horizontal bars, one per line of a run, each made of parts.
type chart struct {
	file, title, unit string
	parts             []string // names of the parts, for the legend
	bars              []bar
	// mark is a value that is marked by a line across the bars; 0 is none.
	mark float64
}

type bar struct {
	name  string
	parts []float64
}

func (b bar) sum() float64 {
	total := 0.0
	for _, p := range b.parts {
		total += p
	}
	return total
}

// charts are those of a report; what was not measured has none.
func (r Report) charts() []chart {
	ratios := chart{file: "ratios.svg", title: "Throughput, as a part of the line without what is measured", mark: 1}
	cpu := chart{file: "cpu.svg", title: "Processor time per request", unit: "us", parts: []string{"gateway", "PostgreSQL", "Redis"}}
	allocs := chart{file: "allocations.svg", title: "Allocations per request"}
	gate := chart{file: "gate.svg", title: "Releases a second of the gate, 128 callers"}
	for _, l := range r.Lines {
		if strings.HasPrefix(l.Name, "gate-") {
			gate.bars = append(gate.bars, bar{l.Name, []float64{l.RequestsPerSecond}})
			continue
		}
		if l.Reference != l.Name {
			ratios.bars = append(ratios.bars, bar{l.Name, []float64{l.Ratio}})
		}
		parts := []float64{l.CPU.Gateway, 0, 0}
		for i, p := range []*float64{l.CPU.PostgreSQL, l.CPU.Redis} {
			if p != nil {
				parts[i+1] = *p
			}
		}
		cpu.bars = append(cpu.bars, bar{l.Name, parts})
		allocs.bars = append(allocs.bars, bar{l.Name, []float64{l.Allocs}})
	}
	var all []chart
	for _, c := range []chart{ratios, cpu, allocs, gate} {
		if len(c.bars) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// The look of charts, in pixels. Text takes the colour of its surroundings as
// far as a viewer allows: grey reads on light and on dark.
const (
	chartNames, chartBars, chartValues = 250, 400, 70
	chartRow, chartTop                 = 20, 44
)

var chartColours = [...]string{"#3b6ea5", "#d08a2e", "#7a9a4b"}

// svg draws the chart.
func (c chart) svg() string {
	longest := c.mark
	for _, b := range c.bars {
		longest = max(longest, b.sum())
	}
	if longest == 0 {
		longest = 1
	}
	var s strings.Builder
	width, height := chartNames+chartBars+chartValues, chartTop+chartRow*len(c.bars)+8
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="sans-serif" font-size="12" fill="#777">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&s, "<title>%s</title>\n<text x=\"0\" y=\"14\" font-size=\"14\">%s</text>\n", html.EscapeString(c.title), html.EscapeString(c.title))
	for i, name := range c.parts {
		fmt.Fprintf(&s, `<rect x="%d" y="24" width="10" height="10" fill="%s"/><text x="%d" y="33">%s</text>`+"\n", i*110, chartColours[i], i*110+14, html.EscapeString(name))
	}
	for i, b := range c.bars {
		y, x := chartTop+i*chartRow, float64(chartNames)
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text>`, chartNames-6, y+13, html.EscapeString(b.name))
		for j, p := range b.parts {
			w := p / longest * chartBars
			fmt.Fprintf(&s, `<rect x="%.1f" y="%d" width="%.1f" height="14" fill="%s"/>`, x, y+2, w, chartColours[j])
			x += w
		}
		fmt.Fprintf(&s, `<text x="%.1f" y="%d">%s %s</text>`+"\n", x+4, y+13, figure(b.sum()), c.unit)
	}
	if c.mark > 0 {
		x := chartNames + c.mark/longest*chartBars
		fmt.Fprintf(&s, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#777" stroke-dasharray="3 3"/>`+"\n", x, chartTop, x, height-8)
	}
	s.WriteString("</svg>\n")
	return s.String()
}
