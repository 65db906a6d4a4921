package authz

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// revoke answers POST /revoke (RFC 7009). A token that is unknown or foreign
// is answered like one that has just been revoked; a store that cannot say is
// 503, never a false 200. What has been answered with 200 is no longer active
// at any introspection that starts later, also when it was dead before: the
// caches may not have forgotten it yet (consent.Service.Settle).
func (s *Server) revoke(q *request) (reply, error) {
	if err := s.spend(q); err != nil {
		return reply{}, err
	}
	secret := q.form.Get("token")
	if secret == "" {
		return reply{}, refuse(engine.InvalidRequest, "token is missing")
	}
	if err := s.revokeToken(q.Context(), q.client.ID, secret); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK}, nil
}

func (s *Server) revokeToken(ctx context.Context, who consent.RecipientID, secret string) error {
	grant, epoch, err := s.revokeByKind(ctx, who, secret)
	switch {
	case errors.Is(err, token.ErrNotFound), errors.Is(err, token.ErrMalformed):
		return nil
	case err != nil && !errors.Is(err, token.ErrRevoked):
		return fmt.Errorf("revoke token: %w", err)
	case grant == "":
		return nil // a client's own token, which no cache holds
	}
	web.Fields(ctx).Grant = string(grant)
	return s.cfg.Stop.Settle(ctx, grant, epoch)
}

func (s *Server) revokeByKind(ctx context.Context, who consent.RecipientID, secret string) (consent.GrantID, int64, error) {
	// token_type_hint is not needed: the prefix says what it is.
	kind, _ := s.cfg.Hasher.Kind(secret)
	h, err := s.cfg.Hasher.Hash(kind, secret)
	if err != nil {
		return "", 0, err
	}
	switch kind {
	case token.KindAccess:
		return s.cfg.Tokens.RevokeAccess(ctx, who, h)
	case token.KindClient:
		return "", 0, s.cfg.Tokens.RevokeClient(ctx, who, h)
	case token.KindRefresh:
		return s.cfg.Tokens.RevokeRefresh(ctx, who, h)
	default:
		// A code or a request_uri: a 200 would promise what does not happen.
		return "", 0, refuse("unsupported_token_type", "only access and refresh tokens can be revoked (RFC 7009 section 2.2.1)")
	}
}
