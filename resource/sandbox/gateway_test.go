package sandbox

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
	"github.com/headgate/headgate/resource/sandbox/persona"
)

// update writes the tables of docs/sandbox.md anew: go test ./resource/sandbox
// -run Personas -update. Read the diff.
var update = flag.Bool("update", false, "write the tables of docs/sandbox.md anew")

// docs is the page whose tables say who shows what.
const docs = "../../docs/sandbox.md"

// question is one thing that a recipient asks.
type question struct {
	operation fdx.OperationID
	asked     string // what is special about it
	target    string // below the account, if it is about one; %s is an id
	accept    string
	// id picks the id for the target out of the answer to another target;
	// empty for none.
	from, id string
}

// ofAccounts are asked of each account, ofCustomers of each persona.
var ofAccounts = []question{
	{fdx.GetAccount, "", "", "", "", ""},
	{fdx.SearchForAccountTransactions, "two years", "/transactions?startDate=2024-03-18&endDate=2026-03-18&limit=500", "", "", ""},
	{fdx.GetAccountContact, "", "/contact", "", "", ""},
	{fdx.GetAccountPaymentNetworks, "", "/payment-networks", "", "", ""},
	{fdx.GetAccountAssetTransferNetworks, "", "/asset-transfer-networks", "", "", ""},
	{fdx.SearchForAccountStatements, "two years", "/statements?startDate=2024-03-18&endDate=2026-03-18", "", "", ""},
	{fdx.GetAccountStatement, "last month", "/statements/2026-02", "*/*", "", ""},
	{fdx.GetAccountStatement, "the month before", "/statements/2026-01", "application/pdf", "", ""},
	{fdx.GetAccountStatement, "three months ago, as an image", "/statements/2025-12", "image/png, image/tiff;q=0.5", "", ""},
	{fdx.GetAccountStatement, "a month before everything", "/statements/1999-12", "application/pdf", "", ""},
	{fdx.GetAccountTransactionImages, "the newest", "/transaction-images/%s", "*/*", "/transactions?startDate=2025-03-18&endDate=2026-03-18&limit=500", `"imageIds":\["([^"]+)"`},
	{fdx.GetAccountTransactionImages, "the newest, as JPEG", "/transaction-images/%s", "image/jpeg", "/transactions?startDate=2025-03-18&endDate=2026-03-18&limit=500", `"imageIds":\["([^"]+)"`},
	{fdx.GetAccountTransactionImages, "the newest, as TIFF", "/transaction-images/%s", "image/tiff", "/transactions?startDate=2025-03-18&endDate=2026-03-18&limit=500", `"imageIds":\["([^"]+)"`},
	{fdx.GetAccountTransactionImages, "an unknown one", "/transaction-images/..%2fx", "image/png", "", ""},
	{fdx.GetTermsAndConditions, "", "/terms-and-conditions", "*/*", "", ""},
	{fdx.GetTermsAndConditions, "as ZIP", "/terms-and-conditions", "application/zip", "", ""},
}

var ofCustomers = []question{
	{fdx.SearchForAccounts, "with details", "/accounts?resultType=details", "", "", ""},
	{fdx.SearchRewardPrograms, "", "/reward-programs", "", "", ""},
	{fdx.GetRewardProgram, "the last of the list", "/reward-programs/%s", "", "/reward-programs", `.*"rewardProgramId":"([^"]+)"`},
	{fdx.GetRewardProgram, "an unknown one", "/reward-programs/x", "", "", ""},
	{fdx.GetRewardProgramCategories, "of the last", "/reward-programs/%s/categories", "", "/reward-programs", `.*"rewardProgramId":"([^"]+)"`},
	{fdx.GetCustomers, "", "/customers", "", "", ""},
	{fdx.GetCustomerInfo, "", "/customers/current", "", "", ""},
	{fdx.GetCustomer, "the last of the list", "/customers/%s", "", "/customers", `.*"customerId":"([^"]+)"`},
	{fdx.GetCustomer, "an unknown one", "/customers/x", "", "", ""},
	{fdx.GetAvailability, "", "/availability", "", "", ""},
	{fdx.GetCapability, "with details", "/capability?resultType=details", "", "", ""},
}

// Everything that the personas have comes through the gateway, each operation
// gives data to somebody, and the documentation says who shows what.
func throughTheGateway(t *testing.T, s *Store) {
	keys := map[fdx.AccountID]string{}
	rows, err := s.pool.Query(t.Context(), `SELECT id, key FROM sandbox.account`)
	if err != nil {
		t.Fatal(err)
	}
	var id fdx.AccountID
	var key string
	if _, err := pgx.ForEachRow(rows, []any{&id, &key}, func() error { keys[id] = key; return nil }); err != nil {
		t.Fatal(err)
	}
	open := recipient(t, s)
	answers := answers{}
	for _, p := range Personas() {
		held := accountsOf(t, s, p.Username)
		if len(held) == 0 {
			continue // nobody consents without an account
		}
		var ids []fdx.AccountID
		for _, h := range held {
			ids = append(ids, h.Account.ID())
		}
		get := open(consent.ConsumerID(customer(t, s, p.Username).ID), ids...)
		for _, q := range ofCustomers {
			answers.ask(t, get, q, "", p.Username)
		}
		for _, id := range ids {
			if strings.HasPrefix(keys[id], p.Username+"/") { // of a joint account once
				for _, q := range ofAccounts {
					answers.ask(t, get, q, "/accounts/"+string(id), keys[id])
				}
			}
		}
	}
	given := map[fdx.OperationID]bool{fdx.GetAvailability: true, fdx.GetCapability: true}
	for q, by := range answers {
		for answer := range by {
			if answer == "200" || strings.HasPrefix(answer, "200 ") {
				given[q.operation] = true
			}
		}
	}
	for _, id := range s.Operations() {
		if !given[id] {
			t.Errorf("nobody is given %s", id)
		}
	}

	var who, what strings.Builder
	who.WriteString("| Username | Name | What it shows |\n|---|---|---|\n")
	for _, p := range persona.All() {
		fmt.Fprintf(&who, "| `%s` | %s | %s |\n", p.Username, p.Name, p.About)
	}
	what.WriteString("| Operation | Asked for | Answer | By |\n|---|---|---|---|\n")
	for _, q := range append(slices.Clone(ofCustomers), ofAccounts...) {
		what.WriteString(answers.rows(q))
	}
	page, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	want := between(t, between(t, string(page), "personas", who.String()), "answers", what.String())
	if *update {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("the tables of %s are not true any more: run the test with -update and read the diff", docs)
	}
}

