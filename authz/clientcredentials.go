package authz

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// clientCredentials is the grant type with which a client obtains a token for
// itself (RFC 6749 section 4.4). Such a token opens no data: it is for the
// interfaces at which a recipient looks after its own affairs.
const clientCredentials = "client_credentials"

// The scopes of a client's own tokens.
const (
	// ScopeGrantQuery and ScopeGrantRevoke are as in package token.
	ScopeGrantQuery  = token.ScopeGrantQuery
	ScopeGrantRevoke = token.ScopeGrantRevoke
)

// clientScopes are the scopes that a client may have for itself.
var clientScopes = []string{ScopeGrantQuery, ScopeGrantRevoke, token.ScopeNotifications}

// clientToken answers a token request of a client for itself. There is no
// refresh token: the client can always ask again (RFC 6749 section 4.4.3).
func (s *Server) clientToken(q *request) (reply, error) {
	switch {
	case q.client.Role == consent.RoleResourceServer, !slices.Contains(q.client.Profile.GrantTypes, clientCredentials):
		return reply{}, refuse("unauthorized_client", "this client is not registered for client_credentials")
	case q.binding == engine.Binding{}:
		return reply{}, refuse(engine.InvalidRequest, engine.Unbound)
	case q.form.Has("authorization_details"):
		return reply{}, badDetails("authorization_details goes with a consent, which client_credentials has not")
	}
	scopes, ok := parseClientScopes(q.form.Get("scope"))
	if !ok {
		return reply{}, refuse(engine.InvalidScope, "scope must name, once each, what the client may do for itself: "+strings.Join(clientScopes, " "))
	}
	secret, hash := s.cfg.Hasher.New(token.KindClient)
	now := s.wholeSecond()
	a := token.ClientAccess{
		Hash: hash, Recipient: q.client.ID, Scopes: scopes,
		KeyThumbprint: q.binding.KeyThumbprint, CertThumbprint: q.binding.CertThumbprint,
		IssuedAt: now, ExpiresAt: now.Add(AccessLife),
	}
	if err := s.cfg.Tokens.IssueClient(q.Context(), a, q.take()...); err != nil {
		if errors.Is(err, token.ErrRevoked) { // suspended since it authenticated
			err = badClient(err)
		}
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: tokenAnswer{
		AccessToken: secret.Reveal(), TokenType: q.binding.TokenType(), ExpiresIn: s.secondsTo(a.ExpiresAt), Scope: scopeText(scopes),
	}}, nil
}

// parseClientScopes reads a scope parameter: at least one of clientScopes,
// none twice.
func parseClientScopes(text string) ([]string, bool) {
	var scopes []string
	for name := range strings.SplitSeq(text, " ") {
		if !slices.Contains(clientScopes, name) || slices.Contains(scopes, name) {
			return nil, false
		}
		scopes = append(scopes, name)
	}
	return scopes, true
}
