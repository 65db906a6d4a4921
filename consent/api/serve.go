package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// serve answers one request: authenticate, parse, act, write. There is no
// other way to an endpoint.
func (a *API) serve(w http.ResponseWriter, r *http.Request, e endpoint, id string) {
	ctx, cancel := context.WithTimeout(r.Context(), e.within)
	defer cancel()
	interaction, ok := fdxhttp.Interaction(r.Header)
	w.Header().Set(fdxhttp.InteractionHeader, interaction)
	log := web.Fields(ctx)
	log.Interaction = interaction

	var out answer
	refused := &fdxhttp.Refusal{Public: fdx.ErrMaintenance.WithDebug("too busy; see Retry-After"), Reason: "too_many_in_flight"}
	if a.flight.Enter() {
		defer a.flight.Leave()
		out, refused = a.answer(ctx, w.Header(), r, e, call{id: id, path: r.URL.EscapedPath()}, ok)
	}
	var body []byte
	if refused == nil && out.body != nil {
		var err error
		if body, err = json.Marshal(out.body); err != nil {
			refused = &fdxhttp.Refusal{Public: fdx.ErrInternal, Cause: err}
		}
	}
	if refused != nil {
		log.Code = refused.Public.Code
		log.Result, log.Reason, log.Cause = "refused", refused.Logged(), refused.Cause
		refused.Write(w, a.public+fdxhttp.MetadataPath)
		return
	}
	log.Result = "answered"
	if out.location != "" {
		w.Header().Set("Location", a.public+fdxhttp.Base+out.location)
	}
	if body == nil {
		w.WriteHeader(out.status)
		return
	}
	fdxhttp.WriteJSON(w, out.status, body)
}

// answer takes the steps. It writes a nonce that is due into the header.
func (a *API) answer(ctx context.Context, h http.Header, r *http.Request, e endpoint, c call, interactionOK bool) (answer, *fdxhttp.Refusal) {
	if e.body == nil && r.ContentLength != 0 {
		return answer{}, fdxhttp.Malformed("this request has no body") // it could hold a token
	}
	p, no := a.bearer.Present(r, a.public, token.KindClient)
	if p.Nonce != "" {
		h.Set("DPoP-Nonce", p.Nonce)
	}
	if no != nil {
		return answer{}, fdxhttp.Unauthenticated(p.Scheme, string(e.scope), no)
	}
	stop := e.id == fdx.RevokeConsentGrant
	from, refused := a.strangers.Look(r, stop, a.now())
	if refused != nil {
		return answer{}, refused
	}
	who, no := a.clients.Client(ctx, p, string(e.scope))
	if no != nil {
		if no.Reason == bearer.UnknownToken {
			from.Unknown()
		}
		return answer{}, fdxhttp.Unauthenticated(p.Scheme, string(e.scope), no)
	}
	c.who = who.Recipient
	web.Fields(ctx).Client = string(c.who)
	var out answer
	if refused = a.quotas.take(h, who, stop, a.now()); refused == nil {
		out, refused = a.known(ctx, r, e, c, interactionOK)
	}
	if refused != nil {
		refused.Integer = who.IntegerCodes
	}
	return out, refused
}

// known answers a recipient that has proved who it is.
func (a *API) known(ctx context.Context, r *http.Request, e endpoint, c call, interactionOK bool) (answer, *fdxhttp.Refusal) {
	if !interactionOK {
		return answer{}, fdxhttp.Malformed("x-fapi-interaction-id is not a UUID")
	}
	if refused := fdxhttp.AcceptsJSON(r.Header); refused != nil {
		return answer{}, refused
	}
	var err error
	if c.query, err = fdx.Query(nil).Parse(r.URL.RawQuery); err != nil {
		return answer{}, fdxhttp.Malformed("the query is malformed")
	}
	if e.body != nil {
		var refused *fdxhttp.Refusal
		if c.body, refused = readBody(r); refused != nil {
			return answer{}, refused
		}
	}
	out, refused := e.serve(ctx, a, c)
	return out, e.declared(refused)
}

// readBody reads a JSON body, at most one byte more of it than a parser takes.
func readBody(r *http.Request) ([]byte, *fdxhttp.Refusal) {
	if _, given, err := web.Header(r.Header, "Content-Encoding"); given || err != nil {
		return nil, fdxhttp.Malformed("send the body without Content-Encoding")
	}
	text, _, err := web.Header(r.Header, "Content-Type")
	kind, params, mimeErr := mime.ParseMediaType(text)
	charset, given := params["charset"]
	if err != nil || mimeErr != nil || kind != string(fdx.JSON) || given && !strings.EqualFold(charset, "utf-8") {
		return nil, fdxhttp.Malformed("send the body as application/json")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, fdx.MaxBodyLength+1))
	if err != nil {
		return nil, fdxhttp.Malformed("the body cannot be read")
	}
	return body, nil
}

// failed words what a store or the service says. A consent that is unknown and
// one that the caller has no part in are the same.
func failed(err error) *fdxhttp.Refusal {
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return fdxhttp.Denied(fdx.ErrDataNotFound.WithDebug("you hold no such consent"))
	case errors.Is(err, consent.ErrEnded):
		return fdxhttp.Denied(fdx.ErrConflict.WithDebug("the consent has already ended"))
	case errors.Is(err, consent.ErrUnavailable):
		return fdxhttp.StoreDown(err)
	}
	return &fdxhttp.Refusal{Public: fdx.ErrInternal, Cause: err}
}
