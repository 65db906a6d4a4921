package main

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"
)

// finding is what one check came to.
type finding struct {
	ID     string   `json:"id"`
	What   string   `json:"what"`
	Trials int      `json:"trials"`
	Bad    []string `json:"bad,omitempty"`     // each violation, in words
	Notes  []string `json:"notes,omitempty"`   // figures
	NotRun string   `json:"not_run,omitempty"` // why there was nothing to check
	// Took and Tries are those of a mutant.
	Took  string `json:"took,omitempty"`
	Tries int    `json:"tries,omitempty"`
	// Late is what took longer than promised, until it is known whether the
	// machine had the time (driver.judge): then it is Bad or Void.
	Late []string `json:"-"`
	// Void says why nothing is proven: the machine was too slow. It is neither
	// a promise kept nor one broken.
	Void []string `json:"void,omitempty"`
}

// ok: something was tried and nothing was violated. A check that had nothing
// to look at has not passed.
func (f finding) ok() bool {
	return len(f.Bad)+len(f.Late)+len(f.Void) == 0 && f.Trials > 0 && f.NotRun == ""
}

// passed: every finding is good, or was told not to be looked for.
func passed(all []finding) bool {
	return !slices.ContainsFunc(all, func(f finding) bool { return !f.ok() && f.NotRun == "" })
}

// settle decides about what was late.
func (f finding) settle(busy bool) finding {
	if busy {
		f.Void = append(f.Void, f.Late...)
	} else {
		f.Bad = append(f.Bad, f.Late...)
	}
	f.Late = nil
	return f
}

// settled holds against the product what was late and what nobody has judged: a
// report does not keep it, and must not read as if there had been nothing.
func settled(list []finding) []finding {
	for i, f := range list {
		list[i] = f.settle(false)
	}
	return list
}

func (f *finding) bad(format string, args ...any) {
	f.Bad = append(f.Bad, fmt.Sprintf(format, args...))
}
func (f *finding) late(format string, args ...any) {
	f.Late = append(f.Late, fmt.Sprintf(format, args...))
}

// unserved is a request that should have been served: late when it was put off,
// which a machine without time does to anybody, and bad for any other answer.
func (f *finding) unserved(o op, format string, args ...any) {
	if o.putOff() {
		f.late(format, args...)
		return
	}
	f.bad(format, args...)
}
func (f *finding) short(format string, args ...any) {
	f.Void = append(f.Void, fmt.Sprintf(format, args...))
}
func (f *finding) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

// ended2xx returns when each consent had ended for everybody: the end of the
// first answer that said so.
func ended2xx(ops []op) map[string]time.Duration {
	first := map[string]time.Duration{}
	for _, o := range ops {
		// 409 of the consent API says that it had ended before.
		if o.Kind == opRevoke && (o.good() || o.Status == 409) {
			if t, ok := first[o.Consent]; !ok || o.End < t {
				first[o.Consent] = o.End
			}
		}
	}
	return first
}

