package fdx_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/headgate/headgate/fdx"
)

func TestParseID(t *testing.T) {
	t.Parallel()
	parsers := map[string]func(string) (string, error){
		"account":        func(s string) (string, error) { id, err := fdx.ParseAccountID(s); return string(id), err },
		"customer":       func(s string) (string, error) { id, err := fdx.ParseCustomerID(s); return string(id), err },
		"transaction":    func(s string) (string, error) { id, err := fdx.ParseTransactionID(s); return string(id), err },
		"statement":      func(s string) (string, error) { id, err := fdx.ParseStatementID(s); return string(id), err },
		"image":          func(s string) (string, error) { id, err := fdx.ParseImageID(s); return string(id), err },
		"reward program": func(s string) (string, error) { id, err := fdx.ParseRewardProgramID(s); return string(id), err },
		"consent":        func(s string) (string, error) { id, err := fdx.ParseConsentID(s); return string(id), err },
		"subscription":   func(s string) (string, error) { id, err := fdx.ParseSubscriptionID(s); return string(id), err },
	}
	rows := []struct {
		claim string
		text  string
		ok    bool
	}{
		{"a plain id is taken", "acc-1", true},
		{"one character is taken", "a", true},
		{"256 characters are taken", strings.Repeat("a", 256), true},
		{"256 characters of four bytes are taken", strings.Repeat("🌾", 256), true},
		{"257 characters are refused", strings.Repeat("a", 257), false},
		{"257 characters of four bytes are refused", strings.Repeat("🌾", 257), false},
		{"a huge text is refused", strings.Repeat("a", 1<<20), false},
		{"nothing is refused", "", false},
		{"a line break is refused", "a\nb", false},
		{"a null byte is refused", "a\x00", false},
		{"DEL is refused", "a\x7f", false},
		{"a C1 control character is refused", "a\u0085", false},
		{"broken UTF-8 is refused", "a\xff", false},
	}
	for kind, parse := range parsers {
		for _, row := range rows {
			t.Run(kind+": "+row.claim, func(t *testing.T) {
				t.Parallel()
				got, err := parse(row.text)
				if row.ok && (err != nil || got != row.text) {
					t.Fatalf("got %q, %v", got, err)
				}
				if !row.ok && (!errors.Is(err, fdx.ErrInvalidID) || got != "") {
					t.Fatalf("got %q, %v, want ErrInvalidID", got, err)
				}
			})
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"", "acc-1", "a\x00", "a\xff", strings.Repeat("🌾", 257)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := fdx.ParseAccountID(s)
		if err != nil {
			return
		}
		n := utf8.RuneCountInString(s)
		if string(id) != s || n < 1 || n > fdx.MaxIDLength || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			t.Fatalf("%q is an id", s)
		}
	})
}
