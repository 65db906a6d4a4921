package e2e

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/token"
)

// terms are what a grant is made of.
type terms struct {
	recipient consent.RecipientID
	consumer  consent.ConsumerID
	accounts  []fdx.AccountID
	clusters  fdx.Clusters
	lookback  int // days
}

// issue makes a grant and a DPoP-bound access token under it as the
// authorization server would, through the same stores but without its
// protocol: what is to be proven here begins with the token, and some proofs
// take hundreds of grants.
func issue(ctx context.Context, db *postgres.DB, hasher *token.Hasher, key *recipient.DPoPKey, t terms) (recipient.Token, error) {
	now := time.Now().UTC().Truncate(time.Second)
	later := now.Add(10 * time.Minute)
	request := consent.Request{
		Purpose:  consent.Purpose{Code: "general", Label: "To test", Clusters: t.clusters},
		Duration: consent.TimeBound, DurationDays: 1, LookbackDays: t.lookback, Account: t.clusters,
	}
	_, pushed := hasher.New(token.KindPushed)
	err := db.Requests().Push(ctx, token.Pushed{
		Hash: pushed, Recipient: t.recipient, Params: map[string]string{}, Request: request, ExpiresAt: later,
	})
	if err != nil {
		return recipient.Token{}, err
	}
	approval, err := db.Authorizations().Open(ctx, consent.Authorization{
		ID: consent.NewAuthorizationID(), Browser: pushed.String(), Pushed: pushed.String(), Recipient: t.recipient,
		Request: request, Consumer: t.consumer, AuthenticatedAt: now, Accounts: t.accounts, Decision: consent.Approved,
		SecondFactor: consent.FactorCode, SecondFactorAt: now,
		Disclosure: consent.Disclosure{Version: "e2e", Locale: "en", Text: "To test."}, ExpiresAt: later,
	})
	if err != nil {
		return recipient.Token{}, err
	}
	grant := approval.Grant(consent.NewGrantID(), nil, now)
	_, code := hasher.New(token.KindCode)
	scopes := fdx.ScopesOf(t.clusters)
	chain := fmt.Sprintf("%x", code[:8])
	err = db.Requests().Approve(ctx, token.Approval{
		Pushed: pushed, Authorization: approval, Grant: grant,
		Code: token.Code{
			Hash: code, Grant: grant.ID, Recipient: t.recipient, RequestID: chain, Scopes: scopes, IssuedAt: now, ExpiresAt: later,
		},
	})
	if err != nil {
		return recipient.Token{}, err
	}
	secret, access := hasher.New(token.KindAccess)
	_, err = db.Tokens().Redeem(ctx, token.Redemption{Code: code, Access: token.Access{
		Hash: access, Grant: grant.ID, Recipient: t.recipient, RequestID: chain, Scopes: scopes,
		KeyThumbprint: key.Thumbprint(), IssuedAt: now, ExpiresAt: later,
	}})
	if err != nil {
		return recipient.Token{}, err
	}
	return recipient.Token{
		AccessToken: recipient.Secret(secret.Reveal()), TokenType: "DPoP", GrantID: string(grant.ID), Key: key,
	}, nil
}
