package api_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// list reads all pages from path on and returns the ids.
func (c *client) list(t *testing.T, path string) []fdx.ConsentID {
	t.Helper()
	var ids []fdx.ConsentID
	for path != "" {
		got := c.get(t, path)
		var a struct {
			Page     fdx.PageMetadata
			Links    fdx.Links
			Consents []struct{ ID fdx.ConsentID }
		}
		if err := json.Unmarshal([]byte(got.body), &a); err != nil || got.status != 200 {
			t.Fatalf("%s: %d %s", path, got.status, got.body)
		}
		if (a.Page.NextPageKey == "") != (a.Links.Next.Href == "") {
			t.Errorf("key and link disagree: %s", got.body)
		}
		for _, one := range a.Consents {
			ids = append(ids, one.ID)
		}
		path = strings.TrimPrefix(a.Links.Next.Href, c.f.base)
	}
	return ids
}

// The pages of a list hold each consent of the caller once and nobody else's,
// whatever is given and ended meanwhile.
func TestPagesOfAList(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	var want, active []fdx.ConsentID
	for i := range 7 {
		id := f.grant(t, "", func(g *consent.Grant) { g.CreatedAt = noon.Add(-time.Duration(i+1) * time.Hour) })
		want = append(want, fdx.ConsentID(id))
		f.grant(t, "", func(g *consent.Grant) { g.Recipient = other })
		if i%2 == 0 {
			active = append(active, fdx.ConsentID(id))
			continue
		}
		if _, err := f.grants.End(t.Context(), consent.End{Grant: id, Status: consent.StatusRevoked, Actor: consent.ActorProvider}); err != nil {
			t.Fatal(err)
		}
	}
	c := f.client(app, nil)
	for _, limit := range []string{"1", "2", "6", "7", "8"} {
		if got := c.list(t, consents+"?limit="+limit); !slices.Equal(got, want) {
			t.Errorf("by %s: %v", limit, got)
		}
		if got := c.list(t, consents+"?status=ACTIVE&customerId=alice&limit="+limit); !slices.Equal(got, active) {
			t.Errorf("active by %s: %v", limit, got)
		}
	}
	if got := f.client("newcomer", nil).list(t, consents); got != nil {
		t.Errorf("a newcomer holds %v", got)
	}
	if got := f.client(other, nil).list(t, consents+"?limit=3"); len(got) != 7 || slices.ContainsFunc(got, func(id fdx.ConsentID) bool { return slices.Contains(want, id) }) {
		t.Errorf("the other one holds %v", got)
	}
}

// A page key is worth nothing in any other request.
func TestAPageKeyGoesWithItsRequest(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	for range 3 {
		f.grant(t, "", nil)
		f.grant(t, "", func(g *consent.Grant) { g.Recipient = other })
	}
	c, stranger := f.client(app, nil), f.client(other, nil)
	var a struct{ Page fdx.PageMetadata }
	if err := json.Unmarshal([]byte(c.get(t, consents+"?limit=1&status=ACTIVE").body), &a); err != nil {
		t.Fatal(err)
	}
	key := a.Page.NextPageKey
	for name, row := range map[string]struct {
		c      *client
		query  url.Values
		status int
	}{
		"as it was given":      {c, url.Values{"status": {"ACTIVE"}, "pageKey": {key}}, 200},
		"with another limit":   {c, url.Values{"status": {"ACTIVE"}, "pageKey": {key}, "limit": {"2"}}, 200},
		"with another state":   {c, url.Values{"status": {"REVOKED"}, "pageKey": {key}}, 400},
		"without the state":    {c, url.Values{"pageKey": {key}}, 400},
		"for one person":       {c, url.Values{"status": {"ACTIVE"}, "customerId": {"alice"}, "pageKey": {key}}, 400},
		"of another recipient": {stranger, url.Values{"status": {"ACTIVE"}, "pageKey": {key}}, 400},
		"cut":                  {c, url.Values{"status": {"ACTIVE"}, "pageKey": {key[:len(key)-2]}}, 400},
		"doubled":              {c, url.Values{"status": {"ACTIVE"}, "pageKey": {key, key}}, 400},
	} {
		if got := row.c.get(t, consents+"?"+row.query.Encode()); got.status != row.status {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}
