package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/token"
)

// recipient is the one app that reads. Its registration allows both kinds of
// binding, so that lines differ in the binding alone.
const recipient consent.RecipientID = "bench"

// lookback of every grant, in days.
const lookback = allDays

// life of a grant and of its token. Tokens of a deployment live 900 s at most;
// here they outlast the longest run, and nothing on the way of a read depends
// on how much of their time is left.
const life = 24 * time.Hour

func clusters() fdx.Clusters {
	return fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Transactions)
}

// credentials are the access tokens of one kind of binding, each under a
// grant of its own.
type credentials struct {
	scheme string
	tokens []string
	hashes []token.Hash
	// pair is the client certificate that the tokens are bound to.
	pair devca.Pair
	// keys are the PKCS #8 keys that they are bound to otherwise.
	keys [][]byte
}

// first returns the first token alone.
func (c credentials) first() credentials {
	c.tokens, c.hashes = c.tokens[:1], c.hashes[:1]
	if c.keys != nil {
		c.keys = c.keys[:1]
	}
	return c
}

// issuer stores registration, grants and tokens as the authorization server
// would, through the same stores, without its protocol.
type issuer struct {
	db       *postgres.DB
	hasher   *token.Hasher
	consumer consent.ConsumerID
	accounts []fdx.AccountID
}

func (i *issuer) register(ctx context.Context) error {
	return i.db.Recipients().PutRecipient(ctx, consent.Recipient{
		ID: recipient, Status: consent.RecipientActive, Name: "Bench", LegalName: "Bench Ltd",
		HomeURI: "https://bench.example/", AuthMethod: consent.TLSClientAuth, CertSubject: consent.CertSubject{Member: "tls_client_auth_subject_dn", Value: "CN=bench"},
		RedirectURIs: []string{"https://bench.example/callback"}, Scopes: fdx.ScopesOf(clusters()),
		Purposes:  []consent.Purpose{i.purpose()},
		Durations: []consent.DurationType{consent.TimeBound}, MaxDays: 365, LookbackDays: lookback,
	})
}

func (i *issuer) purpose() consent.Purpose {
	return consent.Purpose{Code: "bench", Label: "To measure", Clusters: clusters()}
}

// certificateBound makes n tokens bound to the certificate (RFC 8705).
func (i *issuer) certificateBound(ctx context.Context, n int, pair devca.Pair) (credentials, error) {
	loaded, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		return credentials{}, err
	}
	c := credentials{scheme: "Bearer", pair: pair}
	thumbprint := certs.CertificateThumbprint(loaded.Leaf)
	for range n {
		if err := i.issue(ctx, &c, token.Access{CertThumbprint: thumbprint}); err != nil {
			return credentials{}, err
		}
	}
	return c, nil
}

// keyBound makes n tokens bound to a key each (RFC 9449).
func (i *issuer) keyBound(ctx context.Context, n int) (credentials, error) {
	c := credentials{scheme: "DPoP"}
	for range n {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return credentials{}, err
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return credentials{}, err
		}
		thumbprint, err := certs.Thumbprint(jose.JSONWebKey{Key: key.Public()})
		if err != nil {
			return credentials{}, err
		}
		c.keys = append(c.keys, pkcs8)
		if err := i.issue(ctx, &c, token.Access{KeyThumbprint: thumbprint}); err != nil {
			return credentials{}, err
		}
	}
	return c, nil
}

// issue makes a grant and an access token under it, bound as a says: request,
// approval, code, token, which is the only way that the stores offer.
func (i *issuer) issue(ctx context.Context, c *credentials, a token.Access) error {
	now := time.Now().UTC().Truncate(time.Second)
	request := consent.Request{
		Purpose: i.purpose(), Duration: consent.TimeBound, DurationDays: 1, LookbackDays: lookback, Account: clusters(),
	}
	_, pushed := i.hasher.New(token.KindPushed)
	err := i.db.Requests().Push(ctx, token.Pushed{
		Hash: pushed, Recipient: recipient, Params: map[string]string{}, Request: request, ExpiresAt: now.Add(life),
	})
	if err != nil {
		return err
	}
	approval, err := i.db.Authorizations().Open(ctx, consent.Authorization{
		ID: consent.NewAuthorizationID(), Browser: pushed.String(), Pushed: pushed.String(), Recipient: recipient,
		Request: request, Consumer: i.consumer, AuthenticatedAt: now, Accounts: i.accounts,
		Decision: consent.Approved, Disclosure: consent.Disclosure{Version: "bench", Locale: "en", Text: "To measure."},
		ExpiresAt: now.Add(life),
	})
	if err != nil {
		return err
	}
	grant := approval.Grant(consent.NewGrantID(), nil, now)
	_, code := i.hasher.New(token.KindCode)
	chain := fmt.Sprintf("%x", sha256.Sum256(code[:]))
	err = i.db.Requests().Approve(ctx, token.Approval{
		Pushed: pushed, Authorization: approval, Grant: grant,
		Code: token.Code{
			Hash: code, Grant: grant.ID, Recipient: recipient, RequestID: chain,
			Scopes: fdx.ScopesOf(clusters()), IssuedAt: now, ExpiresAt: now.Add(life),
		},
	})
	if err != nil {
		return err
	}
	secret, hash := i.hasher.New(token.KindAccess)
	a.Hash, a.Grant, a.Recipient, a.RequestID = hash, grant.ID, recipient, chain
	a.Scopes, a.IssuedAt, a.ExpiresAt = fdx.ScopesOf(clusters()), now, now.Add(life)
	if _, err := i.db.Tokens().Redeem(ctx, token.Redemption{Code: code, Access: a}); err != nil {
		return err
	}
	c.tokens, c.hashes = append(c.tokens, secret.Reveal()), append(c.hashes, hash)
	return nil
}