// checkRevoke is R1: nothing that begins after a stop has answered yes is
// given data, an active token or a new token. quiet are spans without a
// fault, in which stops must be fast.
func checkRevoke(ops []op, faults []span) finding {
	f := finding{ID: "R1", What: "no data, active token or new token after a stop has answered"}
	first := ended2xx(ops)
	f.Trials = len(first)
	raced, after := 0, 0
	var quiet []time.Duration
	for _, o := range ops {
		t, stopped := first[o.Consent]
		switch {
		case o.Kind == opRevoke:
			if o.good() && o.How != byBank && o.How != byPortal && !within(o, faults, 2*time.Second) {
				quiet = append(quiet, o.took())
			}
			continue
		case !stopped, o.Kind != opRead && o.Kind != opIntrospect && o.Kind != opRefresh:
			continue
		case o.Start <= t:
			if o.End > t && o.Yes {
				raced++
			}
			continue
		}
		after++
		if o.Yes {
			f.bad("consent %s: %s on %s began %v after the stop had answered and was given (phase %s, request %s)",
				o.Consent, o.Kind, o.Instance, o.Start-t, o.Phase, o.RequestID)
		}
	}
	f.note("%d operations began after a stop; %d were under way across one", after, raced)
	if last := untilEnforced(ops, first); len(last) > 0 {
		f.note("from the beginning of a stop to the last thing given: p50 %v, p99 %v, slowest %v of %d",
			quantile(last, 0.5), quantile(last, 0.99), quantile(last, 1), len(last))
	}
	if n := len(quiet); n > 0 {
		f.note("stops without fault: p95 %v, p99 %v, slowest %v of %d", quantile(quiet, 0.95), quantile(quiet, 0.99), quantile(quiet, 1), n)
		if q := quantile(quiet, 0.95); q > time.Second && n >= 20 {
			f.late("stops without fault: p95 is %v, more than 1 s", q)
		}
		if q := quantile(quiet, 0.99); q > 3500*time.Millisecond && n >= 20 {
			f.late("stops without fault: p99 is %v, more than 3.5 s", q)
		}
	}
	return f
}

// untilEnforced is, for each consent that something was given of while it was
// being stopped, the time from the beginning of the stop to the beginning of
// the last thing given.
func untilEnforced(ops []op, ended map[string]time.Duration) []time.Duration {
	begun := map[string]time.Duration{}
	for _, o := range ops {
		if t, ok := begun[o.Consent]; o.Kind == opRevoke && (!ok || o.Start < t) {
			begun[o.Consent] = o.Start
		}
	}
	last := map[string]time.Duration{}
	for _, o := range ops {
		t, ok := begun[o.Consent]
		if _, over := ended[o.Consent]; ok && over && o.Kind != opRevoke && o.Yes && o.Start >= t {
			last[o.Consent] = max(last[o.Consent], o.Start-t)
		}
	}
	var list []time.Duration
	for _, t := range last {
		list = append(list, t)
	}
	return list
}

// within reports whether an operation overlaps a fault, or the time after it.
func within(o op, faults []span, after time.Duration) bool {
	return slices.ContainsFunc(faults, func(s span) bool { return o.End >= s.begin && o.Start-after <= s.end })
}

// quantile of times; it sorts them.
func quantile(times []time.Duration, q float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	i := int(math.Ceil(q*float64(len(times)))) - 1
	return times[max(i, 0)].Round(100 * time.Microsecond)
}

// checkAudit is A1: each answer with data has exactly one record, which says
// what was given. Records beyond that belong to reads whose answer did not
// arrive or was a 503, each at most once.
func checkAudit(ops []op, stored []record) finding {
	f := finding{ID: "A1", What: "each answer with data has exactly one record that says what was given"}
	byID, given := map[string][]record{}, map[string][]record{}
	for _, r := range stored {
		byID[r.RequestID] = append(byID[r.RequestID], r)
		if r.Outcome != "refused" {
			given[r.Interaction] = append(given[r.Interaction], r)
		}
	}
	over, asked := 0, map[string]op{}
	for _, o := range ops {
		if o.Kind != opRead {
			continue
		}
		asked[o.Interaction] = o
		if !o.good() {
			continue
		}
		f.Trials++
		list := byID[o.RequestID]
		switch {
		case o.RequestID == "" || len(list) == 0:
			f.bad("read %s of consent %s on %s (phase %s): no record", o.RequestID, o.Consent, o.Instance, o.Phase)
			continue
		case len(list) > 1:
			f.bad("read %s of consent %s: %d records", o.RequestID, o.Consent, len(list))
		}
		if o.How == narrow {
			o.From, o.To, o.Accounts, o.Operation = list[0].From, list[0].To, slices.Sorted(slices.Values(list[0].Accounts)), list[0].Operation
			list[0].Clusters = carried[o.Operation]
			if o.Operation == "getAccount" {
				o.Count = list[0].Count
			}
		}
		for _, wrong := range mismatches(o, list[0]) {
			f.bad("read %s of consent %s (phase %s): the record has another %s", o.RequestID, o.Consent, o.Phase, wrong)
		}
	}
	for interaction, list := range given {
		o, known := asked[interaction]
		switch {
		case !known:
			f.bad("record %s: nobody asked for that read", list[0].RequestID)
		case len(list) > 1:
			f.bad("one read of consent %s has %d records of data given", o.Consent, len(list))
		case o.good():
		case o.Status == 0 || o.Status == 503:
			over++ // recorded, and the answer or the word of its storage was lost
		default:
			f.bad("read %s of consent %s was answered %d and is recorded as given", o.RequestID, o.Consent, o.Status)
		}
	}
	f.note("%d records; %d of them tell of an answer that did not arrive", len(stored), over)
	return f
}

