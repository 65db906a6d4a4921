package engine

import (
	"context"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"

	"github.com/headgate/headgate/internal/token"
)

// strategy gives fosite our token formats. A signature, in fosite's sense,
// is the keyed hash in hexadecimal. Validation always succeeds here because
// the store, which alone knows the time and the state, has the say.
type strategy struct{ hasher *token.Hasher }

var _ oauth2.CoreStrategy = strategy{}

func (s strategy) make(ctx context.Context, k token.Kind) (string, string, error) {
	u, err := unitOf(ctx)
	if err != nil {
		return "", "", err
	}
	t, h := s.hasher.New(k)
	u.issued[k] = t
	return t.Reveal(), h.String(), nil
}

// hash returns "" for a malformed token, which no store knows.
func (s strategy) hash(k token.Kind, secret string) string {
	h, err := s.hasher.Hash(k, secret)
	if err != nil {
		return ""
	}
	return h.String()
}

func (s strategy) AccessTokenSignature(_ context.Context, t string) string {
	return s.hash(token.KindAccess, t)
}
func (s strategy) GenerateAccessToken(ctx context.Context, _ fosite.Requester) (string, string, error) {
	return s.make(ctx, token.KindAccess)
}
func (s strategy) ValidateAccessToken(context.Context, fosite.Requester, string) error { return nil }

func (s strategy) RefreshTokenSignature(_ context.Context, t string) string {
	return s.hash(token.KindRefresh, t)
}

// GenerateRefreshToken makes none for a one-time grant: fosite takes the
// empty signature as "no refresh token".
func (s strategy) GenerateRefreshToken(ctx context.Context, _ fosite.Requester) (string, string, error) {
	if u, err := unitOf(ctx); err == nil && u.session.OneTime {
		return "", "", nil
	}
	return s.make(ctx, token.KindRefresh)
}
func (s strategy) ValidateRefreshToken(context.Context, fosite.Requester, string) error { return nil }

func (s strategy) AuthorizeCodeSignature(_ context.Context, t string) string {
	return s.hash(token.KindCode, t)
}
func (s strategy) GenerateAuthorizeCode(ctx context.Context, _ fosite.Requester) (string, string, error) {
	return s.make(ctx, token.KindCode)
}
func (s strategy) ValidateAuthorizeCode(context.Context, fosite.Requester, string) error { return nil }
