package authz

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// Grant Management for OAuth 2.0 (ID1): a request can be about a grant that
// the client holds, and the client can look at such a grant and end it. The
// grant id is the consent id.

// invalidGrantID is the one answer about a grant that the client does not hold
// (any more), so that nothing can be learned by trying ids.
const invalidGrantID = "invalid_grant_id"

const maxGrantID = 64

// grantActions are the actions of metadata: what the API does, then what a
// request can ask for.
var grantActions = []string{"query", "revoke", "create", "merge", "replace"}

// change reads what a pushed request does to a grant (section 5.2) and finds
// that grant: one that this client holds and that is active. The request is
// about the grant as it is now; the journey ends when it moves on.
func (s *Server) change(q *request, params map[string]string, asked consent.Request) (consent.Change, error) {
	fail := func(code, text string) (consent.Change, error) { return consent.Change{}, refuse(code, text) }
	action, id := consent.Action(params["grant_management_action"]), params["grant_id"]
	switch {
	case action == "" && id == "", action == "create" && id == "":
		return consent.Change{}, nil
	case action == "create":
		return fail(engine.InvalidRequest, "grant_id does not go with grant_management_action create")
	case action == "":
		return fail(engine.InvalidRequest, "grant_id needs a grant_management_action: merge or replace")
	case action != consent.ActionMerge && action != consent.ActionReplace:
		return fail(engine.InvalidRequest, "grant_management_action must be create, merge or replace")
	case id == "":
		return fail(engine.InvalidRequest, "grant_management_action merge and replace need a grant_id")
	}
	g, err := s.held(q.Context(), q.client.ID, id)
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return fail(invalidGrantID, "this client holds no active grant with that grant_id")
	case err != nil:
		return consent.Change{}, err
	case action == consent.ActionMerge && g.Purpose != asked.Purpose.Code:
		// One grant has one purpose; the person agreed to the old data for
		// the old one.
		return fail(engine.InvalidRequest, "merge keeps the purpose of the grant: use replace or create for another")
	case g.Purpose != asked.Purpose.Code && s.cfg.Policy != nil && s.cfg.Policy.Alone(asked.Purpose.Code, s.cfg.Now()):
		return fail(engine.InvalidRequest, "this purpose needs a grant of its own: use create")
	}
	web.Fields(q.Context()).Grant = string(g.ID)
	return consent.Change{Action: action, Grant: g.ID, Epoch: g.Epoch}, nil
}

// held returns an active grant of a client, or consent.ErrNotFound.
func (s *Server) held(ctx context.Context, who consent.RecipientID, id string) (consent.Grant, error) {
	if !plain(id, maxGrantID) { // stores need not see anything else
		return consent.Grant{}, consent.ErrNotFound
	}
	return s.cfg.Stop.Held(ctx, who, consent.GrantID(id), s.cfg.Now())
}

// lapsed answers a journey about a version of a grant that is over.
func lapsed() *Error {
	return refuse(invalidGrantID, "the grant ended or was changed since the request was pushed: query it and push again")
}

// changing finds the grant that a journey is to change, for approve to use. A
// refusal is for the app: a grant is changed in the version that the client
// pushed for, and only by the person who gave it. Nobody is told whose it is.
func (s *Server) changing(v *visit, now time.Time) (no *Error, err error) {
	c := v.journey.Request.Change
	g, err := s.cfg.Stop.Held(v.Context(), v.client.ID, c.Grant, now)
	switch {
	case errors.Is(err, consent.ErrNotFound), err == nil && !c.Of(g, now):
		return lapsed(), nil
	case err != nil:
		return nil, err
	case v.journey.Consumer != "" && v.journey.Consumer != g.Consumer:
		return refuse(accessDenied, "the person who signed in cannot change this grant"), nil
	}
	v.changes = g
	return nil, nil
}

// granting returns the grant that an approved journey makes, or the next
// version of the one that it changes.
func (s *Server) granting(v *visit, now time.Time) consent.Grant {
	parties := v.client.Parties(s.cfg.Provider)
	if v.journey.Request.Change.Asked() {
		return v.journey.Changed(v.changes, parties, now)
	}
	return v.journey.Grant(consent.NewGrantID(), parties, now)
}

// grantAnswer is a grant as the client that holds it sees it (section 6.3).
// Tokens are never part of it.
type grantAnswer struct {
	Scopes    []grantScope    `json:"scopes"`
	Details   []grantedDetail `json:"authorization_details"`
	CreatedAt int64           `json:"created_at"`      // Unix seconds
	UpdatedAt int64           `json:"last_updated_at"` // Unix seconds; created_at when never changed
}

// grantScope is a scope parameter's worth of scopes. All are for one resource
// server, so that none is named.
type grantScope struct {
	Scope string `json:"scope"`
}

// grantOf is the grant id of a request to the API.
func grantOf(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, pathGrants+"/") }

// noGrant answers alike about a grant that is unknown, of another client or
// over.
func noGrant(err error) error {
	if errors.Is(err, consent.ErrNotFound) || errors.Is(err, consent.ErrEnded) {
		return &Error{http.StatusNotFound, invalidGrantID, "this client holds no active grant with that id", err}
	}
	return err
}

// queryGrant answers GET /grants/{grant_id}.
func (s *Server) queryGrant(r *http.Request, who token.ClientAccess) (reply, error) {
	g, err := s.held(r.Context(), who.Recipient, grantOf(r))
	if err != nil {
		return reply{}, noGrant(err)
	}
	web.Fields(r.Context()).Grant = string(g.ID)
	a := grantAnswer{Scopes: []grantScope{{scopeText(fdx.ScopesOf(g.Clusters()))}}, Details: granted(g), CreatedAt: g.CreatedAt.Unix(), UpdatedAt: g.CreatedAt.Unix()}
	if !g.UpdatedAt.IsZero() {
		a.UpdatedAt = g.UpdatedAt.Unix()
	}
	return reply{status: http.StatusOK, body: a}, nil
}

// revokeGrant answers DELETE /grants/{grant_id}: the grant ends with every
// token under it.
func (s *Server) revokeGrant(r *http.Request, who token.ClientAccess) (reply, error) {
	id := grantOf(r)
	if !plain(id, maxGrantID) { // stores need not see anything else
		return reply{}, noGrant(consent.ErrNotFound)
	}
	g, err := s.cfg.Stop.StopByRecipient(r.Context(), who.Recipient, consent.GrantID(id), consent.ReasonBusinessRule)
	web.Fields(r.Context()).Grant = string(g.ID) // empty when it is not the caller's
	if err != nil {
		return reply{}, noGrant(fmt.Errorf("revoke grant: %w", err))
	}
	return reply{status: http.StatusNoContent}, nil
}
