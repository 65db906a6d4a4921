package authz

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// Ids that read alike one after the other are two pairs all the same.
func TestSubjectsAreFramed(t *testing.T) {
	t.Parallel()
	s := &Server{cfg: Config{Subjects: bytes.Repeat([]byte("p"), 32)}}
	seen := map[string]bool{}
	pairs := [][2]string{{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"a\x00", "b"}, {"a", "\x00b"}}
	for _, p := range pairs {
		seen[s.subject(consent.RecipientID(p[0]), consent.ConsumerID(p[1]))] = true
	}
	if len(seen) != len(pairs) {
		t.Errorf("%d subjects of %d pairs", len(seen), len(pairs))
	}
}

// The claims parameter comes from outside: whatever it holds, reading it
// neither fails hard nor loses the person whom it names.
func FuzzAskedOf(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"id_token":{"sub":{"value":"x"}}}`, `{"id_token":{"sub":null,"acr":null,"auth_time":{"essential":true}}}`,
		`{"id_token":null,"userinfo":{}}`, `[]`, `{"id_token":{"sub":{"values":["a"]}}}`, `{"ID_TOKEN":{"sub":{"value":"x"}}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := askedOf(token.Pushed{Params: map[string]string{"claims": raw}})
		if err != nil || raw == "" {
			return
		}
		var all map[string]any
		d := json.NewDecoder(strings.NewReader(raw))
		d.UseNumber() // numbers of any size are nobody's concern here
		if d.Decode(&all) != nil {
			t.Fatalf("%s: read", raw)
		}
		asked, _ := all["id_token"].(map[string]any)
		sub, _ := asked["sub"].(map[string]any)
		for name, value := range sub {
			if text, ok := value.(string); ok && name == "value" && text != a.subject && len(sub) == 1 {
				t.Errorf("%s: the person is lost: %+v", raw, a)
			}
		}
	})
}

func TestWhatIsSaidOfASecondProof(t *testing.T) {
	t.Parallel()
	both := `{"id_token":{"acr":null,"amr":null}}`
	only := `{"id_token":{"acr":{"essential":true,"value":"` + ACRPassword + `"}}}`
	either := `{"id_token":{"acr":{"essential":true,"values":["` + ACRPassword + `","` + ACRTwoFactors + `"]}}}`
	for name, tt := range map[string]struct {
		claims string
		factor consent.Factor
		want   string
	}{
		"a password alone":                  {both, "", ACRPassword + " [pwd]"},
		"a one-time code":                   {both, consent.FactorCode, ACRTwoFactors + " [pwd otp]"},
		"a passkey":                         {both, consent.FactorKey, ACRTwoFactors + " [pwd hwk]"},
		"a sign-in with a passkey":          {both, consent.FactorKey, ACRTwoFactors + " [hwk mfa]"},
		"and a one-time code":               {both, consent.FactorCode, ACRTwoFactors + " [hwk otp mfa]"},
		"the bank's own sign-in":            {both, consent.FactorBank, ACRTwoFactors + " []"},
		"nobody asked":                      {`{}`, consent.FactorCode, " []"},
		"a password is demanded":            {only, consent.FactorCode, ACRPassword + " []"},
		"either will do, and there are two": {either, consent.FactorCode, ACRTwoFactors + " []"},
	} {
		a, err := askedOf(token.Pushed{Params: map[string]string{"claims": tt.claims, "scope": "openid"}})
		if err != nil {
			t.Fatal(err)
		}
		by := consent.Authorization{SecondFactor: tt.factor}
		if strings.Contains(tt.want, "[hwk") {
			by.FirstFactor = consent.FactorKey
		}
		id := a.identity(by)
		if got := id.ACR + " [" + id.AMR + "]"; got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
