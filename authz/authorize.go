package authz

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// The codes that only the authorization endpoint answers with (RFC 6749
// section 4.1.2.1, RFC 9101 section 10.1, OpenID Connect Core section 3.1.2.6).
const (
	accessDenied       = "access_denied"
	unauthorizedClient = "unauthorized_client"
	tryLater           = "temporarily_unavailable"
	invalidRequestURI  = "invalid_request_uri"
	loginRequired      = "login_required"
)

// visit is one request of a browser, and what is known about it so far.
type visit struct {
	*http.Request
	w       http.ResponseWriter
	client  consent.Recipient
	pushed  token.Pushed
	journey consent.Authorization
	// changes is the grant that the journey changes, if it changes one, since
	// changing found it.
	changes consent.Grant
}

// visit serves a request of a browser. An error that comes back is one that
// cannot, or not now, be told to the app: it becomes a page.
func (s *Server) visit(w http.ResponseWriter, r *http.Request, handle func(*visit) error) {
	v := &visit{Request: r, w: w}
	err := s.limits.anybody(r)
	if err == nil {
		err = handle(v)
	}
	if err != nil {
		s.problem(v, err)
	}
}

// open answers GET /authorize. It uses client_id and request_uri and nothing
// else of the query: whatever stands beside them was not pushed. The request
// is not used up, so that the page can be loaded again.
func (s *Server) open(v *visit) error {
	ctx, q := v.Context(), v.URL.Query()
	if len(q["client_id"]) != 1 || len(q["request_uri"]) != 1 {
		return refuse(engine.InvalidRequest, "push the request first and send client_id and request_uri, once each (RFC 9126)")
	}
	id, err := q.Get("client_id"), error(consent.ErrNotFound)
	if plain(id, maxClientID) { // stores need not see anything else
		v.client, err = s.cfg.Recipients.Recipient(ctx, consent.RecipientID(id))
	}
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return refuse(engine.InvalidRequest, "client_id is not known")
	case err != nil:
		return fmt.Errorf("load recipient: %w", err)
	}
	web.Fields(ctx).Client = string(v.client.ID)
	if v.pushed, err = s.pushedFor(ctx, v.client.ID, q.Get("request_uri")); err != nil {
		return err
	}
	v.journey, err = s.cfg.Authorizations.Open(ctx, consent.Authorization{
		ID: consent.NewAuthorizationID(), Browser: s.cfg.Browsers.Browser(ctx),
		Pushed: v.pushed.Hash.String(), Recipient: v.client.ID, Request: v.pushed.Request,
		LoginHint: v.pushed.Params["login_hint"], UILocales: strings.Fields(v.pushed.Params["ui_locales"]),
		ExpiresAt: s.cfg.Now().UTC().Add(consent.JourneyTime),
	})
	if err != nil {
		return fmt.Errorf("open authorization: %w", err)
	}
	return s.next(v)
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
func (s *Server) resume(v *visit, id consent.AuthorizationID) error {
	ctx := v.Context()
	var err error
	v.journey, err = s.cfg.Authorizations.Authorization(ctx, id, s.cfg.Browsers.Browser(ctx))
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return refuse(engine.InvalidRequest, "this request is not open in this browser")
	case err != nil:
		return fmt.Errorf("load authorization: %w", err)
	}
	if v.client, err = s.cfg.Recipients.Recipient(ctx, v.journey.Recipient); err != nil {
		return fmt.Errorf("load recipient: %w", err)
	}
	web.Fields(ctx).Client = string(v.client.ID)
	if v.journey.Answered {
		return s.show(v, consent.StepDone)
	}
	h, err := token.ParseHash(v.journey.Pushed)
	if err != nil {
		return fmt.Errorf("read request of authorization: %w", err)
	}
	v.pushed, err = s.cfg.Requests.Opened(ctx, h)
	switch {
	case errors.Is(err, token.ErrUsed):
		return s.decided(v)
	case errors.Is(err, token.ErrNotFound):
		return refuse(invalidRequestURI, "the request is gone: push it again")
	case err != nil:
		return fmt.Errorf("load opened request: %w", err)
	}
	return s.next(v)
}

