package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// Report says what an import changed. All counts are zero when everything was
// there already.
type Report struct {
	NewCustomers    int
	NewAccounts     int
	UpdatedAccounts int // balances, holdings or terms that were newer
	NewHolders      int
	NewTransactions int
	// SeenTransactions were in the import and had been loaded before.
	SeenTransactions int
	// Notes says where a file was read with tolerance; for the operator.
	Notes []string
}

// Changed reports whether the import changed anything.
func (r Report) Changed() bool {
	return r.NewCustomers+r.NewAccounts+r.UpdatedAccounts+r.NewHolders+r.NewTransactions > 0
}

// ErrOtherAccount is returned when an account is known already, but as one of
// another category or currency: its transactions would not fit.
var ErrOtherAccount = errors.New("sandbox: an account is here already with another category or currency")

// load stores a batch in one transaction: all of it, or nothing. Parts that
// are there already stay as they are, except accounts whose balance is of a
// later time: those take the new balance, terms, holdings and pending
// transactions. An account that another customer owns becomes a joint one.
func (s *Store) load(ctx context.Context, b ledger.Batch, progress func(done int)) (Report, error) {
	var report Report
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// One load at a time: two at once that hold the same accounts in
		// another order would end in a deadlock.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(loadLock)); err != nil {
			return err
		}
		l := loader{tx: tx, report: &report}
		for _, step := range []func(context.Context) error{
			l.makeTables,
			func(ctx context.Context) error { return l.customers(ctx, b.Customers) },
			func(ctx context.Context) error { return l.accounts(ctx, b.Accounts) },
			func(ctx context.Context) error { return l.holdings(ctx, b.Accounts) },
			func(ctx context.Context) error { return l.holders(ctx, b.Holders) },
			func(ctx context.Context) error { return l.programs(ctx, b.Programs) },
			func(ctx context.Context) error { return l.transactions(ctx, b.Transactions, progress) },
			func(ctx context.Context) error { return l.rebase(ctx, b.Rebase) },
		} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		if !report.Changed() {
			return nil
		}
		// A bulk load leaves the planner with statistics of an empty bank.
		_, err := tx.Exec(ctx, `ANALYZE sandbox.account, sandbox.holder, sandbox.holding, sandbox.txn`)
		return err
	})
	if err != nil {
		var faults ledger.Faults
		if errors.As(err, &faults) {
			return Report{}, faults
		}
		return Report{}, fmt.Errorf("load into sandbox: %w", err)
	}
	return report, nil
}

// loader copies a batch into temporary tables and moves from there what is new.
type loader struct {
	tx     pgx.Tx
	report *Report
}

func (l *loader) makeTables(ctx context.Context) error {
	_, err := l.tx.Exec(ctx, `
		CREATE TEMPORARY TABLE in_customer (id text, username text, name text, person jsonb) ON COMMIT DROP;
		CREATE TEMPORARY TABLE in_account (n integer, id text, institution text, key text, number text, category text,
			number_display text, product_name text, nickname text, status text, currency text,
			balance numeric, available numeric, balance_as_of timestamptz, detail jsonb, services jsonb, changed boolean NOT NULL) ON COMMIT DROP;
		CREATE TEMPORARY TABLE in_holding (account integer, position integer, name text, symbol text,
			units numeric, unit_price numeric, unit_price_date date, market_value numeric, detail jsonb) ON COMMIT DROP;
		CREATE TEMPORARY TABLE in_holder (username text, account integer, relationship text) ON COMMIT DROP;
		CREATE TEMPORARY TABLE in_txn (account integer, ordinal integer, key text, replaces text, pending boolean, at timestamptz,
			happened_at timestamptz, amount numeric, direction text, description text, detail jsonb) ON COMMIT DROP`)
	return err
}

// copy streams rows into a temporary table. An error of the rows is returned
// as it is: the one that PostgreSQL reports about it is only text.
func (l *loader) copy(ctx context.Context, table string, columns []string, rows iter.Seq2[[]any, error]) error {
	next, stop := iter.Pull2(rows)
	defer stop()
	var cause error
	_, err := l.tx.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		row, err, ok := next()
		if !ok {
			return nil, nil
		}
		cause = err
		return row, err
	}))
	if cause != nil {
		return cause
	}
	if err != nil {
		return fmt.Errorf("copy into %s: %w", table, err)
	}
	_, err = l.tx.Exec(ctx, `ANALYZE `+table)
	return err
}