// carried are the clusters that an operation carries under the consents here.
var carried = map[string][]string{
	"searchForAccounts": {"ACCOUNT_BASIC"}, "searchForAccountTransactions": {"TRANSACTIONS"},
}

// mismatches names what the record and the answer differ in.
func mismatches(o op, r record) []string {
	var list []string
	differ := func(name string, is bool) {
		if is {
			list = append(list, name)
		}
	}
	accounts := slices.Sorted(slices.Values(r.Accounts))
	have := slices.Sorted(slices.Values(r.Clusters))
	differ("consent", r.Grant != o.Consent)
	differ("recipient", r.Recipient != o.Recipient)
	differ("operation", r.Operation != o.Operation)
	differ("accounts", !slices.Equal(accounts, o.Accounts))
	differ("clusters", !slices.Equal(have, carried[o.Operation]))
	differ("window", r.From != o.From || r.To != o.To)
	differ("count of records", r.Count != o.Count)
	differ("length", r.Bytes != o.Bytes)
	differ("body hash", r.BodyHash != o.BodyHash)
	differ("interaction", !strings.EqualFold(r.Interaction, o.Interaction))
	differ("instance", r.Instance != o.Instance)
	differ("outcome", r.Outcome == "refused")
	return list
}

// dark says which gateways could not store a record while a fault was in
// effect, and so must not give data.
type dark struct {
	span
	ready     time.Duration // when PostgreSQL took connections again
	bank      bool          // the bank, which is in the same PostgreSQL, is away too
	instances []string
}

// checkDark is V2 and the last part of A1: while nothing can be recorded,
// nothing is given, and every refusal is a 503 with Retry-After and a body of
// the API's form, soon enough.
func checkDark(ops []op, windows []dark) finding {
	f := finding{ID: "V2", What: "while PostgreSQL cannot be asked, no data: 503, Retry-After and an FDX body within 3.5 s"}
	var slow []time.Duration
	for _, w := range windows {
		recovered := map[string]time.Duration{}
		for _, o := range ops {
			if o.Kind != opRead || o.How == usedAgain || !slices.Contains(w.instances, o.Instance) {
				continue
			}
			if o.Start > w.ready && o.good() {
				if t, ok := recovered[o.Instance]; !ok || o.End < t {
					recovered[o.Instance] = o.End
				}
			}
			if o.Start < w.begin || o.Start > w.end {
				continue
			}
			switch {
			case o.good() && o.End < w.end:
				f.Trials++
				f.bad("%s: data on %s %v after the onset (request %s)", w.fault, o.Instance, o.Start-w.begin, o.RequestID)
			case o.End >= w.end && o.took() <= 3500*time.Millisecond: // it may have been answered after the recovery
			default:
				f.Trials++
				slow = append(slow, o.took())
				switch {
				case o.Status == 401 && beingStopped(ops, o): // that can be read where no record can be written
				case o.Status == 504 && w.bank: // the bank was asked first, and it is down as well
				case o.Status != 503:
					f.bad("%s: a read on %s %v after the onset was answered %d %s", w.fault, o.Instance, o.Start-w.begin, o.Status, o.Err)
				case !o.Retry || !o.Shaped:
					f.bad("%s: a 503 on %s without Retry-After or without a body of the API's form", w.fault, o.Instance)
				case o.took() > 3500*time.Millisecond:
					f.late("%s: a 503 on %s after %v", w.fault, o.Instance, o.took())
				}
			}
		}
		for _, instance := range w.instances {
			back, ok := recovered[instance]
			if !ok {
				f.bad("%s: no data on %s after it was over", w.fault, instance)
				continue
			}
			f.note("%s: %s gave data again %v after it was over", w.fault, instance, (back - w.ready).Round(time.Millisecond))
			if back-w.ready > 5*time.Second {
				f.late("%s: data on %s again only %v after it was over", w.fault, instance, back-w.ready)
			}
		}
	}
	if n := len(slow); n > 0 {
		f.note("refusals: median %v, p99 %v, slowest %v of %d", quantile(slow, 0.5), quantile(slow, 0.99), quantile(slow, 1), n)
	}
	return f
}

