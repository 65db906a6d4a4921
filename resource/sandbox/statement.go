package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/sandbox/paper"
)

// Statements implements resource.Provider. Statements are of whole months, from
// the month of the first booking on; their ids are the months.
func (s *Store) Statements(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Statement], error) {
	list, err := s.statements(ctx, a)
	if err != nil {
		return resource.Page[fdx.Statement]{}, err
	}
	return cut(list, p)
}

// statements returns the statements inside the window, newest first.
func (s *Store) statements(ctx context.Context, a resource.Access) ([]fdx.Statement, error) {
	state, err := s.state(ctx, a)
	if err != nil {
		return nil, err
	}
	if !state.services.Statements {
		return nil, resource.ErrNoStatements
	}
	if state.first.IsZero() {
		return nil, nil
	}
	now := s.now().UTC()
	var list []fdx.Statement
	age := 0
	for end := time.Date(now.Year(), now.Month(), 0, 0, 0, 0, 0, time.UTC); !fdx.DateOf(end).Before(state.first); end = time.Date(end.Year(), end.Month(), 0, 0, 0, 0, 0, time.UTC) {
		status := fdx.DocumentAvailable
		if age < len(state.services.Documents) {
			status = state.services.Documents[age]
		}
		age++
		if day := fdx.DateOf(end); a.Window().Contains(day) {
			list = append(list, fdx.Statement{
				AccountID: a.Account(), StatementID: fdx.StatementID(end.Format("2006-01")), StatementDate: day,
				Description: "Statement of " + end.Format("January 2006"), Status: status,
			})
		}
	}
	return list, nil
}

// Statement implements resource.Provider: a PDF made from the bookings of the
// month. A document that failed will never be there.
func (s *Store) Statement(ctx context.Context, a resource.Access, id fdx.StatementID, forms []fdx.ContentType) (resource.Document, error) {
	list, err := s.statements(ctx, a)
	if err != nil {
		return resource.Document{}, err
	}
	i := slices.IndexFunc(list, func(st fdx.Statement) bool { return st.StatementID == id })
	switch {
	case i < 0, list[i].Status == fdx.DocumentFailed:
		return resource.Document{}, resource.ErrNotFound
	case list[i].Status == fdx.DocumentProcessing:
		return resource.Document{}, resource.ErrProcessing
	case !slices.Contains(forms, fdx.PDF):
		return resource.Document{}, resource.ErrNotAcceptable
	}
	day := list[i].StatementDate
	first := day.Time().AddDate(0, 0, 1-day.Time().Day())
	st, err := s.month(ctx, a, fdx.Window{Start: fdx.DateOf(first), End: day})
	if err != nil {
		return resource.Document{}, err
	}
	body, err := s.print(ctx, func() ([]byte, error) { return s.printer.Statement(st) })
	if err != nil {
		return resource.Document{}, fmt.Errorf("sandbox statement: %w", err)
	}
	return resource.Document{Type: fdx.PDF, Date: day, Body: body}, nil
}

