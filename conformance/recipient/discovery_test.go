package recipient_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
)

func TestMetadataThatCannotBeTrustedIsRefused(t *testing.T) {
	t.Parallel()
	both := func(bend func(map[string]any)) func(string, map[string]any) {
		return func(_ string, m map[string]any) { bend(m) }
	}
	tests := []struct {
		name string
		bend func(doc string, m map[string]any)
		says string
	}{
		{"another issuer", both(func(m map[string]any) { m["issuer"] = "https://evil.example" }), "calls itself https://evil.example"},
		{"the issuer with a slash", both(func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "/" }), "calls itself"},
		{"no issuer", both(func(m map[string]any) { delete(m, "issuer") }), "calls itself"},
		{"no iss in the response", both(func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") }), "iss_parameter_supported"},
		{"a token endpoint without TLS", both(func(m map[string]any) { m["token_endpoint"] = "http://bank.example/token" }), "token_endpoint is not an https address"},
		{"no PAR", both(func(m map[string]any) { delete(m, "pushed_authorization_request_endpoint") }), "pushed_authorization_request_endpoint"},
		{"no authorization endpoint", both(func(m map[string]any) { delete(m, "authorization_endpoint") }), "authorization_endpoint"},
		{"no revocation", both(func(m map[string]any) { delete(m, "revocation_endpoint") }), "revocation_endpoint"},
		{"a member of another kind", both(func(m map[string]any) { m["token_endpoint"] = 1 }), "not the JSON"},
		{"two documents that disagree", func(doc string, m map[string]any) {
			if strings.HasSuffix(doc, "openid-configuration") {
				m["token_endpoint"] = "https://evil.example/token"
			}
		}, "disagree"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, jose.ES256)
			s.metadata = tt.bend
			_, err := recipient.Connect(t.Context(), s.config())
			if !errors.Is(err, recipient.ErrMetadata) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to say %s", err, tt.says)
			}
		})
	}

	for _, doc := range []string{"openid-configuration", "oauth-authorization-server"} {
		t.Run("no "+doc, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, jose.ES256)
			s.answer = func(w http.ResponseWriter, r *http.Request) bool {
				missing := strings.HasSuffix(r.URL.Path, doc)
				if missing {
					http.NotFound(w, r)
				}
				return missing
			}
			if _, err := recipient.Connect(t.Context(), s.config()); !errors.Is(err, recipient.ErrMetadata) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWellKnown(t *testing.T) {
	t.Parallel()
	tests := []struct{ issuer, openID, oauth string }{
		{"https://a.example", "https://a.example/.well-known/openid-configuration", "https://a.example/.well-known/oauth-authorization-server"},
		{"https://a.example/", "https://a.example/.well-known/openid-configuration", "https://a.example/.well-known/oauth-authorization-server"},
		{"https://a.example:1/t/x", "https://a.example:1/t/x/.well-known/openid-configuration", "https://a.example:1/.well-known/oauth-authorization-server/t/x"},
		{"http://a.example", "", ""},
		{"https://a.example?q", "", ""},
		{"https://a.example#f", "", ""},
		{"https://u@a.example", "", ""},
		{"a.example", "", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		openID, oauth, err := recipient.WellKnown(tt.issuer)
		if openID != tt.openID || oauth != tt.oauth || (err != nil) != (tt.openID == "") {
			t.Errorf("%s: %s, %s, %v", tt.issuer, openID, oauth, err)
		}
	}
}

func TestAServerWithAnUnknownCertificateIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	cfg := s.config()
	cfg.TLS = nil
	if _, err := recipient.Connect(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}
