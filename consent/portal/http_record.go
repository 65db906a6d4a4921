package portal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/web"
)

// The addresses of a person's record.
const (
	recordPath      = "/portal/record"
	recordPrintPath = "/portal/record/print"
)

const (
	// recordReceipts is how many receipts a record has at most: far more than
	// a life of sharing leaves behind.
	recordReceipts = 10_000
	// printLimit is how many entries of the history the page to print shows,
	// and how many notices.
	printLimit = 500
)

// recordRoutes adds the pages of a person's record.
func (p *Portal) recordRoutes(e *gin.Engine) {
	e.GET(recordPath, p.signedIn(p.getRecord))
	e.POST(recordPath, p.signedIn(p.postRecord))
	e.GET(recordPrintPath, p.signedIn(p.getRecordPrint))
}

const recordMark = "record"

// recordPage is what record.html gets.
type recordPage struct {
	page
	Title, Mark string
	Parts       []choiceRow
}

// recordParts are the parts that there are here.
func (p *Portal) recordParts() []recordPart {
	parts := []recordPart{partGrants, partReceipts, partHistory}
	if p.c.Inbox != nil {
		parts = append(parts, partNotices)
	}
	if p.c.Passkeys != nil {
		parts = append(parts, partPasskeys)
	}
	return parts
}

func (p *Portal) getRecord(v *visit) { p.showRecord(v, http.StatusOK, "") }

func (p *Portal) showRecord(v *visit, status int, warning string) {
	d := recordPage{page: page{text: v.t, Notice: warning}, Title: v.t.T("record.title")}
	d.Mark = p.c.Sessions.Mark(v.Request.Context(), recordMark)
	for _, part := range p.recordParts() {
		d.Parts = append(d.Parts, choiceRow{ID: "record_" + string(part), Value: string(part), Text: recordWords(v.t, p.c.UI.Bank(), part)})
	}
	p.render(v, status, "record", d.Title, "", d)
}

// recordWords names a part.
func recordWords(t *text, bank string, part recordPart) string {
	switch part {
	case partGrants:
		return t.T("record.shares")
	case partReceipts:
		return t.T("record.receipts", "Bank", bank)
	case partHistory:
		return t.T("record.history")
	case partPasskeys:
		return t.T("record.passkeys")
	default:
		return t.T("record.notices")
	}
}

// asked reads which parts somebody ticked: all when none. Fields beside those
// of others are tampering.
func (p *Portal) asked(form url.Values, others ...string) ([]recordPart, error) {
	offered := p.recordParts()
	var parts []recordPart
	for name, values := range form {
		part, ok := strings.CutPrefix(name, "part_")
		switch {
		case slices.Contains(others, name):
		case !ok || !slices.Contains(offered, recordPart(part)) || len(values) != 1 || values[0] != "on":
			return nil, errors.New("unknown field")
		}
	}
	for _, part := range offered {
		if form.Has("part_" + string(part)) {
			parts = append(parts, part)
		}
	}
	if parts == nil {
		parts = offered
	}
	return parts, nil
}

// postRecord makes a copy of the record. The person is told of it first:
// whoever got into their sign-in must not get away with a copy unseen.
func (p *Portal) postRecord(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	if !p.c.Sessions.Marked(ctx, recordMark, form.Get("mark")) {
		p.showRecord(v, http.StatusConflict, v.t.T("stale"))
		return
	}
	parts, err := p.asked(form, "mark", "form")
	kind := form.Get("form")
	if err == nil && !slices.Contains([]string{"json", "csv", "print"}, kind) {
		err = errors.New("unknown form")
	}
	if err != nil {
		p.failed(v.Writer, v.Request, badForm, err)
		return
	}
	if kind != "print" && p.c.Exports != nil {
		if !p.beginExport(v) {
			return
		}
		defer func() {
			// Whoever has gone has ended it, too.
			if err := p.c.Exports.End(context.WithoutCancel(ctx), v.who); err != nil {
				web.Fields(ctx).Cause = err
			}
		}()
	}
	if p.c.Teller != nil {
		if err := p.c.Teller.Tell(ctx, v.who, inbox.Export); err != nil {
			p.recordAway(v, fmt.Errorf("tell of an export: %w", err))
			return
		}
	}
	switch kind {
	case "print":
		q := url.Values{}
		for _, part := range parts {
			q.Set("part_"+string(part), "on")
		}
		see(v.Context, recordPrintPath+"?"+q.Encode())
	case "json":
		p.sendRecord(v, parts, "json", "application/json", &recordJSON{to: v.Writer})
	default:
		p.sendRecord(v, parts, "zip", "application/zip", newRecordZip(v.Writer))
	}
}

