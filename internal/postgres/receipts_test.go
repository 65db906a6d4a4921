package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/receipt"
	"github.com/headgate/headgate/internal/token"
)

// Every change of a grant leaves the version that it made behind, whichever
// statement made it.
func TestEveryChangeKeepsItsVersion(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s := stores(db)
	who := consent.ConsumerID("consumer")

	created := consenttest.NewGrant(who, time.Now())
	if err := s.Grants.Create(ctx, created); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Grants.End(ctx, consent.End{Grant: created.ID, Status: consent.StatusRevoked, Actor: consent.ActorRecipient, Initiator: consent.ActorConsumer, Reason: consent.ReasonUserAction}); err != nil {
		t.Fatal(err)
	}
	due := consenttest.NewGrant(who, time.Now().AddDate(0, 0, -31))
	if err := s.Grants.Create(ctx, due); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Sweep(ctx, 10); err != nil {
		t.Fatal(err)
	}
	agreed := newApproval(t, s)
	if err := s.Requests.Approve(ctx, agreed); err != nil {
		t.Fatal(err)
	}
	access := token.Access{Hash: randomHash(), Grant: agreed.Grant.ID, Recipient: agreed.Grant.Recipient, KeyThumbprint: "k", IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	if _, err := s.Tokens.Redeem(ctx, token.Redemption{Code: agreed.Code.Hash, Access: access}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Tokens.RevokeAccess(ctx, agreed.Grant.Recipient, access.Hash); err != nil {
		t.Fatal(err)
	}

	for _, id := range []consent.GrantID{created.ID, due.ID, agreed.Grant.ID} {
		events, err := s.Grants.Events(ctx, id)
		if err != nil || len(events) != 2 {
			t.Fatalf("%d events (%v), want 2", len(events), err)
		}
		for _, e := range events {
			v, jws, err := db.Receipts().Version(ctx, receipt.ID{Grant: id, Epoch: e.Epoch})
			if err != nil || jws != "" || v.Event != e || v.Grant.Epoch != e.Epoch {
				t.Errorf("%s: got %+v, %q (%v)", e.Kind, v, jws, err)
			}
		}
		last, _, err := db.Receipts().Version(ctx, receipt.ID{Grant: id, Epoch: 2})
		now, err2 := s.Grants.Grant(ctx, id)
		if err != nil || err2 != nil || !reflect.DeepEqual(last.Grant, now) {
			t.Errorf("kept %+v\nis   %+v (%v, %v)", last.Grant, now, err, err2)
		}
	}
	first, _, err := db.Receipts().Version(ctx, receipt.ID{Grant: created.ID, Epoch: 1})
	if err != nil || !reflect.DeepEqual(first.Grant, created) {
		t.Errorf("the first version is\n%+v (%v), want\n%+v", first.Grant, err, created)
	}

	list, err := db.Receipts().Versions(ctx, who, 10)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []consent.EventKind
	for i, v := range list {
		kinds = append(kinds, v.Event.Kind)
		if v.Grant.Consumer != who || i > 0 && v.Event.At.After(list[i-1].Event.At) {
			t.Errorf("place %d: %+v", i, v.Event)
		}
	}
	if n := len(kinds); n < 4 {
		t.Errorf("listed %v", kinds)
	}
	for _, k := range kinds {
		if k == consent.EventTokensRevoked {
			t.Error("an app's signing out is listed")
		}
	}
	if list, err := db.Receipts().Versions(ctx, "nobody", 10); err != nil || list != nil {
		t.Errorf("of nobody: %v (%v)", list, err)
	}
	if list, err := db.Receipts().Versions(ctx, who, 1); err != nil || len(list) != 1 {
		t.Errorf("limit 1: %d (%v)", len(list), err)
	}
}

// A grant from before versions were kept has none, and what happens to it
// from now on is kept.
func TestGrantsOfBeforeHaveNoVersion(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	exec(t, db, "ALTER TABLE consent_event DISABLE TRIGGER consent_event_version")
	g := newGrant(t, db)
	exec(t, db, "ALTER TABLE consent_event ENABLE TRIGGER consent_event_version")
	if _, _, err := db.Receipts().Version(ctx, receipt.ID{Grant: g.ID, Epoch: 1}); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if _, err := db.Grants().End(ctx, consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer}); err != nil {
		t.Fatal(err)
	}
	if v, _, err := db.Receipts().Version(ctx, receipt.ID{Grant: g.ID, Epoch: 2}); err != nil || v.Grant.Status != consent.StatusRevoked {
		t.Errorf("the end: %+v (%v)", v, err)
	}
}

// An event without its version cannot be written.
func TestEventNamesAVersion(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	g := newGrant(t, db)
	if _, err := db.pool.Exec(context.Background(), "INSERT INTO consent_event (grant_id, epoch, kind, actor, reason, at) VALUES ($1, 7, 'changed', 'INDIVIDUAL', '', now())", string(g.ID)); err == nil {
		t.Error("an event of epoch 7 was written for a grant in epoch 1")
	}
}

func TestReceiptIsKeptOnce(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	id := receipt.ID{Grant: newGrant(t, db).ID, Epoch: 1}
	if keys, err := db.Receipts().Keys(ctx); err != nil || keys != nil {
		t.Errorf("keys: %s (%v)", keys, err)
	}
	names := []string{"a", "b"}
	var kept [32]string
	for _, err := range consenttest.Race(func(i int) (err error) {
		name := names[i%2]
		kept[i], err = db.Receipts().Keep(ctx, id, "signed with "+name, receipt.Key{ID: name, JWK: json.RawMessage(`{"kid": "` + name + `"}`)})
		return err
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	_, stored, err := db.Receipts().Version(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, jws := range kept {
		if jws != stored || jws == "" {
			t.Errorf("told %q, stored %q", jws, stored)
		}
	}
	keys, err := db.Receipts().Keys(ctx)
	if err != nil || len(keys) == 0 || len(keys) > 2 {
		t.Errorf("keys: %s (%v)", keys, err)
	}
	for _, table := range []string{"grant_version", "receipt", "receipt_key"} {
		if _, err := db.pool.Exec(ctx, "DELETE FROM "+table); err == nil {
			t.Errorf("%s can be rewritten", table)
		}
	}
	if _, err := db.Receipts().Keep(ctx, receipt.ID{Grant: id.Grant, Epoch: 9}, "x", receipt.Key{ID: "a", JWK: json.RawMessage(`{}`)}); err == nil {
		t.Error("a receipt was kept for a version that is not there")
	}
	if _, err := db.Receipts().Keep(ctx, id, "", receipt.Key{ID: "a"}); err == nil {
		t.Error("a receipt without a signature was kept")
	}
}
