package sqlviews

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/mapping"
)

// Provider reads a bank's views. It is safe for concurrent use.
type Provider struct {
	resource.NotOffered // what the mapping file does not describe

	pool       *pgxpool.Pool
	mapping    *mapping.Mapping
	views      views
	sql        statements
	operations []fdx.OperationID
}

var (
	_ resource.Provider      = (*Provider)(nil)
	_ consent.AccountChooser = (*Provider)(nil)
)

// Config says where the views are and what their columns mean.
type Config struct {
	// DSN reaches the bank's database, best as a role that may read the views
	// and nothing else. Required.
	DSN string
	// Mapping is the mapping file, parsed with Section. Required.
	Mapping *mapping.Mapping
	// StatementTimeout bounds each statement in the database; 0 means 5 s.
	StatementTimeout time.Duration
	// PoolSize is the most connections; 0 means 8.
	PoolSize int
}

// New returns a Provider. It does no I/O: the first read connects, and Check
// says whether the views are there. The error is of type mapping.Faults for
// what is wrong with the mapping file. Close it after use.
func New(cfg Config) (*Provider, error) {
	if cfg.DSN == "" || cfg.Mapping == nil {
		return nil, errors.New("sqlviews: Config.DSN and Config.Mapping are required")
	}
	// Less than a millisecond would be 0 to PostgreSQL, which is no bound.
	if cfg.StatementTimeout != 0 && cfg.StatementTimeout < time.Millisecond || cfg.PoolSize < 0 {
		return nil, errors.New("sqlviews: StatementTimeout has to be at least 1 ms, and PoolSize cannot be negative")
	}
	v, err := readViews(cfg.Mapping)
	if err != nil {
		return nil, err
	}
	c, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, errors.New("sqlviews: the DSN is not one of PostgreSQL") // pgx would repeat it
	}
	c.MaxConns = int32(cmp.Or(cfg.PoolSize, 8))
	c.MinConns = 0
	settings := sessionSettings(cmp.Or(cfg.StatementTimeout, 5*time.Second))
	maps.Copy(c.ConnConfig.RuntimeParams, settings)
	c.ConnConfig.RuntimeParams["application_name"] = "headgate sqlviews"
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return confirm(ctx, conn, settings) }
	pool, err := pgxpool.NewWithConfig(context.Background(), c) // connects to nothing yet
	if err != nil {
		return nil, fmt.Errorf("sqlviews: %w", err)
	}
	return &Provider{pool: pool, mapping: cfg.Mapping, views: v, sql: newStatements(v), operations: operationsOf(v)}, nil
}

// sessionSettings are what every session runs with: it cannot write, its
// statements end, and text has the forms that the mapping reads, in the zone
// in which windows begin and end.
func sessionSettings(timeout time.Duration) map[string]string {
	return map[string]string{
		"default_transaction_read_only": "on",
		"statement_timeout":             strconv.FormatInt(timeout.Milliseconds(), 10),
		"TimeZone":                      "UTC",
		"DateStyle":                     "ISO",
	}
}

// confirm asks a new session for its settings: a connection pooler in between
// may drop them without a word.
func confirm(ctx context.Context, conn *pgx.Conn, settings map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		var got string
		err := conn.QueryRow(ctx, `SELECT CASE name WHEN 'DateStyle' THEN split_part(setting, ',', 1) ELSE setting END FROM pg_settings WHERE name = $1`, name).Scan(&got)
		if err != nil {
			return err
		}
		if got != settings[name] {
			return errors.New("sqlviews: sessions do not keep " + name + ": connect without a pooler, or with one that passes settings on")
		}
	}
	return nil
}

// Close closes the connections. No method may be called afterwards.
func (p *Provider) Close() { p.pool.Close() }

func operationsOf(v views) []fdx.OperationID {
	ops := []fdx.OperationID{fdx.SearchForAccounts, fdx.GetAccount, fdx.SearchForAccountTransactions}
	if v.customer.exists() {
		ops = append(ops, fdx.GetAccountContact, fdx.GetCustomers, fdx.GetCustomerInfo, fdx.GetCustomer)
	}
	if v.paymentNetwork.exists() {
		ops = append(ops, fdx.GetAccountPaymentNetworks)
	}
	if v.assetTransferNetwork.exists() {
		ops = append(ops, fdx.GetAccountAssetTransferNetworks)
	}
	if v.statement.exists() {
		ops = append(ops, fdx.SearchForAccountStatements)
	}
	if v.statement.document != "" {
		ops = append(ops, fdx.GetAccountStatement)
	}
	return ops
}

