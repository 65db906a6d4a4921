package postgres

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
)

func TestEachActiveSeesEveryActiveGrantOnce(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	var want []consent.GrantID
	for i := range activePage + 3 {
		g := consenttest.NewGrant("consumer", time.Now())
		if err := db.Grants().Create(ctx, g); err != nil {
			t.Fatal(err)
		}
		if i%100 == 1 {
			if _, err := db.Grants().End(ctx, consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want = append(want, g.ID)
	}
	for range 10 { // more than a page of active ones
		want = append(want, newGrant(t, db).ID)
	}
	slices.Sort(want)
	var got []consent.GrantID
	if err := db.Grants().EachActive(ctx, func(g consent.Grant) error { got = append(got, g.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("saw %d grants, want %d", len(got), len(want))
	}
	enough := errors.New("enough")
	if err := db.Grants().EachActive(ctx, func(consent.Grant) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}
