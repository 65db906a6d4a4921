package bearer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/headgate/headgate/internal/token"
)

// ClientTokens finds clients' own access tokens in the truth.
type ClientTokens interface {
	// ClientAccess is as in token.Store: token.ErrNotFound for one that is
	// unknown or over, or whose client may not read.
	ClientAccess(ctx context.Context, h token.Hash) (token.ClientAccess, error)
}

// Clients knows clients by their own access tokens.
type Clients struct {
	Tokens ClientTokens
	Guard  token.Guard
}

// UnknownToken is the reason of a refusal when there is no such token.
const UnknownToken = "token_unknown"

// Client returns the client whose own access token was presented, if the
// token holds the scope; an empty scope asks for none. It spends the proof for
// good. There is no cache: these requests are few.
func (c Clients) Client(ctx context.Context, p Presented, scope string) (token.ClientAccess, *Error) {
	if p.Kind != token.KindClient {
		return token.ClientAccess{}, &Error{Fault: InvalidToken, Reason: "token_malformed"}
	}
	found, err := c.Tokens.ClientAccess(ctx, p.Hash)
	switch {
	case errors.Is(err, token.ErrNotFound):
		return token.ClientAccess{}, &Error{Fault: InvalidToken, Reason: UnknownToken}
	case err != nil:
		return token.ClientAccess{}, &Error{Fault: Unavailable, Reason: "store", Cause: fmt.Errorf("load client token: %w", err)}
	case !p.Holds(found.KeyThumbprint, found.CertThumbprint):
		return token.ClientAccess{}, &Error{Fault: InvalidToken, Reason: "token_of_another_key"}
	case scope != "" && !slices.Contains(found.Scopes, scope):
		return token.ClientAccess{}, &Error{Fault: InsufficientScope, Reason: "scope_missing"}
	}
	if p.Proof != nil {
		switch err := c.Guard.Spend(ctx, *p.Proof); {
		case errors.Is(err, token.ErrReplayed):
			return token.ClientAccess{}, &Error{Fault: InvalidProof, Reason: "proof_replayed"}
		case err != nil:
			return token.ClientAccess{}, &Error{Fault: Unavailable, Reason: "store", Cause: fmt.Errorf("spend proof: %w", err)}
		}
	}
	return found, nil
}