// decided answers somebody whose request has been decided. It was done in
// another tab of this browser, which has a page to show, or in another
// browser, of which this one must learn nothing more.
func (s *Server) decided(v *visit) error {
	now, err := s.cfg.Authorizations.Authorization(v.Context(), v.journey.ID, v.journey.Browser)
	switch {
	case err != nil:
		return fmt.Errorf("load authorization: %w", err)
	case !now.Answered:
		return refuse(invalidRequestURI, "this request was decided in another browser")
	}
	return s.show(v, consent.StepDone)
}

// show sends the browser to a page of the journey.
func (s *Server) show(v *visit, step consent.Step) error {
	seeOther(v.w, s.cfg.Pages.Path(v.journey.ID, step))
	return nil
}

// next sends the browser where the journey stands: to a page, or back to the
// app with the answer. Everything that ends a journey passes here.
func (s *Server) next(v *visit) error {
	want, err := askedOf(v.pushed)
	if err != nil {
		return err
	}
	ctx, now := v.Context(), s.cfg.Now()
	step := v.journey.Next(now)
	switch {
	case step == consent.StepDone:
		return s.show(v, step)
	case v.client.Status == consent.RecipientClosed || !slices.Contains(v.client.RedirectURIs, v.pushed.Params["redirect_uri"]):
		// Nothing vouches for the address any more (RFC 9700 section 4.11.2).
		return refuse(unauthorizedClient, "this client or its redirect_uri is not registered any more")
	case step == consent.StepDeny:
		code, text := ended(v.journey.Cause)
		return s.deny(v, code, text)
	case step == consent.StepExpired:
		return s.end(v, consent.CauseTime)
	case !v.client.Status.MayAsk():
		return s.end(v, consent.CauseApp)
	case want.silent:
		// Who signed in for another request has not signed in for this one.
		return s.deny(v, loginRequired, "each request takes a sign-in and a decision of its own: leave prompt=none out")
	case want.subject != "" && v.journey.Consumer != "" && want.subject != s.subject(v.client.ID, v.journey.Consumer):
		// OpenID Connect Core section 3.1.2.2: no answer about anybody else.
		return s.deny(v, loginRequired, "the person who signed in is not the one that the claims parameter names")
	}
	if v.journey.Request.Change.Asked() {
		no, err := s.changing(v, now)
		switch {
		case err != nil:
			return err
		case no != nil:
			return s.deny(v, no.Code, no.Text)
		}
	}
	if step != consent.StepLogin && s.cfg.Switch != nil {
		off, err := s.cfg.Switch.SharingOff(ctx, v.journey.Consumer)
		switch {
		case err != nil:
			return fmt.Errorf("load switch: %w", err)
		case !off.IsZero():
			return s.switchedOff(v)
		}
	}
	if step == consent.StepIssue {
		return s.approve(v, want, now)
	}
	return s.show(v, step)
}

// ended says to the app why a journey ended without sharing.
func ended(why consent.Cause) (code, text string) {
	switch why {
	case consent.CauseBank:
		return tryLater, "the bank could not go on and the person did not wait: try again later"
	case consent.CauseOff:
		return accessDenied, "the person has all new sharing switched off"
	case consent.CauseTime:
		return accessDenied, "the person took too long to decide"
	case consent.CauseApp:
		return unauthorizedClient, "this client may not ask for data now"
	}
	return accessDenied, "the person decided not to share"
}

// end answers the app with a refusal that nobody decided on.
func (s *Server) end(v *visit, why consent.Cause) error {
	v.journey.Cause = why
	code, text := ended(why)
	return s.deny(v, code, text)
}

// switchedOff shows a person that they have new sharing switched off. A yes
// that they gave meanwhile is void: whoever switches it on decides then.
func (s *Server) switchedOff(v *visit) error {
	if v.journey.Decision == consent.Approved {
		v.journey.Decision, v.journey.Disclosure = consent.Undecided, consent.Disclosure{}
		_, err := s.cfg.Authorizations.Replace(v.Context(), v.journey)
		if err != nil && !errors.Is(err, consent.ErrConflict) { // another tab was faster, and leads here
			return fmt.Errorf("take back decision: %w", err)
		}
	}
	return s.show(v, consent.StepSharing)
}

