package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/pkce"
	fositestorage "github.com/ory/fosite/storage"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// storage is fosite's view of our store. It keeps to one rule: what fosite
// reads comes from the unit of the request, never from what fosite passes
// in, so that no half-filled session can erase a binding; and what fosite
// writes is collected and stored by one call, at Commit.
//
// One type implements every interface on purpose: fosite finds transactions
// by asserting the very value that a handler holds.
type storage struct{ cfg Config }

var (
	_ fosite.Storage                = (*storage)(nil)
	_ fosite.PARStorage             = (*storage)(nil)
	_ oauth2.CoreStorage            = (*storage)(nil)
	_ oauth2.TokenRevocationStorage = (*storage)(nil)
	_ pkce.PKCERequestStorage       = (*storage)(nil)
	_ fositestorage.Transactional   = (*storage)(nil)
)

// errUnused marks fosite storage calls that our composition never makes.
var errUnused = errors.New("engine: storage call that the composition does not make")

// grantState is what a code or refresh token remembers of its grant.
type grantState struct {
	ExpiresAt time.Time `json:"expires_at"`
	OneTime   bool      `json:"one_time,omitempty"`
	Identity  *Identity `json:"identity,omitempty"` // nil without openid
}

// GetClient returns the authenticated client and no other.
func (s *storage) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	u, err := unitOf(ctx)
	if err != nil || u.client == nil || u.client.GetID() != id {
		return nil, fosite.ErrNotFound
	}
	return u.client, nil
}

// ClientAssertionJWTValid and SetClientAssertionJWT belong to fosite's own
// client authentication, which is replaced.
func (s *storage) ClientAssertionJWTValid(context.Context, string) error { return errUnused }

// SetClientAssertionJWT: see ClientAssertionJWTValid.
func (s *storage) SetClientAssertionJWT(context.Context, string, time.Time) error { return errUnused }

// CreatePARSession makes our request_uri in place of fosite's.
func (s *storage) CreatePARSession(ctx context.Context, _ string, _ fosite.AuthorizeRequester) error {
	u, err := unitOf(ctx)
	if err != nil {
		return err
	}
	u.pushed, u.pushedHash = s.cfg.Hasher.New(token.KindPushed)
	return nil
}

// GetPARSession returns the request that is being answered.
func (s *storage) GetPARSession(ctx context.Context, _ string) (fosite.AuthorizeRequester, error) {
	u, err := unitOf(ctx)
	if err != nil {
		return nil, err
	}
	if u.request == nil || u.request.Recipient != u.client.r.ID {
		return nil, fosite.ErrNotFound
	}
	ar := fosite.NewAuthorizeRequest()
	ar.Client = u.client
	ar.Form = url.Values{}
	for k, v := range u.request.Params {
		ar.Form.Set(k, v)
	}
	ar.State = ar.Form.Get("state")
	ar.ResponseTypes = fosite.Arguments{"code"}
	ar.ResponseMode = fosite.ResponseModeQuery
	ar.RedirectURI, err = url.Parse(ar.Form.Get("redirect_uri"))
	if err != nil {
		return nil, err
	}
	return ar, nil
}

// DeletePARSession does nothing: fosite calls it when the page is loaded,
// but a request is consumed when it has been decided.
func (s *storage) DeletePARSession(context.Context, string) error { return nil }

// CreateAuthorizeCodeSession keeps the code for the caller to store with the
// grant. Everything comes from the pushed request and the grant.
func (s *storage) CreateAuthorizeCodeSession(ctx context.Context, sig string, r fosite.Requester) error {
	u, err := unitOf(ctx)
	if err != nil {
		return err
	}
	h, err := token.ParseHash(sig)
	if err != nil || u.request == nil || u.grant == nil {
		return u.fail(fmt.Errorf("make code: %w", errUnused))
	}
	state, err := json.Marshal(u.session)
	if err != nil {
		return u.fail(err)
	}
	now := s.cfg.Now().UTC().Truncate(time.Second)
	u.code = &token.Code{
		Hash: h, Grant: u.grant.ID, Recipient: u.client.r.ID, RequestID: r.GetID(),
		RedirectURI: u.request.Params["redirect_uri"], Challenge: u.request.Params["code_challenge"],
		KeyThumbprint: u.request.KeyThumbprint, Scopes: grantedScopes(*u.grant, u.session.Identity),
		Session: state, IssuedAt: now, ExpiresAt: now.Add(s.cfg.CodeLife),
	}
	return nil
}

