// Package stock makes consents in bulk for benches, as the authorization
// server would store them: a pushed request, an authorization that a person
// has decided, the approval with its grant, event and code, and the redemption
// of that code, each through the same stores and in the same transactions. A
// bench that stops thousands of consents has no time to walk a person through
// pages for each.
//
// It owns the order of those steps. It must not know who authenticates or how
// a page looks. What it makes nobody has given: benches use it on databases of
// their own, and no command offers it for another.
package stock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/token"
)

// Order is one consent to be made, with its first access token.
type Order struct {
	Recipient consent.RecipientID
	Consumer  consent.ConsumerID
	Accounts  []fdx.AccountID
	// Request is what the recipient asked for. Its clusters are those of every
	// account, and the scopes of the tokens are theirs.
	Request consent.Request
	// KeyThumbprint or CertThumbprint is what the access token is bound to;
	// exactly one is set (token.Access).
	KeyThumbprint, CertThumbprint string
	// Now is when all of it happened, cut to whole seconds.
	Now time.Time
	// Life is that of the request, the code and the access token.
	Life time.Duration
	// Ends is when the consent ends; zero is what Request says.
	Ends time.Time
	// Session is what the authorization server keeps with a refresh token,
	// taken from one that it has issued itself; nil issues none.
	Session []byte
}

// Issued is a consent that was made.
type Issued struct {
	Grant  consent.Grant
	Access token.Token
	Hash   token.Hash  // of Access
	Fresh  token.Token // the refresh token; the zero Token when the order had no Session
}

// Issue makes one consent. Its errors are those of the stores. Safe for
// concurrent use.
func Issue(ctx context.Context, db *postgres.DB, hasher *token.Hasher, o Order) (Issued, error) {
	now := o.Now.UTC().Truncate(time.Second)
	end, scopes := now.Add(o.Life), fdx.ScopesOf(o.Request.Account)
	_, pushed := hasher.New(token.KindPushed)
	err := db.Requests().Push(ctx, token.Pushed{
		Hash: pushed, Recipient: o.Recipient, Params: map[string]string{}, Request: o.Request, ExpiresAt: end,
	})
	if err != nil {
		return Issued{}, err
	}
	decided, err := db.Authorizations().Open(ctx, consent.Authorization{
		ID: consent.NewAuthorizationID(), Browser: pushed.String(), Pushed: pushed.String(), Recipient: o.Recipient,
		Request: o.Request, Consumer: o.Consumer, AuthenticatedAt: now, Accounts: o.Accounts,
		Decision: consent.Approved, Disclosure: consent.Disclosure{Version: "bench", Locale: "en", Text: "To measure."},
		ExpiresAt: end,
	})
	if err != nil {
		return Issued{}, err
	}
	made := Issued{Grant: decided.Grant(consent.NewGrantID(), nil, now)}
	if !o.Ends.IsZero() {
		made.Grant.ExpiresAt = o.Ends
	}
	_, code := hasher.New(token.KindCode)
	chain := sha256.Sum256(code[:])
	common := token.Access{
		Grant: made.Grant.ID, Recipient: o.Recipient, RequestID: hex.EncodeToString(chain[:]), Scopes: scopes, IssuedAt: now, ExpiresAt: end,
	}
	err = db.Requests().Approve(ctx, token.Approval{
		Pushed: pushed, Authorization: decided, Grant: made.Grant,
		Code: token.Code{
			Hash: code, Grant: common.Grant, Recipient: o.Recipient, RequestID: common.RequestID,
			Scopes: scopes, Session: o.Session, IssuedAt: now, ExpiresAt: end,
		},
	})
	if err != nil {
		return Issued{}, err
	}
	access := common
	made.Access, access.Hash = hasher.New(token.KindAccess)
	access.KeyThumbprint, access.CertThumbprint = o.KeyThumbprint, o.CertThumbprint
	made.Hash = access.Hash
	redemption := token.Redemption{Code: code, Access: access}
	if o.Session != nil {
		redemption.Refresh = &token.Refresh{
			Grant: common.Grant, Recipient: o.Recipient, RequestID: common.RequestID, Scopes: scopes, Session: o.Session,
			IssuedAt: now, ExpiresAt: made.Grant.ExpiresAt,
		}
		made.Fresh, redemption.Refresh.Hash = hasher.New(token.KindRefresh)
	}
	_, err = db.Tokens().Redeem(ctx, redemption)
	return made, err
}
