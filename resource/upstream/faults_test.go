package upstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/upstream"
)

// alarms collects alarms.
type alarms struct {
	mu   sync.Mutex
	list []upstream.Alarm
}

func (a *alarms) raise(one upstream.Alarm) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, one)
}

// take returns the kinds since the last time.
func (a *alarms) take() (kinds []upstream.Kind) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range a.list {
		kinds = append(kinds, one.Kind)
	}
	a.list = nil
	return kinds
}

// reads are calls of a provider by name.
func reads(s *simulator, p resource.Provider) map[string]func(context.Context) error {
	today := fdx.DateOf(s.now)
	week := s.access("me", "busy", nil, fdx.Window{Start: today.AddDays(-6), End: today})
	one, all := s.access("me", "busy", nil, fdx.Window{}), s.access("me", "", []fdx.AccountID{"busy", "card"}, fdx.Window{})
	page := resource.PageRequest{Limit: 3}
	pdf := []fdx.ContentType{fdx.PDF}
	return map[string]func(context.Context) error{
		"accounts":     func(ctx context.Context) error { _, err := p.Accounts(ctx, all, page); return err },
		"account":      func(ctx context.Context) error { _, err := p.Account(ctx, one); return err },
		"transactions": func(ctx context.Context) error { _, err := p.Transactions(ctx, week, page); return err },
		"later": func(ctx context.Context) error {
			_, err := p.Transactions(ctx, week, resource.PageRequest{After: "k", Limit: 3})
			return err
		},
		"statements": func(ctx context.Context) error { _, err := p.Statements(ctx, week, page); return err },
		"contact":    func(ctx context.Context) error { _, err := p.Contact(ctx, one); return err },
		"networks":   func(ctx context.Context) error { _, err := p.PaymentNetworks(ctx, one, page); return err },
		"terms":      func(ctx context.Context) error { _, err := p.Terms(ctx, one, pdf); return err },
		"customer":   func(ctx context.Context) error { _, err := p.Holder(ctx, one, "me"); return err },
		"program":    func(ctx context.Context) error { _, err := p.RewardProgram(ctx, one, "both"); return err },
		"programs":   func(ctx context.Context) error { _, err := p.RewardPrograms(ctx, one, page); return err },
	}
}

// transaction returns a transaction of some days ago as the bank writes it,
// with members of it replaced.
func transaction(s *simulator, daysAgo int, id string, changes ...string) string {
	text := fmt.Sprintf(`{"accountCategory":"DEPOSIT_ACCOUNT","transactionId":"%s","transactionTimestamp":"%s","postedTimestamp":"%s","description":"x","debitCreditMemo":"DEBIT","status":"POSTED","amount":1.00}`,
		id, s.now.AddDate(0, 0, -daysAgo).UTC().Format(time.RFC3339), s.now.AddDate(0, 0, -daysAgo).UTC().Format(time.RFC3339))
	return strings.NewReplacer(changes...).Replace(text)
}