// checkCacheDown is V1: whatever happens to Redis, data is given: 99.9 of 100
// reads over the fault, and each one from two seconds after the onset. The
// median is at most 120 ms slower than without a fault, and with enough reads
// to tell, the slowest hundredth.
func checkCacheDown(ops []op, windows []span, baseline []span) finding {
	f := finding{ID: "V1", What: "whatever happens to Redis, reads are served"}
	var calm []time.Duration
	for _, o := range ops {
		if o.Kind == opRead && o.good() && slices.ContainsFunc(baseline, func(s span) bool { return o.Start > s.begin && o.End < s.end }) {
			calm = append(calm, o.took())
		}
	}
	const slower = 120 * time.Millisecond
	base50, base99 := quantile(calm, 0.5), quantile(calm, 0.99)
	f.note("without a fault: p50 %v, p99 %v of %d", base50, base99, len(calm))
	for _, w := range windows {
		var took []time.Duration
		lost, late := 0, 0
		for _, o := range ops {
			if o.Kind != opRead || o.Start < w.begin || o.Start > w.end || o.Status == 401 {
				continue
			}
			took = append(took, o.took())
			if o.Status == 503 || o.Status == 0 {
				lost++
				if o.Start > w.begin+2*time.Second {
					late++
					f.unserved(o, "%s: a read on %s %v after the onset was answered %d %s", w.fault, o.Instance, o.Start-w.begin, o.Status, o.Err)
				}
			}
		}
		f.Trials += len(took)
		if n := len(took); n > 0 {
			p50, p99 := quantile(took, 0.5), quantile(took, 0.99)
			f.note("%s: %d reads, %d not served, p50 %v, p99 %v", w.fault, n, lost, p50, p99)
			if len(calm) > 0 && p50 > base50+slower {
				f.late("%s: the median read took %v, %v without a fault", w.fault, p50, base50)
			}
			if n >= 1000 && len(calm) >= 1000 && p99 > base99+slower {
				f.late("%s: p99 was %v, %v without a fault", w.fault, p99, base99)
			}
			if lost*1000 > max(n, 1000) {
				f.late("%s: %d of %d reads were not served", w.fault, lost, n)
			}
		}
	}
	return f
}

// checkHealth is H1, and the rest of V2: an instance that runs says so, never
// asks others whether it is ready, and serves what needs no store. Down are the
// spans in which an instance was killed, frozen or told to go.
func checkHealth(ops []op, down map[string][]span) finding {
	f := finding{ID: "H1", What: "health and public documents answer 200 whatever is down"}
	for _, o := range ops {
		if o.Kind != opHealth && o.Kind != opPublic || within(o, down[o.Instance], time.Second) {
			continue
		}
		f.Trials++
		switch {
		case o.Status != 200 && o.Status != 0: // health is never put off
			f.bad("%s of %s was answered %d in phase %s", o.Operation, o.Instance, o.Status, o.Phase)
		case o.Status == 0:
			f.unserved(o, "%s of %s was answered %d %s in phase %s", o.Operation, o.Instance, o.Status, o.Err, o.Phase)
		case o.took() > 3500*time.Millisecond:
			f.late("%s of %s took %v in phase %s", o.Operation, o.Instance, o.took(), o.Phase)
		}
	}
	return f
}

