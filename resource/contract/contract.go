package contract

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// Fixture is one provider with the data that its contract is checked on.
// Explore finds one by asking the provider.
type Fixture struct {
	Provider resource.Provider
	// Now is the time at which the checks ask.
	Now time.Time
	// Consumer holds Accounts, at least one. Busy is one of them: the one
	// with the most to check.
	Consumer consent.ConsumerID
	Accounts []fdx.AccountID
	Busy     fdx.AccountID
	// Foreign is an account of somebody else; empty when none is known.
	Foreign fdx.AccountID
	// Locked is an account of Consumer that may not be read now; empty when
	// none is known.
	Locked fdx.AccountID
	// Patience is how long one call may take, and how long one may go on
	// whose context has ended; 0 is 10 s.
	Patience time.Duration
}

// Finding is one breach of the contract.
type Finding struct {
	// Rule is the stable name of the rule, one of Rules.
	Rule string `json:"rule"`
	// Operation is the FDX operation in which it was seen, empty when it is
	// about none.
	Operation string `json:"operation,omitempty"`
	// What was seen: counts, positions, names of fields. No personal data.
	What string `json:"what"`
	// Mend is what the bank's engineer should do.
	Mend string `json:"mend"`
	// Cause is the provider's own error behind it, nil without one. It may
	// hold personal data.
	Cause error `json:"-"`
}

// Result is what one check found.
type Result struct {
	// Check is the name of the check, Operation what it is about, empty when
	// it is about none.
	Check     string
	Operation fdx.OperationID
	// Findings are the breaches, each rule once; nil when there are none.
	Findings []Finding
	// Unchecked says why the check, or a part of it, could not be made;
	// empty when all of it was.
	Unchecked string
	// NotOffered: it was not made because the bank does not offer the
	// operation.
	NotOffered bool
	// Notes inform and judge nothing.
	Notes []string
}

// Check is one named check. It may run many times and at the same time as
// others.
type Check struct {
	// Name is stable and unique among Checks.
	Name string
	// Operation is what it is about, empty when it is about none.
	Operation fdx.OperationID
	// Core checks need no more than three accounts, of which the busy one has
	// 12 transactions on three days in the year before Now and, when
	// statements are offered, three of these.
	Core bool

	session *session
	run     func(*probe)
}

// Checks returns the whole contract on a fixture, in the order in which a
// reader understands the findings best. Reads are shared among the checks of
// one call: the provider's data must stay the same meanwhile. It returns an
// error for a fixture without a provider, a time or accounts.
func Checks(f Fixture) ([]Check, error) {
	if f.Provider == nil || f.Now.IsZero() || f.Consumer == "" || !slices.Contains(f.Accounts, f.Busy) {
		return nil, errors.New("contract: a provider, a time, a consumer and its accounts are required")
	}
	if f.Patience == 0 {
		f.Patience = defaultPatience
	}
	s := newSession(f)
	all := []Check{
		{Name: "operations", Core: true, run: checkOperations},
		{Name: "availability", Operation: fdx.GetAvailability, Core: true, run: checkAvailability},
	}
	for _, o := range s.operations {
		add := func(aspect string, core bool, run func(*probe, operation)) {
			all = append(all, Check{Name: string(o.id) + ": " + aspect, Operation: o.id, Core: core, run: func(p *probe) { run(p, o) }})
		}
		if o.paged {
			add("pages", o.core, checkPages)
		}
		add("values", o.core, checkValues)
		if o.specific != nil {
			add(o.about, o.core, o.specific)
		}
		if o.single {
			add("accounts of others", false, checkForeign)
			add("locked accounts", false, checkLocked)
		}
		add("callers apart", o.core, checkCallers)
		add("ends with its context", true, checkDeadline)
	}
	all = append(all, Check{Name: "cost of pages", Operation: fdx.SearchForAccountTransactions, run: checkCost})
	for i := range all {
		all[i].session = s
	}
	return all, nil
}

const defaultPatience = 10 * time.Second

func newSession(f Fixture) *session {
	today := fdx.DateOf(f.Now)
	s := &session{
		Fixture: f, operations: operations(f), offered: slices.Clone(f.Provider.Operations()),
		year: fdx.Window{Start: today.AddDays(-364), End: today}, wholes: map[string][]any{}, words: map[reflect.Type][]string{},
	}
	for _, v := range vocabularies() {
		s.words[v.of] = v.values
	}
	return s
}

// Run makes the check. It answers whatever the provider does: a panic and a
// call that does not end are findings.
func (c Check) Run(ctx context.Context) Result {
	p := &probe{session: c.session, ctx: ctx, id: c.Operation}
	r := Result{Check: c.Name, Operation: c.Operation}
	if c.Operation != "" && c.Operation != fdx.GetAvailability && !slices.Contains(p.offered, c.Operation) {
		r.Unchecked, r.NotOffered = "the bank does not offer the operation", true
		return r
	}
	c.run(p)
	r.Findings, r.Unchecked, r.Notes = p.findings, p.unchecked, p.notes
	return r
}

// Report is what all checks found.
type Report struct {
	// Results has one entry per check, in order.
	Results []Result
}

// Run makes all checks and tells progress about each when it is done; nil
// tells nobody. It ends early when ctx ends, with what it has.
func Run(ctx context.Context, f Fixture, progress func(Result)) (Report, error) {
	checks, err := Checks(f)
	if err != nil {
		return Report{}, err
	}
	var report Report
	for _, c := range checks {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		r := c.Run(ctx)
		report.Results = append(report.Results, r)
		if progress != nil {
			progress(r)
		}
	}
	return report, nil
}

// Findings returns every breach once per rule and operation, in the order in
// which they were found; nil when there are none.
func (r Report) Findings() []Finding {
	var all []Finding
	for _, result := range r.Results {
		for _, f := range result.Findings {
			known := func(g Finding) bool {
				return g.Rule == f.Rule && g.Operation == f.Operation && (f.Operation != "" || g.What == f.What)
			}
			if !slices.ContainsFunc(all, known) {
				all = append(all, f)
			}
		}
	}
	return all
}

// Everything is a share of these accounts of a consumer with every cluster
// and a look-back without end, in force at now.
func Everything(who consent.ConsumerID, now time.Time, accounts ...fdx.AccountID) consent.Share {
	s := consent.Share{
		Grant: consent.NewGrantID(), Epoch: 1, Recipient: "app", Consumer: who,
		Status: consent.StatusActive, ExpiresAt: now.Add(time.Hour).UTC().Truncate(time.Second), LookbackDays: 1_000_000,
	}
	for _, id := range accounts {
		s.Accounts = append(s.Accounts, consent.AccountShare{ID: id, Clusters: fdx.NewClusters(fdx.AllClusters()...)})
	}
	return s
}
