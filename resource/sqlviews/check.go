package sqlviews

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/mapping"
)

// Finding is something that Check noticed about the bank's database. It holds
// no data of the bank.
type Finding struct {
	// Fault: reads of this kind will fail. Otherwise it is a warning.
	Fault bool
	// View and Column are where, as the mapping file names them; each may be
	// empty.
	View, Column string
	// Text says what is the matter and how to mend it.
	Text string
}

// String returns the finding in one line.
func (f Finding) String() string {
	text := "warning: "
	if f.Fault {
		text = "fault: "
	}
	if f.View != "" {
		text += "view " + f.View + ": "
	}
	if f.Column != "" {
		text += "column " + f.Column + ": "
	}
	return text + f.Text
}

// Check compares the mapping file with the database: that views and columns
// are there, may be read and have usable types, that a sample of rows can be
// mapped, that a page is read by an index, and that the role cannot write. It
// returns everything it finds; the error means that it could not look.
func (p *Provider) Check(ctx context.Context) ([]Finding, error) {
	c := checker{p: p, types: map[string]map[string]string{}}
	if err := c.run(ctx); err != nil {
		return nil, clean("check", err)
	}
	return c.findings, nil
}

type checker struct {
	p        *Provider
	findings []Finding
	types    map[string]map[string]string // of columns, by entity's view
}

func (c *checker) fault(view, column, text string) {
	c.findings = append(c.findings, Finding{true, view, column, text})
}

func (c *checker) warn(view, column, text string) {
	c.findings = append(c.findings, Finding{false, view, column, text})
}

func (c *checker) run(ctx context.Context) error {
	v := c.p.views
	all := []view{v.holder, v.account, v.transaction, v.statement, v.customer, v.paymentNetwork, v.assetTransferNetwork}
	all = slices.DeleteFunc(all, func(v view) bool { return !v.exists() })
	for _, one := range all {
		if err := c.catalog(ctx, one); err != nil {
			return err
		}
	}
	c.columns(all)
	if err := c.rights(ctx, all); err != nil {
		return err
	}
	if slices.ContainsFunc(c.findings, func(f Finding) bool { return f.Fault }) {
		return nil // the rest would only repeat it
	}
	for _, one := range []struct {
		view view
		each func(mapping.Source) error
	}{
		{v.account, func(s mapping.Source) error { _, err := c.p.mapping.Account(s); return err }},
		{v.holder, func(s mapping.Source) error { _, err := c.p.mapping.Holder(s); return err }},
		{v.statement, func(s mapping.Source) error { _, err := c.p.mapping.Statement(s); return err }},
		{v.customer, func(s mapping.Source) error { _, err := c.p.mapping.Customer(s); return err }},
		{v.paymentNetwork, func(s mapping.Source) error { _, err := c.p.mapping.PaymentNetwork(s); return err }},
		{v.assetTransferNetwork, func(s mapping.Source) error { _, err := c.p.mapping.AssetTransferNetwork(s); return err }},
	} {
		if !one.view.exists() || one.view.name == v.holder.name && !c.p.mapping.Has(mapping.Holder) {
			continue
		}
		if err := c.sample(ctx, one.view, one.view.of().with(sampleLimit), nil, one.each); err != nil {
			return err
		}
	}
	if err := c.transactions(ctx); err != nil {
		return err
	}
	return c.plan(ctx)
}

