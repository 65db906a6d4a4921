package e2e

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource/sandbox"
)

// prompt is the most that a stop may take, whatever else goes on.
const prompt = 3500 * time.Millisecond

// While reads and pushed requests hold every connection of their pools, waiting
// for what does not come, a stop of each kind is answered.
func TestAStopIsAnsweredInACrowd(t *testing.T) {
	t.Parallel()
	const conns = 2
	d := deployWith(t, func(ac *authzd.Config, gc *gatewayd.Config) {
		ac.PostgresConns, ac.StopConns = conns, 2
		gc.PostgresConns, gc.GateLanes, gc.StopConns = conns, conns, 2
	})
	ctx := t.Context()
	r, err := d.db.Recipients().Recipient(ctx, "alpha")
	must(t, err)
	r.Profile.GrantTypes = append(r.Profile.GrantTypes, "client_credentials")
	must(t, d.db.Recipients().PutRecipient(ctx, r))
	app := d.client(t, "alpha")
	key, err := recipient.NewDPoPKey(jose.ES256)
	must(t, err)
	own, err := app.ClientCredentials(ctx, "grant_management_revoke", key)
	must(t, err)
	var given [3]recipient.Token
	for i := range given {
		given[i] = d.granted(t, app, "everyday")
	}
	reading := d.granted(t, app, "everyday")
	shown := d.granted(t, d.client(t, "beta"), "everyday")

	// Nobody gets to record a read or to push a request.
	held, err := d.sql.BeginTx(ctx, nil)
	must(t, err)
	defer held.Rollback() //nolint:errcheck // it only locks
	_, err = held.ExecContext(ctx, "LOCK TABLE access_record, pushed_request IN ACCESS EXCLUSIVE MODE")
	must(t, err)

	crowd, disperse := context.WithCancel(ctx)
	var all sync.WaitGroup
	for range 24 {
		all.Go(func() {
			for crowd.Err() == nil {
				if req, err := app.AccountsRequest(reading, nil); err == nil {
					_, _ = app.Do(crowd, req)
				}
			}
		})
		all.Go(func() {
			for crowd.Err() == nil {
				if attempt, err := recipient.Ask(wanted()); err == nil {
					_, _ = app.Push(crowd, attempt)
				}
			}
		})
	}
	defer all.Wait()
	defer disperse()
	waiting(t, d.sql, 2*conns)

	for _, stop := range []struct {
		name string
		by   func() error
		of   recipient.Token
	}{
		{"RFC 7009", func() error { return app.Revoke(ctx, given[0].RefreshToken) }, given[0]},
		{"the end of a grant", func() error { return app.RevokeGrant(ctx, own, given[1].GrantID) }, given[1]},
		{"the end of a consent", func() error {
			return app.RevokeConsent(ctx, own, given[2].GrantID, "USER_ACTION", "INDIVIDUAL")
		}, given[2]},
	} {
		start := time.Now()
		if err := stop.by(); err != nil {
			t.Errorf("%s: %v", stop.name, err)
		}
		if took := time.Since(start); took > prompt {
			t.Errorf("%s took %s", stop.name, took)
		}
		if g := d.grant(t, stop.of.GrantID); g.Epoch < 2 {
			t.Errorf("%s: epoch %d", stop.name, g.Epoch)
		}
	}
	start := time.Now()
	if _, err := browser.Stop(ctx, d.person(t), d.pages+"/portal", "everyday", sandbox.DevPassword("everyday"), appName("beta")); err != nil {
		t.Errorf("a person: %v", err)
	}
	if took := time.Since(start); took > 4*prompt { // sign-in, home, question, answer
		t.Errorf("a person took %s", took)
	}
	if g := d.grant(t, shown.GrantID); g.Status == consent.StatusActive {
		t.Errorf("a person: %s", g.Status)
	}
	// The crowd was one: nothing else was answered with data.
	req, err := app.AccountsRequest(reading, nil)
	must(t, err)
	if resp, err := app.Do(ctx, req); err != nil || resp.Status != http.StatusServiceUnavailable {
		t.Errorf("a read in the crowd: %+v, %v", resp, err)
	}
}

// While somebody floods the portal with sessions that are made up, and the
// database is slow to say that it does not know them, stops are answered; and
// who is at the same address stops sharing all the same.
func TestAFloodOfMadeUpSessionsIsInNoStopsWay(t *testing.T) {
	t.Parallel()
	const conns, quota = 4, 30 // one each two seconds, once it is used up
	d := deployWith(t, func(ac *authzd.Config, _ *gatewayd.Config) {
		ac.PostgresConns, ac.StopConns, ac.StrangerQuota = conns, conns, quota
	})
	ctx := t.Context()
	app := d.client(t, "alpha")
	given := d.granted(t, app, "everyday")
	shown := d.granted(t, d.client(t, "beta"), "everyday")

	portal := via(t, d.browsers[0], d.roots)
	ask := func(ctx context.Context) int {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.pages+"/portal", nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		var made [32]byte
		rand.Read(made[:])
		r.AddCookie(&http.Cookie{Name: web.SessionCookie, Value: base64.RawURLEncoding.EncodeToString(made[:])})
		resp, err := receive(portal.Do(r))
		if err != nil {
			return 0 // the flood is over
		}
		return resp.Status
	}
	for range 2 * quota {
		if status := ask(ctx); status != http.StatusSeeOther {
			t.Fatalf("a stranger: %d", status)
		}
	}

	held, err := d.sql.BeginTx(ctx, nil)
	must(t, err)
	defer held.Rollback() //nolint:errcheck // it only locks
	_, err = held.ExecContext(ctx, "LOCK TABLE web_session IN ACCESS EXCLUSIVE MODE")
	must(t, err)
	flood, ebb := context.WithCancel(ctx)
	var all sync.WaitGroup
	for range 24 {
		all.Go(func() {
			for flood.Err() == nil {
				ask(flood)
			}
		})
	}
	defer all.Wait()
	defer ebb()
	waiting(t, d.sql, conns)
	start := time.Now()
	if err := app.Revoke(ctx, given.RefreshToken); err != nil {
		t.Errorf("a stop: %v", err)
	}
	if took := time.Since(start); took > prompt {
		t.Errorf("a stop took %s", took)
	}
	if g := d.grant(t, given.GrantID); g.Epoch < 2 {
		t.Errorf("epoch %d", g.Epoch)
	}
	must(t, held.Rollback())
	if _, err := browser.Stop(ctx, d.person(t), d.pages+"/portal", "everyday", sandbox.DevPassword("everyday"), appName("beta")); err != nil {
		t.Errorf("a person: %v", err)
	}
	if g := d.grant(t, shown.GrantID); g.Status == consent.StatusActive {
		t.Errorf("a person: %s", g.Status)
	}
}

// waiting returns when that many statements of the processes wait for a lock.
func waiting(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	for {
		var have int
		must(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name IN ('authzd', 'authzd stops', 'gatewayd') AND wait_event_type = 'Lock'`).Scan(&have))
		if have >= n {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("no crowd")
		case <-time.After(10 * time.Millisecond): // polling, not waiting
		}
	}
}
