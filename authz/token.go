package authz

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// tokenAnswer is the answer of the token endpoint. The consent id goes out
// under the three names that recipients look for; a client's own token has no
// consent.
type tokenAnswer struct {
	AccessToken  string          `json:"access_token"`
	TokenType    string          `json:"token_type"`
	ExpiresIn    int64           `json:"expires_in"` // seconds
	RefreshToken string          `json:"refresh_token,omitempty"`
	IDToken      string          `json:"id_token,omitempty"`
	Scope        string          `json:"scope"`
	GrantID      consent.GrantID `json:"grant_id,omitempty"`
	ConsentID    consent.GrantID `json:"fdxConsentId,omitempty"`
	Details      []grantedDetail `json:"authorization_details,omitempty"`
}

// presenting loads the client of a token request together with the code or
// refresh token that it presents, so that an exchange asks the store twice in
// all: once here and once to issue.
func (s *Server) presenting(q *request, id consent.RecipientID) (consent.Recipient, error) {
	load, kind, secret := s.cfg.Tokens.PresentedCode, token.KindCode, q.form.Get("code")
	switch q.form.Get("grant_type") {
	case "authorization_code":
	case "refresh_token":
		load, kind, secret = s.cfg.Tokens.PresentedRefresh, token.KindRefresh, q.form.Get("refresh_token")
	default:
		return s.registered(q, id)
	}
	h, err := s.cfg.Hasher.Hash(kind, secret)
	if err != nil {
		q.presented.Refused = token.ErrNotFound
		return s.registered(q, id)
	}
	q.presented, err = load(q.Context(), id, h)
	return q.presented.Client, err
}

// token answers POST /token.
func (s *Server) token(q *request) (reply, error) {
	if q.client.Role == consent.RoleResourceServer {
		return reply{}, refuse("unauthorized_client", "a resource server obtains no tokens")
	}
	if err := s.bind(q); err != nil {
		return reply{}, err
	}
	if q.form.Get("grant_type") == clientCredentials {
		return s.clientToken(q)
	}
	ctx := q.Context()
	resources, err := narrow(q.form, q.presented)
	if err != nil {
		return reply{}, err
	}
	a, err := s.engine.Token(ctx, engine.Request{
		Client: q.client, Form: q.form, Binding: q.binding,
		Presented: q.presented, Resources: resources, Take: q.take,
	})
	if err != nil {
		return reply{}, s.withdraw(q, err)
	}
	web.Fields(ctx).Grant = string(a.Grant.ID)
	answer := tokenAnswer{
		AccessToken: a.Access.Reveal(), TokenType: q.binding.TokenType(), ExpiresIn: s.secondsTo(a.Record.ExpiresAt),
		IDToken: a.IDToken, Scope: scopeText(a.Record.Scopes),
		GrantID: a.Grant.ID, ConsentID: a.Grant.ID, Details: granted(a.Grant.Within(a.Record.Resources)),
	}
	if a.HasRefresh() {
		answer.RefreshToken = a.Refresh.Reveal()
	}
	return reply{status: http.StatusOK, body: answer}, nil
}

// secondsTo is expires_in, which is positive also in a token's last second.
func (s *Server) secondsTo(end time.Time) int64 {
	return max(1, int64(end.Sub(s.cfg.Now())/time.Second))
}

// withdraw ends the grant when its code came back a second time: somebody
// besides the recipient may hold what the first use issued (RFC 6749 section
// 4.1.2). The caller gets the same invalid_grant as for an unknown code. If
// the grant cannot be ended the answer is the store's failure, so that the
// attempt is seen and can be repeated. A request that is itself a copy proves
// nothing about the code and withdraws nothing.
func (s *Server) withdraw(q *request, err error) error {
	var used *engine.UsedError
	if !errors.As(err, &used) {
		return err
	}
	if err := s.spend(q); err != nil {
		return err
	}
	ctx := q.Context()
	web.Fields(ctx).Grant = string(used.Grant)
	_, stopErr := s.cfg.Stop.StopByProvider(ctx, used.Grant, consent.ReasonCodeReplay)
	if stopErr != nil && !errors.Is(stopErr, consent.ErrEnded) && !errors.Is(stopErr, consent.ErrNotFound) {
		return fmt.Errorf("withdraw after code reuse: %w", stopErr)
	}
	return err
}

func scopeText[S ~[]E, E ~string](scopes S) string {
	var text []byte
	for i, sc := range scopes {
		if i > 0 {
			text = append(text, ' ')
		}
		text = append(text, sc...)
	}
	return string(text)
}
