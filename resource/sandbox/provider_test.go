package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

func seeded(t *testing.T) *Store {
	t.Helper()
	s := newStore(t)
	if _, err := Seed(t.Context(), s, today); err != nil {
		t.Fatal(err)
	}
	return s
}

// One bank with all personas serves everything that only reads: loading it is
// most of the work.
func TestPersonas(t *testing.T) {
	t.Parallel()
	s := seeded(t)
	t.Run("keep the contract", func(t *testing.T) { providerContract(t, s) })
	t.Run("have more than transactions", func(t *testing.T) { familiesOfPersonas(t, s) })
	t.Run("come through the gateway", func(t *testing.T) { throughTheGateway(t, s) })
	t.Run("have papers", func(t *testing.T) { papersOfPersonas(t, s) })
	t.Run("pages cost the same", func(t *testing.T) { pagesCostTheSame(t, s) })
}

func providerContract(t *testing.T, s *Store) {
	for _, who := range []struct {
		username string
		busy     int
		locked   int // 0: none
	}{{"saver", 2, 0}, {"borrower", 0, 0}, {"variety", 0, 0}, {"quirks", 1, 2}} {
		t.Run(who.username, func(t *testing.T) {
			held := accountsOf(t, s, who.username)
			f := resourcetest.ProviderFixture{
				Provider: s, Now: today, Consumer: consent.ConsumerID(customer(t, s, who.username).ID),
				Busy: held[who.busy].Account.ID(), Foreign: accountsOf(t, s, "everyday")[0].Account.ID(),
			}
			for i, h := range held {
				switch {
				case who.locked > 0 && i == who.locked:
					f.Locked = h.Account.ID()
					continue
				case h.Account.Descriptor().ProductName == "Vanished Savings", h.Account.Descriptor().ProductName == "Old System Savings":
					continue // it is there for nobody
				}
				f.Accounts = append(f.Accounts, h.Account.ID())
			}
			resourcetest.Provider(t, f)
		})
	}
}

