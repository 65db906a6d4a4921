package authz_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate/headgate/authz"
)

// A benefit obeys the rules of names and is short. It is kept with the record
// and is in no Recipient: only an approval puts it there.
func TestBenefit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		words string
		good  bool
	}{
		"plain":         {"See all your spending in one place", true},
		"none":          {"", true},
		"160 letters":   {strings.Repeat("é", 160), true},
		"161 letters":   {strings.Repeat("é", 161), false},
		"1000 letters":  {strings.Repeat("a", 1000), false},
		"markup":        {"Free <b>money</b>", false},
		"a tag's start": {"a < b", false},
		"a line break":  {"one\ntwo", false},
		"right to left": {"safe \u202eevil", false},
		"a zero":        {"a\x00b", false},
		"zero width":    {"a\u200bb", false},
		"only space":    {"   ", false},
	} {
		record, err := json.Marshal(map[string]any{
			"redirect_uris": []string{"https://a.example"}, "tls_client_auth_san_dns": "a.example", "benefit": c.words,
		})
		must(t, err)
		r, err := authz.Registration(record)
		if (err == nil) != c.good || err != nil && !strings.Contains(err.Error(), "benefit") {
			t.Errorf("%s: %v", name, err)
		}
		if r.Benefit != "" {
			t.Errorf("%s: %q is in the recipient", name, r.Benefit)
		}
		if kept, err := authz.Registered(r, record); c.good && (err != nil || c.words != "" && !strings.Contains(string(kept), c.words)) {
			t.Errorf("%s: kept as %s (%v)", name, kept, err)
		}
	}
}