func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	account := func(id string) string {
		return `{"accountCategory":"DEPOSIT_ACCOUNT","accountId":"` + id + `","currentBalance":1.00}`
	}
	list := func(member string, items ...string) string {
		return `{"` + member + `":[` + strings.Join(items, ",") + `]}`
	}
	tx := func(days int, id string, changes ...string) string { return transaction(s, days, id, changes...) }
	txs := func(items ...string) string { return list("transactions", items...) }
	day := func(n int) string { return fdx.DateOf(s.now).AddDays(-n).String() }
	const unreadable, foreign, outside, disorder, unpaged = upstream.Unreadable, upstream.Foreign, upstream.Outside, upstream.Disorder, upstream.Unpaged
	for _, tc := range []struct {
		name, read, body string
		want             upstream.Kind // "" for none
	}{
		{"a right list", "transactions", txs(tx(0, "a"), tx(1, "b")), ""},
		{"no transactions", "transactions", txs(), ""},
		{"members that FDX lacks are dropped", "transactions", `{"x":{"y":[1]},"transactions":[` + tx(0, "a", `"status"`, `"z":{"q":null},"status"`) + `]}`, ""},
		{"garbage", "transactions", "\x00\xff<html>", unreadable},
		{"not UTF-8", "transactions", txs(tx(0, "\xff")), unreadable},
		{"empty", "transactions", "", unreadable},
		{"cut off", "transactions", txs(tx(0, "a"))[:50], unreadable},
		{"more behind it", "transactions", txs() + "{}", unreadable},
		{"a bare list", "transactions", "[]", unreadable},
		{"null", "transactions", "null", unreadable},
		{"no list", "transactions", "{}", unreadable},
		{"a list of another name", "transactions", list("Transactions"), unreadable},
		{"a null list", "transactions", `{"transactions":null}`, unreadable},
		{"an object for the list", "transactions", `{"transactions":{}}`, unreadable},
		{"null for a transaction", "transactions", txs("null"), unreadable},
		{"a repeated list", "transactions", `{"transactions":[],"transactions":[]}`, unreadable},
		{"a repeated member", "transactions", txs(tx(0, "a", `"amount":1.00`, `"amount":1.00,"amount":2.00`)), unreadable},
		{"a repeated member in another case", "transactions", txs(tx(0, "a", `"amount":1.00`, `"amount":1.00,"Amount":2.00`)), unreadable},
		{"nested without end", "transactions", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `,"transactions":[]}`, unreadable},
		{"no id", "transactions", txs(tx(0, "a", `"transactionId":"a",`, "")), unreadable},
		{"an empty id", "transactions", txs(tx(0, "")), unreadable},
		{"no amount", "transactions", txs(tx(0, "a", `,"amount":1.00`, "")), unreadable},
		{"an amount in words", "transactions", txs(tx(0, "a", `1.00`, `"one"`)), unreadable},
		{"an amount without end", "transactions", txs(tx(0, "a", `1.00`, strings.Repeat("9", 40))), unreadable},
		{"a negative amount", "transactions", txs(tx(0, "a", `1.00`, `-1.00`)), unreadable},
		{"no direction", "transactions", txs(tx(0, "a", `"DEBIT"`, `"SIDEWAYS"`)), unreadable},
		{"no status", "transactions", txs(tx(0, "a", `"POSTED"`, `""`)), unreadable},
		{"no day", "transactions", txs(tx(0, "a", "transactionTimestamp", "x")), unreadable},
		{"a day that is none", "transactions", txs(tx(0, "a", "T", "x")), unreadable},
		{"another kind of account", "transactions", txs(tx(0, "a", "DEPOSIT_ACCOUNT", "PIGGY_BANK")), unreadable},
		{"another account's transaction", "transactions", txs(tx(0, "a", `"status"`, `"accountId":"foreign","status"`)), foreign},
		{"this account's transaction", "transactions", txs(tx(0, "a", `"status"`, `"accountId":"busy","status"`)), ""},
		{"a day beyond the window by its time zone", "transactions", txs(tx(0, "a"), tx(7, "b")), ""},
		{"a day before the window", "transactions", txs(tx(0, "a"), tx(8, "b")), outside},
		{"a day after the window", "transactions", txs(tx(-2, "a")), outside},
		{"a repeated transaction", "transactions", txs(tx(0, "a"), tx(1, "b"), tx(2, "a")), disorder},
		{"a whole list in any order", "transactions", txs(tx(2, "a"), tx(0, "b"), tx(1, "c")), ""},
		{"a first page out of order", "transactions", `{"page":{"nextPageKey":"k"},` + txs(tx(2, "a"), tx(0, "b"))[1:], disorder},
		{"a later page out of order", "later", txs(tx(2, "a"), tx(0, "b")), disorder},
		{"pending after posted", "later", txs(tx(0, "a"), tx(0, "b", `"postedTimestamp"`, `"x"`, "POSTED", "PENDING")), disorder},
		{"more than the limit", "transactions", txs(tx(0, "a"), tx(0, "b"), tx(0, "c"), tx(0, "d")), unpaged},
		{"a next page that is this one", "later", `{"page":{"nextPageKey":"k"},"transactions":[]}`, unpaged},
		{"too long a key", "transactions", `{"page":{"nextPageKey":"` + strings.Repeat("k", 201) + `"},"transactions":[]}`, unpaged},
		{"a long key", "transactions", `{"page":{"nextPageKey":"` + strings.Repeat("k", 200) + `"},"transactions":[]}`, ""},
		{"a key in the link alone", "transactions", `{"links":{"next":{"href":"/x?pageKey=k&limit=3"}},"transactions":[]}`, ""},
		{"a link without a key", "transactions", `{"links":{"next":{"href":"/x?limit=3"}},"transactions":[]}`, unreadable},
		{"a link to this page", "later", `{"links":{"next":{"href":"/x?pageKey=k"}},"transactions":[]}`, unpaged},
		{"a key that is no text", "transactions", `{"page":{"nextPageKey":{}},"transactions":[]}`, unreadable},
		{"a page that is none", "transactions", `{"page":7,"transactions":[]}`, unreadable},

		{"the accounts", "accounts", list("accounts", account("card"), account("busy")), ""},
		{"another account in the list", "accounts", list("accounts", account("busy"), account("foreign")), foreign},
		{"an account of the consumer that was not asked for", "accounts", list("accounts", account("locked")), foreign},
		{"an account twice", "accounts", list("accounts", account("busy"), account("busy")), disorder},
		{"an account without an id", "accounts", list("accounts", account("")), unreadable},
		{"a balance that is none", "accounts", strings.ReplaceAll(list("accounts", account("busy")), "1.00", `"1,00"`), unreadable},
		{"the account", "account", account("busy"), ""},
		{"another account", "account", account("card"), foreign},
		{"a list for one account", "account", "[" + account("busy") + "]", unreadable},
		{"another account's contact", "contact", `{"accountId":"foreign","emails":["a@example.com"]}`, foreign},
		{"a contact that is none", "contact", `{"emails":"a@example.com"}`, unreadable},
		{"another account's networks", "networks", list("paymentNetworks", `{"accountId":"foreign","identifier":"1"}`), foreign},
		{"another account's statement", "statements", list("statements", `{"accountId":"card","statementId":"s","statementDate":"`+day(1)+`"}`), foreign},
		{"a statement without an account", "statements", list("statements", `{"statementId":"s","statementDate":"`+day(1)+`"}`), ""},
		{"a statement without a day", "statements", list("statements", `{"statementId":"s"}`), unreadable},
		{"a statement of another time", "statements", list("statements", `{"statementId":"s","statementDate":"`+day(9)+`"}`), outside},
		{"another customer", "customer", `{"customerId":"you","accounts":[{"accountId":"busy"}]}`, foreign},
		{"a part in no account", "customer", `{"customerId":"me","accounts":[{}]}`, unreadable},
		{"another program", "program", `{"rewardProgramId":"one","memberships":[{"accountIds":["busy"]}]}`, foreign},
		{"a program without an id", "programs", list("rewardPrograms", `{}`), unreadable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var told alarms
			c := s.mutual(t, s.config())
			c.Alarm = told.raise
			p := provider(t, c)
			s.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, tc.body)
			})
			err := reads(s, p)[tc.read](t.Context())
			kinds := told.take()
			if tc.want == "" {
				if err != nil || kinds != nil {
					t.Errorf("%v, alarms %v", err, kinds)
				}
				return
			}
			if !errors.Is(err, resource.ErrWrongAnswer) || !slices.Equal(kinds, []upstream.Kind{tc.want}) {
				t.Errorf("%v, alarms %v, want %s", err, kinds, tc.want)
			}
			for _, personal := range []string{`"one"`, "99999", "foreign", "a@example.com", "1,00"} {
				if err != nil && strings.Contains(strings.TrimPrefix(err.Error(), "upstream: foreign"), personal) {
					t.Errorf("the error quotes the answer: %v", err)
				}
			}
		})
	}
}

