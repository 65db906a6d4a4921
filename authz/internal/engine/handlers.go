package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ory/fosite"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// senderConstraint refuses tokens that would be bound to nothing and codes
// that are presented with another key than the one they were asked for
// (RFC 9449 section 10). It stands right after the grant handlers, which
// load the code, and before PKCE.
type senderConstraint struct{}

var _ fosite.TokenEndpointHandler = senderConstraint{}

func (senderConstraint) CanHandleTokenEndpointRequest(context.Context, fosite.AccessRequester) bool {
	return true
}
func (senderConstraint) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (senderConstraint) HandleTokenEndpointRequest(ctx context.Context, _ fosite.AccessRequester) error {
	u, err := unitOf(ctx)
	if err != nil {
		return err
	}
	b := u.binding
	switch {
	case (b.KeyThumbprint == "") == (b.CertThumbprint == ""):
		return u.fail(&Error{Code: InvalidRequest, Text: Unbound})
	case u.code != nil && u.code.KeyThumbprint != "" && u.code.KeyThumbprint != b.KeyThumbprint:
		return u.fail(&Error{Code: InvalidGrant, Text: "the code is bound to another DPoP key"})
	}
	return nil
}

func (senderConstraint) PopulateTokenEndpointResponse(ctx context.Context, _ fosite.AccessRequester, r fosite.AccessResponder) error {
	u, err := unitOf(ctx)
	if err != nil {
		return err
	}
	r.SetTokenType(u.binding.TokenType()) // fosite always writes bearer
	return nil
}

// refreshGrant is the refresh token grant without rotation: the same refresh
// token stays good for as long as its grant, because it is bound to a client
// that authenticates (FAPI 2.0 section 5.3.2.1-9, RFC 9700 section 4.14).
// The new access token is bound to what this request proved.
type refreshGrant struct {
	store    *storage
	strategy strategy
}

var _ fosite.TokenEndpointHandler = (*refreshGrant)(nil)

func (h *refreshGrant) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne("refresh_token")
}

func (h *refreshGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (h *refreshGrant) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	if !h.CanHandleTokenEndpointRequest(ctx, r) {
		return fosite.ErrUnknownRequest
	}
	u, err := unitOf(ctx)
	if err != nil {
		return err
	}
	hash, err := h.strategy.hasher.Hash(token.KindRefresh, r.GetRequestForm().Get("refresh_token"))
	if err != nil {
		return u.fail(token.ErrNotFound)
	}
	rt := u.presented.Refresh
	switch {
	case u.presented.Refused != nil:
		return u.fail(u.presented.Refused)
	case rt.Hash != hash || rt.Recipient != u.client.r.ID:
		return u.fail(token.ErrNotFound)
	}
	if err := json.Unmarshal(rt.Session, &u.session); err != nil {
		return u.fail(fmt.Errorf("read refresh session: %w", err))
	}
	// A request may narrow, never widen (RFC 6749 section 6).
	granted := rt.Scopes
	if asked := r.GetRequestedScopes(); len(asked) > 0 {
		granted = nil
		for _, s := range asked {
			if s == offlineAccess {
				continue
			}
			if !slices.Contains(rt.Scopes, fdx.Scope(s)) {
				return u.fail(&Error{Code: InvalidScope, Text: "scope must not hold more than was granted"})
			}
			granted = append(granted, fdx.Scope(s))
		}
		if len(granted) == 0 {
			return u.fail(&Error{Code: InvalidScope, Text: "scope must hold at least one granted scope"})
		}
	}
	for _, s := range granted {
		r.GrantScope(string(s))
	}
	r.SetID(rt.RequestID)
	u.refresh = &rt
	return nil
}

func (h *refreshGrant) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, resp fosite.AccessResponder) error {
	if !h.CanHandleTokenEndpointRequest(ctx, r) {
		return fosite.ErrUnknownRequest
	}
	u, err := unitOf(ctx)
	if err != nil {
		return err
	}
	if u.refresh == nil {
		return u.fail(errUnused)
	}
	access, sig, err := h.strategy.GenerateAccessToken(ctx, r)
	if err != nil {
		return err
	}
	if err := h.store.CreateAccessTokenSession(ctx, sig, r); err != nil {
		return err
	}
	u.active, err = h.store.cfg.Store.Renew(ctx, u.refresh.Hash, u.access, u.take()...)
	if err != nil {
		return u.fail(fmt.Errorf("renew: %w", err))
	}
	u.stored = true
	resp.SetAccessToken(access)
	return nil
}