// Operations implements resource.Provider: those whose entities the mapping
// file describes.
func (p *Provider) Operations() []fdx.OperationID { return p.operations }

// Availability implements resource.Provider: the database answers.
func (p *Provider) Availability(ctx context.Context) (fdx.Availability, error) {
	if err := p.pool.Ping(ctx); err != nil {
		return fdx.Availability{}, clean("availability", err)
	}
	return fdx.Availability{Status: fdx.Alive}, nil
}

// errPlace is returned for a place that Page.Next did not hold.
var errPlace = errors.New("sqlviews: not a place in this list")

// errDoubled: the view breaks what the provider relies on.
var errDoubled = errors.New("sqlviews: a view has a row twice")

// maxPlaceLength bounds a place, as resource.Page says.
const maxPlaceLength = 200

func place(s string) (string, error) {
	if len(s) > maxPlaceLength {
		return "", errors.New("sqlviews: an identifier is too long to page by")
	}
	return s, nil
}

// Accounts implements resource.Provider. Accounts are in the order of their
// ids.
func (p *Provider) Accounts(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.Account], error) {
	text, args := p.sql.accounts, []any{string(a.Consumer()), ids(a), r.Limit + 1}
	if r.After != "" {
		text, args = p.sql.accountsAfter, append(args, r.After)
	}
	var page resource.Page[fdx.Account]
	err := p.read(ctx, text, args, nil, func(s mapping.Source) error {
		account, err := p.mapping.Account(s)
		if err != nil {
			return err
		}
		if n := len(page.Items); n > 0 && page.Items[n-1].ID() == account.ID() {
			return errDoubled
		}
		if account.Descriptor().Status == fdx.StatusRestricted {
			fdx.FilterAccount(&account, fdx.NewClusters(fdx.AccountBasic))
		}
		page.Items = append(page.Items, account)
		return nil
	})
	if err != nil {
		return resource.Page[fdx.Account]{}, clean("accounts", err)
	}
	if len(page.Items) > r.Limit {
		page.Items = page.Items[:r.Limit]
		if page.Next, err = place(string(page.Items[r.Limit-1].ID())); err != nil {
			return resource.Page[fdx.Account]{}, err
		}
	}
	return page, nil
}

// Account implements resource.Provider.
func (p *Provider) Account(ctx context.Context, a resource.Access) (fdx.Account, error) {
	var account fdx.Account
	if err := p.one(ctx, a, &account, nil); err != nil {
		return fdx.Account{}, clean("account", err)
	}
	return account, nil
}

// one reads the one account of the access and, in the same round trip, what
// more asks for. It returns ErrNoAccount and ErrAccountLocked before any row
// of more is looked at: a query of more is called with account filled.
func (p *Provider) one(ctx context.Context, a resource.Access, account *fdx.Account, more func(*pgx.Batch)) error {
	if a.Account() == "" {
		return resource.ErrNoAccount
	}
	var batch pgx.Batch
	found := 0
	queue(&batch, p.sql.account, []any{string(a.Consumer()), ids(a)}, nil, func(s mapping.Source) error {
		if found++; found > 1 {
			return errDoubled
		}
		var err error
		*account, err = p.mapping.Account(s)
		return err
	}, func() error {
		switch {
		case found == 0:
			return resource.ErrNoAccount
		case account.ID() != a.Account():
			return errors.New("sqlviews: accountId is not what the view of accounts is read by")
		case account.Descriptor().Status == fdx.StatusRestricted:
			return resource.ErrAccountLocked
		}
		return nil
	})
	if more != nil {
		more(&batch)
	}
	return p.pool.SendBatch(ctx, &batch).Close()
}

// read runs one statement.
func (p *Provider) read(ctx context.Context, s sqlText, args, own []any, each func(mapping.Source) error) error {
	var batch pgx.Batch
	queue(&batch, s, args, own, each, nil)
	return p.pool.SendBatch(ctx, &batch).Close()
}

// queue adds a statement to a batch. For every row it fills own, which are
// pointers to the statement's own columns, and calls each; after the last row
// it calls done, if there is one. Rows are read as they come.
func queue(b *pgx.Batch, s sqlText, args, own []any, each func(mapping.Source) error, done func() error) {
	b.Queue(s.text, args...).Query(func(rows pgx.Rows) error {
		values := make([]*string, len(s.columns))
		targets := append(make([]any, 0, len(own)+len(values)), own...)
		for i := range values {
			targets = append(targets, &values[i])
		}
		_, err := pgx.ForEachRow(rows, targets, func() error { return each(row{s.columns, values}) })
		if err == nil && done != nil {
			err = done()
		}
		return err
	})
}

