package sqlviews

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/mapping"
)

// Names that are more than names, and columns that are missing or too many.
func TestMappingFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, fault string }{
		"no section":                   {"\nviews:", "\ntables2:", "tables2"},
		"a statement for a view":       {"view: frei.konto}", `view: "frei.konto; DROP TABLE kern.konto"}`, "views.account.view"},
		"a quote in a view":            {"view: frei.konto}", `view: 'frei."konto'}`, "views.account.view"},
		"a subquery for a view":        {"view: frei.konto}", `view: "(SELECT 1)"}`, "views.account.view"},
		"a comment in a view":          {"view: frei.konto}", `view: "frei.konto--"}`, "views.account.view"},
		"three parts":                  {"view: frei.konto}", `view: a.b.c}`, "views.account.view"},
		"capitals":                     {"view: frei.konto}", `view: Frei.Konto}`, "views.account.view"},
		"a newline":                    {"view: frei.konto}", `view: "frei.konto\n"}`, "views.account.view"},
		"a NUL":                        {"view: frei.konto}", `view: "frei.konto\0"}`, "views.account.view"},
		"a function for a consumer":    {"consumer: kdnr", `consumer: "pg_sleep(9)"`, "views.holder.consumer"},
		"a cast for an account":        {"frei.weg, account: lfd", `frei.weg, account: "lfd::text"`, "views.paymentNetwork.account"},
		"a condition for a date":       {"date: bis", `date: "bis OR true"`, "views.statement.date"},
		"SQL for a document":           {"document: datei", `document: "datei, 1"`, "views.statement.document"},
		"SQL for a column":             {"description: {from: vz", `description: {from: "vz'||current_user||'"`, "transaction"},
		"a path for a column":          {"{from: vz", `{from: a.vz`, "transaction"},
		"a long column":                {"{from: vz", `{from: ` + strings.Repeat("a", 64), "transaction"},
		"no consumer":                  {"consumer: kdnr, ", "", "views.holder.consumer"},
		"no posted":                    {"posted: buchtag, ", "", "views.transaction.posted"},
		"a role without a meaning":     {"{view: frei.konto}", "{view: frei.konto, posted: a}", "views.account.posted"},
		"a role that is none":          {"{view: frei.konto}", "{view: frei.konto, where: a}", "views.account.where"},
		"a view without rules":         {"  paymentNetwork: {view", "  assetTransferNetwork: {view: a, account: b}\n  paymentNetwork: {view", "views.assetTransferNetwork"},
		"rules without a view":         {"  paymentNetwork: {view: frei.weg, account: lfd}\n", "", "views.paymentNetwork"},
		"customers without their part": {"\nholder:\n  fields:\n    relationship: {from: rolle, table: rolle}\n", "\n", "holder"},
		"a contact besides":            {"\nholder:", "\ncontact: {fields: {\"emails[0]\": a}}\nholder:", "contact"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := strings.Replace(coreYAML, c.old, c.new, 1)
			if file == coreYAML {
				t.Fatal("the test changes nothing")
			}
			m, err := mapping.Parse([]byte(file), Section)
			if err == nil {
				_, err = New(Config{DSN: "postgres://localhost/x", Mapping: m})
			}
			var faults mapping.Faults
			if !errors.As(err, &faults) || !slices.ContainsFunc(faults, func(f mapping.Fault) bool { return strings.HasPrefix(f.Where, c.fault) }) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	m, err := mapping.Parse([]byte(coreYAML), Section)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"no DSN": {Mapping: m}, "no mapping": {DSN: "postgres://localhost/x"}, "a DSN that is none": {DSN: "postgres://u:SECRET@[", Mapping: m},
		"no bound on statements": {DSN: "postgres://localhost/x", Mapping: m, StatementTimeout: time.Microsecond},
		"a negative timeout":     {DSN: "postgres://localhost/x", Mapping: m, StatementTimeout: -1},
	} {
		if p, err := New(c); err == nil || p != nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Rows that no bank should have: an error that does not show them, and no
// part of the page.
func TestHostileRows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql string
		ask func(context.Context, *Provider, resource.Access) (any, error)
	}{
		"an amount in words":         {`UPDATE kern.umsatz SET betrag = 'SECRET' WHERE unr = 1003`, transactions},
		"an amount that is none":     {`UPDATE kern.umsatz SET betrag = 'NaN' WHERE unr = 1003`, transactions},
		"a negative amount":          {`UPDATE kern.umsatz SET betrag = '-5,00' WHERE unr = 1003`, transactions},
		"an amount too large":        {`UPDATE kern.umsatz SET betrag = '99999999999999999,99' WHERE unr = 1003`, transactions},
		"an empty amount":            {`UPDATE kern.umsatz SET betrag = '' WHERE unr = 1003`, transactions},
		"a direction of no table":    {`UPDATE kern.umsatz SET sh = 'X' WHERE unr = 1003`, transactions},
		"a huge text":                {`UPDATE kern.umsatz SET vz = repeat('SECRET', 1000000) WHERE unr = 1003`, transactions},
		"a control character":        {`UPDATE kern.umsatz SET vz = E'SECRET\x01' WHERE unr = 1003`, transactions},
		"a bidirectional escape":     {`UPDATE kern.umsatz SET vz = E'SECRET\x1b[2J' WHERE unr = 1003`, transactions},
		"an infinite event":          {`UPDATE kern.umsatz SET zeit = 'infinity' WHERE unr = 1003`, transactions},
		"a status of no table":       {`UPDATE kern.konto SET st = '?' WHERE lfd = 100`, transactions},
		"an account of no kind":      {`UPDATE kern.konto SET art = '??' WHERE lfd = 101`, accounts},
		"a rate that is none":        {`UPDATE kern.konto SET zins = 'SECRET' WHERE lfd = 102`, accounts},
		"a rate that is missing":     {`UPDATE kern.konto SET zins = NULL WHERE lfd = 102`, accounts},
		"a birthday that is none":    {`UPDATE kern.kunde SET geb = '990231'`, customers},
		"a JSON column that is none": {`UPDATE kern.kunde SET tel = '"SECRET"'`, customers},
		"a part of no table":         {`UPDATE kern.recht SET rolle = 'NEU' WHERE lfd = 100`, customers},
		"a network of no table":      {`UPDATE kern.weg SET netz = '?'`, networksOf},
		"a document that is no PDF":  {`UPDATE kern.auszug SET datei = 'SECRET'`, document},
		"a document too long":        {`UPDATE kern.auszug SET datei = convert_to('%PDF-' || repeat('x', 9000000), 'UTF8')`, document},
		// The view itself fails, and PostgreSQL repeats the data.
		"a view that fails":            {`DROP VIEW frei.umsatz; CREATE VIEW frei.umsatz AS SELECT unr, lfd, buchtag, zeit, betrag, sh, vz, wert, ('SECRET' || unr)::int::text AS lage FROM kern.umsatz`, transactions},
		"an account twice":             {`DROP VIEW frei.konto; CREATE VIEW frei.konto AS SELECT k.* FROM kern.konto k, generate_series(1, 2)`, transactions},
		"an account twice in the list": {`DROP VIEW frei.konto; CREATE VIEW frei.konto AS SELECT k.* FROM kern.konto k, generate_series(1, 2)`, accounts},
		"a transaction twice": {`CREATE OR REPLACE VIEW frei.umsatz AS SELECT unr, lfd, buchtag, zeit, betrag, sh, vz, wert, 'G'::text AS lage
			FROM kern.umsatz, generate_series(1, 2) WHERE buchtag IS NOT NULL`, transactions},
		"a view that is gone": {`DROP VIEW frei.umsatz`, transactions},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := env.Postgres(t)
			p := provider(t, dsn, coreYAML)
			a := access(t, "4711", "100")
			if name == "an account of no kind" || strings.HasPrefix(name, "a rate") {
				a = access(t, "4711", "100", "101", "102")
			}
			if got, err := c.ask(t.Context(), p, a); err != nil || empty(got) {
				t.Fatalf("before: %v", err)
			}
			p.pool.Reset() // types of columns may change below
			if err := execute(t.Context(), dsn, c.sql); err != nil {
				t.Fatal(err)
			}
			got, err := c.ask(t.Context(), p, a)
			if err == nil || !empty(got) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%v; %v", !empty(got), err)
			}
			if errors.Is(err, resource.ErrNoAccount) || errors.Is(err, resource.ErrNotFound) {
				t.Errorf("a fault of the bank looks like an answer: %v", err)
			}
		})
	}
}

