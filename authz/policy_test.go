package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
)

// place is the rules of a place for a test: lending is not allowed, budgeting
// lasts ten days and stands alone.
type place struct{ at func() time.Time }

func (p place) Apply(q consent.Request, now time.Time) (consent.Request, error) {
	if !now.Equal(p.at()) {
		return consent.Request{}, &consent.Refusal{Kind: consent.ErrDetails, Text: "another time"}
	}
	if q.Purpose.Code == "lending" {
		return consent.Request{}, &consent.Refusal{Kind: consent.ErrDetails, Text: "the purpose is not allowed here"}
	}
	q.MaxTermDays, q.DurationDays = 10, min(q.DurationDays, 10)
	return q, nil
}

func (place) Alone(purpose string, _ time.Time) bool { return purpose == "budgeting" }

func TestPolicyHoldsPushedRequests(t *testing.T) {
	t.Parallel()
	var w *world
	w = newWorldWith(t, func(c *authz.Config) { c.Policy = place{at: func() time.Time { return w.clock.now() }} })
	n := w.client("narrow")
	lending := strings.Replace(details(`"budgeting"`, `"lending"`), `,"TRANSACTIONS"`, ``, 1)
	if a := n.push(detailed(lending)); !a.is(http.StatusBadRequest, "invalid_authorization_details") || a.text("error_description") != "the purpose is not allowed here" {
		t.Errorf("a purpose that is not allowed: %s", a)
	}
	n.tokens(detailed("[" + goodDetail + "]"))
	if g := w.grant(); g.DurationDays != 10 || !g.ExpiresAt.Equal(g.CreatedAt.AddDate(0, 0, 10)) {
		t.Errorf("asked for 30 days where 10 are allowed: %d days, %s to %s", g.DurationDays, g.CreatedAt, g.ExpiresAt)
	}
}

// alone is a place where everything goes but to put budgeting in the place of
// another purpose.
type alone struct{ place }

func (alone) Apply(q consent.Request, _ time.Time) (consent.Request, error) { return q, nil }

func TestPurposeThatStandsAlone(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, func(c *authz.Config) { c.Policy = alone{} })
	n := w.client("narrow")
	lending := strings.Replace(details(`"budgeting"`, `"lending"`), `,"TRANSACTIONS"`, ``, 1)
	id := n.tokens(detailed(lending)).text("grant_id")
	replace := func(raw, id string) answer {
		return n.push(func(f url.Values) { detailed(raw)(f); about("replace", id)(f) })
	}
	if a := replace("["+goodDetail+"]", id); !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("in the place of another purpose: %s", a)
	}
	if a := replace(lending, id); a.status != http.StatusCreated {
		t.Errorf("another in its own place: %s", a)
	}
	own := n.tokens(detailed("[" + goodDetail + "]")).text("grant_id")
	if a := replace("["+goodDetail+"]", own); a.status != http.StatusCreated {
		t.Errorf("in its own place: %s", a)
	}
}
