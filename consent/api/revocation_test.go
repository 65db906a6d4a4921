package api_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/api"
	"github.com/headgate/headgate/fdx"
)

func TestARecipientEndsAConsent(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	c := f.client(app, nil)
	for body, want := range map[string]consent.Event{
		forApp:   {Reason: consent.ReasonBusinessRule},
		forAlice: {Reason: consent.ReasonUserAction, Initiator: consent.ActorConsumer},
		`{"reason":"USER_ACTION","initiator":"DATA_RECIPIENT"}`:               {Reason: consent.ReasonUserAction},
		` {"more":{"a":1},"initiator":"INDIVIDUAL","reason":"BUSINESS_RULE"}`: {Reason: consent.ReasonBusinessRule, Initiator: consent.ActorConsumer},
	} {
		id := f.grant(t, "", nil)
		got := c.put(t, id, body)
		if got.status != 204 || got.body != "" || got.header.Get("x-fapi-interaction-id") != interactionID {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
		events, err := f.grants.Events(t.Context(), id)
		if err != nil || len(events) != 2 {
			t.Fatalf("%s: %d events, %v", body, len(events), err)
		}
		want.Grant, want.Epoch, want.Kind, want.Actor, want.At = id, 2, consent.EventRevoked, consent.ActorRecipient, noon
		if events[1] != want {
			t.Errorf("%s: %+v, want %+v", body, events[1], want)
		}
		if got := c.put(t, id, body); got.status != 409 || got.code() != "409" {
			t.Errorf("%s again: %d %s", body, got.status, got.body)
		}
		if got := c.get(t, at(id)); got.status != 200 || !strings.Contains(got.body, `"status":"REVOKED"`) || !strings.Contains(got.body, `"updatedTime":`) {
			t.Errorf("%s afterwards: %d %s", body, got.status, got.body)
		}
	}
}

func TestWhatEndsNothing(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	id := f.grant(t, "", nil)
	c := f.client(app, nil)
	for name, body := range map[string]string{
		"no reason":               `{"initiator":"DATA_RECIPIENT"}`,
		"no initiator":            `{"reason":"BUSINESS_RULE"}`,
		"nothing":                 `{}`,
		"a list":                  `[` + forApp + `]`,
		"null":                    `null`,
		"two objects":             forApp + forApp,
		"cut":                     forApp[:20],
		"another reason":          `{"reason":"CODE_REPLAY","initiator":"DATA_RECIPIENT"}`,
		"small letters":           `{"reason":"user_action","initiator":"individual"}`,
		"the bank's name":         `{"reason":"BUSINESS_RULE","initiator":"DATA_PROVIDER"}`,
		"a platform's name":       `{"reason":"BUSINESS_RULE","initiator":"DATA_ACCESS_PLATFORM"}`,
		"the name of time":        `{"reason":"BUSINESS_RULE","initiator":"TIME"}`,
		"a number":                `{"reason":1,"initiator":"DATA_RECIPIENT"}`,
		"a member twice":          `{"reason":"BUSINESS_RULE","initiator":"DATA_PROVIDER","initiator":"DATA_RECIPIENT"}`,
		"a member in two cases":   `{"reason":"BUSINESS_RULE","Initiator":"INDIVIDUAL","initiator":"DATA_RECIPIENT"}`,
		"too long":                `{"x":"` + strings.Repeat("a", fdx.MaxBodyLength) + `","reason":"BUSINESS_RULE","initiator":"DATA_RECIPIENT"}`,
		"one byte too long":       forApp + strings.Repeat(" ", fdx.MaxBodyLength+1-len(forApp)),
		"a member twice far down": `{"x":{"a":1,"a":2},"reason":"BUSINESS_RULE","initiator":"DATA_RECIPIENT"}`,
	} {
		if got := c.put(t, id, body); got.status != 400 || got.code() != "401" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	r := c.request("PUT", revocationOf(id), forApp)
	r.Body, r.ContentLength = nil, 0
	if got := c.do(t, r); got.status != 400 || got.code() != "401" {
		t.Errorf("no body: %d %s", got.status, got.body)
	}
	if got := f.client(other, nil).put(t, id, forApp); got.status != 404 {
		t.Errorf("another recipient: %d %s", got.status, got.body)
	}
	if f.status(t, id) != consent.StatusActive {
		t.Error("it ended all the same")
	}
	if got := c.put(t, id, forApp+strings.Repeat(" ", fdx.MaxBodyLength-len(forApp))); got.status != 204 {
		t.Errorf("the longest body: %d %s", got.status, got.body)
	}
}

func TestOfManyStopsOneIsTheStop(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	id := f.grant(t, "", nil)
	c := f.client(app, nil)
	var (
		mu       sync.Mutex
		statuses = map[int]int{}
		wait     sync.WaitGroup
	)
	for range 16 {
		wait.Go(func() {
			got := c.put(t, id, forAlice)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	wait.Wait()
	if statuses[204] != 1 || statuses[409] != 15 {
		t.Errorf("%v", statuses)
	}
	if events, err := f.grants.Events(t.Context(), id); err != nil || len(events) != 2 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// gateCache is a cache that answers when it is let.
type gateCache struct {
	asked chan struct{}
	let   chan error
}

func (g gateCache) Stopped(context.Context, consent.RecipientID) error {
	return errors.New("nobody stops a recipient here")
}

func (g gateCache) Ended(context.Context, consent.GrantID, int64) error {
	g.asked <- struct{}{}
	return <-g.let
}

// Neither 204 nor 409 is said before the caches have been told.
func TestAnswersWaitForTheCaches(t *testing.T) {
	t.Parallel()
	cache := gateCache{make(chan struct{}), make(chan error)}
	f := open(t, func(_ *api.Config, sc *consent.ServiceConfig) { sc.Cache = cache })
	id := f.grant(t, "", nil)
	c := f.client(app, nil)
	for _, want := range []int{204, 409} {
		done := make(chan reply, 1)
		go func() { done <- c.put(t, id, forApp) }()
		<-cache.asked
		if f.status(t, id) != consent.StatusRevoked {
			t.Error("the cache was told first")
		}
		select {
		case got := <-done:
			t.Errorf("%d before the cache was told", got.status)
		default:
		}
		cache.let <- nil
		if got := <-done; got.status != want {
			t.Errorf("%d %s, want %d", got.status, got.body, want)
		}
	}
}

func TestAStopThatIsNotSettledIsNotPromised(t *testing.T) {
	t.Parallel()
	f := open(t, func(c *api.Config, _ *consent.ServiceConfig) {
		c.Stop = broken{errors.Join(consent.ErrUnavailable, context.DeadlineExceeded)} // written, and not settled in time
	})
	id := f.grant(t, "", func(g *consent.Grant) { g.CreatedAt = noon.Add(-time.Minute) })
	c := f.client(app, nil)
	for _, body := range []string{forApp, forAlice} {
		if got := c.put(t, id, body); got.status != 503 || got.code() != "503" || got.header.Get("Retry-After") == "" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}