func ids(a resource.Access) []string {
	out := make([]string, len(a.Accounts()))
	for i, s := range a.Accounts() {
		out[i] = string(s.ID)
	}
	return out
}

// spot is a place in a list by date: before everything (the zero value), or
// behind a row. The phase tells pending rows (p) from dated ones (d).
type spot struct {
	phase byte
	at    time.Time
	id    string
}

func (s spot) String() string {
	return string(s.phase) + "." + strconv.FormatInt(s.at.UnixMicro(), 10) + "." + s.id
}

func parseSpot(text string) (spot, error) {
	if text == "" {
		return spot{}, nil
	}
	phase, rest, _ := strings.Cut(text, ".")
	at, id, found := strings.Cut(rest, ".")
	micro, err := strconv.ParseInt(at, 10, 64)
	if phase != "p" && phase != "d" || !found || err != nil || strings.ContainsRune(id, 0) {
		return spot{}, errPlace
	}
	return spot{phase[0], time.UnixMicro(micro).UTC(), id}, nil
}

// dated queues a page of a view that has a date. row is called for every row
// with its instant and its key.
func dated(b *pgx.Batch, first, after sqlText, a resource.Access, from spot, limit int, row func(spot, mapping.Source) error) {
	w := a.Window()
	if w.Empty() {
		return
	}
	args := []any{string(a.Consumer()), ids(a), w.Start.Time(), w.End.Time().AddDate(0, 0, 1), limit}
	text := first
	if from.phase != 0 {
		text, args = after, append(args, from.at, from.id)
	}
	var s, before spot
	queue(b, text, args, []any{&s.at, &s.id}, func(src mapping.Source) error {
		if s == before {
			return errDoubled // a page that ends between the two would lose one
		}
		before = s
		return row(s, src)
	}, nil)
}

// Transactions implements resource.Provider.
func (p *Provider) Transactions(ctx context.Context, a resource.Access, r resource.PageRequest) (resource.Page[fdx.Transaction], error) {
	none := resource.Page[fdx.Transaction]{}
	from, err := parseSpot(r.After)
	if err != nil {
		return none, err
	}
	var account fdx.Account
	var items []fdx.Transaction
	var spots []spot
	phase := func(name byte, first, after sqlText, from spot) func(*pgx.Batch) {
		return func(b *pgx.Batch) {
			dated(b, first, after, a, from, r.Limit+1, func(s spot, src mapping.Source) error {
				if len(items) > r.Limit {
					return nil // the pending ones fill the page
				}
				t, err := p.mapping.Transaction(account.Category(), src)
				if err != nil {
					return err
				}
				s.phase = name
				if err := p.consistent(t, s, a.Window()); err != nil {
					return err
				}
				items, spots = append(items, t), append(spots, s)
				return nil
			})
		}
	}
	err = p.one(ctx, a, &account, func(b *pgx.Batch) {
		if p.views.transaction.occurred != "" && from.phase != 'd' {
			phase('p', p.sql.pending, p.sql.pendingAfter, from)(b)
		}
		if from.phase == 'p' {
			from = spot{}
		}
		phase('d', p.sql.posted, p.sql.postedAfter, from)(b)
	})
	if err != nil {
		return none, clean("transactions", err)
	}
	page := resource.Page[fdx.Transaction]{Items: items}
	if len(items) > r.Limit {
		page.Items = items[:r.Limit]
		if page.Next, err = place(spots[r.Limit-1].String()); err != nil {
			return none, err
		}
	}
	return page, nil
}

// consistent holds the mapped transaction against the columns by which it was
// selected: if they disagree, days outside the window could leave, and pages
// would lose transactions.
func (p *Provider) consistent(t fdx.Transaction, s spot, w fdx.Window) error {
	b := t.Base()
	at, column := b.PostedTimestamp, p.views.transaction.posted
	if s.phase == 'p' {
		if !at.IsZero() {
			return errors.New("sqlviews: a transaction without " + column + " has a postedTimestamp")
		}
		at, column = b.TransactionTimestamp, p.views.transaction.occurred
	}
	if at != fdx.TimestampOf(s.at) || !w.Contains(b.EffectiveDate()) || string(b.TransactionID) != strings.TrimSpace(s.id) {
		return errors.New("sqlviews: a transaction's time is not what column " + column + " says: map it from that column")
	}
	return nil
}
