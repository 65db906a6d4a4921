package postgres

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/resource/resourcetest"
)

func TestGateContract(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	var n atomic.Int64
	resourcetest.Gate(t, resourcetest.GateFixture{
		Gate: newGate(t, db, GateConfig{}),
		Grant: func(t *testing.T, expires time.Time) consent.Share {
			g := consenttest.NewGrant("consumer", time.Now())
			who, err := db.Recipients().Recipient(t.Context(), g.Recipient)
			if err != nil {
				t.Fatal(err)
			}
			who.ID = consent.RecipientID("app-" + strconv.FormatInt(n.Add(1), 10))
			if err := db.Recipients().PutRecipient(t.Context(), who); err != nil {
				t.Fatal(err)
			}
			g.Recipient = who.ID
			if err := db.Grants().Create(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			exec(t, db, `UPDATE consent_grant SET expires_at = $2, created_at = least(created_at, $2::timestamptz - interval '1 day') WHERE grant_id = $1`, string(g.ID), expires)
			s := g.Share()
			s.ExpiresAt = expires
			return s
		},
		End: func(t *testing.T, id consent.GrantID) {
			if _, err := db.Grants().End(context.Background(), consent.End{Grant: id, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction}); err != nil {
				t.Fatal(err)
			}
		},
		Pause: func(t *testing.T, id consent.GrantID, until time.Time) {
			exec(t, db, `UPDATE consent_grant SET paused_until = $2 WHERE grant_id = $1`, string(id), until)
		},
		Hold: func(t *testing.T, id consent.GrantID) {
			exec(t, db, `UPDATE consent_grant SET held_at = clock_timestamp(), hold_case = 'H-1' WHERE grant_id = $1`, string(id))
		},
		Bump: func(t *testing.T, id consent.GrantID) {
			exec(t, db, `UPDATE consent_grant SET epoch = epoch + 1 WHERE grant_id = $1`, string(id))
		},
		Suspend: func(t *testing.T, id consent.RecipientID) {
			exec(t, db, `UPDATE recipient SET status = 'suspended' WHERE recipient_id = $1`, string(id))
		},
		Records: func(t *testing.T, id consent.GrantID) []audit.Record {
			all, err := db.Reads().Find(t.Context(), "consumer", audit.Filter{}, audit.Cursor{}, 500)
			if err != nil {
				t.Fatal(err)
			}
			var out []audit.Record
			for i := len(all) - 1; i >= 0; i-- {
				if all[i].Grant == id {
					out = append(out, all[i])
				}
			}
			return out
		},
	})
}
