package api_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/api"
	"github.com/headgate/headgate/consent/erasure"
	"github.com/headgate/headgate/internal/token"
)

// asked is what apps were asked to erase.
type asked struct {
	mu  sync.Mutex
	all []erasure.Request
	err error
}

func (a *asked) Open(_ context.Context, who consent.RecipientID, limit int) ([]erasure.Request, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var open []erasure.Request
	for _, r := range a.all {
		if r.Recipient == who && r.Answer == "" {
			open = append(open, r)
		}
	}
	slices.SortFunc(open, func(x, y erasure.Request) int { return cmp.Or(x.AskedAt.Compare(y.AskedAt)) })
	return open[:min(len(open), limit)], a.err
}

func (a *asked) Answer(_ context.Context, who consent.RecipientID, id consent.GrantID, answer erasure.Answer, reason string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.all {
		switch r := &a.all[i]; {
		case r.Grant != id || r.Recipient != who:
		case a.err != nil:
			return a.err
		case r.Answer == "":
			r.Answer, r.Reason, r.AnsweredAt = answer, reason, noon
			return nil
		case r.Answer == answer && r.Reason == reason:
			return nil
		default:
			return consent.ErrConflict
		}
	}
	return errors.Join(consent.ErrNotFound, a.err)
}

const (
	erasures = "/fdx/v6/erasure-requests"
	asksOne  = consent.GrantID("eeeeeeee-0000-4000-8000-000000000001")
	asksTwo  = consent.GrantID("eeeeeeee-0000-4000-8000-000000000002")
	asksHers = consent.GrantID("eeeeeeee-0000-4000-8000-000000000003") // of another app
	erased   = `{"outcome":"DONE"}`
	refused  = `{"outcome":"REFUSED","reason":"The law has us keep invoices."}`
)

func openErasures(t *testing.T) (*front, *asked) {
	t.Helper()
	a := &asked{all: []erasure.Request{
		{Grant: asksTwo, Recipient: app, AskedAt: noon.Add(-time.Hour)}, {Grant: asksOne, Recipient: app, AskedAt: noon.Add(-2 * time.Hour)},
		{Grant: asksHers, Recipient: other, AskedAt: noon},
	}}
	return open(t, func(c *api.Config, _ *consent.ServiceConfig) { c.Erasures = a }), a
}

func TestAnAppAnswersWhatItWasAskedToErase(t *testing.T) {
	t.Parallel()
	f, a := openErasures(t)
	c := f.client(app, nil)
	list := func(want ...consent.GrantID) {
		t.Helper()
		got := c.get(t, erasures)
		var parts []string
		for _, id := range want {
			parts = append(parts, `{"consentId":"`+string(id)+`","requestedTime":"2026-11-21T1`)
		}
		if at := strings.Index(got.body, parts0(parts)); got.status != 200 || at < 0 || strings.Count(got.body, "consentId") != len(want) {
			t.Errorf("%d %s, want %v", got.status, got.body, want)
		}
	}
	answer := func(id consent.GrantID, body string, status int) {
		t.Helper()
		if got := c.do(t, c.request("PUT", erasures+"/"+string(id), body)); got.status != status || status == 204 && got.body != "" {
			t.Errorf("%s: %d %s, want %d", body, got.status, got.body, status)
		}
	}
	list(asksOne, asksTwo)
	for range 2 { // the same again
		answer(asksOne, refused, 204)
	}
	list(asksTwo)
	for _, another := range []string{erased, `{"outcome":"PARTLY","reason":"The law has us keep invoices."}`, `{"outcome":"REFUSED","reason":"No."}`} {
		answer(asksOne, another, 409)
	}
	answer(asksTwo, `{"outcome":"PARTLY","reason":"Invoices stay."}`, 204)
	if got := c.get(t, erasures); got.body != `{"erasureRequests":[]}` {
		t.Errorf("%s", got.body)
	}
	if r := a.all[1]; r.Answer != erasure.Refused || r.Reason != "The law has us keep invoices." {
		t.Errorf("%+v", r)
	}
	if r := a.all[0]; r.Answer != erasure.Partly || r.Reason != "Invoices stay." {
		t.Errorf("%+v", r)
	}
}