// approve turns an approval into a grant and a code, in one transaction, and
// answers the app. now is the time at which the approval was found to stand.
func (s *Server) approve(v *visit, want asked, now time.Time) error {
	ctx := v.Context()
	grant := s.granting(v, now)
	code, record, err := s.engine.Issue(ctx, v.client, v.pushed, grant, want.identity(v.journey))
	if err != nil {
		return fmt.Errorf("issue code: %w", err)
	}
	err = s.answer(v, response{code: code}, func(a consent.Authorization) error {
		err := s.cfg.Requests.Approve(ctx, token.Approval{Pushed: v.pushed.Hash, Authorization: a, Grant: grant, Code: record})
		if err == nil {
			web.Fields(ctx).Grant, web.Fields(ctx).Result = string(grant.ID), "approved"
			if grant.Epoch > 1 {
				// The change is made; only who hangs up ends the wait earlier.
				if err := s.cfg.Stop.Settle(ctx, grant.ID, grant.Epoch); err != nil {
					web.Fields(ctx).Cause = err
				}
			}
		}
		return err
	})
	switch {
	case errors.Is(err, consent.ErrEnded): // between changing and now
		return s.deny(v, lapsed().Code, lapsed().Text)
	case errors.Is(err, consent.ErrMayNotAsk): // stopped between loading it and now
		return s.end(v, consent.CauseApp)
	case errors.Is(err, consent.ErrSharingOff): // switched off between loading it and now
		return s.switchedOff(v)
	}
	return err
}

// deny answers the app with a refusal. No grant is made.
func (s *Server) deny(v *visit, code, text string) error {
	no := refuse(code, text)
	v.journey.Decision = consent.Denied
	return s.answer(v, response{refusal: no}, func(a consent.Authorization) error {
		err := s.cfg.Requests.Refuse(v.Context(), v.pushed.Hash, a)
		if err == nil {
			note(v.Context(), no)
		}
		return err
	})
}

// answer ends the journey: store keeps the decision and uses the request up,
// then the browser takes the response to the app. The response is made first,
// so that an answer that cannot be given is not taken for given.
func (s *Server) answer(v *visit, a response, store func(consent.Authorization) error) error {
	to, err := s.respond(v.Context(), v.client, v.pushed, a)
	if err != nil {
		return err
	}
	answered := v.journey
	answered.Answered = true
	err = store(answered)
	switch {
	case errors.Is(err, consent.ErrConsumed), errors.Is(err, consent.ErrConflict):
		// Another tab was faster. There is one answer, and it is not ours.
		to = pathAuthorize + "/" + string(v.journey.ID)
	case err != nil:
		return fmt.Errorf("store decision: %w", err)
	}
	seeOther(v.w, to)
	return nil
}

// seeOther redirects with 303, which never repeats a POST (FAPI 2.0 section
// 5.3.2.2-11).
func seeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// problem shows a page; nothing is redirected anywhere on its way, so that
// the server is no open redirector.
func (s *Server) problem(v *visit, err error) {
	e := wire(err)
	note(v.Context(), e)
	p := Problem{
		Status: http.StatusBadRequest, Code: e.Code, Text: e.Text, AppName: v.client.Name, BackURI: v.client.HomeURI,
		UILocales: v.journey.UILocales,
	}
	if p.UILocales == nil {
		p.UILocales = strings.Fields(v.pushed.Params["ui_locales"])
	}
	if e.Status == http.StatusTooManyRequests {
		p.Status, p.RetryURI = e.Status, v.URL.RequestURI()
		v.w.Header().Set("Retry-After", retryIn(e))
	}
	if e.Status >= http.StatusInternalServerError {
		p.Status, p.RetryURI = http.StatusServiceUnavailable, v.URL.RequestURI()
		p.Journey, p.RedirectURIs = v.journey, v.client.RedirectURIs
		v.w.Header().Set("Retry-After", retryAfter)
	}
	s.cfg.Pages.Problem(v.w, v.Request, p)
}