func empty(v any) bool {
	return reflect.ValueOf(v).IsZero()
}

var all = resource.PageRequest{Limit: 100}

func transactions(ctx context.Context, p *Provider, a resource.Access) (any, error) {
	page, err := p.Transactions(ctx, a, all)
	return page.Items, err
}

func accounts(ctx context.Context, p *Provider, a resource.Access) (any, error) {
	page, err := p.Accounts(ctx, a, all)
	return page.Items, err
}

func customers(ctx context.Context, p *Provider, a resource.Access) (any, error) {
	page, err := p.Holders(ctx, a, all)
	return page.Items, err
}

func networksOf(ctx context.Context, p *Provider, a resource.Access) (any, error) {
	page, err := p.PaymentNetworks(ctx, a, all)
	return page.Items, err
}

func document(ctx context.Context, p *Provider, a resource.Access) (any, error) {
	d, err := p.Statement(ctx, a, "2026-02", []fdx.ContentType{fdx.PDF})
	return d.Body, err
}

// An id that PostgreSQL would take for that of an account is not that id.
func TestOwners(t *testing.T) {
	t.Parallel()
	p := provider(t, env.Postgres(t), coreYAML)
	for who, c := range map[consent.ConsumerID]struct{ yes, no []fdx.AccountID }{
		"4711": {[]fdx.AccountID{"100", "101"}, []fdx.AccountID{"0100", " 100", "100 ", "+100", "1e2", "100.0", "200", "100' OR '1'='1", "{100}", "%", "NULL"}},
		"4712": {[]fdx.AccountID{"100"}, []fdx.AccountID{"101", "102", "200"}},
		"4713": {[]fdx.AccountID{"200"}, []fdx.AccountID{"100", "101"}},
		"9999": {nil, []fdx.AccountID{"100", "200"}},
	} {
		for _, id := range c.yes {
			if got, err := p.Account(t.Context(), access(t, who, id)); err != nil || got.ID() != id {
				t.Errorf("%s, account %s: %v", who, id, err)
			}
		}
		for _, id := range c.no {
			if _, err := p.Account(t.Context(), access(t, who, id)); !errors.Is(err, resource.ErrNoAccount) {
				t.Errorf("%s, account %s: %v", who, id, err)
			}
			if page, err := p.Transactions(t.Context(), access(t, who, id), all); !errors.Is(err, resource.ErrNoAccount) || len(page.Items) > 0 {
				t.Errorf("%s, transactions of %s: %v", who, id, err)
			}
		}
	}
	// A consumer whose id cannot be one of this bank's.
	for _, who := range []consent.ConsumerID{"x", "4711; DROP", "99999999999999999999"} {
		if a, err := p.Account(t.Context(), access(t, who, "100")); err == nil || a != (fdx.Account{}) {
			t.Errorf("%s: %v", who, err)
		}
		if got, err := p.Choices(t.Context(), who); err == nil || got != nil {
			t.Errorf("choices of %s: %v", who, err)
		}
	}
	if a, err := p.Account(t.Context(), resource.Access{}); !errors.Is(err, resource.ErrNoAccount) || a != (fdx.Account{}) {
		t.Errorf("no access: %v", err)
	}
	for _, id := range []fdx.CustomerID{"4713", "04711", "x", "\x00"} {
		if _, err := p.Holder(t.Context(), access(t, "4711", "100"), id); !errors.Is(err, resource.ErrNotFound) {
			t.Errorf("customer %q: %v", id, err)
		}
	}
}

