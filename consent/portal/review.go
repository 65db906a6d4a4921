package portal

import (
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// disclosureVersion names the wording and the order of the review page. It
// changes with every change of review.go, review.html or a catalogue key
// under "review.", "diff." or "data.".
const disclosureVersion = "2026-11-22.4"

// review is everything that a person decides on, in the order in which it is
// shown. Page and stored disclosure are both made from this one value.
type review struct {
	Lang     string
	Question string
	Now      titled      // empty unless this changes what is shared already
	Diff     []diffGroup // beside what is shared already; nil unless this changes it
	Who      titled
	Accounts titled
	Rows     []accountRow
	Data     titled
	Clusters []clusterRow
	Why      titled
	Quote    string
	Benefit  titled // empty without one
	Promise  string // the app's own words
	Long     titled
	Stop     titled
	Next     titled
	Decline  string
	Share    string
}

// titled is a heading with the lines under it.
type titled struct {
	Title string
	Lines []string
}

// clusterRow is one line of data.
type clusterRow struct {
	Label, Line, More string
	Sensitive         string // the word for it; empty when it is not
	Note              string
}

// between says through whose hands the data goes.
func between(t *text, app consent.Recipient) []string {
	var lines []string
	for _, middle := range app.Intermediaries {
		if name := plain(middle.Name, maxName); name != "" {
			lines = append(lines, t.T("review.middle", "App", plain(app.Name, maxName), "Middle", name))
		}
	}
	return lines
}

// newReview says in t's language what a decides on at the given time. rows
// are the chosen accounts, was is what a yes changes.
func newReview(t *text, bank string, app consent.Recipient, a consent.Authorization, rows []accountRow, was earlier, at time.Time) review {
	q := a.Request
	name := plain(app.Name, maxName)
	v := review{
		Lang:     t.Lang,
		Question: t.T("review.title", "App", name),
		Who:      titled{t.T("review.who"), []string{}},
		Accounts: titled{Title: t.T("review.accounts")},
		Rows:     rows,
		Data:     titled{Title: t.T("review.data", "App", name)},
		Clusters: clusterRows(t, q.Clusters()),
		Why:      titled{t.T("review.why", "App", name), []string{t.T("review.words", "App", name)}},
		Quote:    plain(q.Purpose.Label, maxPurpose),
		Long:     titled{Title: t.T("review.long")},
		Stop:     titled{t.T("review.stop"), []string{t.T("review.anytime", "Bank", bank)}},
		Next:     titled{t.T("review.next"), []string{t.T("review.then", "App", name)}},
		Decline:  t.T("review.decline"),
		Share:    t.T("review.share"),
	}
	if v.Promise = plain(app.Benefit, maxPurpose); v.Promise != "" {
		v.Benefit = titled{t.T("review.benefit", "App", name), []string{t.T("review.words", "App", name)}}
	}
	if legal := plain(app.LegalName, maxName); legal != "" {
		v.Who.Lines = append(v.Who.Lines, t.T("review.owner", "App", name, "Legal", legal))
	}
	if registry, number := plain(app.Registry, maxName), plain(app.RegistryID, maxName); registry != "" && number != "" {
		v.Who.Lines = append(v.Who.Lines, t.T("review.registry", "Registry", registry, "Number", number))
	}
	v.Who.Lines = append(append(v.Who.Lines, between(t, app)...), t.T("review.known", "Bank", bank))

	if a.Holder != (consent.Holder{}) {
		v.Accounts.Lines = []string{t.T("review.whose", "Holder", holderName(t, a.Holder))}
	}
	switch {
	case q.Duration == consent.OneTime && q.OneTimeMinutes > 0:
		v.Long.Lines = append(v.Long.Lines, t.T("review.once.minutes", "App", name, "Count", q.OneTimeMinutes))
	case q.Duration == consent.OneTime:
		v.Long.Lines = append(v.Long.Lines, t.T("review.once", "App", name))
	default:
		v.Long.Lines = append(v.Long.Lines, t.T("review.until", "Date", t.Date(q.ExpiresAt(at))))
	}
	v.Long.Lines = append(v.Long.Lines, lookback(t, name, q.LookbackDays, at))
	v.changes(t, app, q, rows, was, at)
	return v
}

// lookback says how far back an app can see. Enforcement counts days in UTC,
// so this does too.
func lookback(t *text, app string, days int, at time.Time) string {
	if days == 0 {
		return t.T("review.today", "App", app)
	}
	return t.T("review.back", "App", app, "Count", days, "Date", t.Day(fdx.DateOf(at).AddDays(-days)))
}

// widest returns the set without what a wider cluster of it contains.
func widest(set fdx.Clusters) fdx.Clusters {
	if set.Has(fdx.AccountDetailed) {
		set = set.Without(fdx.NewClusters(fdx.AccountBasic))
	}
	if set.Has(fdx.CustomerPersonal) {
		set = set.Without(fdx.NewClusters(fdx.CustomerContact))
	}
	return set
}

// clusterRows puts data clusters into words, one row each. A cluster that a
// wider one of the set contains is not listed beside it.
func clusterRows(t *text, set fdx.Clusters) []clusterRow {
	set = widest(set)
	var rows []clusterRow
	for _, c := range set.List() {
		key := "data." + c.String()
		row := clusterRow{Label: t.T(key + ".label"), Line: t.T(key + ".line"), More: t.T(key + ".more")}
		if sensitive.Has(c) {
			row.Sensitive = t.T("review.sensitive")
		}
		// A statement is a file: what it shows is not filtered by cluster.
		switch {
		case c == fdx.Statements && len(set.List()) > 1:
			row.Note = t.T("review.statements")
		case others.Has(c):
			row.Note = t.T("review.others")
		}
		rows = append(rows, row)
	}
	return rows
}

// sensitive are the clusters that carry a mark: they tell of other people,
// of a person's life, or enough to act in their name.
var sensitive = fdx.NewClusters(
	fdx.CustomerContact, fdx.CustomerPersonal, fdx.Images, fdx.PaymentSupport,
	fdx.SocialSecurityNumber, fdx.Statements, fdx.Tax, fdx.Transactions, fdx.Transfers,
)

// others are the clusters that tell of other people, too.
var others = fdx.NewClusters(
	fdx.CustomerContact, fdx.CustomerPersonal, fdx.Images, fdx.ScheduledPayments, fdx.Statements, fdx.Transactions, fdx.Transfers,
)

// Disclosure returns the page's text, line by line, as it goes into the
// grant. It holds every sentence of the page, also those that are folded.
func (v review) Disclosure() consent.Disclosure {
	var b strings.Builder
	line := func(parts ...string) {
		for _, s := range parts {
			if s != "" {
				b.WriteString(s)
				b.WriteByte('\n')
			}
		}
	}
	section := func(s titled) {
		b.WriteByte('\n')
		line(s.Title)
		line(s.Lines...)
	}
	line(v.Question)
	if v.Now.Title != "" {
		section(v.Now)
		for _, g := range v.Diff {
			line(g.Title)
			for _, r := range g.Rows {
				line(r.Name + ": " + r.Now + " → " + r.Then)
			}
		}
	}
	section(v.Who)
	section(v.Accounts)
	for _, r := range v.Rows {
		line(strings.TrimSpace(r.Name + " " + r.Number))
		line(r.Notes...)
	}
	section(v.Data)
	for _, c := range v.Clusters {
		line(c.Label, c.Sensitive, c.Line, c.More, c.Note)
	}
	b.WriteByte('\n')
	line(v.Why.Title, v.Quote)
	line(v.Why.Lines...)
	if v.Promise != "" {
		b.WriteByte('\n')
		line(v.Benefit.Title, v.Promise)
		line(v.Benefit.Lines...)
	}
	section(v.Long)
	section(v.Stop)
	b.WriteByte('\n')
	line("[" + v.Decline + "] [" + v.Share + "]")
	section(v.Next)
	return consent.Disclosure{Version: disclosureVersion, Locale: v.Lang, Text: b.String()}
}