// beginExport reports whether a copy may be made now; if not, it has answered.
func (p *Portal) beginExport(v *visit) bool {
	err := p.c.Exports.Begin(v.Request.Context(), v.who)
	wait, says := time.Minute, v.t.T("record.busy")
	switch {
	case err == nil:
		return true
	case errors.Is(err, inbox.ErrExportBusy):
	case errors.Is(err, inbox.ErrExportsOver):
		now := p.c.Now().UTC()
		wait, says = now.Truncate(24*time.Hour).Add(24*time.Hour).Sub(now), v.t.T("record.over", "Count", inbox.ExportsADay)
	default:
		p.recordAway(v, err)
		return false
	}
	v.Header("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	p.showRecord(v, http.StatusTooManyRequests, says)
	return false
}

// recordAway is away for what came of a form.
func (p *Portal) recordAway(v *visit, cause error) {
	pr := unavailable
	pr.RetryURI = recordPath
	p.failed(v.Writer, v.Request, pr, cause)
}

// sendRecord sends the file while it is made: nothing of it is kept, so that no
// link to it can get lost.
func (p *Portal) sendRecord(v *visit, parts []recordPart, ext, kind string, to recordFile) {
	k, ok := p.known(v)
	if !ok {
		return
	}
	v.Header("Content-Type", kind)
	v.Header("Content-Disposition", `attachment; filename="data-sharing-record.`+ext+`"`)
	err := to.begin(p.c.UI.Bank(), p.c.Now(), parts)
	conn := http.NewResponseController(v.Writer)
	flush := func() error {
		// Not every connection has a deadline to move; a recorder has none.
		_ = conn.SetWriteDeadline(p.c.Now().Add(exportPatience))
		return to.flush()
	}
	for _, part := range parts {
		if err == nil {
			err = to.part(part)
		}
		if err == nil {
			err = p.recordItems(v, k, part, 0, to.item, flush)
		}
	}
	if err == nil {
		err = to.end()
	}
	if err != nil {
		web.Fields(v.Request.Context()).Cause = fmt.Errorf("export: %w", err)
		if v.Request.Context().Err() == nil {
			panic(errCut) // the engine cuts the connection
		}
	}
}

// recordItems calls item with everything in a part, newest first; at most
// limit times for what has no bound of its own, unless limit is 0. flush is
// called now and then. Whatever the stores say, nothing is another person's.
func (p *Portal) recordItems(v *visit, k known, part recordPart, limit int, item func(any) error, flush func() error) error {
	ctx, n := v.Request.Context(), 0
	put := func(x any) error {
		if n++; n%50 == 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		return item(x)
	}
	full := func() bool { return limit > 0 && n >= limit }
	switch part {
	case partGrants:
		for _, g := range sortedGrants(k) {
			events, err := p.c.Grants.Events(ctx, g.ID)
			if err == nil {
				err = put(p.recordGrant(v.t, k, g, events))
			}
			if err != nil {
				return err
			}
		}
	case partReceipts:
		list, err := p.c.Receipts.List(ctx, v.who, recordReceipts)
		if err != nil {
			return err
		}
		for _, one := range list {
			// List gives versions of the person's own grants; Receipt compares
			// once more.
			s, err := p.c.Receipts.Receipt(ctx, v.who, one.ID())
			if errors.Is(err, consent.ErrNotFound) {
				continue
			}
			if err == nil {
				err = put(recordReceipt{s.Receipt.ID, s.Code, s.JWS, s.Receipt})
			}
			if err != nil {
				return err
			}
		}
	case partHistory:
		for before := (audit.Cursor{}); ; {
			entries, err := p.entries(ctx, v.who, k, audit.Filter{}, before, exportPage)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if full() {
					return nil
				}
				if err := put(p.exportEntry(v.t, k, e)); err != nil {
					return err
				}
			}
			if len(entries) < exportPage {
				return nil
			}
			last := entries[len(entries)-1]
			before = audit.Cursor{At: last.At, RequestID: last.ID}
		}
	case partNotices:
		for after := (inbox.Place{}); ; {
			notices, err := p.c.Inbox.Notices(ctx, v.who, after, exportPage)
			if err != nil {
				return err
			}
			for _, one := range notices {
				if full() {
					return nil
				}
				if one.Consumer != v.who {
					continue
				}
				if err := put(p.recordNotice(v.t, one)); err != nil {
					return err
				}
			}
			if len(notices) < exportPage {
				return nil
			}
			after = notices[len(notices)-1].Place()
		}
	case partPasskeys:
		all, err := p.c.Passkeys.Of(ctx, v.who)
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.Consumer != v.who {
				continue
			}
			if err := put(recordPasskey{plain(r.Name, login.MaxPasskeyName), r.CreatedAt.UTC(), when(r.UsedAt)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// sortedGrants returns the person's grants, newest first.
func sortedGrants(k known) []consent.Grant {
	all := make([]consent.Grant, 0, len(k.grants))
	for _, g := range k.grants {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b consent.Grant) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return all
}

// printSection is one part on the page to print.
type printSection struct {
	Heading string
	Grants  []printGrant
	Others  []printRow
	Capped  string // says that there is more; empty when there is not
}

// printGrant is a grant on the page to print.
type printGrant struct {
	recordGrant
	When    string // from when to when
	State   string
	Changes []eventRow
}

// printRow is anything else there.
type printRow struct{ Time, Title, Text string }

// printPage is what recordprint.html gets.
type printPage struct {
	page
	Title, Lead string
	Sections    []printSection
}

// getRecordPrint shows the record on one page.
func (p *Portal) getRecordPrint(v *visit) {
	parts, err := p.asked(v.Request.URL.Query())
	if err != nil {
		see(v.Context, recordPath)
		return
	}
	k, ok := p.known(v)
	if !ok {
		return
	}
	d := printPage{page: page{text: v.t}, Title: v.t.T("record.printed")}
	d.Lead = v.t.T("record.made", "Bank", p.c.UI.Bank(), "Time", v.t.Moment(p.c.Now())+" "+v.t.Zone(p.c.Now()))
	for _, part := range parts {
		s := printSection{Heading: recordWords(v.t, p.c.UI.Bank(), part)}
		err := p.recordItems(v, k, part, printLimit, func(x any) error {
			p.printed(v.t, k, &s, x)
			return nil
		}, func() error { return nil })
		if err != nil {
			p.away(v, err)
			return
		}
		if len(s.Others) >= printLimit {
			s.Capped = v.t.T("record.capped", "Number", v.t.Number(printLimit))
		}
		d.Sections = append(d.Sections, s)
	}
	p.render(v, http.StatusOK, "recordprint", d.Title, "", d)
}

// printed adds an item to a section.
func (p *Portal) printed(t *text, k known, s *printSection, x any) {
	switch x := x.(type) {
	case recordGrant:
		g := k.grants[consent.GrantID(x.ID)]
		row := p.row(t, g, "")
		one := printGrant{recordGrant: x, State: row.State, When: row.Since + " – " + row.Ends}
		if row.Ended != "" {
			one.When = row.Since + " – " + row.Ended
			one.State = row.By
		}
		one.Changes = eventRows(t, x.events, p.c.UI.Bank())
		s.Grants = append(s.Grants, one)
	case recordReceipt:
		r := describe(t, p.c.UI.Bank(), x.Receipt, x.Code)
		s.Others = append(s.Others, printRow{Time: r.When, Title: r.Heading, Text: t.T("receipt.code") + ": " + x.Code})
	case exported:
		row := printRow{Time: t.Moment(x.Time), Title: x.App}
		row.Text = strings.Join(slices.DeleteFunc([]string{x.Asked, t.list(x.Accounts), x.Answer, x.Why}, func(s string) bool { return s == "" }), " · ")
		s.Others = append(s.Others, row)
	case recordNotice:
		s.Others = append(s.Others, printRow{Time: t.Moment(x.Time), Title: x.Title, Text: x.Text})
	case recordPasskey:
		row := printRow{Time: t.Moment(x.Created), Title: x.Name, Text: t.T("passkey.unused")}
		if x.Used != nil {
			row.Text = t.T("passkey.used", "Date", t.Moment(*x.Used))
		}
		s.Others = append(s.Others, row)
	}
}
