package postgres

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/jackc/pgx/v5/pgxpool"
)

// counted is a connection that counts how often we speak after having
// listened.
type counted struct {
	net.Conn
	trips    *atomic.Int64
	speaking atomic.Bool
}

func (c *counted) Write(b []byte) (int, error) {
	if !c.speaking.Swap(true) {
		c.trips.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.speaking.Store(false)
	}
	return n, err
}

// The documented round trips, once a connection knows the statements.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dsn := env.Postgres(t)
	pc, err := poolConfig(Config{DSN: dsn, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	var trips atomic.Int64
	dial := pc.ConnConfig.DialFunc
	pc.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return &counted{Conn: c, trips: &trips}, err
	}
	// The pool asks a connection that was idle whether it still lives; this
	// is about the statements.
	pc.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		t.Fatal(err)
	}
	db, err := newDB(pool, sealer())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	for _, r := range consenttest.Registrations() {
		if err := db.Recipients().PutRecipient(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	gate := newGate(t, db, GateConfig{})
	s := stores(db)
	until := time.Now().Add(time.Hour)
	var (
		a      token.Approval
		issued token.Redemption
	)
	prepare := func() { a = newApproval(t, s) }
	approve := func() {
		prepare()
		if err := s.Requests.Approve(ctx, a); err != nil {
			t.Fatal(err)
		}
		issued = token.Redemption{
			Code:    a.Code.Hash,
			Access:  token.Access{Hash: randomHash(), Grant: a.Grant.ID, Recipient: a.Grant.Recipient, KeyThumbprint: "k", IssuedAt: time.Now(), ExpiresAt: until},
			Refresh: &token.Refresh{Hash: randomHash(), Grant: a.Grant.ID, Recipient: a.Grant.Recipient, IssuedAt: time.Now(), ExpiresAt: until},
		}
	}
	redeem := func() {
		approve()
		if _, err := s.Tokens.Redeem(ctx, issued); err != nil {
			t.Fatal(err)
		}
	}
	change := func() {
		approve()
		g := a.Grant
		g.Epoch++
		prepare()
		a.Grant, a.Code.Grant = g, g.ID
	}
	// subscribed has the recipient called about whatever the next call does.
	subscribed := func(before func()) func() {
		return func() {
			before()
			for _, topic := range []notice.Topic{revokedTopic, updatedTopic} {
				subscribe(t, db, consenttest.Recipient, topic)
			}
		}
	}
	shrink := func() error {
		_, err := s.Grants.Shrink(ctx, consent.Shrinking{Grant: a.Grant.ID, Epoch: a.Grant.Epoch, Resources: a.Grant.Resources, Disclosure: a.Grant.Disclosure})
		return err
	}
	nothing := func() {}
	var own token.ClientAccess
	ownToken := func() {
		own = token.ClientAccess{Hash: randomHash(), Recipient: consenttest.Recipient, KeyThumbprint: "k", IssuedAt: time.Now(), ExpiresAt: until}
	}
	issueOwn := func() {
		ownToken()
		if err := s.Tokens.IssueClient(ctx, own); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Registrations().Enrol(ctx, operators("enrolled")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		before func()
		call   func() error
		want   int64
	}{
		"Create": {nothing, func() error { return s.Grants.Create(ctx, consenttest.NewGrant("c", time.Now())) }, 1},
		"Moved":  {approve, func() error { _, err := db.Grants().Moved(ctx, consent.Within(consent.Remembered)); return err }, 1},
		"Grant":  {approve, func() error { _, err := s.Grants.Grant(ctx, a.Grant.ID); return err }, 1},
		"GrantsOfRecipient": {approve, func() error {
			_, err := s.Grants.GrantsOfRecipient(ctx, a.Grant.Recipient, consent.Filter{At: time.Now()}, consent.Place{}, 10)
			return err
		}, 1},
		"the grants of one person": {approve, func() error {
			_, err := s.Grants.GrantsOfRecipient(ctx, a.Grant.Recipient, consent.Filter{Consumer: a.Grant.Consumer, At: time.Now()}, consent.Place{}, 10)
			return err
		}, 1},
		"End": {redeem, func() error { return endGrant(ctx, db, a.Grant.ID) }, 1},
		"EndOfRecipient": {redeem, func() error {
			_, err := s.Grants.EndOfRecipient(ctx, a.Grant.Recipient, consent.End{Grant: a.Grant.ID, Status: consent.StatusRevoked, Actor: consent.ActorRecipient})
			return err
		}, 1},
		"EndOfConsumer": {redeem, func() error {
			_, err := s.Grants.EndOfConsumer(ctx, a.Grant.Consumer, consent.End{Grant: a.Grant.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer})
			return err
		}, 1},
		"End, told": {subscribed(redeem), func() error { return endGrant(ctx, db, a.Grant.ID) }, 4},
		"Rest": {approve, func() error {
			_, err := s.Grants.Rest(ctx, consent.RestChange{Grant: a.Grant.ID, Kind: consent.EventPaused, Actor: consent.ActorConsumer, Until: time.Now().Add(time.Minute)})
			return err
		}, 1},
		"Shrink":       {approve, func() error { return shrink() }, 2},
		"Shrink, told": {subscribed(approve), func() error { return shrink() }, 5},
		"change, told": {subscribed(change), func() error { return s.Requests.Approve(ctx, a) }, 8},
		"Open": {prepare, func() error {
			_, err := s.Authorizations.Open(ctx, consenttest.NewAuthorization(a.Pushed.String(), "other", time.Now()))
			return err
		}, 1},
		"Extend": {prepare, func() error {
			return s.Authorizations.Extend(ctx, a.Authorization.ID, a.Authorization.Browser, time.Now(), time.Now())
		}, 1},
		"Replace": {prepare, func() error { _, err := s.Authorizations.Replace(ctx, a.Authorization); return err }, 1},
		"Push": {nothing, func() error {
			return s.Requests.Push(ctx, token.Pushed{Hash: randomHash(), ExpiresAt: until})
		}, 1},
		"Pushed":  {prepare, func() error { _, err := s.Requests.Pushed(ctx, a.Pushed); return err }, 1},
		"Approve": {prepare, func() error { return s.Requests.Approve(ctx, a) }, 6},
		"change":  {change, func() error { return s.Requests.Approve(ctx, a) }, 7},
		"Refuse":  {prepare, func() error { return s.Requests.Refuse(ctx, a.Pushed, a.Authorization) }, 4},
		"Code":    {approve, func() error { _, err := s.Tokens.Code(ctx, a.Code.Hash); return err }, 1},
		"Redeem":  {approve, func() error { _, err := s.Tokens.Redeem(ctx, issued); return err }, 1},
		"Refresh": {redeem, func() error { _, err := s.Tokens.Refresh(ctx, issued.Refresh.Hash); return err }, 1},
		"Live":    {redeem, func() error { _, err := s.Tokens.Live(ctx, issued.Access.Hash); return err }, 1},
		"RevokeAccess": {redeem, func() error {
			_, _, err := s.Tokens.RevokeAccess(ctx, a.Grant.Recipient, issued.Access.Hash)
			return err
		}, 1},
		"RevokeRefresh": {redeem, func() error {
			_, _, err := s.Tokens.RevokeRefresh(ctx, a.Grant.Recipient, issued.Refresh.Hash)
			return err
		}, 1},
		"Renew": {redeem, func() error {
			access := issued.Access
			access.Hash = randomHash()
			_, err := s.Tokens.Renew(ctx, issued.Refresh.Hash, access)
			return err
		}, 1},
		"PresentedCode": {approve, func() error {
			_, err := s.Tokens.PresentedCode(ctx, a.Grant.Recipient, a.Code.Hash)
			return err
		}, 1},
		"PresentedRefresh": {redeem, func() error {
			_, err := s.Tokens.PresentedRefresh(ctx, a.Grant.Recipient, issued.Refresh.Hash)
			return err
		}, 1},
		"IssueClient":  {ownToken, func() error { return s.Tokens.IssueClient(ctx, own, *newProof(), *newProof()) }, 1},
		"ClientAccess": {issueOwn, func() error { _, err := s.Tokens.ClientAccess(ctx, own.Hash); return err }, 1},
		"RevokeClient": {issueOwn, func() error { return s.Tokens.RevokeClient(ctx, own.Recipient, own.Hash) }, 1},
		// What the endpoints do, each with an assertion and a DPoP proof to
		// spend; authz's TestRoundTripsOfAnExchange holds them to these calls.
		"an exchange of a code": {approve, func() error {
			_, err := s.Tokens.PresentedCode(ctx, a.Grant.Recipient, a.Code.Hash)
			if err == nil {
				issued.Spend = []token.Proof{*newProof(), *newProof()}
				_, err = s.Tokens.Redeem(ctx, issued)
			}
			return err
		}, 2},
		"a refresh": {redeem, func() error {
			_, err := s.Tokens.PresentedRefresh(ctx, a.Grant.Recipient, issued.Refresh.Hash)
			if err == nil {
				access := issued.Access
				access.Hash = randomHash()
				_, err = s.Tokens.Renew(ctx, issued.Refresh.Hash, access, *newProof(), *newProof())
			}
			return err
		}, 2},
		"a pushed request": {nothing, func() error {
			_, err := db.Recipients().Recipient(ctx, consenttest.Recipient)
			if err == nil {
				err = s.Requests.Push(ctx, token.Pushed{Hash: randomHash(), ExpiresAt: until}, *newProof(), *newProof())
			}
			return err
		}, 2},
		"Register": {nothing, func() error {
			r := operators(consent.RecipientID(randomHash().String()))
			r.Access = randomHash()
			return db.Registrations().Register(ctx, r, *newProof())
		}, 3},
		"ByID":  {nothing, func() error { _, err := db.Registrations().ByID(ctx, consenttest.Recipient); return err }, 1},
		"Enrol": {nothing, func() error { _, err := db.Registrations().Enrol(ctx, operators("enrolled")); return err }, 4},
		"Update": {nothing, func() error {
			r, err := db.Registrations().ByID(ctx, "enrolled")
			if err == nil {
				err = db.Registrations().Update(ctx, r, *newProof())
			}
			return err
		}, 1 + 4},
		"ActiveGrants": {nothing, func() error { _, err := db.Registrations().ActiveGrants(ctx, "enrolled", "", 5); return err }, 1},
		"Spend":        {nothing, func() error { return db.Guard().Spend(ctx, *newProof()) }, 1},
		"Find":         {nothing, func() error { _, err := db.Reads().Find(ctx, "c", audit.Filter{}, audit.Cursor{}, 5); return err }, 1},
		"Read":         {nothing, func() error { _, _, err := db.Reads().Read(ctx, "c", [16]byte{}); return err }, 1},
		"Changes":      {nothing, func() error { _, err := db.Reads().Changes(ctx, "c", time.Time{}, 5); return err }, 1},
		"LookUps":      {nothing, func() error { _, err := db.Reads().LookUps(ctx, "c", time.Time{}, 5); return err }, 1},
		"Pulse":        {nothing, func() error { _, err := db.Reads().Pulse(ctx, "c"); return err }, 1},
		"Sweep":        {nothing, func() error { _, err := db.Sweep(ctx, 5); return err }, 21},
		"Put": {nothing, func() error {
			return db.Performance().Put(ctx, [16]byte(newRecord(consent.Grant{}).RequestID), []resource.Calls{{Hour: until.Truncate(time.Hour), Operation: "x"}})
		}, 1},
		"History": {nothing, func() error { _, err := db.Performance().History(ctx, time.Time{}); return err }, 1},
		"Release": {approve, func() error {
			v, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: newRecord(a.Grant), Proof: newProof()})
			if err == nil && v != resource.Released {
				err = consent.ErrNotFound
			}
			return err
		}, 1},
	} {
		for _, warm := range []bool{false, true} {
			exec(t, db, "UPDATE notification_subscription SET deleted_at = now()")
			c.before()
			start := trips.Load()
			if err := c.call(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := trips.Load() - start; warm && got != c.want {
				t.Errorf("%s: %d round trips, want %d", name, got, c.want)
			}
		}
	}
}
