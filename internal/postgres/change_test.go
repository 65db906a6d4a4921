package postgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
)

// digest is of everything that a change of a grant writes.
func digest(t *testing.T, db *DB) (all string) {
	t.Helper()
	for _, table := range []string{"consent_grant", "consent_event", "grant_version", "oauth_access", "oauth_refresh", "person_notice", "notification", "notification_delivery"} {
		var one string
		err := db.pool.QueryRow(context.Background(), "SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM "+table+" t").Scan(&one)
		if err != nil {
			t.Fatal(err)
		}
		all += one
	}
	return all
}

// Whatever a change of a grant writes last, an error of it leaves nothing of the
// change, nor a lock; without the error the same call succeeds.
func TestAChangeIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	ctx, s := t.Context(), stores(db)
	subscribe(t, db, consenttest.Recipient, revokedTopic)
	subscribe(t, db, consenttest.Recipient, updatedTopic)
	exec(t, db, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$`)
	until := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		do     func(a token.Approval, r token.Redemption) error
		tables []string // that it writes to, besides the grant
	}{
		"end": {func(a token.Approval, _ token.Redemption) error { return endGrant(ctx, db, a.Grant.ID) },
			[]string{"consent_event", "grant_version", "oauth_access", "oauth_refresh", "person_notice", "notification", "notification_delivery"}},
		"revoke access": {func(a token.Approval, r token.Redemption) error {
			_, _, err := s.Tokens.RevokeAccess(ctx, a.Grant.Recipient, r.Access.Hash)
			return err
		}, []string{"consent_event", "grant_version", "oauth_access"}},
		"revoke refresh": {func(a token.Approval, r token.Redemption) error {
			_, _, err := s.Tokens.RevokeRefresh(ctx, a.Grant.Recipient, r.Refresh.Hash)
			return err
		}, []string{"consent_event", "grant_version", "oauth_access", "oauth_refresh"}},
		"pause": {func(a token.Approval, _ token.Redemption) error {
			_, err := s.Grants.Rest(ctx, consent.RestChange{Grant: a.Grant.ID, Kind: consent.EventPaused, Actor: consent.ActorConsumer, Until: until})
			return err
		}, []string{"consent_event", "grant_version", "person_notice"}},
		"shrink": {func(a token.Approval, _ token.Redemption) error {
			_, err := s.Grants.Shrink(ctx, consent.Shrinking{Grant: a.Grant.ID, Epoch: 1, Resources: a.Grant.Resources, Disclosure: a.Grant.Disclosure})
			return err
		}, []string{"consent_event", "grant_version", "person_notice", "notification", "notification_delivery"}},
	} {
		a := newApproval(t, s)
		if err := s.Requests.Approve(ctx, a); err != nil {
			t.Fatal(err)
		}
		r := token.Redemption{
			Code:    a.Code.Hash,
			Access:  token.Access{Hash: randomHash(), Grant: a.Grant.ID, Recipient: a.Grant.Recipient, KeyThumbprint: "k", IssuedAt: time.Now(), ExpiresAt: until},
			Refresh: &token.Refresh{Hash: randomHash(), Grant: a.Grant.ID, Recipient: a.Grant.Recipient, IssuedAt: time.Now(), ExpiresAt: until},
		}
		if _, err := s.Tokens.Redeem(ctx, r); err != nil {
			t.Fatal(err)
		}
		before := digest(t, db)
		for _, table := range c.tables {
			exec(t, db, fmt.Sprintf("CREATE TRIGGER zz_refuse AFTER INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION refuse()", table))
			if err := c.do(a, r); err == nil {
				t.Errorf("%s succeeds without %s", name, table)
			}
			exec(t, db, "DROP TRIGGER zz_refuse ON "+table)
			if digest(t, db) != before {
				t.Errorf("%s leaves something when %s cannot be written", name, table)
			}
		}
		exec(t, db, "SELECT grant_id FROM consent_grant FOR UPDATE NOWAIT")
		if err := c.do(a, r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if digest(t, db) == before {
			t.Errorf("%s changes nothing", name)
		}
	}
}
