package contract

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// timesAsked is how often each page is timed; the fastest counts.
const timesAsked = 5

// checkCost times the first page and a late one. It judges nothing: what a
// page costs depends on too much else.
func checkCost(p *probe) {
	o := p.operation(fdx.SearchForAccountTransactions)
	a := p.usual(o)
	all := listOf[fdx.Transaction](p, o.id, p.Busy)
	if len(all) < 10 {
		p.skip("the busiest account has %d transactions in the last year; 10 are needed", len(all))
		return
	}
	limit := min(50, len(all)/5)
	late := resource.PageRequest{Limit: limit}
	pages := 1
	for ; pages*limit < len(all)-limit; pages++ {
		page, err := p.page(o, a, late)
		if err != nil || page.Next == "" {
			break // a finding of the pages
		}
		late.After = page.Next
	}
	first, last := p.fastest(o, a, resource.PageRequest{Limit: limit}), p.fastest(o, a, late)
	p.notes = append(p.notes, fmt.Sprintf("pages of %d: the first takes %s, number %d takes %s; the place of a page should not matter",
		limit, first.Round(10*time.Microsecond), pages, last.Round(10*time.Microsecond)))
}

func (p *probe) fastest(o operation, a resource.Access, r resource.PageRequest) time.Duration {
	best := time.Duration(0)
	for range timesAsked {
		begun := time.Now()
		if _, err := p.page(o, a, r); err != nil {
			return 0
		}
		if took := time.Since(begun); best == 0 || took < best {
			best = took
		}
	}
	return best
}
