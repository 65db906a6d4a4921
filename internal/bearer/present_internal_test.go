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
