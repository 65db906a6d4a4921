package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/web"
)

// historyPage is what history.html gets.
type historyPage struct {
	page
	Title, Lead string
	Rows        []historyRow
	Form        filterForm
	First       bool   // it is the newest page
	Older       string // address of the next page; empty on the last
	CSV, JSON   string // addresses of the files
	Charts      *charts
	Pulse       string // where the stream goes on; empty when there is none
	Updated     string // what a page says that has loaded itself again
	Lists       []filterList
	Newest      string // address of the first page under the same filter
	Capped      string // how much a file holds at most
	Lead2       string // over the hours
}

// filterList is a list of the filter form.
type filterList struct {
	ID, Name, Label, All string
	Options              []option
}

func filterLists(t *text, f filterForm) []filterList {
	list := func(name string, label, all string, options []option) filterList {
		return filterList{"filter_" + name, name, label, all, options}
	}
	return []filterList{
		list("app", t.T("history.app"), t.T("filter.any_app"), f.Apps),
		list("account", t.T("filter.account"), t.T("filter.any_account"), f.Accounts),
		list("data", t.T("history.what"), t.T("filter.any_data"), f.Data),
		list("answer", t.T("history.answer"), t.T("filter.any_answer"), f.Answers),
		list("how", t.T("history.how"), t.T("filter.any_how"), f.How),
	}
}

// known loads what the person calls things. A bank that cannot name accounts
// keeps nobody from their history.
func (p *Portal) known(v *visit) (known, bool) {
	ctx := v.Request.Context()
	k := known{
		grants: map[consent.GrantID]consent.Grant{}, apps: map[consent.GrantID]string{},
		accounts: map[fdx.AccountID]consent.AccountChoice{},
	}
	grants, err := p.c.Grants.GrantsOf(ctx, v.who)
	if err != nil {
		p.away(v, fmt.Errorf("list grants: %w", err))
		return k, false
	}
	for _, g := range grants {
		if g.Consumer == v.who { // never another person's, whatever the store says
			k.grants[g.ID], k.apps[g.ID] = g, p.row(v.t, g, "").App
		}
	}
	choices, err := p.c.Accounts.Choices(ctx, v.who)
	if err != nil {
		web.Fields(ctx).Cause = fmt.Errorf("list accounts: %w", err)
	}
	for _, c := range choices {
		k.accounts[c.ID] = c
		k.order = append(k.order, c.ID)
	}
	return k, true
}

func (p *Portal) getHistory(v *visit) {
	k, ok := p.known(v)
	if !ok {
		return
	}
	ctx, q := v.Request.Context(), v.Request.URL.Query()
	var before audit.Cursor
	f, form, fault, field, ok := p.parseFilter(v.t, k, q)
	if ok && len(q["before"]) > 0 {
		before, ok = parseCursor(q.Get("before"))
		ok = ok && len(q["before"]) == 1
	}
	if !ok {
		see(v.Context, historyPath) // a broken address starts at the newest
		return
	}
	first := before.At.IsZero()
	d := historyPage{
		page: page{text: v.t}, Title: v.t.T("history.title"), First: first, Form: form,
		Lead:  v.t.T("history.lead", "Zone", v.t.Zone(p.c.Now())),
		Lists: filterLists(v.t, form), Newest: address(historyPath, form.Query),
		Updated: v.t.T("history.updated", "Time", p.c.Now().In(p.c.Zone).Format("15:04:05")),
		Capped:  v.t.T("export.limit", "Number", v.t.Number(exportLimit)),
		Lead2:   v.t.T("chart.hours_lead", "Zone", v.t.Zone(p.c.Now())),
		CSV:     address(historyPath+"/export.csv", form.Query), JSON: address(historyPath+"/export.json", form.Query),
	}
	if fault != "" {
		d.Fault, d.Field = v.t.T(fault), field
		p.render(v, http.StatusBadRequest, "history", faulty(v.t, d.Title, d.Fault), historyPath, d)
		return
	}
	if first {
		// Before the entries are loaded, so that none falls between.
		if d.Pulse = p.pulse(ctx, v.who); d.Pulse != "" {
			v.script = p.historyScript
		}
	}
	all, err := p.entries(ctx, v.who, k, f, before, historyLimit+1)
	if err != nil {
		p.away(v, err)
		return
	}
	if len(all) > historyLimit {
		all = all[:historyLimit]
		last := all[len(all)-1]
		next := url.Values{"before": {cursorText(audit.Cursor{At: last.At, RequestID: last.ID})}}.Encode()
		d.Older = address(historyPath, strings.TrimPrefix(form.Query+"&"+next, "&"))
	}
	d.Rows = p.historyRows(v.t, k, all)
	if first && !form.Active {
		d.Charts = p.charts(v, k)
	}
	p.render(v, http.StatusOK, "history", d.Title, historyPath, d)
}

