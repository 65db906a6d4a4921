package mapping

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzParse(f *testing.F) {
	for _, path := range []string{"testdata/core.yaml", "testdata/faults.yaml"} {
		f.Add(read(f, path))
	}
	f.Add([]byte("account: {fields: {accountId: a}}\n"))
	f.Add([]byte("a: &x [*x]"))
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := Parse(file, "views")
		if (m == nil) != (err != nil) {
			t.Fatal("neither a mapping nor an error, or both")
		}
		if m == nil {
			return
		}
		// What is taken can be used.
		for _, e := range entityTypes {
			_ = m.Paths(e.entity)
		}
		_, _ = m.Account(Tree{})
		_, _ = m.Transaction(fdx.DepositCategory, Tree{})
	})
}

// Hostile records give an error or what FDX readers take, and the error never
// shows the value.
func FuzzRecord(f *testing.F) {
	m, err := Parse(read(f, "testdata/core.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"01", "NaN", "-1.234,56", "20260131", "\x00", "\xff", "G", "A", "{", "[{\"was\":\"x\"}]", "true", "1e999", "\u202e"} {
		f.Add(s, "1")
		f.Add("7", s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		s := everywhere{a, b}
		check := func(v any, err error) {
			if err != nil {
				if text := err.Error(); len(a) > 12 && strings.Contains(text, a) || len(b) > 12 && strings.Contains(text, b) {
					t.Fatalf("an error shows the value: %s", text)
				}
				if !reflect.ValueOf(v).IsZero() {
					t.Fatal("a value beside an error")
				}
			}
		}
		account, err := m.Account(s)
		check(account, err)
		if err == nil {
			if _, err := account.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []fdx.AccountCategory{fdx.DepositCategory, fdx.LineOfCreditCategory, fdx.LoanCategory} {
			x, err := m.Transaction(c, s)
			check(x, err)
			if err == nil {
				if _, err := x.MarshalJSON(); err != nil || x.Base().Amount.Sign() < 0 {
					t.Fatal(err)
				}
			}
		}
		st, err := m.Statement(s)
		check(st, err)
		cu, err := m.Customer(s)
		check(cu, err)
		co, err := m.Contact(s)
		check(co, err)
		pn, err := m.PaymentNetwork(s)
		check(pn, err)
	})
}

// everywhere has its values at all paths in turn.
type everywhere struct{ a, b string }

func (s everywhere) Value(path string) (any, bool) {
	if len(path)%2 == 0 {
		return s.a, true
	}
	return s.b, true
}
