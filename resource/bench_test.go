package resource_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// pageBank answers with the same page of 50 transactions.
type pageBank struct {
	resource.Provider // of its other methods none is called
	page              []fdx.Transaction
}

func newPageBank() pageBank {
	b := pageBank{page: make([]fdx.Transaction, 50)}
	for i := range b.page {
		at := fdx.TimestampOf(noon.Add(-time.Duration(i) * time.Hour))
		b.page[i].Deposit = &fdx.DepositTransaction{
			TransactionBase: fdx.TransactionBase{
				TransactionID: fdx.TransactionID("transaction-" + strconv.Itoa(i)), TransactionTimestamp: at, PostedTimestamp: at,
				Description: "Corner shop", DebitCreditMemo: fdx.Debit, Status: fdx.Posted, Amount: fdx.NewDecimal(1995, 2), Category: "Food",
			},
			Payee: "Corner shop", CheckNumber: int64(1000 + i),
		}
	}
	return b
}

// Transactions implements resource.Provider. The caller may change the copy,
// which takes two allocations.
func (b pageBank) Transactions(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.Transaction], error) {
	items := make([]fdx.Transaction, len(b.page))
	deposits := make([]fdx.DepositTransaction, len(items))
	for i, t := range b.page {
		deposits[i] = *t.Deposit
		items[i].Deposit = &deposits[i]
	}
	return resource.Page[fdx.Transaction]{Items: items, Next: "2026-11-18/50"}, nil
}

// oneToken is a cache that knows one token, in the form that caches keep it.
type oneToken struct {
	resource.Cache // nothing is filled
	record         string
}

func (c oneToken) Look(context.Context, resource.Lookup) (resource.Cached, error) {
	live, err := token.ParseLive(c.record)
	return resource.Cached{Found: true, Live: live}, err
}

// openGate lets everything leave and records nothing.
type openGate struct{}

func (openGate) Release(context.Context, resource.Release) (resource.Verdict, error) {
	return resource.Released, nil
}

// nowhere is a response that nobody reads, on a connection that is kept.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

// hotRead returns a function that has the gateway answer one read of a page
// from memory by a certificate-bound token: what there is of a read beside
// network, Redis and PostgreSQL.
func hotRead(t testing.TB) func() {
	cache := &oneToken{}
	f := open(t, func(c *resource.Config) {
		c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
		c.Provider, c.Gate, c.Cache = newPageBank(), openGate{}, cache
	})
	a := f.certApp(t, share(nil))
	cache.record = string(token.AppendLive(nil, a.live))
	leaf, err := x509.ParseCertificate(a.cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	const target = "/fdx/v6/accounts/acc-1/transactions?startDate=2026-09-01&endDate=2026-11-21&limit=50"
	r := httptest.NewRequest("GET", target, nil)
	r.Header = a.request(target).Header
	r.Header.Set("Accept", "application/json")
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	h := f.gateway.Handler()
	w := &nowhere{header: http.Header{}}
	return func() {
		clear(w.header)
		h.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			t.Fatalf("answered %d", w.status)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	read := hotRead(b)
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
}
