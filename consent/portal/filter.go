package portal

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

// filterFields are the names of the fields of the filter form, and of the
// query that it makes.
var filterFields = []string{"app", "account", "data", "answer", "how", "from", "to"}

// option is an entry of a list to choose from.
type option struct {
	Value, Text string
	Chosen      bool
}

// filterForm is the filter as a page shows it.
type filterForm struct {
	Apps, Accounts, Data, Answers, How []option
	From, To                           string // YYYY-MM-DD, or what was typed
	Active                             bool   // it lets not everything through
	Query                              string // the filter as a query, without a question mark
}

// parseFilter reads the filter of an address. fault is the catalogue key of
// what is wrong with a day that was typed, and field the element that it is
// about. It returns false for a query that no form of ours makes: a field
// given twice, or a value that was not to be chosen. So an account or an app
// of another person is as unknown as one that does not exist.
func (p *Portal) parseFilter(t *text, k known, q url.Values) (f audit.Filter, form filterForm, fault, field string, ok bool) {
	chosen, kept := map[string]string{}, url.Values{}
	for _, name := range filterFields {
		switch v := q[name]; {
		case len(v) > 1, len(v) == 1 && len(v[0]) > maxFilter:
			return f, form, "", "", false
		case len(v) == 1 && v[0] != "":
			chosen[name] = v[0]
			kept.Set(name, v[0])
		}
	}
	form = filterForm{
		Apps: appOptions(k), Accounts: accountOptions(t, k), Data: dataOptions(t),
		Answers: []option{
			{Value: string(audit.Given), Text: t.T("history.given")},
			{Value: string(audit.Clipped), Text: t.T("history.clipped")},
			{Value: string(audit.Refused), Text: t.T("history.refused")},
		},
		How: []option{
			{Value: string(audit.WhilePresent), Text: t.T("history.attended")},
			{Value: string(audit.Background), Text: t.T("history.background")},
		},
		From: plain(chosen["from"], maxFilter), To: plain(chosen["to"], maxFilter),
		Active: len(kept) > 0, Query: kept.Encode(),
	}
	for _, list := range []struct {
		name    string
		options []option
	}{{"app", form.Apps}, {"account", form.Accounts}, {"data", form.Data}, {"answer", form.Answers}, {"how", form.How}} {
		if v, set := chosen[list.name]; set && !choose(list.options, v) {
			return f, form, "", "", false
		}
	}
	f = audit.Filter{
		Recipient: consent.RecipientID(chosen["app"]), Account: fdx.AccountID(chosen["account"]),
		Outcome: audit.Outcome(chosen["answer"]), Presence: audit.Presence(chosen["how"]),
	}
	if name := chosen["data"]; name != "" {
		f.Cluster, _ = fdx.ParseCluster(name) // it is one of the options
	}
	from, okFrom := parseDay(chosen["from"])
	to, okTo := parseDay(chosen["to"])
	switch {
	case !okFrom:
		return f, form, "filter.day", "filter_from", true
	case !okTo:
		return f, form, "filter.day", "filter_to", true
	case !from.IsZero() && !to.IsZero() && to.Before(from):
		return f, form, "filter.order", "filter_to", true
	}
	if !from.IsZero() {
		f.From = audit.StartOf(from, p.c.Zone)
	}
	if !to.IsZero() {
		f.Until = audit.StartOf(to.AddDays(1), p.c.Zone)
	}
	return f, form, "", "", true
}

// maxFilter is the longest value of a filter field in bytes: account ids of
// FDX have up to 256.
const maxFilter = 256

// choose marks the option with that value; false when there is none.
func choose(options []option, value string) bool {
	i := slices.IndexFunc(options, func(o option) bool { return o.Value == value })
	if i >= 0 {
		options[i].Chosen = true
	}
	return i >= 0
}

// parseDay reads a day as a date field sends it; no day for none.
func parseDay(s string) (fdx.Date, bool) {
	if s == "" {
		return fdx.Date{}, true
	}
	at, err := time.Parse(time.DateOnly, s)
	if err != nil || at.Year() < 2000 || at.Year() > 2999 {
		return fdx.Date{}, false
	}
	return fdx.DateOf(at), true
}

// appOptions lists the apps that hold or held a grant, by name.
func appOptions(k known) []option {
	newest := map[consent.RecipientID]consent.Grant{}
	for _, g := range k.grants {
		if old, ok := newest[g.Recipient]; !ok || g.CreatedAt.After(old.CreatedAt) {
			newest[g.Recipient] = g
		}
	}
	var list []option
	for id, g := range newest {
		list = append(list, option{Value: string(id), Text: k.apps[g.ID]})
	}
	slices.SortFunc(list, func(a, b option) int {
		return cmp.Or(strings.Compare(a.Text, b.Text), strings.Compare(a.Value, b.Value))
	})
	return list
}

// accountOptions lists the person's accounts as the bank does, and after them
// those that are in a grant and gone.
func accountOptions(t *text, k known) []option {
	var list []option
	seen := map[fdx.AccountID]bool{}
	add := func(id fdx.AccountID) {
		if !seen[id] {
			seen[id] = true
			list = append(list, option{Value: string(id), Text: k.account(t, id)})
		}
	}
	for _, id := range k.order {
		add(id)
	}
	n := len(list)
	for _, g := range k.grants {
		for _, id := range g.Accounts() {
			add(id)
		}
	}
	slices.SortFunc(list[n:], func(a, b option) int { return strings.Compare(a.Value, b.Value) })
	return list
}

func dataOptions(t *text) []option {
	var list []option
	for _, c := range fdx.AllClusters() {
		list = append(list, option{Value: c.String(), Text: t.T("data." + c.String() + ".label")})
	}
	return list
}
