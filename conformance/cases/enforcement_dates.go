package cases

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// effectiveStart is the documented header that announces a clipped window.
const effectiveStart = "x-fdx-effective-start"

// lookback is a consent of the sandbox's borrower that looks back thirty
// days, and what it is compared with: one that looks back two years.
func lookback(t *suite.T) (short, long *suite.Grant, account string) {
	short = t.Shared(t.Named("homewards"), suite.Ask{Clusters: everything, Lookback: 30, Persona: "borrower"})
	long = full(t, "borrower")
	return short, long, accountIDs(t, long)[0]
}

// dateOf is the day of a transaction or a statement.
func dateOf(item any) string {
	for _, name := range []string{"statementDate", "postedTimestamp", "transactionTimestamp"} {
		if text, ok := suite.Dig(item, name).(string); ok && len(text) >= len(time.DateOnly) {
			return text[:len(time.DateOnly)]
		}
	}
	return ""
}

// span tells how many items lie before, in and after a window of days.
func span(items []any, from, to string) (before, in, after int) {
	for _, item := range items {
		switch d := dateOf(item); {
		case d < from:
			before++
		case d > to:
			after++
		default:
			in++
		}
	}
	return before, in, after
}

// idsOf are the ids of items, in order.
func idsOf(items []any, name string) []string {
	var out []string
	for _, item := range items {
		out = append(out, fmt.Sprint(suite.Dig(item, name)))
	}
	return out
}

// dated are the two operations that take a window.
var dated = []string{"searchForAccountTransactions", "searchForAccountStatements"}

