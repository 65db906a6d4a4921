package recipient_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
)

func TestNarrowing(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c, a := s.connect(t), ask(t)
	a.Consent, a.Details = nil, json.RawMessage(`[{"type":"x","n":1},{"type":"y"}]`)
	req, err := c.CodeRequest(a, obtainCode(t, s, c, a))
	if err != nil {
		t.Fatal(err)
	}
	req.Narrow("", json.RawMessage(`[{"type":"y"}]`))
	token, err := c.Exchange(t.Context(), req, a.Key)
	if err != nil || string(token.Details) != `[{"type":"y"}]` || req.Form.Has("scope") {
		t.Errorf("details %s, %v", token.Details, err)
	}
	if req, err = c.RefreshRequest(token.RefreshToken, a.Key); err != nil {
		t.Fatal(err)
	}
	req.Narrow("a", nil)
	if token, err = c.Exchange(t.Context(), req, a.Key); err != nil || token.Scope != "a" || req.Form.Has("authorization_details") {
		t.Errorf("scope %s, %v", token.Scope, err)
	}
}

// A nonce may come with any answer, for the host that sent it alone (RFC 9449
// section 8.2).
func TestANonceIsTakenFromAnyAnswer(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c := s.connect(t)
	nonce := ""
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("DPoP-Nonce", nonce)
		return false
	}
	for _, nonce = range []string{"n1", "n2"} {
		a := ask(t)
		if _, err := c.Push(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		push, err1 := c.PushRequest(a)
		read, err2 := c.AccountsRequest(recipient.Token{AccessToken: "t", Key: a.Key}, nil)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		for r, want := range map[*recipient.Request]string{push: nonce, read: ""} {
			jws, err := jose.ParseSignedCompact(r.Header.Get("DPoP"), allowed)
			if err != nil {
				t.Fatal(err)
			}
			var claims struct{ Nonce string }
			if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &claims); err != nil || claims.Nonce != want {
				t.Errorf("nonce %s, want %s: %v", claims.Nonce, want, err)
			}
		}
	}
}