// told is one notification that a callback took or refused, after its
// signature was checked.
type told struct {
	ID, Consent, Recipient string
	At                     time.Duration
	Taken                  bool
	Genuine                error // why it must not be believed
}

// checkNotify is R3: each stored stop is told, under exactly one id, in time.
// stops are times of the history. quiet stops have no fault near them.
func checkNotify(stops []toldStop, got []told) finding {
	f := finding{ID: "R3", What: "each stop is told to the recipient, signed, under one id"}
	ids, firsts := map[string]map[string]bool{}, map[string]time.Duration{}
	tried := map[string]time.Duration{}
	owner := map[string]string{}
	for _, n := range got {
		if n.Genuine != nil {
			f.bad("a notification to %s must not be believed: %v", n.Recipient, n.Genuine)
			continue
		}
		if c, ok := owner[n.ID]; ok && c != n.Consent {
			f.bad("id %s is used for two consents", n.ID)
		}
		owner[n.ID] = n.Consent
		if t, ok := tried[n.Consent]; !ok || n.At < t {
			tried[n.Consent] = n.At
		}
		if !n.Taken {
			continue
		}
		if ids[n.Consent] == nil {
			ids[n.Consent] = map[string]bool{}
		}
		ids[n.Consent][n.ID] = true
		if t, ok := firsts[n.Consent]; !ok || n.At < t {
			firsts[n.Consent] = n.At
		}
	}
	var first []time.Duration
	copies := len(got)
	for _, s := range stops {
		f.Trials++
		copies--
		switch n := len(ids[s.Consent]); {
		case n == 0:
			f.bad("consent %s: its stop was not told", s.Consent)
			continue
		case n > 1:
			f.bad("consent %s: its stop was told under %d ids", s.Consent, n)
		}
		if s.Quiet {
			late := tried[s.Consent] - s.At
			first = append(first, late)
			if late > 5*time.Second {
				f.late("consent %s: first told after %v", s.Consent, late)
			}
		}
	}
	f.note("first attempt without fault: p50 %v, slowest %v of %d; %d copies", quantile(first, 0.5), quantile(first, 1), len(first), max(copies, 0))
	return f
}

// toldStop is a stored stop of a recipient with a subscription.
type toldStop struct {
	Consent string
	At      time.Duration
	Quiet   bool
}

// checkOnce is I1: of several uses of what may be used once, one is accepted;
// without a fault exactly one, and no other is answered 5xx. A machine that
// stood still is a fault as well.
func checkOnce(ops []op, faults []span) finding {
	f := finding{ID: "I1", What: "what may be used once is accepted once"}
	type round struct {
		yes, fives, put, all int // put off: those of the fives that a slow machine may explain
		faulted              bool
		what                 string
	}
	rounds := map[string]*round{}
	for _, o := range ops {
		if o.Kind != opOnce {
			continue
		}
		r := rounds[o.Token]
		if r == nil {
			r = &round{what: o.Operation}
			rounds[o.Token] = r
		}
		r.all++
		if o.Yes {
			r.yes++
		}
		if o.Status >= 500 || o.Status == 0 {
			r.fives++
			if o.putOff() {
				r.put++
			}
		}
		r.faulted = r.faulted || within(o, faults, 3*time.Second)
	}
	per := map[string]int{}
	for _, r := range rounds {
		f.Trials++
		per[r.what]++
		switch {
		case r.yes > 1:
			f.bad("%s: %d of %d uses were accepted", r.what, r.yes, r.all)
		case r.faulted:
		case r.yes == 0 && r.put > 0:
			f.late("%s: none of %d uses was accepted, and %d were put off", r.what, r.all, r.put)
		case r.yes == 0:
			f.bad("%s: none of %d uses was accepted", r.what, r.all)
		case r.fives > 0 && r.fives == r.put:
			f.late("%s: %d of %d uses were put off", r.what, r.put, r.all)
		case r.fives > 0:
			f.bad("%s: %d of %d uses were answered 5xx or not at all", r.what, r.fives, r.all)
		}
	}
	var kinds []string
	for k, n := range per {
		kinds = append(kinds, fmt.Sprintf("%d of %s", n, k))
	}
	sort.Strings(kinds)
	f.note("rounds: %s", strings.Join(kinds, ", "))
	return f
}