// The same for a bank that does not speak FDX.
func TestWrongOwnAnswers(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, true)
	account := func(id string) string {
		return `{"ref":"` + id + `","art":{"nr":"01","name":"x"},"st":"A","saldo":100}`
	}
	tx := func(days int, id, owner, amount string) string {
		return fmt.Sprintf(`{"kto":%s,"id":"%s","zeit":"%s","valuta":"%[3]s","text":"x","sh":"S","fest":"1","betrag":"%s"}`,
			owner, id, s.now.AddDate(0, 0, -days).UTC().Format("02.01.2006 15:04:05"), amount)
	}
	txs := func(list ...string) string { return `{"umsaetze":[` + strings.Join(list, ",") + `]}` }
	for _, tc := range []struct {
		name, read, body string
		want             upstream.Kind
	}{
		{"right accounts", "accounts", `{"daten":{"konten":[` + account("busy") + `]}}`, ""},
		{"an account that was not asked for is no fault of a bank that cannot narrow", "accounts", `{"daten":{"konten":[` + account("locked") + `]}}`, ""},
		{"the list elsewhere", "accounts", `{"konten":[]}`, upstream.Unreadable},
		{"a list of texts", "accounts", `{"daten":{"konten":["x"]}}`, upstream.Unreadable},
		{"no rule for the kind", "accounts", `{"daten":{"konten":[` + strings.Replace(account("busy"), "01", "99", 1) + `]}}`, upstream.Unreadable},
		{"an account without its id", "accounts", `{"daten":{"konten":[` + account("") + `]}}`, upstream.Unreadable},
		{"a repeated member", "accounts", `{"daten":{"konten":[],"konten":[]}}`, upstream.Unreadable},
		{"another account", "account", `{"konto":` + account("card") + `}`, upstream.Foreign},
		{"no account", "account", account("busy"), upstream.Unreadable},
		{"right transactions", "transactions", txs(tx(0, "a", `"busy"`, "1,00")), ""},
		{"another account's transaction", "transactions", txs(tx(0, "a", `"foreign"`, "1,00")), upstream.Foreign},
		{"a transaction of no account", "transactions", txs(tx(0, "a", `null`, "1,00")), upstream.Unreadable},
		{"a point for a comma", "transactions", txs(tx(0, "a", `"busy"`, "1.00")), upstream.Unreadable},
		{"a negative amount", "transactions", txs(tx(0, "a", `"busy"`, "-1,00")), upstream.Unreadable},
		{"another time", "transactions", txs(tx(30, "a", `"busy"`, "1,00")), upstream.Outside},
		{"more than asked for", "transactions", txs(tx(0, "a", `"busy"`, "1,00"), tx(0, "b", `"busy"`, "1,00"), tx(0, "c", `"busy"`, "1,00"), tx(0, "d", `"busy"`, "1,00")), upstream.Unpaged},
		{"a full page out of order", "transactions", txs(tx(2, "a", `"busy"`, "1,00"), tx(0, "b", `"busy"`, "1,00"), tx(1, "c", `"busy"`, "1,00")), upstream.Disorder},
		{"another account's networks", "networks", `{"wege":[{"kto":"card","blz":"1","tok":"2"}]}`, upstream.Foreign},
		{"a customer without parts", "customer", `{"person":{"kd":"me"}}`, upstream.Unreadable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var told alarms
			c, err := s.ownConfig()
			if err != nil {
				t.Fatal(err)
			}
			c = s.mutual(t, c)
			c.Alarm = told.raise
			p := provider(t, c)
			f := func(w http.ResponseWriter, r *http.Request) bool {
				if tc.read == "transactions" && r.URL.Path == "/kern/konten/busy" {
					return false // whose kind decides about the rules
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, tc.body)
				return true
			}
			s.instead.Store(&f)
			err = reads(s, p)[tc.read](t.Context())
			kinds := told.take()
			if tc.want == "" {
				if err != nil || kinds != nil {
					t.Errorf("%v, alarms %v", err, kinds)
				}
				return
			}
			if !errors.Is(err, resource.ErrWrongAnswer) || !slices.Equal(kinds, []upstream.Kind{tc.want}) {
				t.Errorf("%v, alarms %v, want %s", err, kinds, tc.want)
			}
		})
	}
}