// catalog reads the columns of a view.
func (c *checker) catalog(ctx context.Context, v view) error {
	var found, usable bool
	err := c.p.pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL, coalesce(has_table_privilege(to_regclass($1), 'SELECT'), false)`, quoted(v.name)).
		Scan(&found, &usable)
	if err != nil {
		return err
	}
	switch {
	case !found:
		c.fault(v.name, "", "is not there, or its schema may not be used by this role: create it, or GRANT USAGE ON SCHEMA")
		return nil
	case !usable:
		c.fault(v.name, "", "may not be read by this role: GRANT SELECT")
		return nil
	}
	rows, err := c.p.pool.Query(ctx, `
		SELECT a.attname::text, CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, NULL) ELSE format_type(a.atttypid, NULL) END
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
		WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`, quoted(v.name))
	if err != nil {
		return err
	}
	types := map[string]string{}
	var name, typ string
	_, err = pgx.ForEachRow(rows, []any{&name, &typ}, func() error {
		types[name] = typ
		return nil
	})
	c.types[v.name] = types
	return err
}

// The types of a column, as format_type names them.
var (
	dates    = []string{"date", "timestamp with time zone", "timestamp without time zone"}
	texts    = []string{"text", "character varying", "character"}
	integers = []string{"smallint", "integer", "bigint", "numeric"}
	inexact  = []string{"real", "double precision"}
)

// columns checks that columns are there and of usable types.
func (c *checker) columns(all []view) {
	v := c.p.views
	of := func(v view, column string) string { return c.types[v.name][column] }
	for _, one := range all {
		if c.types[one.name] == nil {
			continue // the view is not there
		}
		wanted := slices.Concat([]string{one.consumer, one.account, one.posted, one.occurred, one.date, one.document}, one.columns)
		slices.Sort(wanted)
		for _, column := range slices.Compact(wanted) {
			switch typ := of(one, column); {
			case column == "":
			case typ == "":
				c.fault(one.name, column, "is not there: add it to the view, or correct the mapping file")
			case slices.Contains(inexact, typ):
				c.warn(one.name, column, "is a binary fraction ("+typ+"), which rounds money: cast it to numeric in the view")
			case typ == "bytea" && column != one.document:
				c.fault(one.name, column, "is bytea, which no rule can read")
			}
		}
		for _, column := range []string{one.posted, one.occurred, one.date} {
			typ := of(one, column)
			if column == "" || typ == "" {
				continue
			}
			if !slices.Contains(dates, typ) {
				c.fault(one.name, column, "is "+typ+", and has to be date or timestamp with time zone: convert it in the view")
			} else if typ == "timestamp without time zone" {
				c.warn(one.name, column, "has no time zone and is taken for UTC: use AT TIME ZONE in the view")
			}
		}
		if typ := of(one, one.document); one.document != "" && typ != "" && typ != "bytea" {
			c.fault(one.name, one.document, "is "+typ+", and has to be bytea")
		}
		if typ := of(one, one.account); one.account != "" && typ != "" {
			c.comparable(one.name, one.account, typ, v.account.name, v.account.key, of(v.account, v.account.key))
		}
	}
	if v.customer.exists() {
		c.comparable(v.customer.name, v.customer.key, of(v.customer, v.customer.key), v.holder.name, v.holder.consumer, of(v.holder, v.holder.consumer))
	}
}

// comparable reports two columns that name the same thing in types that
// PostgreSQL does not compare.
func (c *checker) comparable(view, column, typ, otherView, otherColumn, other string) {
	same := func(family []string) bool { return slices.Contains(family, typ) && slices.Contains(family, other) }
	if typ != "" && other != "" && typ != other && !same(texts) && !same(integers) {
		c.fault(view, column, "is "+typ+", and "+otherColumn+" of "+otherView+" is "+other+": cast one of them in its view")
	}
}

// rights warns of a role that could change the bank's data.
func (c *checker) rights(ctx context.Context, all []view) error {
	var super bool
	if err := c.p.pool.QueryRow(ctx, `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`).Scan(&super); err != nil {
		return err
	}
	if super {
		c.warn("", "", "the role is a superuser: use one that may read the views and nothing else")
		return nil
	}
	for _, v := range all {
		if c.types[v.name] == nil {
			continue
		}
		// The view itself, and what its rule reads.
		rows, err := c.p.pool.Query(ctx, `
			SELECT DISTINCT r.oid::regclass::text FROM pg_class r
			WHERE has_table_privilege(r.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AND (r.oid = to_regclass($1) OR r.oid IN (
				SELECT d.refobjid FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
				WHERE w.ev_class = to_regclass($1) AND d.refclassid = 'pg_class'::regclass))
			ORDER BY 1`, quoted(v.name))
		if err != nil {
			return err
		}
		writable, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range writable {
			c.warn(v.name, "", "the role may write to "+name+": use a role with SELECT alone")
		}
	}
	return nil
}

// sampleLimit is how many rows of each view are mapped on trial.
const sampleLimit = `LIMIT 200`

// sample maps some rows and reports what cannot be mapped, each reason once.
func (c *checker) sample(ctx context.Context, v view, text sqlText, own []any, each func(mapping.Source) error) error {
	total, reasons := 0, map[string]int{}
	err := c.p.read(ctx, text, nil, own, func(s mapping.Source) error {
		total++
		if err := each(s); err != nil {
			reasons[err.Error()]++
		}
		return nil
	})
	if err != nil {
		return c.failed(v, err)
	}
	if total == 0 {
		c.warn(v.name, "", "has no rows that this role sees, so nothing was tried")
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		c.fault(v.name, "", strconv.Itoa(reasons[reason])+" of "+strconv.Itoa(total)+" rows tried: "+reason)
	}
	return nil
}

// failed reports a statement that failed, unless there is no time left or no
// database.
func (c *checker) failed(v view, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	c.fault(v.name, "", clean("sample", err).Error())
	return nil
}

// transactions tries some transactions, which take the category of their
// account.
func (c *checker) transactions(ctx context.Context) error {
	v := c.p.views
	var at time.Time
	var pending bool
	var id string
	account := make([]*string, len(v.account.columns))
	posted := `v.` + quoted(v.transaction.posted)
	dated, some := posted, `WHERE `+posted+` IS NOT NULL`
	if v.transaction.occurred != "" {
		occurred := `v.` + quoted(v.transaction.occurred)
		dated, some = `coalesce(`+posted+`, `+occurred+`)`, `WHERE coalesce(`+posted+`, `+occurred+`) IS NOT NULL`
	}
	columns := []string{dated + `::timestamptz`, posted + ` IS NULL`, `v.` + quoted(v.transaction.key) + `::text`}
	own := []any{&at, &pending, &id}
	for i, column := range v.account.columns {
		columns = append(columns, `left(a.`+quoted(column)+`::text, 65537)`)
		own = append(own, &account[i])
	}
	text := v.transaction.of(columns...).with(`JOIN`, quoted(v.account.name), `a ON a.`+quoted(v.account.key), `= v.`+quoted(v.transaction.account), some, sampleLimit)
	always := fdx.Window{Start: fdx.DateOf(time.Unix(0, 0)).AddMonths(-12 * 9999), End: fdx.DateOf(time.Unix(0, 0)).AddMonths(12 * 9999)}
	return c.sample(ctx, v.transaction, text, own, func(s mapping.Source) error {
		a, err := c.p.mapping.Account(row{v.account.columns, account})
		if err != nil {
			return nil // reported as an account
		}
		t, err := c.p.mapping.Transaction(a.Category(), s)
		if err != nil {
			return err
		}
		phase := byte('d')
		if pending {
			phase = 'p'
		}
		return c.p.consistent(t, spot{phase, at, id}, always)
	})
}

// scanned is how many rows a table has before reading all of it for one page
// is worth a warning.
const scanned = 10_000

// plan warns when a page of transactions, or the question who holds an
// account, reads whole tables.
func (c *checker) plan(ctx context.Context) error {
	v := c.p.views
	var consumer, account string
	err := c.p.pool.QueryRow(ctx, `SELECT h.`+quoted(v.holder.consumer)+`::text, h.`+quoted(v.holder.account)+`::text FROM `+quoted(v.holder.name)+` h LIMIT 1`).
		Scan(&consumer, &account)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return c.failed(v.holder, err)
	}
	var plan []struct{ Plan planNode }
	err = c.p.pool.QueryRow(ctx, `EXPLAIN (FORMAT JSON, VERBOSE) `+c.p.sql.posted.text,
		consumer, []string{account}, time.Unix(0, 0), time.Unix(1<<32, 0), 100).Scan(&plan)
	if err != nil {
		return c.failed(v.transaction, err)
	}
	seen := map[string]bool{}
	for _, p := range plan {
		if err := c.scans(ctx, p.Plan, seen); err != nil {
			return err
		}
	}
	return nil
}

// planNode is a node of an execution plan, as EXPLAIN writes it.
type planNode struct {
	Type     string     `json:"Node Type"`
	Schema   string     `json:"Schema"`
	Relation string     `json:"Relation Name"`
	Plans    []planNode `json:"Plans"`
}

func (c *checker) scans(ctx context.Context, n planNode, seen map[string]bool) error {
	if name := n.Schema + "." + n.Relation; n.Type == "Seq Scan" && !seen[name] {
		seen[name] = true
		var rows float64
		err := c.p.pool.QueryRow(ctx, `SELECT c.reltuples::float8 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
			n.Schema, n.Relation).Scan(&rows)
		if err != nil {
			return err
		}
		if rows >= scanned {
			c.warn(c.p.views.transaction.name, "", "one page reads the whole of "+name+": it needs an index on the account, "+
				c.p.views.transaction.posted+" and "+c.p.views.transaction.key+", or the consumer for the view of holders")
		}
	}
	for _, below := range n.Plans {
		if err := c.scans(ctx, below, seen); err != nil {
			return err
		}
	}
	return nil
}
