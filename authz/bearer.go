package authz

import (
	"net/http"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// The errors of a protected resource (RFC 6750 section 3.1).
const (
	invalidToken      = "invalid_token"
	insufficientScope = "insufficient_scope"
)

// protected serves a resource of the authorization server itself, such as the
// grant management API, to clients that present a token of their own with
// that scope. base is the public address of the host that the request came
// to. The proof of the request is spent before handle acts.
func (s *Server) protected(base string, a lane, scope string, handle func(r *http.Request, who token.ClientAccess) (reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, err := s.limits.enter(a)
		if err != nil {
			writeError(w, r, err)
			return
		}
		defer leave()
		var p bearer.Presented
		var who token.ClientAccess
		err = s.limits.strange(r, a)
		if err == nil {
			p, who, err = s.clientCaller(r, base, scope)
			if err != nil && wire(err).Status == http.StatusUnauthorized {
				s.limits.failed(r, a)
			}
		}
		if err == nil {
			web.Fields(r.Context()).Client = string(who.Recipient)
			err = s.limits.client(w.Header(), a, who.Recipient)
		}
		var answer reply
		if err == nil {
			answer, err = handle(r, who)
		}
		if p.Nonce != "" {
			w.Header().Set("DPoP-Nonce", p.Nonce)
		}
		if err != nil {
			e := wire(err)
			if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
				bearer.Challenge{Scheme: p.Scheme, Code: e.Code, Scope: scope}.Set(w.Header())
			}
			writeError(w, r, err)
			return
		}
		answer.write(w)
	}
}

// clientCaller finds out which client uses its own access token in a request,
// and spends the proof. What was presented is returned beside an error too.
func (s *Server) clientCaller(r *http.Request, base, scope string) (bearer.Presented, token.ClientAccess, error) {
	p, no := s.bearer.Present(r, base, token.KindClient)
	if no != nil {
		return p, token.ClientAccess{}, fromBearer(no)
	}
	who, no := bearer.Clients{Tokens: s.cfg.Tokens, Guard: s.cfg.Guard}.Client(r.Context(), p, scope)
	if no != nil {
		return p, token.ClientAccess{}, fromBearer(no)
	}
	return p, who, nil
}

// fromBearer words what is wrong with what a request presents to a protected
// resource.
func fromBearer(no *bearer.Error) error {
	switch no.Fault {
	case bearer.TokenInQuery:
		return &Error{http.StatusBadRequest, engine.InvalidRequest, "the access token goes into the Authorization header", no}
	case bearer.RepeatedHeader:
		return &Error{http.StatusBadRequest, engine.InvalidRequest, "there must be one Authorization header", no}
	case bearer.NoCredentials:
		return &Error{http.StatusUnauthorized, invalidToken, "present an access token in the Authorization header", no}
	case bearer.InvalidToken:
		return &Error{http.StatusUnauthorized, invalidToken, "the access token is unknown, expired, withdrawn or bound to another key", no}
	case bearer.InvalidProof:
		return &Error{http.StatusUnauthorized, dpop.Code, badProofText, no}
	case bearer.UseNonce:
		return &Error{http.StatusUnauthorized, useNonce, useNonceText, no}
	case bearer.InsufficientScope:
		return &Error{http.StatusForbidden, insufficientScope, "the access token lacks the scope of this operation", no}
	}
	return no // a store that cannot say
}