// What the personas' accounts have besides their transactions.
func familiesOfPersonas(t *testing.T, s *Store) {
	ctx, page := t.Context(), resource.PageRequest{Limit: 100}
	access := func(username string, places ...int) resource.Access {
		held := accountsOf(t, s, username)
		var ids []fdx.AccountID
		for _, i := range places {
			ids = append(ids, held[i].Account.ID())
		}
		every := fdx.NewClusters(fdx.AllClusters()...)
		a, denial := resource.Allow(resourcetest.Everything(consent.ConsumerID(customer(t, s, username).ID), today, ids...),
			fdx.ScopesOf(every), resource.Need{Any: every, Through: every, Lookback: true}, today)
		if denial != nil {
			t.Fatal(denial.Error)
		}
		return a
	}
	both, err := s.Contact(ctx, access("partner", 0))
	if err != nil || len(both.Holders) != 2 || both.Holders[0].Name.First != "Jo" || both.Holders[0].Relationship != fdx.PrimaryJoint ||
		both.Holders[1].Name.First != "Pat" || both.Holders[1].Relationship != fdx.SecondaryJoint || len(both.Emails) != 2 {
		t.Errorf("the household: %+v, %v", both, err)
	}
	alone, err := s.Contact(ctx, access("layla", 0))
	if err != nil || len(alone.Holders) != 1 || alone.Holders[0].Relationship != fdx.SoleOwner || alone.Holders[0].Name.First != "\u0644\u064a\u0644\u0649" {
		t.Errorf("layla: %+v, %v", alone, err)
	}
	customers, err := s.Holders(ctx, access("joint", 0, 1), page)
	if err != nil || len(customers.Items) != 2 || len(customers.Items[0].Accounts) != 2 || len(customers.Items[1].Accounts) != 2 {
		t.Errorf("customers of the household: %+v, %v", customers, err)
	}
	networks, err := s.PaymentNetworks(ctx, access("everyday", 0), page)
	if err != nil || len(networks.Items) != 2 || networks.Items[0].Type != fdx.ACH || networks.Items[0].Identifier == "" {
		t.Errorf("networks: %+v, %v", networks, err)
	}
	if got, err := s.PaymentNetworks(ctx, access("saver", 2), page); err != nil || len(got.Items) != 0 {
		t.Errorf("networks of a card: %+v, %v", got, err)
	}
	if _, err := s.PaymentNetworks(ctx, access("saver", 3), page); !errors.Is(err, resource.ErrAccountClosed) {
		t.Errorf("networks of a closed account: %v", err)
	}
	if got, err := s.AssetTransferNetworks(ctx, access("investor", 1), page); err != nil || len(got.Items) != 1 {
		t.Errorf("asset networks: %+v, %v", got, err)
	}
	list, err := s.Statements(ctx, access("saver", 2), page)
	if err != nil || len(list.Items) != 25 || list.Items[0].StatementDate.String() != "2026-02-28" || list.Items[0].StatementID != "2026-02" {
		t.Errorf("statements: %d %+v, %v", len(list.Items), list.Items[0], err)
	}
	if _, err := s.Statements(ctx, access("variety", 4), page); !errors.Is(err, resource.ErrNoStatements) {
		t.Errorf("statements of an annuity: %v", err)
	}
	if got, err := s.Statements(ctx, access("quirks", 3), page); err != nil || len(got.Items) != 0 {
		t.Errorf("statements of an account about to open: %+v, %v", got, err)
	}
	programs, err := s.RewardPrograms(ctx, access("saver", 2), page)
	if err != nil || len(programs.Items) != 1 || len(programs.Items[0].Memberships) != 1 || len(programs.Items[0].Memberships[0].AccountIDs) != 1 {
		t.Errorf("programs: %+v, %v", programs, err)
	}
	if got, err := s.RewardPrograms(ctx, access("saver", 0), page); err != nil || len(got.Items) != 0 {
		t.Errorf("programs of a checking account: %+v, %v", got, err)
	}
	for i, category := range []fdx.AccountCategory{
		fdx.DepositCategory, fdx.LineOfCreditCategory, fdx.LoanCategory, fdx.InvestmentCategory, fdx.AnnuityCategory,
		fdx.InsuranceCategory, fdx.CommercialCategory, fdx.DigitalWalletCategory, fdx.BuyNowPayLaterCategory,
	} {
		got, err := s.Account(ctx, access("variety", i))
		if err != nil || got.Category() != category || got.Descriptor().ProductName == "" {
			t.Errorf("%s: %+v, %v", category, got.Descriptor(), err)
		}
		for _, x := range transactionsOf(t, s, "variety", got.ID()) {
			if x.Category() != category {
				t.Fatalf("a transaction of %s on an account of %s", x.Category(), category)
			}
		}
	}
	if held := accountsOf(t, s, "newcomer"); len(held) != 0 {
		t.Errorf("the newcomer holds %d accounts", len(held))
	}
}

// A category that FDX lacks is a fault, in both directions and of both kinds.
func TestUnknownCategory(t *testing.T) {
	t.Parallel()
	if _, err := (&accountRow{category: "CRYPTO_ACCOUNT", detail: []byte("{}")}).account(); err == nil {
		t.Error("an account of an unknown category")
	}
	if _, err := (&txnRow{detail: []byte("{}")}).transaction("CRYPTO_ACCOUNT", newDetails()); err == nil {
		t.Error("a transaction of an unknown category")
	}
	if _, err := accountDetail(fdx.Account{}); !errors.Is(err, fdx.ErrInvalidAccount) {
		t.Errorf("no account: %v", err)
	}
	if _, err := txnDetail(fdx.Transaction{}); !errors.Is(err, fdx.ErrInvalidTransaction) {
		t.Errorf("no transaction: %v", err)
	}
}