// checkKeys is K1: while keys and certificates are replaced, nobody is refused
// for it. Consents that are stopped meanwhile are.
func checkKeys(ops []op, windows []span) finding {
	f := finding{ID: "K1", What: "nobody is refused because a key or certificate is replaced"}
	stopped := ended2xx(ops)
	for _, w := range windows {
		n := 0
		for _, o := range ops {
			// A moment longer: for a listener to look at its files again.
			if o.Start < w.begin || o.Start > w.end || o.Kind == opOnce || o.How == usedAgain {
				continue
			}
			if t, ok := stopped[o.Consent]; ok && o.End >= t || o.Kind == opRevoke {
				continue
			}
			n++
			if !o.good() && !(o.Kind == opRead && o.Status == 401 && beingStopped(ops, o)) {
				f.unserved(o, "%s: %s on %s was answered %d %s", w.fault, o.Kind, o.Instance, o.Status, o.Err)
			}
		}
		f.Trials += n
		f.note("%s: %d requests", w.fault, n)
	}
	return f
}

// beingStopped: a stop of the same consent had begun before the operation ended.
func beingStopped(ops []op, o op) bool {
	return slices.ContainsFunc(ops, func(r op) bool { return r.Kind == opRevoke && r.Consent == o.Consent && r.Start <= o.End })
}

// checkOverload is V4 in the midst of all others: a crowd that asks as fast as
// it is answered.
func checkOverload(ops []op, windows []span) finding {
	f := finding{ID: "V4", What: underOverload}
	for _, w := range windows {
		served, refused := 0, 0
		var took, stops []time.Duration
		for _, o := range ops {
			if o.Start < w.begin || o.Start > w.end {
				continue
			}
			if o.Kind == opRevoke && o.How != byPortal && o.How != byBank {
				stops = append(stops, o.took())
				f.stopped(w.fault, o)
			}
			if o.Kind != opRead || o.Status == 401 {
				continue
			}
			f.Trials++
			took = append(took, o.took())
			if f.inOrder(w.fault, o) {
				served++
			} else {
				refused++
			}
		}
		f.note("%d more callers: %d reads served and %d refused in %v: %.0f/s; p50 %v, p99 %v; %d stops, the slowest %v", crowd, served, refused,
			(w.end - w.begin).Round(time.Millisecond), float64(served)/(w.end-w.begin).Seconds(), quantile(took, 0.5), quantile(took, 0.99),
			len(stops), quantile(stops, 1))
	}
	return f
}

// together makes one finding of those about the same promise.
func together(list []finding) []finding {
	var all []finding
	for _, f := range list {
		i := slices.IndexFunc(all, func(g finding) bool { return g.ID == f.ID })
		if i < 0 {
			all = append(all, f)
			continue
		}
		g := &all[i]
		g.Trials += f.Trials
		g.Bad, g.Notes = append(g.Bad, f.Bad...), append(g.Notes, f.Notes...)
		g.Late, g.Void = append(g.Late, f.Late...), append(g.Void, f.Void...)
	}
	return all
}