// Days that the rules read elsewhere than where rows are selected by.
func TestDisagreeingDays(t *testing.T) {
	t.Parallel()
	dsn := env.Postgres(t)
	a := access(t, "4711", "100")
	for name, file := range map[string]string{
		"booked":    strings.Replace(coreYAML, "postedTimestamp: {from: buchtag", "postedTimestamp: {from: wert, format: YYMMDD, pivot: 70", 1),
		"pending":   strings.Replace(coreYAML, "transactionTimestamp: zeit", "transactionTimestamp: {const: 2026-03-18T09:00:00Z}", 1),
		"statement": strings.Replace(coreYAML, "statementDate: bis", "statementDate: {const: 2026-03-01}", 1),
	} {
		if file == coreYAML {
			t.Fatal("the test changes nothing")
		}
		p := provider(t, dsn, file)
		if name == "booked" { // as long as they agree, either column may be read
			if _, err := p.Transactions(t.Context(), a, all); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := execute(t.Context(), dsn, `UPDATE kern.umsatz SET wert = '200101' WHERE unr = 1003`); err != nil {
				t.Fatal(err)
			}
		}
		page, err := p.Transactions(t.Context(), a, all)
		if name == "statement" {
			_, err = p.Statements(t.Context(), a, all)
		} else if len(page.Items) > 0 {
			t.Errorf("%s: gave some", name)
		}
		if err == nil || !strings.Contains(err.Error(), "column") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The sessions cannot write, and end long statements.
func TestSessions(t *testing.T) {
	t.Parallel()
	dsn := env.Postgres(t)
	m, err := mapping.Parse([]byte(coreYAML), Section)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{DSN: dsn, Mapping: m, StatementTimeout: 100 * time.Millisecond, PoolSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var pg *pgconn.PgError
	if _, err := p.pool.Exec(t.Context(), `DELETE FROM kern.weg`); !errors.As(err, &pg) || pg.Code != "25006" {
		t.Errorf("a write: %v", err)
	}
	if err := execute(t.Context(), dsn, `DROP VIEW frei.weg; CREATE VIEW frei.weg AS SELECT lfd, netz, blz, tok, raus, pg_sleep(60) IS NULL AS s FROM kern.weg;
		DROP VIEW frei.auszug; CREATE VIEW frei.auszug AS SELECT lfd, nr, bis, datei, CASE WHEN pg_sleep(60) IS NULL THEN 'F' ELSE 'M' END AS lage FROM kern.auszug`); err != nil {
		t.Fatal(err)
	}
	_, err = p.Statements(t.Context(), access(t, "4711", "100"), all)
	if !errors.Is(err, resource.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "57014") {
		t.Errorf("a long statement: %v", err)
	}
}

// A pooler that drops what sessions are started with is noticed.
func TestSettingsThatAreDropped(t *testing.T) {
	t.Parallel()
	dsn := env.Postgres(t)
	want := sessionSettings(5 * time.Second)
	for name, value := range want {
		c, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(c.RuntimeParams, want)
		delete(c.RuntimeParams, name)
		if name == "TimeZone" || name == "DateStyle" { // the server's own may be the same
			c.RuntimeParams[name] = map[string]string{"TimeZone": "Asia/Tokyo", "DateStyle": "German"}[name]
		}
		conn, err := pgx.ConnectConfig(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := confirm(t.Context(), conn, want); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s = %s: %v", name, value, err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestNoDatabase(t *testing.T) {
	t.Parallel()
	p := provider(t, "postgres://someone:SECRET@127.0.0.1:1/none", coreYAML)
	_, err := p.Availability(t.Context())
	_, err2 := p.Account(t.Context(), access(t, "4711", "100"))
	_, err3 := p.Check(t.Context())
	_, err4 := p.Choices(t.Context(), "4711")
	for i, err := range []error{err, err2, err3, err4} {
		if !errors.Is(err, resource.ErrUnavailable) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestChoices(t *testing.T) {
	t.Parallel()
	p := provider(t, env.Postgres(t), coreYAML)
	got, err := p.Choices(t.Context(), "4711")
	want := []consent.AccountChoice{
		{ID: "100", Name: "Giro", Display: "****2051", Category: "DEPOSIT_ACCOUNT", Joint: true},
		{ID: "101", Display: "****1111", Category: "LOC_ACCOUNT"},
		{ID: "102", Display: "****2052", Category: "LOAN_ACCOUNT", Ineligible: consent.IneligibleClosed},
		{ID: "103", Display: "****2053", Category: "DEPOSIT_ACCOUNT", Ineligible: consent.IneligibleLocked},
		{ID: "104", Name: "Neu", Display: "****2054", Category: "DEPOSIT_ACCOUNT", Ineligible: consent.IneligiblePending},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := p.Choices(t.Context(), "1"); err != nil || got != nil {
		t.Errorf("nobody: %v, %v", got, err)
	}
}

// What the provider does not have it does not offer.
func TestOperations(t *testing.T) {
	t.Parallel()
	file := coreYAML[:strings.Index(coreYAML, "statement:\n  fields")]
	for _, line := range []string{"holder", "statement", "customer", "paymentNetwork"} {
		if line == "holder" {
			continue // who holds what, without rules for their part
		}
		i := strings.Index(file, "  "+line+": {view")
		file = file[:i] + file[i+strings.Index(file[i:], "\n")+1:]
	}
	p := provider(t, env.Postgres(t), file)
	if got := len(p.Operations()); got != 3 {
		t.Errorf("%d operations", got)
	}
	a := access(t, "4711", "100")
	_, err := p.Statements(t.Context(), a, all)
	_, err2 := p.Contact(t.Context(), a)
	_, err3 := p.PaymentNetworks(t.Context(), a, all)
	_, err4 := p.Holders(t.Context(), a, all)
	_, err5 := p.Statement(t.Context(), a, "x", nil)
	_, err6 := p.Holder(t.Context(), a, "x")
	_, err7 := p.AssetTransferNetworks(t.Context(), a, all)
	for i, err := range []error{err, err2, err3, err4, err5, err6, err7} {
		if !errors.Is(err, resource.ErrNotOffered) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if page, err := p.Transactions(t.Context(), a, all); err != nil || len(page.Items) == 0 {
		t.Error(err)
	}
}