// An account that is no longer held is gone for the recipients as well.
func TestWhatACustomerHasLost(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, username := range []string{"joint", "partner"} {
		if _, err := importFile(t, s, username, "checking.ofx"); err != nil {
			t.Fatal(err)
		}
	}
	who := consent.ConsumerID(customer(t, s, "partner").ID)
	id := accountsOf(t, s, "partner")[0].Account.ID()
	if _, err := s.transactions(t.Context(), who, id, everything, place{}, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), `DELETE FROM sandbox.holder WHERE customer_id = $1 AND account_id = $2`, string(who), string(id)); err != nil {
		t.Fatal(err)
	}
	if page, err := s.transactions(t.Context(), who, id, everything, place{}, 1); !errors.Is(err, resource.ErrNoAccount) || page.Items != nil {
		t.Errorf("%d transactions, %v", len(page.Items), err)
	}
	if rows, err := s.accounts(t.Context(), who, []string{string(id)}, 0, 1); err != nil || len(rows) != 0 {
		t.Errorf("%d accounts, %v", len(rows), err)
	}
	for _, wrong := range []consent.ConsumerID{"", "nobody"} {
		if _, err := s.transactions(t.Context(), wrong, id, everything, place{}, 1); !errors.Is(err, resource.ErrNoAccount) {
			t.Errorf("consumer %q: %v", wrong, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, p := range []place{{'p', 1, 2}, {'b', -1, 9223372036854775807}} {
		if got, err := parsePlace(p.String()); err != nil || got != p {
			t.Errorf("%v came back as %v, %v", p, got, err)
		}
	}
	for _, bad := range []string{"p", "p.1", "x.1.2", "p.1.2.3", "p.1.x", "p..", "b.99999999999999999999.1", "\x00"} {
		if _, err := parsePlace(bad); !errors.Is(err, errPlace) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	s := newStore(t)
	if _, err := importFile(t, s, "alice", "checking.ofx"); err != nil {
		t.Fatal(err)
	}
	who, id := consent.ConsumerID(customer(t, s, "alice").ID), accountsOf(t, s, "alice")[0].Account.ID()
	// Places from beyond the window, in years no calendar has.
	for _, far := range []place{{'b', 1 << 60, 1}, {'p', 1 << 60, 1}, {'b', -1 << 60, 1}} {
		if page, err := s.transactions(t.Context(), who, id, everything, far, 10); far.at > 0 && (err != nil || len(page.Items) != 5) {
			t.Errorf("%v: %d transactions, %v", far, len(page.Items), err)
		}
	}
}

// Page 600 costs what page 1 costs: as few blocks are read.
func pagesCostTheSame(t *testing.T, s *Store) {
	who, id := consent.ConsumerID(customer(t, s, "heavy").ID), accountsOf(t, s, "heavy")[0].Account.ID()
	const limit = 50
	at := place{}
	blocks := map[int]int{}
	for page := 1; page <= 600; page++ {
		if page == 1 || page == 300 || page == 600 {
			blocks[page] = blocksOf(t, s, id, at, limit)
		}
		got, err := s.transactions(t.Context(), who, id, everything, at, limit)
		if err != nil || len(got.Items) != limit {
			t.Fatalf("page %d: %d transactions, %v", page, len(got.Items), err)
		}
		if at, err = parsePlace(got.Next); err != nil {
			t.Fatal(err)
		}
	}
	for page, n := range blocks {
		if n > 2*blocks[1]+10 {
			t.Errorf("page %d reads %d blocks, page 1 reads %d", page, n, blocks[1])
		}
	}
	// Neither does a window far back cost more.
	old := fdx.Window{Start: fdx.DateOf(today).AddDays(-700), End: fdx.DateOf(today).AddDays(-690)}
	if n := blocksOfWindow(t, s, id, old, place{}, limit); n > 2*blocks[1]+10 {
		t.Errorf("an old window reads %d blocks, page 1 reads %d", n, blocks[1])
	}
}

func blocksOf(t *testing.T, s *Store, id fdx.AccountID, from place, limit int) int {
	return blocksOfWindow(t, s, id, everything, from, limit)
}

// blocksOfWindow returns how many blocks PostgreSQL touches for a page.
func blocksOfWindow(t *testing.T, s *Store, id fdx.AccountID, w fdx.Window, from place, limit int) int {
	t.Helper()
	args := pageArgs(id, w, from, limit)
	var plan []byte
	row := s.pool.QueryRow(context.Background(), "EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) "+pageSQL, append([]any{pgx.QueryExecModeDescribeExec}, args...)...)
	if err := row.Scan(&plan); err != nil {
		t.Fatal(err)
	}
	var out []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal(plan, &out); err != nil {
		t.Fatal(err)
	}
	return out[0].Plan.Hit + out[0].Plan.Read
}

func TestProviderErrors(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.pool.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := s.transactions(ctx, "x", "y", everything, place{}, 1); err == nil || errors.Is(err, resource.ErrNoAccount) {
		t.Errorf("a dead database says %v", err)
	}
	if _, err := s.Customer(ctx, "everyday"); err == nil || errors.Is(err, ErrNoCustomer) {
		t.Errorf("a dead database says %v", err)
	}
}