// GetAuthorizeCodeSession returns the code that the request presents.
func (s *storage) GetAuthorizeCodeSession(ctx context.Context, sig string, _ fosite.Session) (fosite.Requester, error) {
	u, err := unitOf(ctx)
	if err != nil {
		return nil, err
	}
	if u.code == nil {
		h, err := token.ParseHash(sig)
		if err != nil {
			return nil, u.fail(token.ErrNotFound)
		}
		c, refused := u.presented.Code, u.presented.Refused
		switch {
		case refused != nil && !errors.Is(refused, token.ErrUsed):
			return nil, u.fail(refused)
		case c.Hash != h || c.Recipient != u.client.r.ID:
			// Somebody else's code, used or not. Ownership comes before
			// everything, so that a stranger can neither use nor spoil it.
			return nil, u.fail(token.ErrNotFound)
		case refused != nil:
			return nil, u.fail(&UsedError{Grant: c.Grant})
		}
		if err := json.Unmarshal(c.Session, &u.session); err != nil {
			return nil, u.fail(fmt.Errorf("read code session: %w", err))
		}
		u.code = &c
	}
	r := fosite.NewRequest()
	r.ID = u.code.RequestID
	r.Client = u.client
	r.Session = &session{}
	r.RequestedAt = u.code.IssuedAt
	r.Form = url.Values{
		"redirect_uri":          {u.code.RedirectURI},
		"code_challenge":        {u.code.Challenge},
		"code_challenge_method": {"S256"},
	}
	for _, sc := range u.code.Scopes {
		r.AppendRequestedScope(string(sc))
		r.GrantScope(string(sc))
	}
	return r, nil
}

// InvalidateAuthorizeCodeSession does nothing by itself: Commit redeems.
func (s *storage) InvalidateAuthorizeCodeSession(ctx context.Context, sig string) error {
	u, err := unitOf(ctx)
	if err != nil {
		return err
	}
	if u.code == nil || u.code.Hash.String() != sig {
		return u.fail(token.ErrNotFound)
	}
	return nil
}

// The PKCE interface is a view of the code row, which is the only source.
// Deleting does nothing: fosite deletes before it compares, so that one
// wrong verifier would erase the challenge.

// GetPKCERequestSession returns the challenge of the code.
func (s *storage) GetPKCERequestSession(ctx context.Context, sig string, sess fosite.Session) (fosite.Requester, error) {
	return s.GetAuthorizeCodeSession(ctx, sig, sess)
}

// CreatePKCERequestSession does nothing; the code row holds the challenge.
func (s *storage) CreatePKCERequestSession(context.Context, string, fosite.Requester) error {
	return nil
}

// DeletePKCERequestSession does nothing; see GetPKCERequestSession.
func (s *storage) DeletePKCERequestSession(context.Context, string) error { return nil }

// CreateAccessTokenSession keeps the access token until Commit. It is the
// last line of defence: whatever the handlers did, a token that is bound to
// nothing is never stored.
func (s *storage) CreateAccessTokenSession(ctx context.Context, sig string, r fosite.Requester) error {
	u, err := unitOf(ctx)
	if err != nil {
		return err
	}
	h, err := token.ParseHash(sig)
	if err != nil {
		return u.fail(err)
	}
	if (u.binding.KeyThumbprint == "") == (u.binding.CertThumbprint == "") {
		return u.fail(&Error{Code: ServerError, Text: "the token was not bound"})
	}
	var grant consent.GrantID
	switch {
	case u.code != nil:
		grant = u.code.Grant
	case u.refresh != nil:
		grant = u.refresh.Grant
	default:
		return u.fail(errUnused)
	}
	now := s.cfg.Now().UTC().Truncate(time.Second)
	end := now.Add(s.cfg.AccessLife)
	if u.session.ExpiresAt.Before(end) {
		end = u.session.ExpiresAt
	}
	u.access = token.Access{
		Hash: h, Grant: grant, Recipient: u.client.r.ID, RequestID: r.GetID(),
		KeyThumbprint: u.binding.KeyThumbprint, CertThumbprint: u.binding.CertThumbprint,
		IssuedAt: now, ExpiresAt: end,
	}
	for _, sc := range r.GetGrantedScopes() {
		u.access.Scopes = append(u.access.Scopes, fdx.Scope(sc))
	}
	if u.resources != nil && len(u.resources) == 0 { // nothing is not everything
		return u.fail(&Error{Code: ServerError, Text: "the token would reach nothing"})
	}
	if u.resources == nil {
		return nil
	}
	u.access.Resources = u.resources
	u.access.Scopes = narrowed(u.access.Scopes, u.resources)
	if fdx.ClustersOf(u.access.Scopes).Empty() {
		return u.fail(&Error{Code: InvalidScope, Text: "scope and authorization_details have no data in common"})
	}
	return nil
}

