package authz

import (
	"net/http"
	"time"

	"github.com/headgate/headgate/internal/token"
)

// pushAnswer is the answer of the PAR endpoint (RFC 9126 section 2.2).
type pushAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int    `json:"expires_in"` // seconds
}

// push answers POST /par.
func (s *Server) push(q *request) (reply, error) {
	ctx := q.Context()
	if err := s.bind(q); err != nil {
		return reply{}, err
	}
	if !q.client.MayAsk() {
		return reply{}, refuse(unauthorizedClient, "this client may not ask for data, or not now")
	}
	form, err := s.parameters(q)
	if err != nil {
		return reply{}, err
	}
	params, request, jkt, err := checkPush(q.client, form, q.binding.KeyThumbprint)
	if err != nil {
		return reply{}, err
	}
	if s.cfg.Policy != nil {
		if request, err = s.cfg.Policy.Apply(request, s.cfg.Now()); err != nil {
			return reply{}, err
		}
	}
	if request.Change, err = s.change(q, params, request); err != nil {
		return reply{}, err
	}
	request.Fresh = params["grant_management_action"] == "create"
	uri, hash, err := s.engine.Push(ctx, q.client, params)
	if err != nil {
		return reply{}, err
	}
	err = s.cfg.Requests.Push(ctx, token.Pushed{
		Hash: hash, Recipient: q.client.ID, Params: params, Request: request, KeyThumbprint: jkt,
		ExpiresAt: s.wholeSecond().Add(PushedLife),
	}, q.take()...)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, body: pushAnswer{RequestURI: uri.Reveal(), ExpiresIn: int(PushedLife / time.Second)}}, nil
}
