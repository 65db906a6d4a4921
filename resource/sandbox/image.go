package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/sandbox/paper"
)

// Image implements resource.Provider: the front of the cheque of a transaction
// that names the image, drawn from that transaction. The id is compared and
// nothing else.
func (s *Store) Image(ctx context.Context, a resource.Access, id fdx.ImageID, forms []fdx.ContentType) (resource.Document, error) {
	state, err := s.state(ctx, a)
	if err != nil {
		return resource.Document{}, err
	}
	if strings.ContainsRune(string(id), 0) {
		return resource.Document{}, resource.ErrNotFound // text that PostgreSQL cannot hold
	}
	rows, err := s.pool.Query(ctx, `SELECT `+txnColumns+` FROM sandbox.txn
		WHERE account_id = $1 AND detail ? 'imageIds' AND detail -> 'imageIds' ? $2 ORDER BY id LIMIT 1`, string(a.Account()), string(id))
	if err != nil {
		return resource.Document{}, fmt.Errorf("sandbox image: %w", err)
	}
	t, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (fdx.Transaction, error) {
		var r txnRow
		if err := row.Scan(r.targets()...); err != nil {
			return fdx.Transaction{}, err
		}
		return r.transaction(state.category, newDetails())
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return resource.Document{}, resource.ErrNotFound
	}
	if err != nil {
		return resource.Document{}, fmt.Errorf("sandbox image: %w", err)
	}
	day := t.Base().EffectiveDate()
	if !a.Window().Contains(day) || t.Deposit == nil {
		return resource.Document{}, resource.ErrNotFound
	}
	i := slices.IndexFunc(forms, func(f fdx.ContentType) bool { return slices.Contains(paper.CheckTypes(), f) })
	if i < 0 {
		return resource.Document{}, resource.ErrNotAcceptable
	}
	account, err := s.Account(ctx, a)
	if err != nil {
		return resource.Document{}, err
	}
	holders, err := s.holders(ctx, a, "", "", maxHolders)
	if err != nil {
		return resource.Document{}, fmt.Errorf("sandbox image: %w", err)
	}
	ownersFirst(holders, a.Account())
	d := account.Descriptor()
	check := paper.Check{
		Date: day, Number: t.Deposit.CheckNumber, Address: addressOf(holders), Payee: t.Deposit.Payee, Amount: t.Deposit.Amount,
		Currency: d.Currency.CurrencyCode, Account: d.AccountNumberDisplay, Memo: t.Deposit.Memo,
	}
	if len(holders) > 0 {
		check.Drawer = nameOf(holders[0])
	}
	body, err := s.print(ctx, func() ([]byte, error) { return s.printer.Check(check, forms[i]) })
	if err != nil {
		return resource.Document{}, fmt.Errorf("sandbox image: %w", err)
	}
	return resource.Document{Type: forms[i], Date: day, Body: body}, nil
}
