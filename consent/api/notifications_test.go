package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/api"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// notices is a store of subscriptions and feeds, and of one registration.
type notices struct {
	asked *asked // nil without erasures
	mu    sync.Mutex
	subs  map[fdx.SubscriptionID]notice.Subscription
	told  []notice.Notification
	err   error
}

func (n *notices) Subscribe(_ context.Context, s notice.Subscription) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.subs) >= notice.MaxSubscriptions {
		return notice.ErrTooMany
	}
	n.subs[s.ID] = s
	return n.err
}

func (n *notices) Subscription(_ context.Context, who consent.RecipientID, id fdx.SubscriptionID) (notice.Subscription, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return notice.Subscription{}, n.err
	}
	s, ok := n.subs[id]
	if !ok || s.Recipient != who {
		return notice.Subscription{}, fmt.Errorf("load: %w", consent.ErrNotFound)
	}
	return s, nil
}

func (n *notices) Unsubscribe(ctx context.Context, who consent.RecipientID, id fdx.SubscriptionID) error {
	if _, err := n.Subscription(ctx, who, id); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.subs, id)
	return nil
}

func (n *notices) Feed(_ context.Context, who consent.RecipientID, after fdx.NotificationID, limit int) ([]notice.Notification, error) {
	if n.err != nil {
		return nil, n.err
	}
	var feed []notice.Notification
	found := after == ""
	for _, one := range n.told {
		switch {
		case one.Recipient != who:
		case found && len(feed) < limit:
			feed = append(feed, one)
		case one.ID == after:
			found = true
		}
	}
	if !found {
		return nil, fmt.Errorf("load: %w", consent.ErrNotFound)
	}
	return feed, nil
}

func (n *notices) Recipient(_ context.Context, id consent.RecipientID) (consent.Recipient, error) {
	r := consenttest.Registrations()[0]
	r.ID = id
	return r, n.err
}

const (
	subscriptions = "/fdx/v6/notification-subscriptions"
	feed          = "/fdx/v6/notifications"
	good          = `{"type":"CONSENT_REVOKED","category":"CONSENT","callbackUrl":"https://app.example:8443/hook","subscriber":{"name":"App","type":"DATA_RECIPIENT"}}`
)

func openNotices(t *testing.T) (*front, *notices) {
	t.Helper()
	n := &notices{subs: map[fdx.SubscriptionID]notice.Subscription{}}
	return open(t, func(c *api.Config, _ *consent.ServiceConfig) {
		c.Notices = &api.Notices{Subscriptions: n, Recipients: n, Publisher: fdx.Party{Name: "Bank", Type: fdx.DataProvider}}
	}), n
}

func (f *front) subscriber(who consent.RecipientID) *client {
	return f.client(who, func(a *token.ClientAccess) { a.Scopes = []string{token.ScopeNotifications} })
}