func rowsOf[T any](items []T, row func(int, T) ([]any, error)) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for i, item := range items {
			if !yield(row(i, item)) {
				return
			}
		}
	}
}

// randomID returns an opaque identifier of 128 random bits or more in base32.
func randomID() string { return strings.ToLower(rand.Text()) }

func (l *loader) customers(ctx context.Context, customers []ledger.Customer) error {
	err := l.copy(ctx, "in_customer", []string{"id", "username", "name", "person"}, rowsOf(customers, func(_ int, c ledger.Customer) ([]any, error) {
		if c.Person == nil {
			return []any{randomID(), c.Username, c.Name, nil}, nil
		}
		person, err := json.Marshal(c.Person)
		return []any{randomID(), c.Username, c.Name, person}, err
	}))
	if err != nil {
		return err
	}
	tag, err := l.tx.Exec(ctx, `
		INSERT INTO sandbox.customer (id, username, name, person)
		SELECT id, username, name, person FROM in_customer
		ON CONFLICT (username) DO NOTHING`)
	if err != nil {
		return err
	}
	l.report.NewCustomers = int(tag.RowsAffected())
	_, err = l.tx.Exec(ctx, `
		UPDATE sandbox.customer c SET person = i.person FROM in_customer i
		WHERE c.username = i.username AND i.person IS NOT NULL AND c.person IS DISTINCT FROM i.person`)
	return err
}

