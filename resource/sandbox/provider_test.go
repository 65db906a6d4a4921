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

func TestProviderContract(t *testing.T) {
	t.Parallel()
	s := seeded(t)
	for _, who := range []struct {
		username string
		busy     int
	}{{"saver", 2}, {"borrower", 0}} {
		t.Run(who.username, func(t *testing.T) {
			held := accountsOf(t, s, who.username)
			f := resourcetest.ProviderFixture{
				Provider: s, Now: today, Consumer: consent.ConsumerID(customer(t, s, who.username).ID),
				Busy: held[who.busy].Account.ID(), Foreign: accountsOf(t, s, "everyday")[0].Account.ID(),
			}
			for _, h := range held {
				f.Accounts = append(f.Accounts, h.Account.ID())
			}
			resourcetest.Provider(t, f)
		})
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
	if rows, err := s.transactions(t.Context(), who, id, everything, place{}, 1); !errors.Is(err, resource.ErrNoAccount) || rows != nil {
		t.Errorf("%d transactions, %v", len(rows), err)
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
		if rows, err := s.transactions(t.Context(), who, id, everything, far, 10); far.at > 0 && (err != nil || len(rows) != 5) {
			t.Errorf("%v: %d transactions, %v", far, len(rows), err)
		}
	}
}

// Page 600 costs what page 1 costs: as few blocks are read.
func TestPagesCostTheSame(t *testing.T) {
	t.Parallel()
	s := seeded(t)
	who, id := consent.ConsumerID(customer(t, s, "heavy").ID), accountsOf(t, s, "heavy")[0].Account.ID()
	const limit = 50
	at := place{}
	blocks := map[int]int{}
	for page := 1; page <= 600; page++ {
		if page == 1 || page == 300 || page == 600 {
			blocks[page] = blocksOf(t, s, id, at, limit)
		}
		rows, err := s.transactions(t.Context(), who, id, everything, at, limit)
		if err != nil || len(rows) != limit {
			t.Fatalf("page %d: %d transactions, %v", page, len(rows), err)
		}
		at = rows[limit-1].place
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
