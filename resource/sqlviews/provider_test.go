package sqlviews

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	resourcetest.Provider(t, resourcetest.ProviderFixture{
		Provider: provider(t, env.Postgres(t), coreYAML), Now: today, Consumer: "4711",
		Accounts: []fdx.AccountID{"100", "101", "102", "104"}, Busy: "100", Foreign: "200", Locked: "103",
	})
}

// access is to accounts of a consumer, all of it, from the beginning.
func access(t testing.TB, who consent.ConsumerID, accounts ...fdx.AccountID) resource.Access {
	t.Helper()
	every := fdx.NewClusters(fdx.AllClusters()...)
	need := resource.Need{Any: every, Through: every, Lookback: true}
	if len(accounts) == 1 {
		need.Account = accounts[0]
	}
	a, denial := resource.Allow(resourcetest.Everything(who, today, accounts...), fdx.ScopesOf(every), need, today)
	if denial != nil {
		t.Fatal(denial.Error)
	}
	return a
}

// A page is a short range of an index, wherever it is: nothing is sorted and
// no table is read whole.
func TestPagesCostTheSame(t *testing.T) {
	t.Parallel()
	dsn := env.Postgres(t)
	err := execute(t.Context(), dsn, `
		INSERT INTO kern.umsatz SELECT 100000 + n, 100, date '2026-01-01' - n % 700, '2026-01-01', '1,00', 'S', NULL, NULL FROM generate_series(1, 30000) n;
		ANALYZE kern.umsatz`)
	if err != nil {
		t.Fatal(err)
	}
	p := provider(t, dsn, coreYAML)
	args := []any{"4711", []string{"100"}, today.AddDate(-2, 0, 0), today, 11}
	for _, c := range []struct {
		text string
		args []any
	}{{p.sql.posted.text, args}, {p.sql.postedAfter.text, append(args, today.AddDate(0, -20, 0), "105000")}} {
		rows, err := p.pool.Query(t.Context(), `EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF, SUMMARY OFF) `+c.text, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan := strings.Join(lines, "\n")
		if err != nil || !strings.Contains(plan, "Index Scan") || strings.Contains(plan, "Sort") || strings.Contains(plan, "Removed by Filter: 1") {
			t.Errorf("%v\n%s", err, plan)
		}
	}
}
