package authz

import (
	"context"
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
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	answer, err := s.issued(r)
	if err != nil {
		writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) issued(r *http.Request) (tokenAnswer, error) {
	ctx := r.Context()
	form, err := s.form(r)
	if err != nil {
		return tokenAnswer{}, err
	}
	client, err := s.authenticate(ctx, form)
	if err != nil {
		return tokenAnswer{}, err
	}
	web.Fields(ctx).Client = string(client.ID)
	binding, err := s.proof(r, pathToken)
	if err != nil {
		return tokenAnswer{}, err
	}
	for _, name := range clientParams {
		form.Del(name)
	}
	a, err := s.engine.Token(ctx, client, form, binding)
	if err != nil {
		return tokenAnswer{}, s.withdraw(ctx, err)
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
	return answer, nil
}

// withdraw ends the grant when its code came back a second time: somebody
// besides the recipient may hold what the first use issued (RFC 6749 section
// 4.1.2). The caller gets the same invalid_grant as for an unknown code. If
// the grant cannot be ended the answer is the store's failure, so that the
// attempt is seen and can be repeated.
func (s *Server) withdraw(ctx context.Context, err error) error {
	var used *engine.UsedError
	if !errors.As(err, &used) {
		return err
	}
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
