package resource_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// count runs what a gateway does beside answering while do runs, and returns
// what is known of this month afterwards.
func (f *front) count(t *testing.T, p *resourcetest.Performances, do func()) map[fdx.OperationID]resource.Month {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.gateway.Run(ctx)
	}()
	do()
	cancel()
	<-ended
	h, err := p.History(t.Context(), time.Date(noon.Year(), noon.Month(), 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	months := map[fdx.OperationID]resource.Month{}
	for _, m := range h.Months {
		months[m.Operation] = m
	}
	return months
}

// Every request that reaches an operation counts once, and what counts as
// given has its record, hour by hour.
func TestEveryCallIsCounted(t *testing.T) {
	t.Parallel()
	var p resourcetest.Performances
	var seen []web.Observation
	f := open(t, func(c *resource.Config) {
		c.Performance = &p
		c.Watch.Observe = func(o web.Observation) { seen = append(seen, o) }
	})
	a := f.app(t, share(nil), nil)
	months := f.count(t, &p, func() {
		for range 3 {
			given(t, a.get(t, "/fdx/v6/accounts"))
		}
		r := a.request("/fdx/v6/accounts")
		r.Header.Del("Authorization")
		if got := a.do(t, r); got.status != 401 {
			t.Fatal(got)
		}
		a.get(t, "/fdx/v6/accounts?limit=CANARY")
		a.get(t, "/fdx/v6/nothing?CANARY")
		post := a.request("/fdx/v6/accounts")
		post.Method = http.MethodPost
		a.do(t, post)
		f.truth.Fail(errors.New("down"))
		if got := a.get(t, "/fdx/v6/accounts"); got.status != 503 {
			t.Fatal(got)
		}
		f.truth.Fail(nil)
		given(t, a.get(t, "/fdx/v6/availability"))
	})
	if m := months[fdx.SearchForAccounts]; m.Proper != 5 || m.Failed != 1 || m.Excluded != 0 || m.Up != 1 {
		t.Errorf("%+v", m)
	}
	if m := months[fdx.GetAvailability]; m.Proper != 1 || m.Failed != 0 {
		t.Errorf("%+v", m)
	}
	if m := months[fdx.GetAccount]; m.Proper != 0 || m.Failed != 0 || m.Up != 1 {
		t.Errorf("%+v", m)
	}
	var records, observed int64
	for _, r := range f.truth.Records() {
		if r.Outcome != audit.Refused {
			records++
		}
	}
	for _, o := range seen {
		if o.Status == 200 && o.Route == "/fdx/v6/accounts" {
			observed++
		}
		if strings.Contains(o.Route+o.Code+o.Reason+o.Method, "CANARY") {
			t.Errorf("%+v", o)
		}
	}
	if records != 3 || observed != 3 || len(seen) != 9 {
		t.Errorf("%d records of given reads, %d observed, %d requests", records, observed, len(seen))
	}
}

// history is a past that is the same for all tests.
func history(t *testing.T) *resourcetest.Performances {
	t.Helper()
	var p resourcetest.Performances
	put := func(hour time.Time, id fdx.OperationID, proper, failed int64, up uint64) {
		c := resource.Calls{
			Hour: hour, Operation: id, Proper: proper, Failed: failed, Excluded: failed, Up: up, Planned: 1 << 59,
			Took: time.Duration(proper*40+failed*3000) * time.Millisecond,
		}
		c.Latencies[3], c.Latencies[13] = proper, failed
		if err := p.Put(t.Context(), [16]byte{byte(len(id))}, []resource.Calls{c}); err != nil {
			t.Fatal(err)
		}
	}
	year := time.Date(noon.Year()-1, noon.Month(), 21, 10, 0, 0, 0, time.UTC)
	put(year, fdx.SearchForAccounts, 12345, 0, 1<<59-2)
	october := time.Date(noon.Year(), 10, 31, 23, 0, 0, 0, time.UTC)
	put(october, fdx.SearchForAccounts, 2999, 1, 1<<60-1)
	put(october, fdx.GetAccount, 10, 0, 1)
	put(noon.Add(-time.Hour), fdx.SearchForAccounts, 90, 10, 0)
	put(noon.Add(-time.Hour), fdx.GetAvailability, 0, 0, 1)
	return &p
}

func TestDisclosure(t *testing.T) {
	t.Parallel()
	p := history(t)
	f := open(t, func(c *resource.Config) { c.Performance = p })
	a := f.app(t, share(nil), func(access *token.Access) { access.Scopes = nil })
	golden(t, "certification-metrics", a.get(t, "/fdx/v6/certification-metrics"))
	golden(t, "certification-metrics-one", a.get(t, "/fdx/v6/certification-metrics?operationId=getAccount"))
	golden(t, "certification-metrics-none", a.get(t, "/fdx/v6/certification-metrics?operationId=getNothing"))
	if got := a.get(t, "/fdx/v6/capability"); !strings.Contains(got.body, "getCertificationMetrics") {
		t.Error(got.body)
	}
	// Everybody may read the disclosure.
	open := func() answer {
		r, err := http.NewRequestWithContext(t.Context(), "GET", f.base+"/performance.json", nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.do(t, r)
	}
	golden(t, "performance", open())
	// An outage does not take it away.
	p.Fail(errors.New("CANARY"))
	f.clock.move(10 * time.Minute)
	golden(t, "performance", open())

	f.truth.End(a.live.Share.Grant)
	golden401(t, "bad-token", a.get(t, "/fdx/v6/certification-metrics"))
	r := a.request("/fdx/v6/certification-metrics")
	r.Header.Del("Authorization")
	golden401(t, "no-token", a.do(t, r))
}

func TestDisclosureWithoutAPast(t *testing.T) {
	t.Parallel()
	var p resourcetest.Performances
	f := open(t, func(c *resource.Config) { c.Performance = &p })
	a := f.app(t, share(nil), nil)
	p.Fail(errors.New("CANARY"))
	for _, target := range []string{"/performance.json", "/fdx/v6/certification-metrics"} {
		if got := a.get(t, target); got.status != 503 || got.header.Get("Retry-After") == "" || strings.Contains(got.body, "CANARY") {
			t.Errorf("%s: %d %s", target, got.status, got.body)
		}
	}
	p.Fail(nil)
	f.clock.move(2 * time.Second)
	if got := a.get(t, "/performance.json"); got.status != 200 || !json.Valid([]byte(got.body)) || !strings.Contains(got.body, `"months":[]`) {
		t.Errorf("%d %s", got.status, got.body)
	}

	f = open(t, nil)
	a = f.app(t, share(nil), nil)
	for target, code := range map[string]string{"/performance.json": "1107", "/fdx/v6/certification-metrics": "1106"} {
		if got := a.get(t, target); got.code() != code {
			t.Errorf("%s where nothing is counted: %d %s", target, got.status, got.body)
		}
	}
	if got := a.get(t, "/fdx/v6/capability"); strings.Contains(got.body, "getCertificationMetrics") {
		t.Error(got.body)
	}
}

// What is asked for by everybody costs the store one question a minute, and
// one more for each month that is over and was not asked about for an hour.
func TestTheHistoryIsAskedOnce(t *testing.T) {
	t.Parallel()
	p := &countedHistory{Performances: history(t)}
	f := open(t, func(c *resource.Config) { c.Performance = p })
	a := f.app(t, share(nil), nil)
	ask := func(what string, questions int) {
		t.Helper()
		given(t, a.get(t, "/performance.json"))
		if p.asked != questions {
			t.Errorf("%s: asked %d times, want %d", what, p.asked, questions)
		}
		p.asked = 0
	}
	ask("at first", 14)
	ask("again", 0)
	f.clock.move(time.Minute)
	ask("a minute later", 1)
	f.clock.move(time.Hour)
	ask("an hour later", 2)
	ask("and again", 1)
	f.clock.move(10 * 24 * time.Hour) // December
	ask("in another month", 2)        // the new one, and one that was not final
	p.Fail(errors.New("down"))
	f.clock.move(time.Hour)
	ask("while the store is away", 1)
	ask("right after that", 0)
	f.clock.move(2 * time.Second)
	ask("a moment later", 1)
}

type countedHistory struct {
	*resourcetest.Performances
	asked int
}

func (c *countedHistory) History(ctx context.Context, start time.Time) (resource.History, error) {
	c.asked++
	return c.Performances.History(ctx, start)
}
