package upstream

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/mapping"
)

// Whatever a bank answers is either refused as a wrong answer or made of
// entities that can be passed on.
func FuzzAnswers(f *testing.F) {
	rules, err := mapping.Parse([]byte(`
account:
  fields: {accountId: ref, accountCategory: {const: DEPOSIT_ACCOUNT}, status: {const: OPEN}}
  categories: {DEPOSIT_ACCOUNT: {currentBalance: {from: s, minor: 2, optional: true}}}
transaction:
  fields: {transactionId: id, transactionTimestamp: z, postedTimestamp: {from: p, optional: true}, description: t, debitCreditMemo: {const: DEBIT}, status: {const: PENDING}, amount: b}
  categories: {DEPOSIT_ACCOUNT: {}}
`))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		`{"accounts":[{"accountCategory":"DEPOSIT_ACCOUNT","accountId":"a","currentBalance":1.50}],"page":{"nextPageKey":"k"}}`,
		`{"transactions":[{"accountCategory":"LOC_ACCOUNT","transactionId":"a","transactionTimestamp":"2026-01-05T10:00:00Z","debitCreditMemo":"DEBIT","status":"POSTED","amount":1e3,"lineItem":[{"amount":0.1}]}]}`,
		`{"statements":[{"statementId":"s","statementDate":"2026-01-05","links":[{"href":"x"}]}],"page":{"nextOffset":50}}`,
		`{"customers":[{"customerId":"c","accounts":[{"accountId":"a"}]}],"rewardPrograms":[{"rewardProgramId":"r","memberships":[{"balances":[{"balance":1}]}]}]}`,
		`{"paymentNetworks":[{"identifier":"1","transferIn":true}],"assetTransferNetworks":[{"jointAccount":null}],"availability":[{"status":"ALIVE"}]}`,
		`{"konten":[{"ref":"a","s":150}],"umsaetze":[{"id":"t","z":"2026-01-05","t":"x","b":"1.00"}],"weiter":7}`,
		`{"a":1,"A":2}`, `[[[[]]]]`, `{"accounts":[null]}`, "{\"accounts\":[{\"\xff\":1}]}", `{"accounts":[]} `, `7`,
	} {
		f.Add([]byte(seed))
	}
	own := &Mapped{
		Mapping: rules, Next: "weiter",
		Records: map[fdx.OperationID]string{fdx.SearchForAccounts: "konten", fdx.SearchForAccountTransactions: "umsaetze"},
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		plain, mapped := &Provider{}, &Provider{mapped: own}
		for _, p := range []*Provider{plain, mapped} {
			try(t, p, &accounts, body, func(a *fdx.Account) bool { return a.ID() != "" })
			try(t, p, &transactions, body, func(x *fdx.Transaction) bool {
				b := x.Base()
				return b.TransactionID != "" && !b.EffectiveDate().IsZero() && b.Amount.Present() && b.DebitCreditMemo != ""
			})
			_, _ = scalar(body)
			_ = p.errorCode(body)
		}
		try(t, plain, &statements, body, func(s *fdx.Statement) bool { return s.StatementID != "" && !s.StatementDate.IsZero() })
		try(t, plain, &customers, body, func(c *fdx.Customer) bool { return c.CustomerID != "" })
		try(t, plain, &programs, body, func(r *fdx.RewardProgram) bool { return r.RewardProgramID != "" })
		try(t, plain, &paymentNetworks, body, func(*fdx.PaymentNetwork) bool { return true })
		try(t, plain, &assetTransferNetworks, body, func(*fdx.AssetTransferNetwork) bool { return true })
		try(t, plain, &categoriesOf, body, func(*fdx.RewardCategory) bool { return true })
	})
}

// try reads a body as the list l and checks what comes of it.
func try[T any](t *testing.T, p *Provider, l *listing[T], body []byte, sound func(*T) bool) {
	a, err := p.records(l.op, body)
	for _, r := range a.records {
		var item T
		if item, err = l.read(p, r, fdx.DepositCategory); err != nil {
			break
		}
		if !sound(&item) {
			t.Errorf("%s: not sound: %+v", l.op, item)
		}
		if _, err := json.Marshal(item); err != nil {
			t.Errorf("%s: cannot be passed on: %v", l.op, err)
		}
		_ = l.key(&item)
	}
	if err != nil && !errors.Is(err, resource.ErrWrongAnswer) {
		t.Errorf("%s: %v", l.op, err)
	}
}

// An id stays inside the one segment and the one parameter that the template
// gives it.
func FuzzAddress(f *testing.F) {
	for _, id := range []string{"a", "..", ".", "../..", "%2e%2e", "a/b?c#d&e=f;g", "\x00", "ä", "{accountId}", "//host", "\\", "+", " ", "\u2028"} {
		f.Add(id)
	}
	base, err := baseURL("https://bank.example/fdx/v6/")
	if err != nil {
		f.Fatal(err)
	}
	r, err := newRoute(base, "/a/{accountId}/b?c={accountId}&d=e", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id string) {
		u, err := r.address(map[string]string{"accountId": id}, url.Values{"more": {id}})
		if err != nil {
			return
		}
		again, err := url.Parse(u.String())
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(again.EscapedPath(), "/")
		if again.Host != "bank.example" || again.Scheme != "https" || again.Fragment != "" || len(parts) != 6 || parts[2] != "v6" || parts[5] != "b" {
			t.Fatalf("%q became %s", id, u)
		}
		if got, err := url.PathUnescape(parts[4]); err != nil || got != id || got == ".." || got == "." {
			t.Errorf("%q became %q", id, got)
		}
		v, err := url.ParseQuery(again.RawQuery)
		if err != nil || len(v) != 3 || len(v["c"]) != 1 || v.Get("c") != id || v.Get("d") != "e" || v.Get("more") != id {
			t.Errorf("%q became %s", id, again.RawQuery)
		}
	})
}
