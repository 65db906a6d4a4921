package sqlviews

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// asReader returns the DSN for a role of its own that may read the views.
func asReader(t *testing.T, dsn string) (string, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	role := "reader_" + strings.TrimPrefix(strings.Trim(u.Path, "/"), "headgate_test_")
	err = execute(t.Context(), dsn, `CREATE ROLE `+role+` LOGIN PASSWORD 'reader'; GRANT USAGE ON SCHEMA frei TO `+role+`; GRANT SELECT ON ALL TABLES IN SCHEMA frei TO `+role)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(context.Background(), dsn, `DROP OWNED BY `+role+`; DROP ROLE `+role); err != nil {
			t.Error(err)
		}
	})
	u.User = url.UserPassword(role, "reader")
	q := u.Query()
	q.Del("user")
	q.Del("password")
	u.RawQuery = q.Encode()
	return u.String(), role
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql  string // ROLE stands for the provider's role
		want []string
	}{
		"a sound bank":                {``, nil},
		"a view that is gone":         {`DROP VIEW frei.weg`, []string{"fault: view frei.weg: is not there"}},
		"a view that may not be read": {`REVOKE SELECT ON frei.weg FROM ROLE`, []string{"fault: view frei.weg: may not be read"}},
		"a column that is gone": {`DROP VIEW frei.weg; CREATE VIEW frei.weg AS SELECT lfd, netz, tok, raus FROM kern.weg; GRANT SELECT ON frei.weg TO ROLE`,
			[]string{"fault: view frei.weg: column blz: is not there"}},
		"a day that is text": {`DROP VIEW frei.umsatz; CREATE VIEW frei.umsatz AS SELECT unr, lfd, buchtag::text, zeit, betrag, sh, vz, wert, ''::text AS lage FROM kern.umsatz; GRANT SELECT ON frei.umsatz TO ROLE`,
			[]string{"fault: view frei.umsatz: column buchtag: is text, and has to be date"}},
		"keys that do not compare": {`DROP VIEW frei.weg; CREATE VIEW frei.weg AS SELECT lfd::text, netz, blz, tok, raus FROM kern.weg; GRANT SELECT ON frei.weg TO ROLE`,
			[]string{"fault: view frei.weg: column lfd: is text, and lfd of frei.konto is bigint"}},
		"a binary fraction": {`DROP VIEW frei.konto; CREATE VIEW frei.konto AS SELECT lfd, iban, art, saldo::float8, zins, st, name FROM kern.konto; GRANT SELECT ON frei.konto TO ROLE`,
			[]string{"warning: view frei.konto: column saldo: is a binary fraction"}},
		"a document of text": {`DROP VIEW frei.auszug; CREATE VIEW frei.auszug AS SELECT lfd, nr, bis, ''::text AS datei, 'M'::text AS lage FROM kern.auszug; GRANT SELECT ON frei.auszug TO ROLE`,
			[]string{"fault: view frei.auszug: column datei: is text, and has to be bytea"}},
		"a role that can write a view":  {`GRANT INSERT ON frei.weg TO ROLE`, []string{"warning: view frei.weg: the role may write to frei.weg"}},
		"a role that can write a table": {`GRANT USAGE ON SCHEMA kern TO ROLE; GRANT DELETE ON kern.konto TO ROLE`, []string{"warning: view frei.konto: the role may write to kern.konto"}},
		"rows that cannot be mapped": {`UPDATE kern.umsatz SET betrag = 'SECRET' WHERE unr < 1003; UPDATE kern.umsatz SET sh = '?' WHERE unr = 1009; UPDATE kern.konto SET st = '?' WHERE lfd = 200`,
			[]string{
				"fault: view frei.konto: 1 of 6 rows tried: map account status (from st): is a code that the table lacks",
				"fault: view frei.umsatz: 3 of 65 rows tried: map transaction amount (from betrag): is not a number as the rule describes it",
				"fault: view frei.umsatz: 1 of 65 rows tried: map transaction debitCreditMemo (from sh): is a code that the table lacks",
			}},
		"no rows":           {`DELETE FROM kern.weg`, []string{"warning: view frei.weg: has no rows"}},
		"a view that fails": {`DROP VIEW frei.weg; CREATE VIEW frei.weg AS SELECT lfd, ('SECRET' || netz)::int::text AS netz, blz, tok, raus FROM kern.weg; GRANT SELECT ON frei.weg TO ROLE`, []string{"fault: view frei.weg: sqlviews: sample: the database answered SQLSTATE 22P02"}},
		"a large table without an index": {`DROP INDEX kern.umsatz_lfd_buchtag_unr_idx; INSERT INTO kern.umsatz SELECT 100000 + n, 200, '2026-01-01', '2026-01-01', '1,00', 'S', NULL, NULL FROM generate_series(1, 20000) n; ANALYZE kern.umsatz`,
			[]string{"warning: view frei.umsatz: one page reads the whole of kern.umsatz"}},
		"a large table with one": {`INSERT INTO kern.umsatz SELECT 100000 + n, 200, '2026-01-01', '2026-01-01', '1,00', 'S', NULL, NULL FROM generate_series(1, 20000) n; ANALYZE kern.umsatz`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			owner := env.Postgres(t)
			dsn, role := asReader(t, owner)
			if err := execute(t.Context(), owner, strings.ReplaceAll(c.sql, "ROLE", role)); err != nil {
				t.Fatal(err)
			}
			found, err := provider(t, dsn, coreYAML).Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				got = append(got, f.String())
			}
			if len(got) != len(c.want) || !slices.EqualFunc(got, c.want, strings.HasPrefix) || strings.Contains(strings.Join(got, ""), "SECRET") {
				t.Errorf("%s", strings.Join(got, "\n"))
			}
		})
	}
}