// narrowed returns the scopes that a token for these resources carries: those
// of the clusters in both, implied ones included, and those that are about no
// data.
func narrowed(scopes []fdx.Scope, resources []consent.Resource) []fdx.Scope {
	named := consent.Grant{Resources: resources}.Clusters()
	kept := fdx.ScopesOf(fdx.ClustersOf(scopes).Implied().Intersect(named))
	for _, s := range scopes {
		if _, data := s.Cluster(); !data {
			kept = append(kept, s)
		}
	}
	return kept
}

// CreateRefreshTokenSession keeps the refresh token until Commit.
func (s *storage) CreateRefreshTokenSession(ctx context.Context, sig, _ string, r fosite.Requester) error {
	u, err := unitOf(ctx)
	if err != nil {
		return err
	}
	if u.session.OneTime {
		return nil
	}
	h, err := token.ParseHash(sig)
	if err != nil || u.code == nil {
		return u.fail(errUnused)
	}
	u.renew = &token.Refresh{
		Hash: h, Grant: u.code.Grant, Recipient: u.client.r.ID, RequestID: r.GetID(),
		Scopes: u.code.Scopes, Session: u.code.Session,
		IssuedAt: u.access.IssuedAt, ExpiresAt: u.session.ExpiresAt,
	}
	return nil
}

// BeginTX starts to collect; there is nothing to open.
func (s *storage) BeginTX(ctx context.Context) (context.Context, error) { return ctx, nil }

// Rollback forgets what was collected. Nothing has been written.
func (s *storage) Rollback(context.Context) error { return nil }

// Commit redeems the code and stores the tokens in one step.
func (s *storage) Commit(ctx context.Context) error {
	u, err := unitOf(ctx)
	if err != nil {
		return err
	}
	if u.code == nil || u.access.Hash.IsZero() {
		return u.fail(errUnused)
	}
	if id := u.session.Identity; id != nil {
		if u.idToken, err = s.cfg.IDToken(ctx, u.client.r, *id); err != nil {
			return u.fail(fmt.Errorf("make ID token: %w", err))
		}
	}
	u.active, err = s.cfg.Store.Redeem(ctx, token.Redemption{
		Code: u.code.Hash, Access: u.access, Refresh: u.renew, Spend: u.take(),
	})
	if errors.Is(err, token.ErrUsed) {
		// Lost a race against another redemption of the same code.
		return u.fail(&UsedError{Grant: u.code.Grant})
	}
	if err != nil {
		return u.fail(fmt.Errorf("redeem code: %w", err))
	}
	u.stored = true
	return nil
}

// The rest of fosite's interfaces is not used by the composition: access
// tokens are never read through fosite, refresh tokens never rotate, and
// revocation does not go through fosite.

// GetAccessTokenSession is not used.
func (s *storage) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, errUnused
}

// DeleteAccessTokenSession is not used.
func (s *storage) DeleteAccessTokenSession(context.Context, string) error { return errUnused }

// GetRefreshTokenSession is not used; see refreshGrant.
func (s *storage) GetRefreshTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, errUnused
}

// DeleteRefreshTokenSession is not used.
func (s *storage) DeleteRefreshTokenSession(context.Context, string) error { return errUnused }

// RotateRefreshToken is not used.
func (s *storage) RotateRefreshToken(context.Context, string, string) error { return errUnused }

// RevokeRefreshToken is not used.
func (s *storage) RevokeRefreshToken(context.Context, string) error { return errUnused }

// RevokeAccessToken is not used.
func (s *storage) RevokeAccessToken(context.Context, string) error { return errUnused }