// enforcedDates: nothing of a day outside the window and the look-back.
func enforcedDates() []suite.Case {
	const spec = "FDX API 6, consent, lookbackPeriod"
	one := func(id, title, spec, mend string, run func(t *suite.T)) suite.Case {
		return suite.Case{ID: "enforcement.date." + id, Title: title, Spec: spec, Needs: enforced, Mend: mend, Run: run}
	}
	cases := []suite.Case{
		one("lookback-zero", "a consent without a look-back shows the present day alone", spec, "Take a lookbackPeriod of 0 for what it says: today.", func(t *suite.T) {
			details := suite.Details(t.Named("homewards"), suite.Ask{Clusters: everything})
			details[0].(map[string]any)["consentRequest"].(map[string]any)["lookbackPeriod"] = 0
			g := t.Shared(t.Named("homewards"), suite.Ask{Details: details, Persona: "heavy"})
			path := "/accounts/" + accountIDs(t, g)[0] + "/transactions?"
			resp := t.Send(t.Read(g, path+window(-6, 0)))
			t.Expect(resp, suite.Answer{Status: 200, Header: map[string]string{effectiveStart: day(0)}})
			before, _, after := span(resp.List("transactions"), day(0), day(0))
			t.Check(before+after == 0, "%d transactions of other days", before+after)
			t.Expect(t.Send(t.Read(g, path+window(-6, -1))), suite.FDXRefused(400, "703"))
		}),
		one("lookback-document", "a statement of a day before the look-back is not to be had by its id", spec, "Hold the date of the statement against the look-back before its document leaves: 404, code 1104.", func(t *suite.T) {
			short, long, account := lookback(t)
			base := "/accounts/" + account + "/statements"
			for _, s := range read(t, long, base+"?"+window(-200, 0)).List("statements") {
				id, _ := suite.Dig(s, "statementId").(string)
				if d := dateOf(s); d >= day(-30) || suite.Dig(s, "status") != "AVAILABLE" {
					continue
				}
				o := op("getAccountStatement")
				t.Expect(t.Send(o.ask(t, long, base+"/"+id)), suite.OK)
				t.Expect(t.Send(o.ask(t, short, base+"/"+id)), suite.FDXRefused(404, "1104"))
				return
			}
			t.Cannot("find an old statement", fmt.Errorf("there is none"))
		}),
		one("lookback-image", "an image of a transaction before the look-back is not to be had by its id", spec, "Hold the day of the transaction against the look-back before its image leaves: 404, code 1103.", func(t *suite.T) {
			short, long, account := lookback(t)
			for _, tx := range read(t, long, "/accounts/"+account+"/transactions?limit=500&"+window(-120, -31)).List("transactions") {
				id, ok := suite.Dig(tx, "imageIds.0").(string)
				if !ok {
					continue
				}
				o, path := op("getAccountTransactionImages"), "/accounts/"+account+"/transaction-images/"+id
				t.Expect(t.Send(o.ask(t, long, path)), suite.OK)
				t.Expect(t.Send(o.ask(t, short, path)), suite.FDXRefused(404, "1103"))
				return
			}
			t.Cannot("find an old image", fmt.Errorf("there is none"))
		}),
		one("lookback-pages", "the look-back holds for every page, also with a page key", spec, "Hold the window of a page key against the look-back on every page.", func(t *suite.T) {
			short, _, account := lookback(t)
			base := "/accounts/" + account + "/transactions?limit=5&" + window(-90, 0)
			path, pages := base, 0
			for ; pages < 40; pages++ {
				resp := read(t, short, path)
				before, _, _ := span(resp.List("transactions"), day(-30), day(0))
				t.Check(before == 0, "page %d has %d transactions from before the look-back", pages+1, before)
				key := resp.Text("page.nextPageKey")
				if key == "" {
					break
				}
				path = base + "&pageKey=" + key
			}
			t.Check(pages > 0, "there is one page only: nothing is known about the next")
		}),
	}
	for _, name := range dated {
		o := op(name)
		slug := map[string]string{"transactions": "transactions", "statements": "statements"}[o.member]
		day0 := func(t *suite.T) (short, long *suite.Grant, path string) {
			short, long, account := lookback(t)
			return short, long, strings.ReplaceAll(o.path, "{account}", account) + "?limit=500&"
		}
		add := func(id, title, spec, mend string, run func(t *suite.T)) {
			cases = append(cases, one(slug+"."+id, title, spec, mend, run))
		}
		add("lookback-clipped", "a window that begins before the look-back is cut to it, and the answer says so", spec, "Cut the window to today minus lookbackPeriod, and name the first day in "+effectiveStart+".", func(t *suite.T) {
			short, long, path := day0(t)
			resp := t.Send(t.Read(short, path+window(-90, 0)))
			t.Expect(resp, suite.Answer{Status: 200, Header: map[string]string{effectiveStart: day(-30)}})
			before, in, _ := span(resp.List(o.member), day(-30), day(0))
			t.Check(before == 0, "%d of %s are from before the look-back", before, o.member)
			t.Check(in > 0, "there are none at all, not even inside the look-back")
			resp = t.Send(t.Read(long, path+window(-90, 0)))
			t.Expect(resp, suite.Answer{Status: 200, Header: map[string]string{effectiveStart: ""}})
			if before, _, _ := span(resp.List(o.member), day(-30), day(0)); before == 0 {
				t.Cannot("find old "+o.member, fmt.Errorf("there are none under a longer look-back"))
			}
		})
		add("lookback-outside", "a window wholly before the look-back is refused", spec, "400 with code 703, and nothing of it.", func(t *suite.T) {
			short, long, path := day0(t)
			t.Expect(t.Send(t.Read(short, path+window(-90, -31))), suite.FDXRefused(400, "703"))
			t.Expect(t.Send(t.Read(short, path+window(-31, -31))), suite.FDXRefused(400, "703"))
			t.Expect(t.Send(t.Read(long, path+window(-90, -31))), suite.OK)
		})
		add("lookback-boundary", "the first day of the look-back is in it", spec, "Count lookbackPeriod from the day of the request, and take in the day that it leads to.", func(t *suite.T) {
			short, _, path := day0(t)
			t.Expect(t.Send(t.Read(short, path+window(-30, 0))), suite.Answer{Status: 200, Header: map[string]string{effectiveStart: ""}})
			t.Expect(t.Send(t.Read(short, path+window(-31, 0))), suite.Answer{Status: 200, Header: map[string]string{effectiveStart: day(-30)}})
			resp := t.Send(t.Read(short, path+window(-40, -30)))
			t.Expect(resp, suite.Answer{Status: 200, Header: map[string]string{effectiveStart: day(-30)}})
			before, _, after := span(resp.List(o.member), day(-30), day(-30))
			t.Check(before+after == 0, "%d of %s are of another day", before+after, o.member)
		})
		add("window", "what is asked for is what comes: the days of the window with both ends, and no other", "FDX API 6.4, startDate and endDate", "Select by the day that the record has on the wire, with both ends of the window in it.", func(t *suite.T) {
			_, long, path := day0(t)
			whole := read(t, long, path+window(-70, -2)).List(o.member)
			before, in, after := span(whole, day(-70), day(-2))
			t.Check(before+after == 0 && in > 0, "%d before the window, %d in it, %d after it", before, in, after)
			// The same window in two parts, without a gap and without an overlap.
			parts := append(idsOf(read(t, long, path+window(-30, -2)).List(o.member), o.idName()), idsOf(read(t, long, path+window(-70, -31)).List(o.member), o.idName())...)
			all := idsOf(whole, o.idName())
			slices.Sort(parts)
			slices.Sort(all)
			t.Check(slices.Equal(parts, all), "two halves of a window hold %d, and the whole holds %d", len(parts), len(all))
		})
		add("window-default", "without dates it is the last seven days, today included", "FDX API 6.4, startDate and endDate", "Take today minus six days to today where the request names no date.", func(t *suite.T) {
			_, long, path := day0(t)
			none := t.Send(t.Read(long, path))
			t.Expect(none, suite.OK)
			seven := read(t, long, path+window(-6, 0))
			t.Check(slices.Equal(idsOf(none.List(o.member), o.idName()), idsOf(seven.List(o.member), o.idName())), "no dates give %d, the last seven days %d", len(none.List(o.member)), len(seven.List(o.member)))
			before, _, _ := span(none.List(o.member), day(-6), day(0))
			t.Check(before == 0, "%d of %s are older than seven days", before, o.member)
		})
		add("window-times", "startTime and endTime mean the same as startDate and endDate", "FDX API 6, startTime and endTime", "Read the older pair of parameters as dates.", func(t *suite.T) {
			_, long, path := day0(t)
			dates := read(t, long, path+window(-40, -1)).List(o.member)
			times := read(t, long, path+"startTime="+day(-40)+"&endTime="+day(-1)).List(o.member)
			t.Check(len(dates) > 0 && slices.Equal(idsOf(dates, o.idName()), idsOf(times, o.idName())), "dates give %d, times %d", len(dates), len(times))
		})
		add("window-future", "an end in the future means today", "FDX API 6.4, startDate and endDate", "Cut the end of the window to today.", func(t *suite.T) {
			_, long, path := day0(t)
			resp := t.Send(t.Read(long, path+window(-40, 30)))
			t.Expect(resp, suite.OK)
			t.Check(slices.Equal(idsOf(resp.List(o.member), o.idName()), idsOf(read(t, long, path+window(-40, 0)).List(o.member), o.idName())), "an end in the future gives something else than an end today")
		})
		add("window-history", "two years back to the day are served, and a day more is refused", "FDX API 6.4, 24 months of history", "Compare the start with the same day two years ago: older is 400 with code 703.", func(t *suite.T) {
			_, long, path := day0(t)
			now := time.Now().UTC()
			first := now.AddDate(0, -24, 0)
			if first.Day() != now.Day() { // the 29th of February
				first = first.AddDate(0, 0, -first.Day())
			}
			t.Expect(t.Send(t.Read(long, path+"startDate="+first.Format(time.DateOnly)+"&endDate="+day(0))), suite.OK)
			t.Expect(t.Send(t.Read(long, path+"startDate="+first.AddDate(0, 0, -1).Format(time.DateOnly)+"&endDate="+day(0))), suite.FDXRefused(400, "703"))
		})
		for _, bad := range []struct {
			id, title, code string
			query           []string
		}{
			{"range", "a date without the other, a start after the end and a start in the future are no window", "703", []string{
				"startDate=" + day(-3), "endDate=" + day(-3), "startTime=" + day(-3), "endTime=" + day(-3), window(-1, -3), window(1, 3),
			}},
			{"date", "what is no date of the form YYYY-MM-DD is refused", "702", []string{
				"startDate=yesterday&endDate=" + day(0), "startDate=2026-02-30&endDate=" + day(0), "startDate=2026-1-1&endDate=" + day(0),
				"startDate=20260101&endDate=" + day(0), "startDate=" + day(-3) + "T00:00:00Z&endDate=" + day(0), "startDate=&endDate=" + day(0),
				"startDate=" + day(-3) + "%00&endDate=" + day(0),
			}},
			{"doubled", "a date that is given twice, and a mix of the two pairs, are refused", "401", []string{
				window(-3, 0) + "&startDate=" + day(-60), window(-3, 0) + "&endDate=" + day(-1), "startDate=" + day(-3) + "&endTime=" + day(0), window(-3, 0) + "&startTime=" + day(-3),
			}},
		} {
			add("invalid-"+bad.id, bad.title, "FDX API 6.4, errors 702 and 703", "400 with code "+bad.code+"; never a default in the place of what was sent.", func(t *suite.T) {
				_, long, path := day0(t)
				t.Expect(t.Send(t.Read(long, path+window(-3, 0))), suite.OK)
				for _, query := range bad.query {
					if !t.Expect(t.Send(t.Read(long, path+query)), suite.FDXRefused(400, bad.code)) {
						t.Errorf("that was %s", query)
					}
				}
			})
		}
	}
	return cases
}

// idName is the member that names an item.
func (o operation) idName() string {
	return map[string]string{"transactions": "transactionId", "statements": "statementId", "accounts": "accountId", "customers": "customerId", "rewardPrograms": "rewardProgramId"}[o.member]
}
