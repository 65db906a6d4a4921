package authz

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// invalidRequestURI is the code for a request_uri that cannot be opened (RFC
// 9101 section 10.1).
const invalidRequestURI = "invalid_request_uri"

// open answers GET /authorize. It uses client_id and request_uri and nothing
// else of the query: whatever stands beside them was not pushed. The request
// is not used up, so that the page can be loaded again.
func (s *Server) open(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	q := r.URL.Query()
	if len(q["client_id"]) != 1 || len(q["request_uri"]) != 1 {
		s.problem(w, r, consent.Recipient{}, refuse(engine.InvalidRequest, "push the request first and send client_id and request_uri, once each (RFC 9126)"))
		return
	}
	client, err := consent.Recipient{}, error(consent.ErrNotFound)
	if id := q.Get("client_id"); plain(id, maxClientID) { // stores need not see anything else
		client, err = s.cfg.Recipients.Recipient(ctx, consent.RecipientID(id))
	}
	if err != nil {
		if errors.Is(err, consent.ErrNotFound) {
			err = refuse(engine.InvalidRequest, "client_id is not known")
		}
		s.problem(w, r, consent.Recipient{}, err)
		return
	}
	web.Fields(ctx).Client = string(client.ID)
	if !client.Status.MayAsk() {
		s.problem(w, r, client, refuse("unauthorized_client", "this client may not ask for data now"))
		return
	}
	p, err := s.pushedFor(ctx, client.ID, q.Get("request_uri"))
	if err != nil {
		s.problem(w, r, client, err)
		return
	}
	a, err := s.cfg.Authorizations.Open(ctx, consent.Authorization{
		ID: consent.NewAuthorizationID(), Browser: s.cfg.Browsers.Browser(ctx),
		Pushed: p.Hash.String(), Recipient: client.ID, Request: p.Request,
		LoginHint: p.Params["login_hint"], UILocales: strings.Fields(p.Params["ui_locales"]),
		ExpiresAt: s.cfg.Now().UTC().Add(consent.JourneyTime),
	})
	if err != nil {
		s.problem(w, r, client, fmt.Errorf("open authorization: %w", err))
		return
	}
	s.next(w, r, client, a)
}

// pushedFor finds the pushed request of a client. Unknown, expired, decided
// and foreign requests are answered alike.
func (s *Server) pushedFor(ctx context.Context, client consent.RecipientID, uri string) (token.Pushed, error) {
	unknown := refuse(invalidRequestURI, "request_uri is unknown, expired, used or of another client: push the request again")
	h, err := s.cfg.Hasher.Hash(token.KindPushed, uri)
	if err != nil {
		return token.Pushed{}, unknown
	}
	p, err := s.cfg.Requests.Pushed(ctx, h)
	switch {
	case errors.Is(err, token.ErrNotFound), errors.Is(err, token.ErrUsed):
		return token.Pushed{}, unknown
	case err != nil:
		return token.Pushed{}, fmt.Errorf("load pushed request: %w", err)
	case p.Recipient != client:
		return token.Pushed{}, unknown
	}
	return p, nil
}

// resume answers GET /authorize/{id}, to which every page comes back.
func (s *Server) resume(w http.ResponseWriter, r *http.Request, id consent.AuthorizationID) {
	ctx := r.Context()
	a, err := s.cfg.Authorizations.Authorization(ctx, id, s.cfg.Browsers.Browser(ctx))
	if err != nil {
		if errors.Is(err, consent.ErrNotFound) {
			err = refuse(engine.InvalidRequest, "this request is not open in this browser")
		}
		s.problem(w, r, consent.Recipient{}, err)
		return
	}
	client, err := s.cfg.Recipients.Recipient(ctx, a.Recipient)
	if err != nil {
		s.problem(w, r, consent.Recipient{}, fmt.Errorf("load recipient: %w", err))
		return
	}
	web.Fields(ctx).Client = string(client.ID)
	s.next(w, r, client, a)
}

// next sends the browser where the authorization stands.
func (s *Server) next(w http.ResponseWriter, r *http.Request, client consent.Recipient, a consent.Authorization) {
	now := s.cfg.Now()
	switch step := a.Next(now); step {
	case consent.StepIssue:
		s.issue(w, r, client, a, now)
	case consent.StepDeny:
		s.deny(w, r, client, a, "the person decided not to share")
	case consent.StepExpired:
		s.deny(w, r, client, a, "the person took too long to decide")
	default:
		seeOther(w, s.cfg.Pages.Path(a.ID, step))
	}
}

