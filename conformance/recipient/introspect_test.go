package recipient_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
)

func TestIntrospection(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c := s.connect(t)
	token := obtain(t, s, c, ask(t))
	got, err := c.Introspect(t.Context(), token.AccessToken)
	if err != nil || !got.Active || got.GrantID != "g1" || got.Scope != "a b" || got.Confirmation.KeyThumbprint != token.Key.Thumbprint() {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, ask := range []func() (recipient.Introspection, error){
		func() (recipient.Introspection, error) { return c.Introspect(t.Context(), "unknown") },
		func() (recipient.Introspection, error) { return c.IntrospectSigned(t.Context(), "unknown") },
	} {
		if got, err := ask(); err != nil || got.Active {
			t.Errorf("an unknown token: %+v, %v", got, err)
		}
	}
	for _, body := range []string{`{}`, `{"active":"true"}`, `{"active":null}`, `[]`, ``} {
		s.answer = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body))
			return true
		}
		if got, err := c.Introspect(t.Context(), token.AccessToken); err == nil || got.Active {
			t.Errorf("%s is believed", body)
		}
		if _, err := c.IntrospectSigned(t.Context(), token.AccessToken); !errors.Is(err, recipient.ErrJWT) {
			t.Errorf("%s is taken for signed: %v", body, err)
		}
	}
}
