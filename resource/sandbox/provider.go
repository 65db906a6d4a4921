package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

var _ resource.Provider = (*Store)(nil)

// A consumer of the gateway is a customer of the sandbox under the same id.
// Every read asks again whether the customer still holds the account: what a
// customer has lost, the recipients have lost with it. An account that is gone
// is held by nobody.
const heldBy = ` AND NOT a.services ? 'gone' AND EXISTS (SELECT FROM sandbox.holder h WHERE h.account_id = a.id AND h.customer_id = $1)`

// errPlace is returned for a place that Page.Next did not hold.
var errPlace = errors.New("sandbox: not a place in this list")

// Accounts implements resource.Provider. Accounts are in the order they were
// opened at this bank.
func (s *Store) Accounts(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Account], error) {
	var after int64
	if p.After != "" {
		var err error
		if after, err = strconv.ParseInt(p.After, 10, 64); err != nil {
			return resource.Page[fdx.Account]{}, errPlace
		}
	}
	rows, err := s.accounts(ctx, a.Consumer(), accountIDs(a.Accounts()), after, p.Limit+1)
	if err != nil {
		return resource.Page[fdx.Account]{}, fmt.Errorf("sandbox accounts: %w", err)
	}
	var page resource.Page[fdx.Account]
	if len(rows) > p.Limit {
		rows = rows[:p.Limit]
		page.Next = strconv.FormatInt(rows[p.Limit-1].seq, 10)
	}
	for _, r := range rows {
		page.Items = append(page.Items, r.fdx)
	}
	return page, nil
}

// Account implements resource.Provider.
func (s *Store) Account(ctx context.Context, a resource.Access) (fdx.Account, error) {
	rows, err := s.accounts(ctx, a.Consumer(), []string{string(a.Account())}, 0, 1)
	if err != nil {
		return fdx.Account{}, fmt.Errorf("sandbox account: %w", err)
	}
	if len(rows) == 0 {
		return fdx.Account{}, resource.ErrNoAccount
	}
	if err := rows[0].closed.err(); err != nil {
		return fdx.Account{}, err
	}
	return rows[0].fdx, nil
}

func accountIDs(shares []consent.AccountShare) []string {
	ids := make([]string, len(shares))
	for i, s := range shares {
		ids[i] = string(s.ID)
	}
	return ids
}

type placedAccount struct {
	seq    int64
	fdx    fdx.Account
	closed closed
}

// accounts returns accounts with their holdings in one round trip.
func (s *Store) accounts(ctx context.Context, holder consent.ConsumerID, ids []string, after int64, limit int) ([]placedAccount, error) {
	var out []placedAccount
	index := map[fdx.AccountID]int{}
	var batch pgx.Batch
	batch.Queue(`SELECT `+accountColumns+` FROM sandbox.account a
		WHERE a.id = ANY($2) AND a.seq > $3`+heldBy+`
		ORDER BY a.seq LIMIT $4`, string(holder), ids, after, limit).Query(func(rows pgx.Rows) error {
		var r accountRow
		_, err := pgx.ForEachRow(rows, r.targets(), func() error {
			a, err := r.account()
			if err != nil {
				return err
			}
			if r.closed != "" {
				fdx.FilterAccount(&a, fdx.NewClusters(fdx.AccountBasic))
			}
			if r.closed == "down" {
				a.Descriptor().Error = fdx.AccountError{Code: fdx.ErrSubsystem.Code, Message: fdx.ErrSubsystem.Message}
			}
			if r.closed == "" {
				index[r.id] = len(out)
			}
			out = append(out, placedAccount{r.seq, a, r.closed})
			r = accountRow{}
			return nil
		})
		return err
	})
	batch.Queue(`SELECT account_id, name, symbol, units::text, unit_price::text, unit_price_date::text, market_value::text, detail
		FROM sandbox.holding WHERE account_id = ANY($1) ORDER BY account_id, position`, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			id, h, err := scanHolding(rows)
			if err != nil {
				return err
			}
			if i, listed := index[id]; listed && out[i].fdx.Investment != nil {
				inv := out[i].fdx.Investment
				inv.Holdings = append(inv.Holdings, h)
			}
		}
		return rows.Err()
	})
	if err := s.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, err
	}
	return out, nil
}

func scanHolding(row pgx.Rows) (fdx.AccountID, fdx.Holding, error) {
	var id fdx.AccountID
	var name, symbol string
	var units, price, value fdx.Decimal
	var priceDate *string
	var detail []byte
	if err := row.Scan(&id, &name, &symbol, &units, &price, &priceDate, &value, &detail); err != nil {
		return "", fdx.Holding{}, err
	}
	var h fdx.Holding
	if err := json.Unmarshal(detail, &h); err != nil {
		return "", h, fmt.Errorf("holding of account %s: detail: %w", id, err)
	}
	h.HoldingName, h.Symbol = name, symbol
	h.Units, h.CurrentUnitPrice, h.MarketValue = units, price, value
	if priceDate != nil {
		var err error
		if h.CurrentUnitPriceDate, err = fdx.ParseDate(*priceDate); err != nil {
			return "", h, fmt.Errorf("holding of account %s: price date: %w", id, err)
		}
	}
	return id, h, nil
}

