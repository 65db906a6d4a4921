package portal

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/web"
)

const (
	// chartDays is how far back the charts reach, today included.
	chartDays = 90
	// chartPatience is how long a page waits for them. What was added up until
	// then is there on the next visit.
	chartPatience = 2 * time.Second
	// series is how many apps have a pattern of their own. The others share
	// the last.
	series = 4
)

// charts are the drawings over the list. Every number in them is also in a
// table, and no two things differ by colour alone.
type charts struct {
	Lead   string // the sum in a sentence; also what assistive software reads
	From   string
	To     string
	Days   drawing // by day
	Weeks  drawing // the same by week, where there is no room for days
	Hours  drawing
	Legend []legend
	Table  []chartRow // by day, newest first; days without a read left out
	Data   []share
	ByHour []hourRow
}

// drawing is a row of columns.
type drawing struct {
	Width, Height int
	Columns       []column
	Top           string // the highest value, as text
}

// column is a stack of parts with a name.
type column struct {
	Name  string
	Parts []part
}

// part is a rectangle in the units of the drawing.
type part struct {
	X, Y, Width, Height string
	Series              int // from 1
}

// legend names a series.
type legend struct {
	Series int
	Name   string
	Reads  string
}

// chartRow is a row of the table of days.
type chartRow struct {
	Day   string
	Cells []string // by series
}

// share is how often one kind of data was given.
type share struct {
	Label, Reads, Percent string
	Width                 int // of 100
}

type hourRow struct{ Hour, Reads string }

// charts adds up what the person's apps did. A page can do without.
func (p *Portal) charts(v *visit, k known) *charts {
	now := p.c.Now()
	ctx, cancel := context.WithTimeout(v.Request.Context(), chartPatience)
	defer cancel()
	days, err := p.c.Reads.Usage(ctx, v.who, p.c.Zone, now, chartDays)
	if err != nil {
		web.Fields(v.Request.Context()).Cause = fmt.Errorf("add up usage: %w", err)
		return nil
	}
	return newCharts(v.t, k, days, audit.Today(now, p.c.Zone))
}

// newCharts draws what was read on the days up to today; nil when there is
// nothing to draw.
func newCharts(t *text, k known, days []audit.DayUse, today fdx.Date) *charts {
	byApp, byData := map[string]int{}, map[string]int{}
	var byHour [24]int
	total := 0
	for _, d := range days {
		for id, n := range d.Grants {
			byApp[k.app(t, id)] += n
			total += n
		}
		for name, n := range d.Clusters {
			byData[name] += n
		}
		for h, n := range d.Hours {
			byHour[h] += n
		}
	}
	if total == 0 {
		return nil
	}
	first := today.AddDays(1 - chartDays)
	c := &charts{
		Lead: t.T("chart.lead", "Count", total), From: t.Day(first), To: t.Day(today),
	}
	of := c.name(t, byApp)
	c.stack(t, k, of, days, first)
	c.data(t, byData, total)
	c.hours(t, byHour)
	return c
}

// name decides which app has which series, the busiest first, and returns the
// series by name.
func (c *charts) name(t *text, byApp map[string]int) map[string]int {
	names := slices.SortedFunc(maps.Keys(byApp), func(a, b string) int {
		return cmp.Or(byApp[b]-byApp[a], cmp.Compare(a, b))
	})
	of := map[string]int{}
	rest := 0
	for i, name := range names {
		// One alone needs no heading for others.
		if i < series || len(names) == series+1 {
			of[name] = i + 1
			c.Legend = append(c.Legend, legend{i + 1, name, t.T("chart.reads", "Count", byApp[name])})
			continue
		}
		of[name] = series + 1
		rest += byApp[name]
	}
	if rest > 0 {
		c.Legend = append(c.Legend, legend{series + 1, t.T("chart.others", "Count", len(names)-series), t.T("chart.reads", "Count", rest)})
	}
	return of
}

// stack draws the columns by day and by week, and writes the table of days.
func (c *charts) stack(t *text, k known, of map[string]int, days []audit.DayUse, first fdx.Date) {
	const weeks = (chartDays + 6) / 7
	var byDay [chartDays][series + 2]int
	var byWeek [weeks][series + 2]int
	for _, d := range days {
		i := int(d.Day.Time().Sub(first.Time()).Hours() / 24)
		if i < 0 || i >= chartDays {
			continue
		}
		for id, n := range d.Grants {
			s := of[k.app(t, id)]
			byDay[i][s] += n
			// The last week is whole; the first is what is left.
			byWeek[weeks-1-(chartDays-1-i)/7][s] += n
		}
	}
	c.Days = drawStack(t, 900, 160, byDay[:], func(i int) string { return t.Day(first.AddDays(i)) })
	c.Weeks = drawStack(t, 280, 160, byWeek[:], func(i int) string {
		return t.T("chart.week", "Date", t.Day(first.AddDays(max(0, chartDays-7*(weeks-i)))))
	})
	for i := chartDays - 1; i >= 0; i-- {
		row, sum := chartRow{Day: t.Day(first.AddDays(i))}, 0
		for s := range c.Legend {
			n := byDay[i][s+1]
			sum += n
			row.Cells = append(row.Cells, t.Number(n))
		}
		if sum > 0 {
			c.Table = append(c.Table, row)
		}
	}
}

// drawStack draws one column per bucket, which holds counts by series.
func drawStack(t *text, width, height int, buckets [][series + 2]int, name func(int) string) drawing {
	top := 1
	sums := make([]int, len(buckets))
	for i, b := range buckets {
		for _, n := range b {
			sums[i] += n
		}
		top = max(top, sums[i])
	}
	d := drawing{Width: width, Height: height, Top: t.Number(top)}
	step := float64(width) / float64(len(buckets))
	for i, b := range buckets {
		if sums[i] == 0 {
			continue
		}
		col := column{Name: t.T("chart.on", "Date", name(i), "Count", sums[i])}
		y := float64(height)
		for s := 1; s < len(b); s++ {
			if b[s] == 0 {
				continue
			}
			h := max(float64(height)*float64(b[s])/float64(top), 2)
			y = max(y-h, 0)
			col.Parts = append(col.Parts, part{
				X: units(float64(i)*step + step*.12), Y: units(y), Width: units(step * .76), Height: units(h), Series: s,
			})
		}
		d.Columns = append(d.Columns, col)
	}
	return d
}

func units(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// data lists how often each kind of data was given, most often first.
func (c *charts) data(t *text, byData map[string]int, total int) {
	names := slices.SortedFunc(maps.Keys(byData), func(a, b string) int {
		return cmp.Or(byData[b]-byData[a], cmp.Compare(a, b))
	})
	for _, name := range names {
		percent := (byData[name]*100 + total/2) / total
		c.Data = append(c.Data, share{
			Label: t.T("data." + name + ".label"), Reads: t.Number(byData[name]),
			Percent: t.T("chart.percent", "Number", t.Number(percent)), Width: max(percent, 1),
		})
	}
}

// hours draws at what time of the day reads happen.
func (c *charts) hours(t *text, byHour [24]int) {
	buckets := make([][series + 2]int, 24)
	for h, n := range byHour {
		buckets[h][1] = n
		c.ByHour = append(c.ByHour, hourRow{fmt.Sprintf("%02d:00–%02d:59", h, h), t.Number(n)})
	}
	c.Hours = drawStack(t, 360, 110, buckets, func(h int) string { return c.ByHour[h].Hour })
}