func TestASubscriptionsLife(t *testing.T) {
	t.Parallel()
	f, _ := openNotices(t)
	c, stranger := f.subscriber(app), f.subscriber(other)
	made := c.do(t, c.request("POST", subscriptions, good))
	var s fdx.NotificationSubscription
	if err := json.Unmarshal([]byte(made.body), &s); err != nil || made.status != 201 || uuid.Validate(string(s.SubscriptionID)) != nil {
		t.Fatalf("made: %d %s", made.status, made.body)
	}
	if s.CallbackURL != "https://app.example:8443/hook" || s.EffectiveDate != fdx.DateOf(noon) || s.Subscriber.Name != "App" {
		t.Errorf("made %s", made.body)
	}
	at := subscriptions + "/" + string(s.SubscriptionID)
	if got := made.header.Values("Location"); len(got) != 1 || got[0] != f.base+at {
		t.Errorf("it is said to be at %q", got)
	}
	if got := c.get(t, at); got.status != 200 || got.body != made.body {
		t.Errorf("got %d %s", got.status, got.body)
	}
	unknown := stranger.get(t, subscriptions+"/"+uuid.NewString())
	for name, got := range map[string]reply{
		"somebody else's":            stranger.get(t, at),
		"somebody else's, to delete": stranger.do(t, stranger.request("DELETE", at, "")),
		"no id":                      c.get(t, subscriptions+"/x"),
		"a NUL":                      c.get(t, subscriptions+"/%00"),
	} {
		if got.status != 404 || got.body != unknown.body || unknown.status != 404 {
			t.Errorf("%s: %d %s, unknown: %d %s", name, got.status, got.body, unknown.status, unknown.body)
		}
	}
	if got := c.do(t, c.request("DELETE", at, "")); got.status != 204 || got.body != "" {
		t.Errorf("deleted: %d %s", got.status, got.body)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if got := c.do(t, c.request(method, at, "")); got.status != 404 {
			t.Errorf("%s afterwards: %d %s", method, got.status, got.body)
		}
	}
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	f, n := openNotices(t)
	c := f.subscriber(app)
	change := func(old, now string) string { return strings.Replace(good, old, now, 1) }
	for name, body := range map[string]string{
		"another host":            change("https://app.example:8443", "https://evil.example"),
		"a host below":            change("app.example", "hook.app.example"),
		"a host above":            change("app.example", "example"),
		"a longer host":           change("app.example", "app.example.evil.example"),
		"with user information":   change("https://", "https://app.example@"),
		"http":                    change("https", "http"),
		"a fragment":              change("/hook", "/hook#x"),
		"an inside address":       change("app.example:8443", "169.254.169.254"),
		"no callback":             change("callbackUrl", "callback"),
		"a type nobody knows":     change("CONSENT_REVOKED", "CONSENT_GIVEN"),
		"a type nobody is told":   change("CONSENT_REVOKED", "BALANCE"),
		"a category it is not of": change(`"CONSENT"`, `"SECURITY"`),
		"an id of its own":        change("{", `{"subscriptionId":"x",`),
		"a member twice":          change("{", `{"type":"CONSENT_UPDATED",`),
		"a day that is none":      change("{", `{"effectiveDate":"2026-02-30",`),
		"no subscriber":           change("subscriber", "subscribed"),
		"two values":              good + good,
		"a list":                  "[" + good + "]",
		"truncated":               good[:len(good)-1],
		"oversized":               change("App", strings.Repeat("A", fdx.MaxBodyLength)),
	} {
		if got := c.do(t, c.request("POST", subscriptions, body)); got.status != 400 || got.code() != "401" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if len(n.subs) != 0 {
		t.Errorf("%d were made", len(n.subs))
	}
	for range notice.MaxSubscriptions {
		if got := c.do(t, c.request("POST", subscriptions, good)); got.status != 201 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if got := c.do(t, c.request("POST", subscriptions, good)); got.status != 429 || got.code() != "1207" || got.header.Get("Retry-After") != "60" {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
}

func TestNotificationsNeedTheirScope(t *testing.T) {
	t.Parallel()
	f, _ := openNotices(t)
	c := f.client(app, nil) // may look at grants and end them
	for _, r := range []struct{ method, path, body string }{
		{"POST", subscriptions, good}, {"GET", subscriptions + "/" + uuid.NewString(), ""},
		{"DELETE", subscriptions + "/" + uuid.NewString(), ""}, {"GET", feed, ""},
	} {
		got := c.do(t, c.request(r.method, r.path, r.body))
		if got.status != 403 || !strings.Contains(got.header.Get("WWW-Authenticate"), `scope="fdx:notifications:subscribe"`) {
			t.Errorf("%s %s: %d %s", r.method, r.path, got.status, got.body)
		}
	}
	if got := f.subscriber(app).get(t, consents); got.status != 403 {
		t.Errorf("consents with the scope for notifications: %d", got.status)
	}
	c = f.subscriber(app)
	for _, r := range []struct{ method, path, body string }{
		{"POST", feed, "{}"}, {"PUT", subscriptions, good}, {"GET", subscriptions, ""}, {"PUT", subscriptions + "/x", good},
	} {
		if got := c.do(t, c.request(r.method, r.path, r.body)); got.status != 405 || got.code() != "1206" {
			t.Errorf("%s %s: %d %s", r.method, r.path, got.status, got.body)
		}
	}
}

func TestTheFeed(t *testing.T) {
	t.Parallel()
	f, n := openNotices(t)
	for i := range 3 {
		n.told = append(n.told, notice.Notification{
			Sequence: int64(i), ID: fdx.NotificationID(uuid.NewString()), Recipient: app, Topic: notice.Custom(), CreatedAt: noon,
			Payload: fdx.NotificationPayload{ID: "c", IDType: fdx.ConsentPayload, CustomField: fdx.CustomField{Name: notice.FieldExpiring, Value: "x"}},
		})
	}
	foreign := n.told[0]
	foreign.ID, foreign.Recipient = fdx.NotificationID(uuid.NewString()), other
	n.told = append(n.told, foreign)
	c := f.subscriber(app)
	var got []fdx.NotificationID
	path := feed + "?limit=2&dataRecipientId=app"
	for path != "" {
		page := c.get(t, path)
		var a fdx.NotificationsAnswer
		if err := json.Unmarshal([]byte(page.body), &a); err != nil || page.status != 200 {
			t.Fatalf("%d %s", page.status, page.body)
		}
		for _, one := range a.Notifications {
			got = append(got, one.NotificationID)
			if one.Publisher.Name != "Bank" || one.SentOn != fdx.TimestampOf(noon) {
				t.Errorf("got %s", page.body)
			}
		}
		path = strings.TrimPrefix(a.Links.Next.Href, f.base)
		if (path == "") != (a.Page.NextPageKey == "") {
			t.Errorf("link and key disagree: %s", page.body)
		}
	}
	if want := []fdx.NotificationID{n.told[0].ID, n.told[1].ID, n.told[2].ID}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// Who has all goes on from the last one.
	if last := c.get(t, feed+"?pageKey="+string(got[2])); last.status != 200 || last.body != `{"notifications":[]}` {
		t.Errorf("the end: %d %s", last.status, last.body)
	}
	for name, q := range map[string]string{
		"somebody else's place": "pageKey=" + string(foreign.ID), "an unknown place": "pageKey=" + uuid.NewString(),
		"a place that is none": "pageKey=1", "an injection": "pageKey=" + url.QueryEscape("' OR 1=1 --"),
		"another recipient": "dataRecipientId=other", "no limit": "limit=0", "two limits": "limit=1&limit=2",
	} {
		if got := c.get(t, feed+"?"+q); got.status != 400 || got.code() != "401" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

func TestNoticesThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		err    error
		status int
	}{"unavailable": {fmt.Errorf("%w: secret", consent.ErrUnavailable), 503}, "broken": {errors.New("secret"), 500}} {
		f, n := openNotices(t)
		n.err = row.err
		c := f.subscriber(app)
		for _, r := range []struct{ method, path, body string }{
			{"POST", subscriptions, good}, {"GET", subscriptions + "/" + uuid.NewString(), ""},
			{"DELETE", subscriptions + "/" + uuid.NewString(), ""}, {"GET", feed, ""},
		} {
			if got := c.do(t, c.request(r.method, r.path, r.body)); got.status != row.status || strings.Contains(got.body, "secret") {
				t.Errorf("%s: %s %s: %d %s", name, r.method, r.path, got.status, got.body)
			}
		}
	}
}

func TestNoticesAreServedWhenConfigured(t *testing.T) {
	t.Parallel()
	if got := open(t, nil); got.subscriber(app).get(t, feed).status != 404 {
		t.Error("served without configuration")
	}
	_, err := api.New(api.Config{Notices: &api.Notices{}})
	if err == nil || !strings.Contains(err.Error(), "each part of Notices") {
		t.Errorf("got %v", err)
	}
}
