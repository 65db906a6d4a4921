package sqlviews

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
	"github.com/headgate/headgate/resource/sqlviews/pkdd99"
)

// dataDir is the folder of real bank files named by HEADGATE_DATA_DIR. They
// are not part of the project, so without it this test says so and ends.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HEADGATE_DATA_DIR")
	if dir == "" {
		t.Skip("set HEADGATE_DATA_DIR to a folder with pkdd99/ to run this on a real bank")
	}
	return dir
}

// A household of the bank: the owner of account 3050, who has a loan and a
// card besides, and the authorised user.
func TestRealBank(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dataDir(t), "pkdd99")
	dsn := env.Postgres(t)
	if err := pkdd99.Load(t.Context(), dsn, dir, fdx.DateOf(today).AddDays(-1)); err != nil {
		t.Fatal(err)
	}
	p := provider(t, dsn, string(pkdd99.Mapping()))
	const owner, user = consent.ConsumerID("3687"), consent.ConsumerID("3688")

	found, err := p.Check(t.Context())
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Text, "superuser") {
		t.Errorf("check: %v, %v", found, err)
	}
	held, err := p.Choices(t.Context(), owner)
	if err != nil || len(held) != 3 || !held[0].Joint || held[1].Joint || held[2].Joint {
		t.Fatalf("the owner: %+v, %v", held, err)
	}
	var ids []fdx.AccountID
	for _, h := range held {
		ids = append(ids, h.ID)
	}
	others, err := p.Choices(t.Context(), user)
	if err != nil || len(others) != 1 || others[0].ID != "a-3050" || !others[0].Joint {
		t.Fatalf("the authorised user: %+v, %v", others, err)
	}
	contact, err := p.Contact(t.Context(), access(t, user, "a-3050"))
	if err != nil || len(contact.Holders) != 2 || contact.Holders[0].Relationship != fdx.Primary || contact.Holders[1].Relationship != fdx.AuthorizedUser {
		t.Errorf("holders: %d, %v", len(contact.Holders), err)
	}
	loan := slices.IndexFunc(ids, func(id fdx.AccountID) bool { return strings.HasPrefix(string(id), "l-") })
	if _, err := p.Account(t.Context(), access(t, user, ids[loan])); !errors.Is(err, resource.ErrNoAccount) {
		t.Errorf("the owner's loan, for the authorised user: %v", err)
	}
	resourcetest.Provider(t, resourcetest.ProviderFixture{
		Provider: p, Now: today, Consumer: owner, Accounts: ids, Busy: "a-3050", Foreign: "a-576",
	})
	t.Run("every transaction can be mapped", func(t *testing.T) {
		n := 0
		page, err := p.Transactions(t.Context(), access(t, owner, "a-3050"), resource.PageRequest{Limit: 1000})
		for _, x := range page.Items {
			n++
			if x.Base().Amount.Sign() <= 0 {
				t.Error("an amount that is nothing")
			}
		}
		if err != nil || n < 76 {
			t.Errorf("%d transactions, %v", n, err)
		}
	})
}
