package authz

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// tellTimeout bounds how long a revocation waits for the cache.
const tellTimeout = 50 * time.Millisecond

// revoke answers POST /revoke (RFC 7009). A token that is unknown, foreign
// or dead already is answered like one that has just been revoked; a store
// that cannot say is 503, never a false 200.
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
	// token_type_hint is not needed: the prefix says what it is.
	grant, epoch, err := s.revokeByKind(ctx, who, secret)
	if errors.Is(err, token.ErrNotFound) || errors.Is(err, token.ErrMalformed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	web.Fields(ctx).Grant = string(grant)
	if s.cfg.Told != nil && grant != "" {
		// Best effort: the gate asks PostgreSQL, whatever a cache holds. A
		// recipient that hangs up or a cache that hangs changes nothing.
		tell, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout)
		defer cancel()
		if err := s.cfg.Told.Ended(tell, grant, epoch); err != nil {
			web.Fields(ctx).Cause = err
		}
	}
	return nil
}

func (s *Server) revokeByKind(ctx context.Context, who consent.RecipientID, secret string) (consent.GrantID, int64, error) {
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
		return "", 0, token.ErrNotFound
	}
}