// What the gateway is given stays inside the window, also of a bank whose days
// end at another hour, and of one that has no windows.
func TestOutsideTheWindowIsDropped(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		days := []int{0, 1, 7}
		if r.FormValue("startDate") == "" {
			days = []int{-3, 0, 1, 7, 400}
		}
		var list []string
		for _, n := range days {
			list = append(list, transaction(s, n, "t"+strconv.Itoa(n)))
		}
		_, _ = io.WriteString(w, `{"transactions":[`+strings.Join(list, ",")+`]}`)
	})
	today := fdx.DateOf(s.now)
	week := s.access("me", "busy", nil, fdx.Window{Start: today.AddDays(-6), End: today})
	without := s.mutual(t, s.config())
	without.Window = upstream.Window{Start: upstream.None, End: upstream.None}
	for _, c := range []upstream.Config{s.mutual(t, s.config()), without} {
		page, err := provider(t, c).Transactions(t.Context(), week, resource.PageRequest{Limit: 10})
		if err != nil || len(page.Items) != 2 {
			t.Errorf("%d transactions, %v", len(page.Items), err)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	big := `{"accounts":[],"x":"` + strings.Repeat("x", 10<<20) + `"}`
	say := func(status int, form, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if form != "" {
				w.Header().Set("Content-Type", form)
			} else {
				w.Header()["Content-Type"] = nil
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const json = "application/json"
	for _, tc := range []struct {
		name, read string
		h          http.HandlerFunc
		want       error
	}{
		{"10 MB", "accounts", say(200, json, big), resource.ErrWrongAnswer},
		{"10 MB announced", "accounts", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", json)
			w.Header().Set("Content-Length", "10485760")
			w.(http.Flusher).Flush()
		}, resource.ErrWrongAnswer},
		{"another content type", "accounts", say(200, "text/html", `{"accounts":[]}`), resource.ErrWrongAnswer},
		{"no content type", "accounts", say(200, "", `{"accounts":[]}`), resource.ErrWrongAnswer},
		{"a part of the records", "accounts", say(206, json, `{"accounts":[]}`), nil},
		{"created", "accounts", say(201, json, `{"accounts":[]}`), resource.ErrWrongAnswer},
		{"no content", "accounts", say(204, json, ""), resource.ErrWrongAnswer},
		{"a redirect", "accounts", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, resource.ErrWrongAnswer},
		{"a document of another form", "terms", say(200, "image/png", "x"), resource.ErrWrongAnswer},
		{"a document that is JSON", "terms", say(200, json, "{}"), resource.ErrWrongAnswer},
		{"an empty document", "terms", say(200, "application/pdf", ""), resource.ErrWrongAnswer},
		{"a document over 8 MiB", "terms", say(200, "application/pdf", big), resource.ErrWrongAnswer},
		{"a document of 8 MiB", "terms", say(200, "application/pdf", big[:8<<20]), nil},
		{"an answer that breaks off", "accounts", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", json)
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"accounts":[]}`)
		}, resource.ErrUnavailable},
		{"an oversized header", "accounts", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 70<<10))
		}, resource.ErrUnavailable},
		{"no HTTP", "accounts", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "a CANARY\r\n\r\n")
				conn.Close()
			}
		}, resource.ErrUnavailable},
		{"500", "accounts", say(500, json, `{"code":"701"}`), resource.ErrUnavailable},
		{"503", "accounts", say(503, "text/html", "x"), resource.ErrUnavailable},
		{"501", "accounts", say(501, json, `{"code":"1106"}`), resource.ErrNotOffered},
		{"429", "accounts", say(429, json, `{"code":"1207"}`), resource.ErrUnavailable},
		{"401", "account", say(401, json, `{"code":"701"}`), resource.ErrUnavailable},
		{"403", "account", say(403, json, `{"code":"602"}`), resource.ErrUnavailable},
		{"400", "account", say(400, json, `{"code":"401"}`), resource.ErrUnavailable},
		{"404", "account", say(404, "text/html", "x"), resource.ErrNoAccount},
		{"404 of a list", "accounts", say(404, "", ""), nil},
		{"404 of a customer", "customer", say(404, "", ""), resource.ErrNotFound},
		{"404 of terms", "terms", say(404, json, `{"code":"1107"}`), resource.ErrNotFound},
		{"701", "transactions", say(404, json, `{"code":"701"}`), resource.ErrNoAccount},
		{"701 as a number", "transactions", say(404, json, `{"code":701}`), resource.ErrNoAccount},
		{"701 for a document", "terms", say(404, json, `{"code":"701"}`), resource.ErrNoAccount},
		{"704", "statements", say(422, json, `{"code":"704"}`), resource.ErrAccountType},
		{"705", "networks", say(409, json, `{"code":"705"}`), resource.ErrAccountClosed},
		{"706", "account", say(403, json, `{"code":"706"}`), resource.ErrAccountLocked},
		{"901", "networks", say(404, json, `{"code":"901"}`), nil},
		{"1103", "terms", say(404, json, `{"code":"1103"}`), resource.ErrNotFound},
		{"1106", "terms", say(400, json, `{"code":"1106"}`), resource.ErrNotOffered},
		{"1107", "transactions", say(404, json, `{"code":"1107"}`), nil},
		{"1108", "statements", say(404, json, `{"code":"1108"}`), resource.ErrNoStatements},
		{"1203", "terms", say(406, json, `{"code":"1203"}`), resource.ErrNotAcceptable},
		{"406", "terms", say(406, "", ""), resource.ErrNotAcceptable},
		{"1300", "terms", say(400, json, `{"code":"1300"}`), resource.ErrProcessing},
		{"a code of the bank", "account", say(403, json, `{"code":"ACC-17"}`), resource.ErrAccountLocked},
		{"a status of the bank", "account", say(423, "", ""), resource.ErrAccountLocked},
		{"a code in a broken body", "account", say(403, json, `{"code":"706","code":"701"}`), resource.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := s.mutual(t, s.config())
			c.Codes = map[string]string{"ACC-17": "706", "423": "706"}
			s.answers(tc.h)
			err := reads(s, provider(t, c))[tc.read](t.Context())
			if !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "CANARY") {
				t.Errorf("the error quotes the answer: %v", err)
			}
		})
	}
}

// A bank that sends a byte now and then is cut off at the deadline of the
// read, and at that of the call.
func TestSlowDrip(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		drip := time.NewTicker(10 * time.Millisecond)
		defer drip.Stop()
		_, _ = io.WriteString(w, `{"accounts":[],"x":"`)
		for {
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			select {
			case <-drip.C:
			case <-r.Context().Done():
				return
			}
		}
	})
	c := s.mutual(t, s.config())
	c.Timeout = 200 * time.Millisecond
	if err := reads(s, provider(t, c))["accounts"](t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its own time: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := reads(s, provider(t, s.mutual(t, s.config())))["accounts"](ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the reader's time: %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, false, false)
	other, err := devca.Open(devca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := other.Client("gateway")
	if err != nil {
		t.Fatal(err)
	}
	fails := func(name string, c upstream.Config) {
		t.Helper()
		if err := reads(s, provider(t, c))["accounts"](t.Context()); !errors.Is(err, resource.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := s.mutual(t, s.config())
	c.CAFile = other.File()
	fails("a bank of another authority", c)
	c = s.config()
	c.CertFile, c.KeyFile = stranger.CertFile, stranger.KeyFile
	fails("a client of another authority", c)
	expired, file := expiredServer(t, func(w http.ResponseWriter, _ *http.Request) { t.Error("a bank with an expired certificate was asked") })
	c = s.mutual(t, s.config())
	c.Base, c.CAFile = expired.URL, file
	fails("an expired certificate", c)
}

// expiredServer has a certificate of its own authority that ended an hour ago.
func expiredServer(t *testing.T, h http.HandlerFunc) (*httptest.Server, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bank"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	file := t.TempDir() + "/ca.pem"
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, file
}
