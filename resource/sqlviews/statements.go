package sqlviews

import (
	"strings"

	"github.com/headgate/headgate/resource/mapping"
)

// statements are the SQL texts, made once from the names of views and columns.
// Values are parameters without exception. Places are compared in the type of
// their column: an unadorned parameter takes that type.
type statements struct {
	// $1 is the consumer and $2 the accounts' ids, a text[], everywhere.

	account, accounts, accountsAfter sqlText
	choices                          sqlText // $1 alone, $2 the most rows

	// $3 and $4 are the first instant and the one after the last, $5 the most
	// rows, $6 and $7 the place.
	posted, postedAfter, pending, pendingAfter sqlText
	statement, statementAfter                  sqlText
	document                                   sqlText // $5 is the statement's id

	customers, customersAfter, customerOne sqlText
	parts                                  sqlText // $3 are customers' ids, a text[]

	paymentNetworks, assetTransferNetworks sqlText
}

// sqlText is a statement with the columns that it returns after those of its
// own, as text, for the mapping.
type sqlText struct {
	text    string
	columns []string
}

// held selects the accounts of the access that the consumer holds, now. The
// ids are compared as text: the id of a grant is taken for no other.
func (v views) held() string {
	return `(SELECT h.` + quoted(v.holder.account) + ` FROM ` + quoted(v.holder.name) + ` h WHERE h.` + quoted(v.holder.consumer) +
		` = $1 AND h.` + quoted(v.holder.account) + `::text = ANY($2))`
}

// theOne is held for an access of one account. A scalar lets the planner read
// the index of the account backwards and stop at the end of the page.
func (v views) theOne() string {
	return strings.TrimSuffix(v.held(), `)`) + ` LIMIT 1)`
}

// of returns a SELECT of the own columns and then the mapped ones. A value of
// more than 64 Ki characters is cut, so that no row can fill the memory; what
// is left of it is still longer than any text may be, and no JSON list.
func (v view) of(own ...string) sqlText {
	columns := make([]string, 0, len(own)+len(v.columns))
	columns = append(columns, own...)
	for _, c := range v.columns {
		columns = append(columns, `left(v.`+quoted(c)+`::text, 65537)`)
	}
	return sqlText{`SELECT ` + strings.Join(columns, `, `) + ` FROM ` + quoted(v.name) + ` v`, v.columns}
}

// with returns the statement with more text behind it.
func (s sqlText) with(more ...string) sqlText {
	return sqlText{s.text + " " + strings.Join(more, " "), s.columns}
}

func newStatements(v views) statements {
	var s statements
	key := `v.` + quoted(v.account.key)
	account := v.account.of()
	s.account = account.with(`WHERE`, key, `=`, v.theOne(), `LIMIT 2`)
	s.accounts = account.with(`WHERE`, key, `IN`, v.held(), `ORDER BY`, key, `LIMIT $3`)
	s.accountsAfter = account.with(`WHERE`, key, `IN`, v.held(), `AND`, key, `> $4 ORDER BY`, key, `LIMIT $3`)
	holder, consumer, heldAccount := quoted(v.holder.name), quoted(v.holder.consumer), quoted(v.holder.account)
	s.choices = v.account.of(`(SELECT count(DISTINCT o.`+consumer+`) > 1 FROM `+holder+` o WHERE o.`+heldAccount+` = `+key+`)`).
		with(`WHERE`, key, `IN (SELECT h.`+heldAccount+` FROM `+holder+` h WHERE h.`+consumer+` = $1) ORDER BY`, key, `LIMIT $2`)

	s.posted, s.postedAfter = v.dated(v.transaction, v.transaction.posted, ``)
	if v.transaction.occurred != "" {
		s.pending, s.pendingAfter = v.dated(v.transaction, v.transaction.occurred, `v.`+quoted(v.transaction.posted)+` IS NULL AND`)
	}
	if v.statement.exists() {
		s.statement, s.statementAfter = v.dated(v.statement, v.statement.date, ``)
		if v.statement.document != "" {
			body := `v.` + quoted(v.statement.document)
			s.document = v.statement.of(`CASE WHEN octet_length(`+body+`) <= 8388608 THEN `+body+` END`, `coalesce(octet_length(`+body+`), 0)`).
				with(v.inWindow(v.statement, v.statement.date, ``), `AND v.`+quoted(v.statement.key)+`::text = $5 LIMIT 1`)
		}
	}
	if v.customer.exists() {
		key := `v.` + quoted(v.customer.key)
		behind := `WHERE ` + key + ` IN (SELECT o.` + consumer + ` FROM ` + holder + ` o WHERE o.` + heldAccount + ` IN ` + v.held() + `)`
		customer := v.customer.of(key + `::text`)
		s.customers = customer.with(behind, `ORDER BY`, key, `LIMIT $3`)
		s.customersAfter = customer.with(behind, `AND`, key, `> $4 ORDER BY`, key, `LIMIT $3`)
		s.customerOne = customer.with(behind, `AND`, key+`::text = $4 LIMIT $3`)
		s.parts = v.holder.of(`v.`+consumer+`::text`, `v.`+heldAccount+`::text`).
			with(`WHERE v.`+heldAccount, `IN`, v.held(), `AND v.`+consumer+`::text = ANY($3) ORDER BY v.`+consumer+`, v.`+heldAccount, `LIMIT 10000`)
	}
	s.paymentNetworks = v.networks(v.paymentNetwork)
	s.assetTransferNetworks = v.networks(v.assetTransferNetwork)
	return s
}

// dated returns the first and the later pages of a view that has a date: the
// newest first, and among equals by id. Both are a range of an index on
// (account, date, id).
func (v views) dated(of view, date, condition string) (first, after sqlText) {
	at, id := `v.`+quoted(date), `v.`+quoted(of.key)
	order := `ORDER BY ` + at + ` DESC, ` + id + ` DESC LIMIT $5`
	base := of.of(at+`::timestamptz`, id+`::text`).with(v.inWindow(of, date, condition))
	return base.with(order), base.with(`AND (`+at+`, `+id+`) < ($6::timestamptz, $7)`, order)
}

// inWindow selects the rows of the one account inside the window.
func (v views) inWindow(of view, date, condition string) string {
	at := `v.` + quoted(date)
	return `WHERE v.` + quoted(of.account) + ` = ` + v.theOne() + ` AND ` + condition + ` ` + at + ` >= $3::timestamptz AND ` + at + ` < $4::timestamptz`
}

// maxNetworks bounds the networks of one account.
const maxNetworks = 100

func (v views) networks(of view) sqlText {
	if !of.exists() {
		return sqlText{}
	}
	var order []string
	for _, c := range append([]string{of.account}, of.columns...) {
		order = append(order, `v.`+quoted(c)+`::text`)
	}
	return of.of().with(`WHERE v.`+quoted(of.account), `=`, v.theOne(), `ORDER BY`, strings.Join(order, `, `), `LIMIT 101`)
}

// row is a row as a Source: every column is text or nothing.
type row struct {
	columns []string
	values  []*string
}

var _ mapping.Source = row{}

// Value implements mapping.Source.
func (r row) Value(path string) (any, bool) {
	for i, c := range r.columns {
		if c == path && r.values[i] != nil {
			return *r.values[i], true
		}
	}
	return nil, false
}
