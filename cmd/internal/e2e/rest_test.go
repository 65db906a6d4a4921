package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/resource"
)

// pauseAnHour and holdNow are what the races put in place of a stop.
func pauseAnHour(ctx context.Context, s *consent.Service, who consent.ConsumerID, id consent.GrantID) error {
	_, err := s.PauseByConsumer(ctx, who, id, time.Now().Add(time.Hour))
	return err
}

func holdNow(ctx context.Context, s *consent.Service, who consent.ConsumerID, id consent.GrantID) error {
	_, err := s.HoldByConsumer(ctx, who, id)
	return err
}

// A pause and a hold stop reads as a stop does: on both gateways, with a cold
// and a warm cache, and when whoever pauses cannot reach Redis. Not parallel,
// as the other races.
func TestNothingIsReadAfterAPauseOrAHold(t *testing.T) {
	c := newCourse(t, nil)
	var history []round
	for i := range rounds(72) {
		cond := usual(i)
		cond.rest = pauseAnHour
		if i%4 >= 2 {
			cond.rest = holdNow
		}
		history = append(history, c.race(t, i, c.cache, cond))
	}
	summarise(t, history)
	report(t, violations(history))
}

// The cache of the course is the worst there can be, so that only the gate
// stands between a paused grant and its data.
func TestTheGateAloneStopsReadsOfAPausedGrant(t *testing.T) {
	aside := newCacheAside()
	c := newCourse(t, func(_ *course, config *resource.Config) { config.Cache = aside })
	var history []round
	for i := range rounds(24) {
		history = append(history, c.race(t, i, aside, conditions{warm: i%2 == 1, rest: pauseAnHour}))
	}
	summarise(t, history)
	report(t, violations(history))
}

// A rest is no end: reads are refused on both gateways with a word about why,
// a refresh says to come back, introspection says no, and when the rest is
// over the tokens of before go on, without a new consent. The person sees each
// refused read and why.
func TestSharingThatRests(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	app := d.client(t, "alpha")
	ctx := t.Context()
	s, err := consent.NewService(consent.ServiceConfig{Store: d.db.Grants(), Cache: openCache(t, d.redis.URL())})
	must(t, err)
	tok := d.granted(t, app, "everyday")
	id := consent.GrantID(tok.GrantID)
	g, err := d.db.Grants().Grant(ctx, id)
	must(t, err)
	ask := func(want outcome, debug string) {
		t.Helper()
		for i, gateway := range d.both(t, d.data) {
			r, err := app.AccountsRequest(tok, nil)
			must(t, err)
			resp, err := send(ctx, gateway, r)
			must(t, err)
			if got := judged(resp); got != want || !strings.Contains(string(resp.Body), debug) {
				t.Errorf("gateway %d answered %v: %s; want %v with %q", i, got, resp.Body, want, debug)
			}
		}
	}
	refresh := func(want outcome) recipient.Token {
		t.Helper()
		r, err := app.RefreshRequest(tok.RefreshToken, tok.Key)
		must(t, err)
		resp, err := app.Do(ctx, r)
		must(t, err)
		if got := judged(resp); got != want {
			t.Errorf("a refresh was answered with %v, want %v", got, want)
		}
		if again := resp.Header.Get("Retry-After"); want.status == 503 && again != "3600" {
			t.Errorf("Retry-After %q", again)
		}
		return tok
	}
	for range 2 { // filled, and found
		ask(outcome{200, ""}, "")
	}
	until := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	for _, rest := range []struct {
		name       string
		begin, end func() error
		says       string
		reason     string
	}{
		{"paused", func() error { _, err := s.PauseByConsumer(ctx, g.Consumer, id, until); return err },
			func() error { _, err := s.ResumeByConsumer(ctx, g.Consumer, id); return err },
			"the consumer has paused sharing until " + until.Format(time.RFC3339), "paused"},
		{"held", func() error { _, err := s.HoldByConsumer(ctx, g.Consumer, id); return err },
			func() error { _, err := s.ReleaseByProvider(ctx, id); return err },
			"sharing is on hold", "held"},
		// Nobody ends this one: its time is over by the clock of the database.
		{"paused until a moment ago", func() error { _, err := s.PauseByConsumer(ctx, g.Consumer, id, until); return err },
			func() error {
				_, err := d.sql.ExecContext(ctx, `UPDATE consent_grant SET paused_until = clock_timestamp() WHERE grant_id = $1`, string(id))
				return err
			}, "the consumer has paused sharing", "paused"},
	} {
		t.Run(rest.name, func(t *testing.T) {
			must(t, rest.begin())
			ask(outcome{403, "403"}, rest.says)
			refresh(outcome{503, "temporarily_unavailable"})
			must(t, dialRedis(t, d.redis.URL()).empty())
			ask(outcome{403, "403"}, rest.says)
			reads, err := d.db.Reads().Find(ctx, g.Consumer, audit.Filter{}, audit.Cursor{}, 4)
			must(t, err)
			for _, r := range reads {
				if r.Outcome != audit.Refused || r.Reason != rest.reason || r.Count != 0 || r.Grant != id {
					t.Errorf("recorded %+v", r)
				}
			}
			must(t, rest.end())
			ask(outcome{200, ""}, "")
			refresh(outcome{200, ""})
		})
	}
}