// parts0 is the beginning of a list with the first of its entries.
func parts0(parts []string) string {
	if len(parts) == 0 {
		return `{"erasureRequests":[]`
	}
	return `{"erasureRequests":[` + parts[0]
}

// What belongs to another app answers as what there is not.
func TestErasuresOfAnotherAppAreUnknown(t *testing.T) {
	t.Parallel()
	f, a := openErasures(t)
	c := f.client(app, nil)
	unknown := c.do(t, c.request("PUT", erasures+"/eeeeeeee-0000-4000-8000-000000000009", erased))
	if unknown.status != 404 {
		t.Fatalf("%d %s", unknown.status, unknown.body)
	}
	for name, id := range map[string]string{"another app's": string(asksHers), "no id": "x", "escaped": "%2e%2e", "in capitals": strings.ToUpper(string(asksOne))} {
		got := c.do(t, c.request("PUT", erasures+"/"+id, erased))
		if got.status != unknown.status || got.body != unknown.body {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	for _, r := range a.all {
		if r.Answer != "" {
			t.Errorf("answered: %+v", r)
		}
	}
}

func TestWhatAnswersNoErasure(t *testing.T) {
	t.Parallel()
	f, a := openErasures(t)
	c := f.client(app, nil)
	for name, body := range map[string]string{
		"nothing": `{}`, "another outcome": `{"outcome":"LATER"}`, "no reason": `{"outcome":"REFUSED"}`, "a list": `[]`, "cut": `{"outcome":"DO`,
		"too long": `{"outcome":"PARTLY","reason":"` + strings.Repeat("x", 241) + `"}`,
	} {
		if got := c.do(t, c.request("PUT", erasures+"/"+string(asksOne), body)); got.status != 400 || got.code() != "401" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	for name, scope := range map[string]string{"to list": token.ScopeGrantRevoke, "to answer": token.ScopeGrantQuery} {
		weak := f.opens(scope)
		r := weak.request("GET", erasures, "")
		if name == "to answer" {
			r = weak.request("PUT", erasures+"/"+string(asksOne), erased)
		}
		if got := weak.do(t, r); got.status != 403 {
			t.Errorf("without the scope %s: %d", name, got.status)
		}
	}
	expired := f.client(app, func(a *token.ClientAccess) { a.ExpiresAt = noon })
	if got := expired.get(t, erasures); got.status != 401 {
		t.Errorf("expired: %d", got.status)
	}
	for _, r := range a.all {
		if r.Answer != "" {
			t.Errorf("answered: %+v", r)
		}
	}
}

// Of many answers at once one stands, and only those that say the same are
// told so.
func TestManyAnswersAtOnce(t *testing.T) {
	t.Parallel()
	f, a := openErasures(t)
	c := f.client(app, nil)
	var (
		all sync.WaitGroup
		mu  sync.Mutex
		got = map[string][]int{}
	)
	for i := range 8 {
		body := []string{erased, refused}[i%2]
		r := c.request("PUT", erasures+"/"+string(asksOne), body)
		all.Go(func() {
			status := c.do(t, r).status
			mu.Lock()
			defer mu.Unlock()
			got[body] = append(got[body], status)
		})
	}
	all.Wait()
	stands := map[erasure.Answer]string{erasure.Done: erased, erasure.Refused: refused}[a.all[1].Answer]
	for body, statuses := range got {
		want := 409
		if body == stands {
			want = 204
		}
		for _, s := range statuses {
			if s != want {
				t.Errorf("%s: %v, want %d", body, statuses, want)
			}
		}
	}
}
