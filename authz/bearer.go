package authz

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// The errors of a protected resource (RFC 6750 section 3.1).
const (
	invalidToken      = "invalid_token"
	insufficientScope = "insufficient_scope"
)

func badToken(cause error) *Error {
	return &Error{http.StatusUnauthorized, invalidToken, "the access token is unknown, expired, withdrawn or bound to another key", cause}
}

// The scopes of a client's own tokens that open the grant management API (Grant
// Management for OAuth 2.0 section 6).
const (
	ScopeGrantQuery  = "grant_management_query"
	ScopeGrantRevoke = "grant_management_revoke"
)

// protected serves a resource of the authorization server itself, such as the
// grant management API, to clients that present a token of their own with
// that scope. base is the public address of the host that the request came
// to. The proof of the request is spent before handle acts.
func (s *Server) protected(base, scope string, handle func(r *http.Request, who token.ClientAccess) (reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := &request{Request: r, base: base}
		scheme, who, err := s.clientCaller(q, scope)
		var answer reply
		if err == nil {
			web.Fields(r.Context()).Client = string(who.Recipient)
			answer, err = handle(r, who)
		}
		if q.nonce != "" {
			w.Header().Set("DPoP-Nonce", q.nonce)
		}
		if err != nil {
			e := wire(err)
			if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
				challenge(w.Header(), scheme, e.Code, scope)
			}
			writeError(w, r, err)
			return
		}
		answer.write(w)
	}
}

// clientCaller finds out which client uses its own access token in a request
// and holds the key or certificate the token is bound to (RFC 9449 section
// 7.1, RFC 8705 section 3). It spends the proof. The scheme is the one that
// was used, "" for none; it is returned beside an error too.
func (s *Server) clientCaller(q *request, scope string) (scheme string, who token.ClientAccess, err error) {
	scheme, secret, err := credentials(q.Request)
	if err != nil {
		return scheme, who, err
	}
	hash, err := s.cfg.Hasher.Hash(token.KindClient, secret)
	if err != nil {
		return scheme, who, badToken(err)
	}
	var proved string
	switch {
	case scheme == "DPoP":
		if err := s.proof(q, secret); err != nil {
			return scheme, who, asResource(err)
		}
		proved = q.binding.KeyThumbprint
		if proved == "" {
			return scheme, who, asResource(badProof(errors.New("no DPoP proof")))
		}
	default:
		if err := s.certificate(q); err != nil {
			return scheme, who, badToken(err)
		}
		if proved = q.binding.CertThumbprint; proved == "" {
			return scheme, who, badToken(errors.New("no client certificate"))
		}
	}
	found, err := s.cfg.Tokens.ClientAccess(q.Context(), hash)
	switch {
	case errors.Is(err, token.ErrNotFound):
		return scheme, who, badToken(err)
	case err != nil:
		return scheme, who, fmt.Errorf("load client token: %w", err)
	}
	// A token bound to a key is refused as Bearer and one bound to a
	// certificate as DPoP: each is bound to one of the two only.
	want := found.CertThumbprint
	if scheme == "DPoP" {
		want = found.KeyThumbprint
	}
	if want == "" || subtle.ConstantTimeCompare([]byte(want), []byte(proved)) != 1 {
		return scheme, who, badToken(errors.New("bound to another key"))
	}
	if !slices.Contains(found.Scopes, scope) {
		return scheme, who, &Error{http.StatusForbidden, insufficientScope, "the access token lacks the scope of this operation", nil}
	}
	if err := s.spend(q); err != nil {
		return scheme, who, asResource(err)
	}
	return scheme, found, nil
}

// credentials finds the access token, which may stand in the Authorization
// header and nowhere else (FAPI 2.0 section 5.3.4).
func credentials(r *http.Request) (scheme, secret string, err error) {
	if r.URL.Query().Has("access_token") {
		return "", "", refuse(engine.InvalidRequest, "the access token goes into the Authorization header")
	}
	header, given, err := web.Header(r.Header, "Authorization")
	if err != nil {
		return "", "", &Error{http.StatusBadRequest, engine.InvalidRequest, "there must be one Authorization header", err}
	}
	name, secret, _ := strings.Cut(header, " ")
	for _, scheme := range []string{"DPoP", "Bearer"} {
		if given && strings.EqualFold(name, scheme) {
			return scheme, secret, nil
		}
	}
	return "", "", &Error{http.StatusUnauthorized, invalidToken, "present an access token in the Authorization header", nil}
}

// asResource turns the refusal of a proof as the token endpoint words it (400,
// RFC 9449 section 5) into that of a protected resource (401, section 7.1).
func asResource(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusBadRequest {
		return &Error{http.StatusUnauthorized, e.Code, e.Text, e.Cause}
	}
	return err
}

// challenge writes one WWW-Authenticate field per scheme, the one that was
// used first and with the error; no error for a request without credentials
// (RFC 6750 section 3.1). All values are fixed text, so that none needs
// escaping.
func challenge(h http.Header, used, code, scope string) {
	first, second := "DPoP", "Bearer"
	if used == "Bearer" {
		first, second = second, first
	}
	for i, scheme := range []string{first, second} {
		var params []string
		if i == 0 && used != "" {
			params = append(params, `error="`+code+`"`, `scope="`+scope+`"`)
		}
		if scheme == "DPoP" {
			params = append(params, `algs="`+strings.Join(signingAlgs, " ")+`"`)
		}
		field := scheme
		if len(params) > 0 {
			field += " " + strings.Join(params, ", ")
		}
		h.Add("WWW-Authenticate", field)
	}
}