// between returns a page with what is between two marks replaced.
func between(t *testing.T, page, name, table string) string {
	before, rest, found := strings.Cut(page, "<!-- "+name+" -->\n")
	_, after, ends := strings.Cut(rest, "<!-- end of "+name+" -->\n")
	if !found || !ends {
		t.Fatalf("%s lacks the marks of %s", docs, name)
	}
	return before + "<!-- " + name + " -->\n" + table + "<!-- end of " + name + " -->\n" + after
}

// answers holds who was answered what.
type answers map[question]map[string][]string

func (a answers) ask(t *testing.T, get func(target, accept string) *httptest.ResponseRecorder, q question, below, who string) {
	target := q.target
	if q.from != "" {
		m := regexp.MustCompile(q.id).FindStringSubmatch(get(below+q.from, "").Body.String())
		if m == nil {
			return // nothing to ask for
		}
		target = fmt.Sprintf(target, m[1])
	}
	w := get(below+target, q.accept)
	form, body := w.Header().Get("Content-Type"), w.Body.Bytes()
	answer := strconv.Itoa(w.Code)
	switch {
	case w.Code < 300 && form != string(fdx.JSON):
		answer += " " + form
		if len(body) < 1000 {
			t.Errorf("%s %s: %d bytes of %s", who, target, len(body), form)
		}
	case !json.Valid(body):
		t.Errorf("%s %s: %.100q", who, target, body)
	case w.Code < 300:
		if bytes.Contains(body, []byte(`":[]`)) {
			answer += ", none"
		}
	default:
		var refused struct{ Code string }
		_ = json.Unmarshal(body, &refused)
		answer += "/" + refused.Code
		if w.Code >= 500 && who != "quirks/down" {
			t.Errorf("%s %s: %d %s", who, target, w.Code, body)
		}
	}
	if a[q] == nil {
		a[q] = map[string][]string{}
	}
	a[q][answer] = append(a[q][answer], who)
}

// rows returns the lines of the table about a question. The answer that most
// got comes last.
func (a answers) rows(q question) string {
	kinds := slices.Sorted(maps.Keys(a[q]))
	slices.SortStableFunc(kinds, func(x, y string) int { return len(a[q][x]) - len(a[q][y]) })
	var out strings.Builder
	for i, kind := range kinds {
		by := "`" + strings.Join(a[q][kind], "`, `") + "`"
		if i == len(kinds)-1 && len(a[q][kind]) > 3 {
			by = "all others"
			if i == 0 {
				by = "all"
			}
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", q.operation, q.asked, kind, by)
	}
	return out.String()
}

// recipient returns a gateway before the bank, as one who was given everything
// of some accounts sees it.
func recipient(t *testing.T, s *Store) func(consent.ConsumerID, ...fdx.AccountID) func(target, accept string) *httptest.ResponseRecorder {
	now := func() time.Time { return today }
	truth := resourcetest.NewTruth(now)
	hasher, err := token.NewHasher([]token.Key{{ID: "k1", Secret: bytes.Repeat([]byte{1}, 32)}})
	if err != nil {
		t.Fatal(err)
	}
	proofs, err := dpop.New(dpop.Config{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	g, err := resource.New(resource.Config{
		Public: "https://gateway", Issuer: "https://auth.example", Instance: "one", Log: slog.New(slog.DiscardHandler), Now: now,
		Hasher: hasher, Proofs: proofs, Tokens: truth, Provider: s, Gate: truth, PageKeys: [][]byte{bytes.Repeat([]byte{7}, 32)},
	})
	if err != nil {
		t.Fatal(err)
	}
	cert := certificate(t)
	every := fdx.ScopesOf(fdx.NewClusters(fdx.AllClusters()...))
	return func(who consent.ConsumerID, ids ...fdx.AccountID) func(target, accept string) *httptest.ResponseRecorder {
		secret, hash := hasher.New(token.KindAccess)
		share := resourcetest.Everything(who, today, ids...)
		truth.Issue(token.Live{Share: share, Access: token.Access{
			Hash: hash, Grant: share.Grant, Recipient: share.Recipient, Scopes: every, IssuedAt: today, ExpiresAt: today.Add(time.Minute),
			CertThumbprint: certs.CertificateThumbprint(cert),
		}})
		return func(target, accept string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodGet, "/fdx/v6"+target, nil)
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
			r.Header.Set("Authorization", "Bearer "+secret.Reveal())
			if accept != "" {
				r.Header.Set("Accept", accept)
			}
			w := httptest.NewRecorder()
			g.Handler().ServeHTTP(w, r)
			return w
		}
	}
}

// certificate returns a certificate that nobody signed but itself.
func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: today.Add(-time.Hour), NotAfter: today.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
