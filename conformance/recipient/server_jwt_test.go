package recipient_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// requestObject checks a request object by RFC 9101 and FAPI 2.0 Message
// Signing section 5.3, and returns what it holds as a form.
func (s *server) requestObject(form url.Values) (url.Values, error) {
	for name := range form {
		switch {
		case name == "request", s.authMethod == "" && strings.HasPrefix(name, "client_assertion"), s.authMethod != "" && name == "client_id":
		default:
			return nil, fmt.Errorf("%s stands outside of the request object", name)
		}
	}
	jws, err := jose.ParseSignedCompact(form.Get("request"), allowed)
	if err != nil {
		return nil, err
	}
	if header := jws.Signatures[0].Protected; header.ExtraHeaders["typ"] != "oauth-authz-req+jwt" || header.KeyID != "k1" {
		return nil, errors.New("wrong typ or kid")
	}
	payload, err := jws.Verify(s.clientKey.Public())
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, err
	}
	now := float64(time.Now().Unix())
	exp, _ := claims["exp"].(float64)
	nbf, _ := claims["nbf"].(float64)
	iat, _ := claims["iat"].(float64)
	jti, _ := claims["jti"].(string)
	if claims["iss"] != "budgetbee" || claims["client_id"] != "budgetbee" || claims["aud"] != s.as.URL ||
		exp <= now || exp > nbf+3600 || nbf > now || nbf < now-3600 || iat > now || iat < now-60 || len(jti) < 16 {
		return nil, errors.New("not for this server, not from this client, or not for now")
	}
	out := url.Values{}
	for name, value := range claims {
		switch v := value.(type) {
		case string:
			out.Set(name, v)
		case []any: // authorization_details
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			out.Set(name, string(text))
		case float64:
			out.Set(name, fmt.Sprint(v))
		}
	}
	return out, nil
}

// jwt is what the server is about to sign.
type jwt struct {
	claims   map[string]any
	typ, kid string
	alg      jose.SignatureAlgorithm // "none" for no signature at all
	key      any
}

func (s *server) sign(kind, typ string, claims map[string]any) string {
	j := &jwt{claims: claims, typ: typ, kid: "s1", alg: jose.ES256, key: s.key}
	if s.bend != nil {
		s.bend(kind, j)
	}
	payload, err := json.Marshal(j.claims)
	if err != nil {
		panic(err)
	}
	if j.alg == "none" {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"s1"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	}
	options := &jose.SignerOptions{}
	if j.typ != "" {
		options = options.WithType(jose.ContentType(j.typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: j.alg, Key: jose.JSONWebKey{Key: j.key, KeyID: j.kid}}, options)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return compact
}

func (s *server) jwks(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: s.clientKey.Public().Key, KeyID: "s1", Use: "enc"}, // another key of the same name
		{Key: s.key.Public(), KeyID: "s1", Use: "sig", Algorithm: "ES256"},
		{Key: s.key.Public()},
		{Key: s.key.Public(), KeyID: "enc", Use: "enc"},
		{Key: s.key.Public(), KeyID: "ps", Algorithm: "PS256"},
	}})
}

func (s *server) identity(accessToken, nonce string) map[string]any {
	sum := hash(accessToken)
	raw, _ := base64.RawURLEncoding.DecodeString(sum)
	claims := map[string]any{
		"iss": s.as.URL, "aud": "budgetbee", "sub": "consumer-1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"auth_time": time.Now().Add(-10 * time.Second).Unix(), "at_hash": base64.RawURLEncoding.EncodeToString(raw[:16]),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return claims
}

func (s *server) introspect(w http.ResponseWriter, r *http.Request) {
	if err := s.client(r); err != nil {
		oauthError(w, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	bound, known := s.tokens[r.PostForm.Get("token")]
	answer := map[string]any{"active": known}
	if known {
		answer["client_id"], answer["scope"], answer["grant_id"] = "budgetbee", "a b", "g1"
		answer["cnf"] = map[string]any{"jkt": bound}
	}
	if r.Header.Get("Accept") != "application/token-introspection+jwt" {
		writeJSON(w, http.StatusOK, answer)
		return
	}
	w.Header().Set("Content-Type", "application/token-introspection+jwt")
	io.WriteString(w, s.sign("introspection", "token-introspection+jwt", map[string]any{
		"iss": s.as.URL, "aud": []string{"budgetbee"}, "iat": time.Now().Unix(), "token_introspection": answer,
	}))
}
