package bank_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/fdx"
)

func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var quiet = slog.New(slog.DiscardHandler)

const dsn = "postgres://nobody:s3cret@localhost:1/none"

func TestOpen(t *testing.T) {
	t.Parallel()
	secret := file(t, "dsn", dsn+"\n")
	views := file(t, "mapping.yaml", `
views:
  holder: {view: b.holder, consumer: person, account: id}
  account: {view: b.account}
  transaction: {view: b.transaction, account: account, posted: posted, occurred: occurred}
account:
  fields: {accountId: id, accountCategory: {const: DEPOSIT_ACCOUNT}, currency.currencyCode: {const: EUR}, status: {const: OPEN}}
  categories:
    DEPOSIT_ACCOUNT: {accountType: {const: CHECKING}, currentBalance: balance, availableBalance: balance}
transaction:
  fields:
    transactionId: id
    transactionTimestamp: occurred
    postedTimestamp: {from: posted, optional: true}
    description: text
    debitCreditMemo: {const: DEBIT}
    status: {const: POSTED}
    amount: {from: amount, sign: absolute}
`)
	upstream := `
kind: upstream
upstream:
  base: https://bank.example/fdx/v6
  operations: {searchForAccounts: "", searchForAccountTransactions: ""}
  consumer: {header: X-Consumer}
  oauth: {token_endpoint: https://bank.example/token, client_id: us, secret_file: ` + secret + `}
`
	for _, tt := range []struct {
		name   string
		config bank.Config
		kind   bank.Kind
	}{
		{"the sandbox in short", bank.Config{SandboxDSNFile: secret}, bank.Sandbox},
		{"the sandbox", bank.Config{File: file(t, "bank.yaml", "kind: sandbox\nsandbox: {dsn_file: "+secret+"}")}, bank.Sandbox},
		{"views", bank.Config{File: file(t, "bank.yaml", "kind: sqlviews\nsqlviews: {dsn_file: "+secret+", mapping_file: "+views+", statement_timeout: 2s, pool_size: 3}")}, bank.SQLViews},
		{"a bank's own API", bank.Config{File: file(t, "bank.yaml", upstream)}, bank.Upstream},
	} {
		tt.config.Log = quiet
		b, err := bank.Open(t.Context(), tt.config)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if b.Kind != tt.kind || b.Provider == nil || b.Accounts == nil || (b.Sandbox != nil) != (tt.kind == bank.Sandbox) {
			t.Errorf("%s: %+v", tt.name, b)
		}
		if ops := b.Provider.Operations(); len(ops) == 0 || ops[0] == fdx.GetCapability {
			t.Errorf("%s: operations %v", tt.name, ops)
		}
		b.Close()
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	secret := file(t, "dsn", dsn)
	open := file(t, "open", dsn)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	sandbox := "kind: sandbox\nsandbox: {dsn_file: " + secret + "}"
	refused := func(name string, c bank.Config, wants ...string) {
		c.Log = quiet
		b, err := bank.Open(t.Context(), c)
		if !errors.Is(err, bank.ErrFile) || b != nil {
			t.Errorf("%s: opened, %v", name, err)
			return
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in: %v", name, want, err)
			}
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: a secret is in: %v", name, err)
		}
	}
	refused("neither file", bank.Config{}, "exactly one")
	refused("both files", bank.Config{File: file(t, "bank.yaml", sandbox), SandboxDSNFile: secret}, "exactly one")
	refused("a secret for all to read", bank.Config{SandboxDSNFile: open})
	refused("no such file", bank.Config{File: filepath.Join(t.TempDir(), "none")})
	for name, tt := range map[string]struct {
		text  string
		wants []string
	}{
		"nothing":               {"", nil},
		"a list":                {"- kind: sandbox", nil},
		"no kind":               {"sandbox: {dsn_file: x}", []string{"kind: has to be"}},
		"an unknown kind":       {"kind: csv", []string{"kind: has to be"}},
		"no section":            {"kind: sandbox", []string{"sandbox: is required"}},
		"a section of another":  {sandbox + "\nsqlviews: {dsn_file: x, mapping_file: y}", []string{"sqlviews: is there"}},
		"a key twice":           {"kind: sandbox\nkind: sandbox", []string{"second time"}},
		"an unknown key":        {sandbox + "\nkeep: 1", []string{"keep"}},
		"two documents":         {sandbox + "\n---\n" + sandbox, nil},
		"an anchor":             {"kind: &a sandbox\nsandbox: {dsn_file: *a}", nil},
		"a secret in the file":  {"kind: sandbox\nsandbox: {dsn: " + dsn + "}", []string{"dsn"}},
		"a time without a unit": {"kind: sqlviews\nsqlviews: {dsn_file: x, mapping_file: y, statement_timeout: 5}", []string{"sqlviews.statement_timeout: has to be"}},
		"all faults at once": {"kind: none\nsqlviews: {statement_timeout: soon}\nupstream: {timeout: x}",
			[]string{"kind:", "sqlviews.dsn_file", "sqlviews.mapping_file", "sqlviews.statement_timeout", "upstream.base", "upstream.operations", "upstream.timeout"}},
		"all unknown keys at once":         {"knd: x\nsandbox: {dsn: y}", []string{"knd", "sandbox.dsn"}},
		"a bank that needs more":           {"kind: upstream\nupstream: {base: \"http://bank.example\", operations: {getAccount: \"\"}}", []string{"https", "searchForAccounts"}},
		"an operation of the gateway":      {"kind: upstream\nupstream: {base: \"https://bank.example\", operations: {getCapability: \"\"}}", []string{"getCapability"}},
		"a mapping that is not there":      {"kind: sqlviews\nsqlviews: {dsn_file: " + secret + ", mapping_file: /none}", []string{"/none"}},
		"a mapping that describes nothing": {"kind: sqlviews\nsqlviews: {dsn_file: " + secret + ", mapping_file: " + file(t, "m.yaml", "tables: {}") + "}", []string{"account"}},
	} {
		refused(name, bank.Config{File: file(t, "bank.yaml", tt.text)}, tt.wants...)
	}
	refused("1 MiB and more", bank.Config{File: file(t, "bank.yaml", sandbox+"\n"+strings.Repeat("#", 1<<20))})
}

func FuzzOpen(f *testing.F) {
	for _, s := range []string{
		"kind: sandbox\nsandbox: {dsn_file: x}", "kind: sqlviews\nsqlviews: {dsn_file: x, mapping_file: y}",
		"kind: upstream\nupstream: {base: b, operations: {a: b}, oauth: {client_id: c}, mapped: {next: n}}", "kind: {}", "- a", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := bank.Open(t.Context(), bank.Config{File: file(t, "bank.yaml", text), Log: quiet})
		if err == nil {
			b.Close()
			if !strings.Contains(text, "kind") {
				t.Errorf("opened a bank of no kind")
			}
		}
	})
}
