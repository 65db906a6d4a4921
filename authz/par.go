package authz

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// pushAnswer is the answer of the PAR endpoint (RFC 9126 section 2.2).
type pushAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int    `json:"expires_in"` // seconds
}

// push answers POST /par.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	answer, err := s.pushed(r)
	if err != nil {
		writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, answer)
}

func (s *Server) pushed(r *http.Request) (pushAnswer, error) {
	ctx := r.Context()
	form, err := s.form(r)
	if err != nil {
		return pushAnswer{}, err
	}
	client, err := s.authenticate(ctx, form)
	if err != nil {
		return pushAnswer{}, err
	}
	web.Fields(ctx).Client = string(client.ID)
	binding, err := s.proof(r, pathPush)
	if err != nil {
		return pushAnswer{}, err
	}
	params, request, jkt, err := checkPush(client, form, binding.KeyThumbprint)
	if err != nil {
		return pushAnswer{}, err
	}
	uri, hash, err := s.engine.Push(ctx, client, params)
	if err != nil {
		return pushAnswer{}, err
	}
	err = s.cfg.Requests.Push(ctx, token.Pushed{
		Hash: hash, Recipient: client.ID, Params: params, Request: request, KeyThumbprint: jkt,
		ExpiresAt: s.cfg.Now().UTC().Truncate(time.Second).Add(PushedLife),
	})
	if err != nil {
		return pushAnswer{}, err
	}
	return pushAnswer{RequestURI: uri.Reveal(), ExpiresIn: int(PushedLife / time.Second)}, nil
}

// form reads the body of a protocol request: a form, each parameter once,
// nothing in the query (secrets do not belong into addresses), client
// parameters bounded.
func (s *Server) form(r *http.Request) (url.Values, error) {
	if err := web.NoQuery(r); err != nil {
		return nil, &Error{http.StatusBadRequest, engine.InvalidRequest, "send parameters in the body, not in the query", err}
	}
	form, err := web.Form(r, web.MaxForm)
	if err != nil {
		return nil, &Error{http.StatusBadRequest, engine.InvalidRequest, "the body must be a form of at most 64 KiB with each parameter once", err}
	}
	return form, nil
}

// invalidProof is the code of every bad DPoP proof (RFC 9449 section 5).
const invalidProof = "invalid_dpop_proof"

// proof verifies and spends the DPoP proof of a request, before anything
// that a code or token could be used up by. No proof gives the zero Binding.
func (s *Server) proof(r *http.Request, path string) (engine.Binding, error) {
	values := r.Header.Values("DPoP")
	if len(values) == 0 {
		return engine.Binding{}, nil
	}
	bad := func(cause error) (engine.Binding, error) {
		return engine.Binding{}, &Error{http.StatusBadRequest, invalidProof, "the DPoP proof is not valid for this request (RFC 9449 section 4.3)", cause}
	}
	p, err := s.cfg.DPoP.Verify(values, r.Method, s.cfg.Issuer+path, "")
	if err != nil {
		return bad(err)
	}
	// Clocks of instances may differ by as much as a proof may be ahead.
	err = s.cfg.Guard.Spend(r.Context(), token.Proof{Key: dpop.ReplayKey(p), ExpiresAt: p.ReplayUntil.Add(maxAhead)})
	if errors.Is(err, token.ErrReplayed) {
		return bad(err)
	}
	if err != nil {
		return engine.Binding{}, fmt.Errorf("spend proof: %w", err)
	}
	return engine.Binding{KeyThumbprint: p.Thumbprint}, nil
}