// place is where a page of transactions ended: before everything (the zero
// value), among the pending, or among the posted transactions.
type place struct {
	phase byte // 0, 'p' or 'b'
	at    int64
	id    int64
}

func (p place) String() string {
	return string(p.phase) + "." + strconv.FormatInt(p.at, 10) + "." + strconv.FormatInt(p.id, 10)
}

func parsePlace(s string) (place, error) {
	if s == "" {
		return place{}, nil
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] != "p" && parts[0] != "b" {
		return place{}, errPlace
	}
	at, errAt := strconv.ParseInt(parts[1], 10, 64)
	id, errID := strconv.ParseInt(parts[2], 10, 64)
	if errAt != nil || errID != nil {
		return place{}, errPlace
	}
	return place{phase: parts[0][0], at: at, id: id}, nil
}

// Transactions implements resource.Provider.
func (s *Store) Transactions(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Transaction], error) {
	none := resource.Page[fdx.Transaction]{}
	from, err := parsePlace(p.After)
	if err != nil {
		return none, err
	}
	page, err := s.transactions(ctx, a.Consumer(), a.Account(), a.Window(), from, p.Limit)
	switch {
	case errors.Is(err, resource.ErrNoAccount), errors.Is(err, resource.ErrAccountLocked), errors.Is(err, resource.ErrUnavailable):
		return none, err
	case err != nil:
		return none, fmt.Errorf("sandbox transactions: %w", err)
	}
	return page, nil
}

// pageSQL reads one page: two short ranges of the index txn_page, the pending
// and the posted transactions, each between the start of the window ($2) and
// the place it goes on from ($3, $4 and $5, $6).
const pageSQL = `
	SELECT * FROM (
		(SELECT ` + txnColumns + ` FROM sandbox.txn
			WHERE account_id = $1 AND pending = true AND at >= $2 AND (at, id) < ($3, $4)
			ORDER BY at DESC, id DESC LIMIT $7)
		UNION ALL
		(SELECT ` + txnColumns + ` FROM sandbox.txn
			WHERE account_id = $1 AND pending = false AND at >= $2 AND (at, id) < ($5, $6)
			ORDER BY at DESC, id DESC LIMIT $7)
	) page
	ORDER BY pending DESC, at DESC, id DESC LIMIT $7`

// pageArgs returns the parameters of pageSQL.
func pageArgs(id fdx.AccountID, w fdx.Window, from place, limit int) []any {
	if w.Empty() {
		limit = 0 // the question whether there is such an account stays
	}
	start := w.Start.Time()
	// Ids begin at 1, so this place is after all of the window's last day.
	pendingAt, pendingID := w.End.Time().AddDate(0, 0, 1), int64(0)
	postedAt, postedID := pendingAt, pendingID
	switch from.phase {
	case 'p':
		pendingAt, pendingID = earlier(pendingAt, from)
	case 'b':
		pendingAt = start // nothing is before it
		postedAt, postedID = earlier(postedAt, from)
	}
	return []any{string(id), start, pendingAt, pendingID, postedAt, postedID, limit}
}

// transactions returns the page of up to limit transactions after a place, in
// one round trip, or ErrNoAccount, ErrAccountLocked or ErrUnavailable.
func (s *Store) transactions(ctx context.Context, holder consent.ConsumerID, id fdx.AccountID, w fdx.Window, from place, limit int) (resource.Page[fdx.Transaction], error) {
	var category fdx.AccountCategory
	var closed closed
	page := resource.Page[fdx.Transaction]{Items: make([]fdx.Transaction, 0, limit)}
	var batch pgx.Batch
	batch.Queue(`SELECT a.category, `+closedTo+` FROM sandbox.account a WHERE a.id = $2`+heldBy, string(holder), string(id)).
		QueryRow(func(row pgx.Row) error { return row.Scan(&category, &closed) })
	batch.Queue(pageSQL, pageArgs(id, w, from, limit+1)...).Query(func(rows pgx.Rows) error {
		var r txnRow
		var last place
		d := newDetails()
		_, err := pgx.ForEachRow(rows, r.targets(), func() error {
			if len(page.Items) == limit {
				page.Next = last.String() // there is one more
				return nil
			}
			t, err := r.transaction(category, d)
			if err != nil {
				return err
			}
			last = place{'b', r.at.Unix(), r.id}
			if r.pending {
				last.phase = 'p'
			}
			page.Items = append(page.Items, t)
			r = txnRow{}
			return nil
		})
		return err
	})
	if err := s.pool.SendBatch(ctx, &batch).Close(); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return resource.Page[fdx.Transaction]{}, resource.ErrNoAccount
		}
		return resource.Page[fdx.Transaction]{}, err
	}
	if err := closed.err(); err != nil {
		return resource.Page[fdx.Transaction]{}, err
	}
	return page, nil
}

// earlier returns the place to go on from, held inside the window: a place
// beyond its end means its end.
func earlier(end time.Time, from place) (time.Time, int64) {
	if at := time.Unix(from.at, 0).UTC(); at.Before(end) {
		return at, from.id
	}
	return end, 0
}