// issue turns an approval into a grant and a code, in one transaction, and
// answers the app. now is the time at which the approval was found to stand.
func (s *Server) issue(w http.ResponseWriter, r *http.Request, client consent.Recipient, a consent.Authorization, now time.Time) {
	ctx := r.Context()
	p, err := s.opened(ctx, a)
	if errors.Is(err, consent.ErrConsumed) {
		s.decided(w, r, client, a)
		return
	}
	if err != nil {
		s.problem(w, r, client, err)
		return
	}
	if !client.Status.MayAsk() {
		s.deny(w, r, client, a, "this client may not receive data now")
		return
	}
	grant := a.Grant(consent.NewGrantID(), []consent.Party{client.Party(), s.cfg.Provider}, now)
	code, record, err := s.engine.Issue(ctx, client, p, grant)
	if err != nil {
		s.problem(w, r, client, fmt.Errorf("issue code: %w", err))
		return
	}
	a.Answered = true
	err = s.cfg.Requests.Approve(ctx, token.Approval{Pushed: p.Hash, Authorization: a, Grant: grant, Code: record})
	switch {
	case errors.Is(err, consent.ErrConsumed), errors.Is(err, consent.ErrConflict):
		// Another tab was faster. There is one code, and it is not ours.
		seeOther(w, pathAuthorize+"/"+string(a.ID))
		return
	case err != nil:
		s.problem(w, r, client, fmt.Errorf("approve: %w", err))
		return
	}
	web.Fields(ctx).Grant = string(grant.ID)
	web.Fields(ctx).Result = "approved"
	s.answer(w, p, url.Values{"code": {code.Reveal()}})
}

// deny answers the app with access_denied. Nothing else is sent.
func (s *Server) deny(w http.ResponseWriter, r *http.Request, client consent.Recipient, a consent.Authorization, why string) {
	ctx := r.Context()
	p, err := s.opened(ctx, a)
	if errors.Is(err, consent.ErrConsumed) {
		s.decided(w, r, client, a)
		return
	}
	if err != nil {
		s.problem(w, r, client, err)
		return
	}
	a.Decision, a.Answered = consent.Denied, true
	err = s.cfg.Requests.Refuse(ctx, p.Hash, a)
	switch {
	case errors.Is(err, consent.ErrConsumed), errors.Is(err, consent.ErrConflict):
		seeOther(w, pathAuthorize+"/"+string(a.ID))
		return
	case err != nil:
		s.problem(w, r, client, fmt.Errorf("refuse: %w", err))
		return
	}
	web.Fields(ctx).Result = "denied"
	s.answer(w, p, url.Values{"error": {"access_denied"}, "error_description": {why}})
}

// decided answers somebody who decides about a request that has been decided.
// It was done in another tab of this browser, which has a page to show, or in
// another browser, of which this one must learn nothing more.
func (s *Server) decided(w http.ResponseWriter, r *http.Request, client consent.Recipient, a consent.Authorization) {
	now, err := s.cfg.Authorizations.Authorization(r.Context(), a.ID, a.Browser)
	switch {
	case err != nil:
		s.problem(w, r, client, fmt.Errorf("load authorization: %w", err))
	case now.Answered:
		seeOther(w, s.cfg.Pages.Path(a.ID, consent.StepDone))
	default:
		s.problem(w, r, client, refuse(invalidRequestURI, "this request was decided in another browser"))
	}
}

// opened loads the request that is being decided.
func (s *Server) opened(ctx context.Context, a consent.Authorization) (token.Pushed, error) {
	h, err := token.ParseHash(a.Pushed)
	if err != nil {
		return token.Pushed{}, fmt.Errorf("read request of authorization: %w", err)
	}
	p, err := s.cfg.Requests.Opened(ctx, h)
	switch {
	case errors.Is(err, token.ErrUsed):
		return token.Pushed{}, consent.ErrConsumed
	case errors.Is(err, token.ErrNotFound):
		return token.Pushed{}, refuse(invalidRequestURI, "the request is gone: push it again")
	case err != nil:
		return token.Pushed{}, fmt.Errorf("load opened request: %w", err)
	}
	return p, nil
}

// answer sends the browser back to the app with the response parameters,
// state as it was sent and iss (RFC 9207). The registered query of the
// redirect URI is kept.
func (s *Server) answer(w http.ResponseWriter, p token.Pushed, params url.Values) {
	if state := p.Params["state"]; state != "" {
		params.Set("state", state)
	}
	params.Set("iss", s.cfg.Issuer)
	target := p.Params["redirect_uri"]
	sep := "?"
	if strings.Contains(target, "?") {
		sep = "&"
	}
	seeOther(w, target+sep+params.Encode())
}

// seeOther redirects with 303, which never repeats a POST (FAPI 2.0 section
// 5.3.2.2-11).
func seeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// problem shows a page; nothing is redirected anywhere on its way, so that
// the server is no open redirector.
func (s *Server) problem(w http.ResponseWriter, r *http.Request, client consent.Recipient, err error) {
	e := wire(err)
	note(r.Context(), e)
	p := Problem{Status: http.StatusBadRequest, Code: e.Code, Text: e.Text, AppName: client.Name, BackURI: client.HomeURI}
	if e.Status >= http.StatusInternalServerError {
		p.Status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", retryAfter)
	}
	s.cfg.Pages.Problem(w, r, p)
}