// print makes a document when it is its turn.
func (s *Store) print(ctx context.Context, make func() ([]byte, error)) ([]byte, error) {
	select {
	case s.printing <- struct{}{}:
		defer func() { <-s.printing }()
		return make()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// moved is what a booking adds to what a holder has.
const moved = `CASE direction WHEN 'CREDIT' THEN amount WHEN 'DEBIT' THEN -amount ELSE 0 END`

// month returns what the statement of a month says. Its balances are reckoned
// back from the present one, so everything is read from one snapshot.
func (s *Store) month(ctx context.Context, a resource.Access, period fdx.Window) (paper.Statement, error) {
	var account accountRow
	var since fdx.Decimal // booked from the first day of the period on
	var lines []txnRow
	from, to := period.Start.Time(), period.End.Time().AddDate(0, 0, 1)
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue(`SELECT `+accountColumns+` FROM sandbox.account a WHERE a.id = $2`+heldBy, string(a.Consumer()), string(a.Account())).
			QueryRow(func(row pgx.Row) error { return row.Scan(account.targets()...) })
		batch.Queue(`SELECT coalesce(sum(`+moved+`), 0)::text FROM sandbox.txn WHERE account_id = $1 AND pending = false AND at >= $2`, string(a.Account()), from).
			QueryRow(func(row pgx.Row) error { return row.Scan(&since) })
		batch.Queue(`SELECT `+txnColumns+` FROM sandbox.txn
			WHERE account_id = $1 AND pending = false AND at >= $2 AND at < $3 ORDER BY at, id LIMIT $4`, string(a.Account()), from, to, paper.MaxLines+1).
			Query(func(rows pgx.Rows) error {
				var r txnRow
				_, err := pgx.ForEachRow(rows, r.targets(), func() error {
					r.detail = bytes.Clone(r.detail)
					lines = append(lines, r)
					r = txnRow{}
					return nil
				})
				return err
			})
		return tx.SendBatch(ctx, &batch).Close()
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return paper.Statement{}, resource.ErrNoAccount
	}
	if err != nil {
		return paper.Statement{}, fmt.Errorf("sandbox statement: %w", err)
	}
	holders, err := s.holders(ctx, a, "", "", maxHolders)
	if err != nil {
		return paper.Statement{}, fmt.Errorf("sandbox statement: %w", err)
	}
	ownersFirst(holders, a.Account())
	acc, err := account.account()
	if err != nil {
		return paper.Statement{}, fmt.Errorf("sandbox statement: %w", err)
	}
	d := acc.Descriptor()
	st := paper.Statement{
		Product: d.ProductName, Nickname: d.Nickname, Number: d.AccountNumberDisplay, Currency: d.Currency.CurrencyCode, Period: period,
		Address: addressOf(holders),
	}
	for _, h := range holders {
		st.Holders = append(st.Holders, nameOf(h))
	}
	if st.Opening, st.Owed, err = opening(acc, since); err != nil {
		return paper.Statement{}, fmt.Errorf("sandbox statement: %w", err)
	}
	details := newDetails()
	for i := range lines {
		t, err := lines[i].transaction(acc.Category(), details)
		if err != nil {
			return paper.Statement{}, fmt.Errorf("sandbox statement: %w", err)
		}
		b := t.Base()
		line := paper.Line{Date: b.EffectiveDate(), Description: b.Description, Amount: b.Amount, Direction: b.DebitCreditMemo}
		if b.ForeignAmount.Present() {
			line.Note = b.ForeignAmount.String() + " " + b.ForeignCurrency
		}
		st.Lines = append(st.Lines, line)
	}
	return st, nil
}

// opening reckons a balance back by what was booked since, and reports whether
// it is owed. The value of investments does not come from bookings alone: they
// have no balance.
func opening(a fdx.Account, since fdx.Decimal) (fdx.Decimal, bool, error) {
	balance := value(balancesOf(a).balance)
	if a.Investment != nil || !balance.Present() {
		return fdx.Decimal{}, false, nil
	}
	owed := a.LineOfCredit != nil || a.Loan != nil
	if !owed {
		var err error
		if since, err = since.Neg(); err != nil {
			return fdx.Decimal{}, false, err
		}
	}
	balance, err := balance.Add(since)
	return balance, owed, err
}

// nameOf returns the name of a customer as papers have it.
func nameOf(c fdx.Customer) string {
	if c.BusinessCustomer.Name != "" {
		return c.BusinessCustomer.Name
	}
	return c.Name.First + " " + c.Name.Last
}

// addressOf returns where the first of the customers lives, in lines; none when
// that is not known.
func addressOf(customers []fdx.Customer) []string {
	if len(customers) == 0 || len(customers[0].Addresses) == 0 {
		return nil
	}
	a := customers[0].Addresses[0]
	return []string{a.Line1, a.City + ", " + a.Region + " " + a.PostalCode}
}
