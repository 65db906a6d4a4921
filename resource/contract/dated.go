package contract

import (
	"slices"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// dayOf is the day by which windows select a record.
func dayOf(item any) fdx.Date {
	switch v := item.(type) {
	case *fdx.Transaction:
		if b := v.Base(); b != nil {
			return b.EffectiveDate()
		}
	case *fdx.Statement:
		return v.StatementDate
	}
	return fdx.Date{}
}

// maxDays is how many days of a list are asked for one by one, the first and
// the last among them.
const maxDays = 60

// windows asks for the days on which there are records, those around them,
// and for days on which there are none.
func (p *probe) windows(o operation, all []any) {
	for i, item := range all {
		if day := dayOf(item); !day.IsZero() && !p.year.Contains(day) {
			p.breach(ruleWindow, "record %d of %d lies outside the window", i+1, len(all))
			return
		}
	}
	var days []fdx.Date
	for _, item := range all {
		if day := dayOf(item); !day.IsZero() && !slices.Contains(days, day) {
			days = append(days, day)
		}
	}
	slices.SortFunc(days, fdx.Date.Compare)
	for i := 0; i < len(days); i += max(1, len(days)/maxDays) {
		day := days[i]
		p.inside(o, all, fdx.Window{Start: day, End: day}, 7)
		p.inside(o, all, fdx.Window{Start: p.year.Start, End: day.AddDays(-1)}, pageOf)
		p.inside(o, all, fdx.Window{Start: day.AddDays(1), End: p.year.End}, pageOf)
	}
	if len(days) > 1 {
		p.inside(o, all, fdx.Window{Start: days[0], End: days[len(days)-1]}, pageOf)
	}
	long := p.year.Start.AddDays(-36500)
	if page, err := p.page(o, p.one(p.Busy, fdx.Window{Start: long, End: long.AddDays(7)}), resource.PageRequest{Limit: 10}); err != nil {
		p.failed(err, "a window long ago")
	} else if len(page.Items) > 0 || page.Next != "" {
		p.breach(ruleWindow, "a window long ago gives %d records, more to come: %t", len(page.Items), page.Next != "")
	}
	if page, err := p.page(o, p.one(p.Busy, fdx.Window{}), resource.PageRequest{Limit: 10}); err == nil && len(page.Items) > 0 {
		p.breach(ruleWindow, "an access without a window gives %d records", len(page.Items))
	}
	p.narrowed(o, all)
}

// inside expects of a window exactly the records of the whole list that are
// inside.
func (p *probe) inside(o operation, all []any, w fdx.Window, limit int) {
	if w.Empty() {
		return
	}
	var want []any
	for _, item := range all {
		if w.Contains(dayOf(item)) {
			want = append(want, item)
		}
	}
	got, ok := p.pages(o, p.one(p.Busy, w), limit)
	if !ok {
		return
	}
	dated := 0
	for i, item := range got {
		day := dayOf(item)
		if day.IsZero() {
			continue // a finding of the values
		}
		if !w.Contains(day) {
			p.breach(ruleWindow, "record %d of %d lies outside a window of %d days", i+1, len(got), days(w))
			return
		}
		dated++
	}
	if dated != len(want) {
		p.breach(ruleEdge, "a window of %d days gives %d records of the %d inside", days(w), dated, len(want))
	}
}

func days(w fdx.Window) int {
	return int(w.End.Time().Sub(w.Start.Time()).Hours()/24) + 1
}

// narrowed asks for a later page in a window that has become narrower, as the
// look-back does at midnight.
func (p *probe) narrowed(o operation, all []any) {
	first, err := p.page(o, p.one(p.Busy, p.year), resource.PageRequest{Limit: 1})
	if err != nil || first.Next == "" || len(all) < 2 {
		return
	}
	w := fdx.Window{Start: dayOf(all[len(all)/2]), End: p.year.End}
	if w.Empty() {
		return
	}
	second, err := p.page(o, p.one(p.Busy, w), resource.PageRequest{After: first.Next, Limit: fdx.MaxLimit})
	if err != nil {
		p.failed(err, "a later page in a narrower window")
		return
	}
	for _, item := range second.Items {
		if day := dayOf(item); !day.IsZero() && !w.Contains(day) {
			p.breach(ruleWindow, "a later page does not keep to a window that has become narrower")
			return
		}
	}
}

func checkTransactions(p *probe, o operation) {
	all, ok := p.whole(o, p.usual(o))
	if !ok {
		return
	}
	list := as[fdx.Transaction](all)
	for i := 1; i < len(list); i++ {
		before, here := list[i-1].Base(), list[i].Base()
		if before == nil || here == nil {
			continue // a finding of the values
		}
		switch bp, hp := before.PostedTimestamp.IsZero(), here.PostedTimestamp.IsZero(); {
		case hp && !bp:
			p.breach(rulePending, "record %d of %d is pending and comes after a posted one", i+1, len(list))
		case hp == bp && moment(before).Compare(moment(here)) < 0:
			p.breach(ruleOrder, "record %d of %d is newer than the one before it", i+1, len(list))
		}
	}
	p.windows(o, all)
	seen := map[fdx.Date]bool{}
	for _, item := range all {
		seen[dayOf(item)] = true
	}
	if len(all) < 12 || len(seen) < 3 {
		p.skip("the busiest account has %d transactions on %d days of the last year; 12 on 3 are needed", len(all), len(seen))
	}
}

// moment is when a transaction is listed.
func moment(b *fdx.TransactionBase) fdx.Timestamp {
	if !b.PostedTimestamp.IsZero() {
		return b.PostedTimestamp
	}
	return b.TransactionTimestamp
}

func checkStatements(p *probe, o operation) {
	all, ok := p.whole(o, p.usual(o))
	if !ok {
		return
	}
	list := as[fdx.Statement](all)
	for i := 1; i < len(list); i++ {
		if list[i].StatementDate.After(list[i-1].StatementDate) {
			p.breach(ruleOrder, "record %d of %d is newer than the one before it", i+1, len(list))
		}
	}
	if len(all) > 0 {
		p.windows(o, all)
	}
	if len(all) < 3 {
		p.skip("the busiest account has %d statements in the last year; 3 are needed", len(all))
	}
}