// address joins a path and a query that may be empty.
func address(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// getAccess shows one read. One of another person is exactly as unknown as one
// that does not exist.
func (p *Portal) getAccess(v *visit) {
	id, ok := parseRequestID(v.Param("read"))
	if !ok {
		p.failed(v.Writer, v.Request, notFound, nil)
		return
	}
	r, found, err := p.c.Reads.Read(v.Request.Context(), v.who, id)
	switch {
	case err != nil:
		p.away(v, fmt.Errorf("load read: %w", err))
		return
	case !found, r.Consumer != v.who, r.RequestID != id:
		p.failed(v.Writer, v.Request, notFound, nil)
		return
	}
	k, ok := p.known(v)
	if !ok {
		return
	}
	d := p.newAccessPage(v.t, k, r)
	p.render(v, http.StatusOK, "access", d.Title, historyPath, d)
}

func (p *Portal) getHistoryCSV(v *visit) {
	p.export(v, "csv", "text/csv; charset=utf-8", newCSVExport(v.Writer))
}

func (p *Portal) getHistoryJSON(v *visit) {
	p.export(v, "json", "application/json", &jsonExport{to: v.Writer, made: p.c.Now()})
}

const (
	// exportPage is how many entries are loaded at a time for a file.
	exportPage = 500
	// exportPatience is how long one such part may take to be sent.
	exportPatience = 15 * time.Second
)

// errCut: a file could not be completed. The connection is cut, so that no
// part of one is taken for the whole.
var errCut = errors.New("portal: file cut off")

// export sends the filtered list as a file, part by part.
func (p *Portal) export(v *visit, ext, kind string, to exporter) {
	k, ok := p.known(v)
	if !ok {
		return
	}
	f, _, fault, _, ok := p.parseFilter(v.t, k, v.Request.URL.Query())
	if !ok || fault != "" {
		see(v.Context, historyPath)
		return
	}
	// The first part before the first byte: a store that is away is answered
	// with a page.
	part, err := p.entries(v.Request.Context(), v.who, k, f, audit.Cursor{}, exportPage)
	if err != nil {
		p.away(v, err)
		return
	}
	v.Header("Content-Type", kind)
	v.Header("Content-Disposition", `attachment; filename="access-history.`+ext+`"`)
	if err := p.write(v, k, f, part, to); err != nil {
		web.Fields(v.Request.Context()).Cause = err
		if v.Request.Context().Err() == nil {
			panic(errCut) // the engine cuts the connection
		}
	}
}

func (p *Portal) write(v *visit, k known, f audit.Filter, part []happening, to exporter) error {
	conn := http.NewResponseController(v.Writer)
	if err := to.begin(); err != nil {
		return err
	}
	for written := 0; ; {
		for _, e := range part {
			if written++; written > exportLimit {
				return errors.Join(to.end(v.t.T("export.capped", "Number", v.t.Number(exportLimit))), to.flush())
			}
			if err := to.entry(p.exportEntry(v.t, k, e)); err != nil {
				return err
			}
		}
		if len(part) < exportPage {
			return errors.Join(to.end(""), to.flush())
		}
		if err := to.flush(); err != nil {
			return err
		}
		// Not every connection has a deadline to move; a recorder has none.
		_ = conn.SetWriteDeadline(p.c.Now().Add(exportPatience))
		last := part[len(part)-1]
		var err error
		if part, err = p.entries(v.Request.Context(), v.who, k, f, audit.Cursor{At: last.At, RequestID: last.ID}, exportPage); err != nil {
			return err
		}
	}
}

// pulse is where the stream of a page starts, "" when that is not known: the
// page does without one.
func (p *Portal) pulse(ctx context.Context, who consent.ConsumerID) string {
	at, err := p.c.Reads.Pulse(ctx, who)
	if err != nil {
		web.Fields(ctx).Cause = fmt.Errorf("load pulse: %w", err)
		return ""
	}
	return at
}
