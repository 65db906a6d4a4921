package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/conformance/cases"
)

// leakReads is how often each narrow consent is read: L1.
const leakReads = 12

// scope is what a consent opens, as it was ordered: what the check goes by,
// instead of what the product thinks of it.
type scope struct {
	accounts map[string]bool
	clusters []string
	lookback int
	who      *customer
}

// shown is what an answer with data showed.
type shown struct {
	consent, operation string
	accounts           []string // ids
	asked              string   // the account of the path; "" for a list
	from, to           string   // days asked for
	days               []string // of the movements
	misfits            []string // fields that must not leave, or are missing
	total              int      // movements
	whole              bool     // there is no further page
}

// leak reads narrow consents, each of some of a customer's accounts, some data
// clusters and a reach of its own, for what is in them and for what is not, and
// checks every answer against what was ordered and what the bench itself has
// given to the bank: L1.
func (d *driver) leak(ctx context.Context) (finding, error) {
	rich := slices.DeleteFunc(slices.Clone(d.people), func(c *customer) bool { return c.held < 2 })
	if len(rich) == 0 {
		return finding{ID: "L1", NotRun: "no customer has two accounts"}, nil
	}
	owned := map[*customer][]string{}
	var pairs []pair
	for i := range 30 {
		pairs = append(pairs, pair{d.apps[i%len(d.apps)], rich[i%len(rich)]})
	}
	first, err := d.stock(ctx, pairs[:len(rich)], nil)
	if err != nil {
		return finding{}, err
	}
	for _, g := range first {
		owned[g.who] = g.accounts
	}
	sets := [][]string{
		{"ACCOUNT_BASIC"}, {"ACCOUNT_BASIC", "TRANSACTIONS"}, {"TRANSACTIONS"}, {"BALANCES"}, {"ACCOUNT_DETAILED"}, {"ACCOUNT_BASIC", "BALANCES"},
	}
	made, err := d.stock(ctx, pairs, func(i int, o *bulk) {
		held := owned[pairs[i].c]
		o.Accounts = slices.Clone(held)
		rand.Shuffle(len(o.Accounts), func(i, j int) { o.Accounts[i], o.Accounts[j] = o.Accounts[j], o.Accounts[i] })
		o.Accounts = o.Accounts[:1+rand.IntN(len(held)-1)]
		o.Clusters, o.LookbackDays = sets[i%len(sets)], 3+rand.IntN(40)
	})
	if err != nil {
		return finding{}, err
	}
	scopes := map[string]scope{}
	for _, g := range made {
		s := scope{map[string]bool{}, g.clusters, g.lookback, g.who}
		for _, id := range g.accounts {
			s.accounts[id] = true
		}
		scopes[g.id] = s
	}
	var all []string // every account there is, of anybody
	for _, list := range owned {
		all = append(all, list...)
	}
	var mu sync.Mutex
	var list []shown
	var wg sync.WaitGroup
	for _, g := range made {
		wg.Go(func() {
			for n := range leakReads {
				s, ok := d.look(ctx, gateways[n%2], g, all[rand.IntN(len(all))], n)
				if mu.Lock(); ok {
					list = append(list, s)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return checkLeak(list, scopes, time.Now().UTC()), nil
}

// look reads under a grant: its list, an account, or movements of an account,
// its own or not.
func (d *driver) look(ctx context.Context, instance string, g *grant, account string, n int) (shown, bool) {
	if n%2 == 0 {
		account = g.accounts[rand.IntN(len(g.accounts))]
	}
	token, s := g.now(), shown{consent: g.id}
	path, query := "/accounts", url.Values{}
	switch n % 3 {
	case 0:
		s.operation = "searchForAccounts"
	case 1:
		s.operation, s.asked, path = "getAccount", account, "/accounts/"+account
	default:
		s.operation, s.asked, path = "searchForAccountTransactions", account, "/accounts/"+account+"/transactions"
		day := func(back int) string { return time.Now().UTC().AddDate(0, 0, -back).Format(time.DateOnly) }
		s.from, s.to = day(1+rand.IntN(50)), day(0)
		query = url.Values{"startDate": {s.from}, "endDate": {s.to}, "limit": {"100"}}
	}
	r, err := g.app.client.DataRequest(token, path, query)
	if err != nil {
		return s, false
	}
	o := op{Kind: opRead, Instance: instance, Recipient: g.app.id, Consent: g.id, Operation: s.operation, How: narrow}
	text := d.sendRead(ctx, &o, g.app, r)
	d.history.add(o)
	if !o.good() {
		return s, false
	}
	s.read(text, g.clusters)
	return s, true
}

// read takes in what an answer showed.
func (s *shown) read(text []byte, clusters []string) {
	var body map[string]any
	if json.Unmarshal(text, &body) != nil {
		s.misfits = append(s.misfits, "the answer is not JSON")
		return
	}
	items := func(name string) []any { list, _ := body[name].([]any); return list }
	account := func(v any, held []string) {
		object, _ := v.(map[string]any)
		id, _ := object["accountId"].(string)
		s.accounts = append(s.accounts, id)
		s.misfits = append(s.misfits, cases.Misfits("Account", v, held...)...)
	}
	// An operation answers with the fields of the clusters that it carries; a
	// list of accounts holds no more than descriptors.
	carried := slices.DeleteFunc(slices.Clone(clusters), func(c string) bool {
		return (c == "TRANSACTIONS") != (s.operation == "searchForAccountTransactions")
	})
	if s.operation == "searchForAccounts" {
		carried = []string{"ACCOUNT_BASIC"}
	}
	switch s.operation {
	case "searchForAccounts":
		for _, v := range items("accounts") {
			account(v, carried)
		}
	case "getAccount":
		account(body, carried)
	default:
		for _, v := range items("transactions") {
			object, _ := v.(map[string]any)
			when, _ := object["postedTimestamp"].(string)
			s.days = append(s.days, strings.SplitN(when, "T", 2)[0])
			s.misfits = append(s.misfits, cases.Misfits("Transaction", v, carried...)...)
		}
		s.total, s.accounts = len(items("transactions")), []string{s.asked}
		page, _ := body["page"].(map[string]any)
		s.whole = page["nextPageKey"] == nil
	}
}

// opened are the clusters any of which an operation needs.
var opened = map[string][]string{
	"searchForAccounts": {"ACCOUNT_BASIC", "ACCOUNT_DETAILED"}, "getAccount": {"ACCOUNT_DETAILED", "BALANCES"},
	"searchForAccountTransactions": {"TRANSACTIONS"},
}

// checkLeak is L1: an answer shows accounts, fields and days that its consent
// opens, and all of the movements that it opens.
func checkLeak(list []shown, scopes map[string]scope, now time.Time) finding {
	f := finding{ID: "L1", What: "no answer holds more than its consent and the bank's data allow, and none holds less"}
	for _, s := range list {
		f.Trials++
		c := scopes[s.consent]
		where := fmt.Sprintf("%s under %v, %d days of reach", s.operation, c.clusters, c.lookback)
		for _, id := range s.accounts {
			if !c.accounts[id] {
				f.bad("%s: an account that is not in the consent", where)
			}
		}
		if s.operation == "searchForAccounts" && len(s.accounts) != len(c.accounts) {
			f.bad("%s: %d accounts of %d", where, len(s.accounts), len(c.accounts))
		}
		if !slices.ContainsFunc(opened[s.operation], func(o string) bool { return slices.Contains(c.clusters, o) }) {
			f.bad("%s: data without one of %v", where, opened[s.operation])
			continue
		}
		for _, m := range s.misfits {
			f.bad("%s: %s", where, m)
		}
		reach := now.AddDate(0, 0, -c.lookback).Format(time.DateOnly)
		for _, day := range s.days {
			if day < reach || day < s.from || day > s.to {
				f.bad("%s: a movement of %s; asked for %s to %s", where, day, s.from, s.to)
			}
		}
		if s.from != "" && s.whole {
			if want := movementsBetween(max(s.from, reach), s.to, now); s.total != want {
				f.bad("%s: %d movements from %s to %s, and the bank has %d", where, s.total, max(s.from, reach), s.to, want)
			}
		}
	}
	return f
}

// movementsBetween counts the movements of one of our statements, days
// included.
func movementsBetween(from, to string, now time.Time) (n int) {
	for i := range movements {
		if day := now.AddDate(0, 0, -dayOfMovement(i)).Format(time.DateOnly); day >= from && day <= to {
			n++
		}
	}
	return n
}