func (l *loader) accounts(ctx context.Context, accounts []ledger.Account) error {
	columns := []string{"n", "id", "institution", "key", "number", "category", "number_display", "product_name", "nickname",
		"status", "currency", "balance", "available", "balance_as_of", "detail", "services", "changed"}
	err := l.copy(ctx, "in_account", columns, rowsOf(accounts, func(n int, a ledger.Account) ([]any, error) {
		d := a.Account.Descriptor()
		if d == nil || d.AccountID != "" {
			return nil, fmt.Errorf("account %d of the batch: %w", n, fdx.ErrInvalidAccount)
		}
		detail, err := accountDetail(a.Account)
		if err != nil {
			return nil, err
		}
		services, err := json.Marshal(a.Services)
		if err != nil {
			return nil, err
		}
		b := balancesOf(a.Account)
		return []any{n, randomID(), a.Institution, a.Key, a.Number, a.Account.Category(), d.AccountNumberDisplay, d.ProductName,
			d.Nickname, d.Status, d.Currency.CurrencyCode, numeric(value(b.balance)), numeric(value(b.available)), instant(value(b.asOf)), detail, services, false}, nil
	}))
	if err != nil {
		return err
	}
	// xmax is 0 in a row that this statement inserted, and not in one that it
	// updated. From here on in_account.id is the account's own id.
	err = l.tx.QueryRow(ctx, `
		WITH stored AS (
			INSERT INTO sandbox.account (id, institution, key, number, category, number_display, product_name, nickname,
				status, currency, balance, available, balance_as_of, detail, services)
			SELECT id, institution, key, number, category, number_display, product_name, nickname,
				status, currency, balance, available, balance_as_of, detail, services
			FROM in_account ORDER BY n
			ON CONFLICT (institution, key) DO UPDATE SET
				number_display = excluded.number_display, product_name = excluded.product_name, nickname = excluded.nickname,
				status = excluded.status, balance = excluded.balance, available = excluded.available,
				balance_as_of = excluded.balance_as_of, detail = excluded.detail
			WHERE account.category = excluded.category AND account.currency = excluded.currency
				AND excluded.balance_as_of > coalesce(account.balance_as_of, '-infinity')
			RETURNING institution, key, (xmax = 0) AS inserted),
		marked AS (
			UPDATE in_account i SET changed = true FROM stored s
			WHERE s.institution = i.institution AND s.key = i.key)
		SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM stored`).
		Scan(&l.report.NewAccounts, &l.report.UpdatedAccounts)
	if err != nil {
		return fmt.Errorf("store accounts: %w", err)
	}
	_, err = l.tx.Exec(ctx, `
		UPDATE in_account i SET id = a.id FROM sandbox.account a
		WHERE a.institution = i.institution AND a.key = i.key`)
	if err != nil {
		return err
	}
	_, err = l.tx.Exec(ctx, `
		UPDATE sandbox.account a SET services = i.services FROM in_account i
		WHERE a.id = i.id AND i.services <> '{}' AND a.services IS DISTINCT FROM i.services`)
	if err != nil {
		return err
	}
	var mixed bool
	err = l.tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM in_account i JOIN sandbox.account a ON a.id = i.id
			WHERE a.category <> i.category OR a.currency <> i.currency)`).Scan(&mixed)
	if err == nil && mixed {
		return ErrOtherAccount
	}
	return err
}

func (l *loader) holdings(ctx context.Context, accounts []ledger.Account) error {
	type placed struct {
		account, position int
		holding           fdx.Holding
	}
	var all []placed
	for n, a := range accounts {
		if a.Account.Investment == nil {
			continue
		}
		for i, h := range a.Account.Investment.Holdings {
			all = append(all, placed{n, i, h})
		}
	}
	columns := []string{"account", "position", "name", "symbol", "units", "unit_price", "unit_price_date", "market_value", "detail"}
	err := l.copy(ctx, "in_holding", columns, rowsOf(all, func(_ int, p placed) ([]any, error) {
		detail, err := holdingDetail(p.holding)
		h := p.holding
		return []any{p.account, p.position, h.HoldingName, h.Symbol, numeric(h.Units), numeric(h.CurrentUnitPrice),
			date(h.CurrentUnitPriceDate), numeric(h.MarketValue), detail}, err
	}))
	if err != nil {
		return err
	}
	_, err = l.tx.Exec(ctx, `
		DELETE FROM sandbox.holding WHERE account_id IN (SELECT id FROM in_account WHERE changed)`)
	if err != nil {
		return err
	}
	_, err = l.tx.Exec(ctx, `
		INSERT INTO sandbox.holding (account_id, position, name, symbol, units, unit_price, unit_price_date, market_value, detail)
		SELECT a.id, h.position, h.name, h.symbol, h.units, h.unit_price, h.unit_price_date, h.market_value, h.detail
		FROM in_holding h JOIN in_account a ON a.n = h.account
		WHERE a.changed`)
	return err
}

func (l *loader) holders(ctx context.Context, holders []ledger.Holder) error {
	err := l.copy(ctx, "in_holder", []string{"username", "account", "relationship"}, rowsOf(holders, func(_ int, h ledger.Holder) ([]any, error) {
		return []any{h.Username, h.Account, string(h.Relationship)}, nil
	}))
	if err != nil {
		return err
	}
	tag, err := l.tx.Exec(ctx, `
		INSERT INTO sandbox.holder (customer_id, account_id, relationship)
		SELECT c.id, a.id, CASE WHEN h.relationship = 'OWNER' AND EXISTS (
				SELECT FROM sandbox.holder o
				WHERE o.account_id = a.id AND o.customer_id <> c.id AND o.relationship = 'OWNER')
			THEN 'JOINT' ELSE h.relationship END
		FROM in_holder h JOIN in_account a ON a.n = h.account JOIN sandbox.customer c ON c.username = h.username
		ON CONFLICT (customer_id, account_id) DO NOTHING`)
	l.report.NewHolders = int(tag.RowsAffected())
	return err
}

// programs stores reward programs with their members. What a program tells of
// itself and of a member is replaced by what comes later.
func (l *loader) programs(ctx context.Context, programs []ledger.Program) error {
	for _, p := range programs {
		detail, err1 := json.Marshal(p.Program)
		categories, err2 := json.Marshal(p.Categories)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		var id string
		err := l.tx.QueryRow(ctx, `
			INSERT INTO sandbox.reward_program (id, institution, key, detail, categories) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (institution, key) DO UPDATE SET detail = excluded.detail, categories = excluded.categories
			RETURNING id`, randomID(), p.Institution, p.Key, detail, categories).Scan(&id)
		if err != nil {
			return fmt.Errorf("store reward program: %w", err)
		}
		for _, m := range p.Members {
			detail, err := json.Marshal(m.Membership)
			if err != nil {
				return err
			}
			_, err = l.tx.Exec(ctx, `
				INSERT INTO sandbox.reward_membership (program_id, customer_id, account_ids, detail)
				SELECT $1, c.id, ARRAY(SELECT a.id FROM in_account a WHERE a.n = ANY($3) ORDER BY a.n), $4
				FROM sandbox.customer c WHERE c.username = $2
				ON CONFLICT (program_id, customer_id) DO UPDATE SET account_ids = excluded.account_ids, detail = excluded.detail`,
				id, m.Username, m.Accounts, detail)
			if err != nil {
				return fmt.Errorf("store reward membership: %w", err)
			}
		}
	}
	return nil
}

// rebase keeps how far dates were moved. Another import may have got in
// between reading the files and this load: then the dates of this one do not
// fit, and it has to be done again.
func (l *loader) rebase(ctx context.Context, r *ledger.Rebase) error {
	if r == nil {
		return nil
	}
	var days int
	err := l.tx.QueryRow(ctx, `
		INSERT INTO sandbox.rebase (institution, days) VALUES ($1, $2)
		ON CONFLICT (institution) DO UPDATE SET days = rebase.days
		RETURNING days`, r.Institution, r.Days).Scan(&days)
	if err == nil && days != r.Days {
		return errors.New("another import of this institution was faster; import again")
	}
	return err
}

// progressStep is how many transactions go by between two calls of progress.
const progressStep = 1000

func (l *loader) transactions(ctx context.Context, transactions iter.Seq2[ledger.Transaction, error], progress func(done int)) error {
	if transactions == nil {
		return nil
	}
	total := 0
	rows := func(yield func([]any, error) bool) {
		for t, err := range transactions {
			if err != nil {
				yield(nil, err)
				return
			}
			row, err := txnRowIn(total, t)
			if !yield(row, err) || err != nil {
				return
			}
			total++
			if progress != nil && total%progressStep == 0 {
				progress(total)
			}
		}
	}
	columns := []string{"account", "ordinal", "key", "replaces", "pending", "at", "happened_at", "amount", "direction", "description", "detail"}
	if err := l.copy(ctx, "in_txn", columns, rows); err != nil {
		return err
	}
	if progress != nil {
		progress(total)
	}
	// Ids rise with time, so that within one second the order of a list is the
	// order of the source. A booking names the pending transaction that it
	// replaces, which is gone below.
	tag, err := l.tx.Exec(ctx, `
		INSERT INTO sandbox.txn (account_id, key, pending, at, happened_at, amount, direction, description, detail)
		SELECT a.id, t.key, t.pending, t.at, t.happened_at, t.amount, t.direction, t.description,
			CASE WHEN p.id IS NULL THEN t.detail ELSE t.detail || jsonb_build_object('referenceTransactionId', p.id::text) END
		FROM in_txn t JOIN in_account a ON a.n = t.account
			LEFT JOIN sandbox.txn p ON t.replaces <> '' AND p.account_id = a.id AND p.key = t.replaces AND p.pending
		ORDER BY t.at, t.ordinal
		ON CONFLICT (account_id, key) DO NOTHING`)
	if err != nil {
		return err
	}
	l.report.NewTransactions = int(tag.RowsAffected())
	l.report.SeenTransactions = total - l.report.NewTransactions
	// Pending transactions belong to the balance they came with: a newer one
	// replaces them.
	_, err = l.tx.Exec(ctx, `
		DELETE FROM sandbox.txn t USING in_account a
		WHERE t.account_id = a.id AND a.changed AND t.pending
			AND NOT EXISTS (SELECT FROM in_txn i WHERE i.account = a.n AND i.key = t.key)`)
	return err
}

// txnRowIn returns the row of in_txn for a transaction.
func txnRowIn(ordinal int, t ledger.Transaction) ([]any, error) {
	b := t.Transaction.Base()
	if b == nil || b.TransactionID != "" {
		return nil, fmt.Errorf("transaction %d of the batch: %w", ordinal, fdx.ErrInvalidTransaction)
	}
	detail, err := txnDetail(t.Transaction)
	if err != nil {
		return nil, err
	}
	at := b.PostedTimestamp
	pending := at.IsZero()
	if pending {
		at = b.TransactionTimestamp
	}
	return []any{t.Account, ordinal, t.Key, t.Replaces, pending, at.Time(), b.TransactionTimestamp.Time(), numeric(b.Amount),
		string(b.DebitCreditMemo), b.Description, detail}, nil
}

// numeric returns a decimal as COPY takes it without loss: text, or nil.
func numeric(d fdx.Decimal) any {
	if !d.Present() {
		return nil
	}
	return d.String()
}

func instant(t fdx.Timestamp) any {
	if t.IsZero() {
		return nil
	}
	return t.Time()
}

func date(d fdx.Date) any {
	if d.IsZero() {
		return nil
	}
	return d.Time().Format(time.DateOnly)
}
