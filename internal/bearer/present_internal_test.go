package bearer

import (
	"net/http"
	"net/url"
	"testing"
)

// Whatever stands in Authorization, it is one of the two schemes with the
// token as it was sent, or refused.
func FuzzCredentials(f *testing.F) {
	for _, s := range []string{"DPoP abc", "bearer abc", "Basic abc", "DPoP", "DPoP  a b", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		r := &http.Request{Header: http.Header{"Authorization": {sent}}, URL: &url.URL{Path: "/fdx/v6/accounts"}}
		p, secret, no := credentials(r)
		if no != nil {
			if p != (Presented{}) || secret != "" {
				t.Error("credentials beside a refusal")
			}
			return
		}
		if p.Scheme != DPoP && p.Scheme != Bearer {
			t.Errorf("scheme %q", p.Scheme)
		}
		if secret != "" && sent[len(string(p.Scheme))+1:] != secret {
			t.Errorf("%q became %q", sent, secret)
		}
	})
}

// However the name is written in the address, it is found as the parser of
// queries finds it.
func TestATokenInTheQueryIsFound(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]bool{
		"":                           false,
		"a=access_token":             false,
		"xaccess_token=1":            false,
		"a=%61":                      false,
		"access_token":               true,
		"access_token=":              true,
		"a=1&access_token=x":         true,
		"%61ccess_token=x":           true,
		"access%5Ftoken=x":           true,
		"%zz=1&%61%63cess%5ftoken=x": true,
	} {
		u := &url.URL{RawQuery: query}
		if got := tokenInQuery(u); got != want || got != u.Query().Has("access_token") {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
}
