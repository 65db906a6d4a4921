package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/resource/sandbox"
)

// headgate runs the command; input is what is typed.
func headgate(t *testing.T, input string, args ...string) result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	c.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	_ = c.Run() // the exit code tells
	return result{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

// private writes a private file and returns its name.
func private(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProviderCheckOfTheSandbox(t *testing.T) {
	t.Parallel()
	dsn := env.Postgres(t)
	if err := sandbox.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	store, err := sandbox.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := sandbox.Seed(t.Context(), store, time.Now()); err != nil {
		t.Fatal(err)
	}
	file := private(t, "bank.yaml", "kind: sandbox\nsandbox: {dsn_file: "+private(t, "dsn", dsn)+"}\n")

	r := headgate(t, "", "provider", "check", "--config", file, "--consumer", "variety", "--foreign", "everyday")
	if r.code != 0 || !strings.Contains(r.stdout, "\n0 findings.") || !strings.Contains(r.stdout, "ok           searchForAccountTransactions: order and window") {
		t.Errorf("variety: %+v", r)
	}
	// Without anybody else, what needs somebody else has not passed.
	r = headgate(t, "", "provider", "check", "--config", file, "--consumer", "saver", "--json")
	var report checkReport
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 0 || !report.Passed || report.Kind != "sandbox" {
		t.Errorf("saver: %+v, %v", r, err)
	}
	if !slices.ContainsFunc(report.Unchecked, func(u uncheckedLine) bool { return u.Check == "getAccount: accounts of others" }) {
		t.Errorf("saver: unchecked %+v", report.Unchecked)
	}
	if r = headgate(t, "", "provider", "check", "--config", file, "--consumer", "nobody"); r.code != 1 {
		t.Errorf("nobody: %+v", r)
	}
	// Views that lack what the mapping names: the check of the views says it,
	// before the reads fail.
	views := private(t, "bank.yaml", "kind: sqlviews\nsqlviews: {dsn_file: "+private(t, "dsn", dsn)+", mapping_file: "+private(t, "mapping.yaml", wrongViews)+"}\n")
	r = headgate(t, "", "provider", "check", "--config", views, "--consumer", "x", "--json")
	report = checkReport{}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 1 || report.Passed || len(report.Findings) < 2 {
		t.Errorf("views: %+v, %v", r, err)
	}
	for _, f := range report.Findings {
		if f.Rule != "views" {
			t.Errorf("views: %+v", f)
		}
	}
	if r = headgate(t, "", "provider", "check", "--config", file, "--consumer", "nobody", "--json"); r.code != 1 || !strings.Contains(r.stdout, `"passed": false`) {
		t.Errorf("nobody: %+v", r)
	}
}

// wrongViews takes the tables of the sandbox for the views of a bank, which
// they are not.
const wrongViews = `
views:
  holder: {view: sandbox.holder, consumer: customer_id, account: account_id}
  account: {view: sandbox.account}
  transaction: {view: sandbox.nothing, account: account_id, posted: at}
account:
  fields: {accountId: id, accountCategory: {const: DEPOSIT_ACCOUNT}, currency.currencyCode: {const: EUR}, status: {const: OPEN}}
  categories:
    DEPOSIT_ACCOUNT: {accountType: {const: CHECKING}, currentBalance: no_such_column, availableBalance: no_such_column}
transaction:
  fields:
    transactionId: id
    transactionTimestamp: at
    postedTimestamp: at
    description: text
    debitCreditMemo: {const: DEBIT}
    status: {const: POSTED}
    amount: {from: amount, sign: absolute}
`

// wrongBank speaks FDX and is careless: its account has no currency and is in
// a state of its own, its transactions do not say what they are, and a single
// account is unlike the list.
func wrongBank(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	account := func(nick string) string {
		return `{"accountCategory":"DEPOSIT_ACCOUNT","accountId":"a-1","nickname":"` + nick + `","status":"ACTIVE"}`
	}
	switch r.URL.Path {
	case "/accounts":
		fmt.Fprintf(w, `{"accounts":[%s]}`, account("Jane Doe"))
	case "/accounts/a-1":
		fmt.Fprint(w, account("J. Doe"))
	case "/accounts/a-1/transactions":
		var list []string
		for i := range 20 {
			at := time.Now().AddDate(0, 0, -i/3).UTC().Format("2006-01-02T15:04:05Z")
			list = append(list, fmt.Sprintf(`{"accountCategory":"DEPOSIT_ACCOUNT","transactionId":"t-%02d","transactionTimestamp":%q,"postedTimestamp":%q,`+
				`"amount":12.50,"debitCreditMemo":"DEBIT","status":"POSTED"}`, i, at, at))
		}
		fmt.Fprintf(w, `{"transactions":[%s]}`, strings.Join(list, ","))
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"code":"701","message":"none"}`)
	}
}

func TestProviderCheckOfAWrongBank(t *testing.T) {
	t.Parallel()
	ca, err := devca.Open(devca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	conf, err := certs.ServerTLS(certs.Config{CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientAuth: certs.RequiredClientCert, ClientCAFile: ca.File()})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := conf.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	conf.GetCertificate, conf.Certificates = nil, []tls.Certificate{*cert}
	server := httptest.NewUnstartedServer(http.HandlerFunc(wrongBank))
	server.TLS = conf
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	us, err := ca.Client("gateway")
	if err != nil {
		t.Fatal(err)
	}
	file := private(t, "bank.yaml", `
kind: upstream
upstream:
  base: `+server.URL+`
  operations: {searchForAccounts: "", getAccount: "", searchForAccountTransactions: ""}
  consumer: {header: X-Consumer}
  window: {start: "-", end: "-"}
  paging: {style: whole}
  ca_file: `+ca.File()+`
  cert_file: `+us.CertFile+`
  key_file: `+us.KeyFile+`
  timeout: 30s
`)
	r := headgate(t, "", "provider", "check", "--config", file, "--consumer", "c-1", "--causes")
	if r.code != 1 || !strings.Contains(r.stderr, errFindings.Error()) {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{
		"\ncurrency\n", "\nunknown-value\n", "\nmissing-field\n", "no description",
		"\ndiffers-from-list\n", "To mend it: ", "FAILED       searchForAccounts: values",
		"not offered  getAccountContact", "not checked  getAccount: accounts of others",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%q is not in:\n%s", want, r.stdout)
		}
	}
	if strings.Contains(r.stdout, "Doe") || strings.Contains(r.stdout, "12.5") || strings.Contains(r.stdout, "ACTIVE") {
		t.Errorf("the report holds data of a person:\n%s", r.stdout)
	}
	r = headgate(t, "", "provider", "check", "--config", file, "--consumer", "c-1", "--json")
	var report checkReport
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 1 || report.Passed || len(report.Findings) < 5 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestProviderCheckOfAWrongFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no kind":           "sandbox: {dsn_file: x}",
		"no such file":      "kind: sandbox\nsandbox: {dsn_file: /no/such/file}",
		"a key that is off": "kind: sandbox\nsandbox: {dsn_fille: x}",
	} {
		if r := headgate(t, "", "provider", "check", "--config", private(t, "bank.yaml", text), "--consumer", "x"); r.code != 2 || r.stdout != "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := headgate(t, "", "provider", "check", "--config", filepath.Join(t.TempDir(), "none"), "--consumer", "x"); r.code != 2 {
		t.Errorf("no file: %+v", r)
	}
}
