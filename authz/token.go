package authz

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/web"
)

// tokenAnswer is the answer of the token endpoint. The consent id goes out
// under the three names that recipients look for.
type tokenAnswer struct {
	AccessToken  string          `json:"access_token"`
	TokenType    string          `json:"token_type"`
	ExpiresIn    int64           `json:"expires_in"` // seconds
	RefreshToken string          `json:"refresh_token,omitempty"`
	Scope        string          `json:"scope"`
	GrantID      consent.GrantID `json:"grant_id"`
	ConsentID    consent.GrantID `json:"fdxConsentId"`
	Details      []grantedDetail `json:"authorization_details"`
}

// token answers POST /token.
func (s *Server) token(q *request) (reply, error) {
	ctx := q.Context()
	if q.client.Role == consent.RoleResourceServer {
		return reply{}, refuse("unauthorized_client", "a resource server obtains no tokens")
	}
	if err := s.proof(q, ""); err != nil {
		return reply{}, err
	}
	a, err := s.engine.Token(ctx, q.client, q.form, q.binding, q.take)
	if err != nil {
		return reply{}, s.withdraw(q, err)
	}
	web.Fields(ctx).Grant = string(a.Grant.ID)
	answer := tokenAnswer{
		AccessToken: a.Access.Reveal(), TokenType: "DPoP",
		ExpiresIn: int64(a.Record.ExpiresAt.Sub(s.cfg.Now()) / time.Second),
		Scope:     scopeText(a.Record.Scopes),
		GrantID:   a.Grant.ID, ConsentID: a.Grant.ID, Details: granted(a.Grant),
	}
	if a.HasRefresh() {
		answer.RefreshToken = a.Refresh.Reveal()
	}
	return reply{status: http.StatusOK, body: answer}, nil
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

func scopeText(scopes []fdx.Scope) string {
	var text []byte
	for i, sc := range scopes {
		if i > 0 {
			text = append(text, ' ')
		}
		text = append(text, sc...)
	}
	return string(text)
}
