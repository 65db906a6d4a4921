package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/cmd/internal/stock"
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

// issue makes a grant and an access token under it, bound as a says.
func (i *issuer) issue(ctx context.Context, c *credentials, a token.Access) error {
	made, err := stock.Issue(ctx, i.db, i.hasher, stock.Order{
		Recipient: recipient, Consumer: i.consumer, Accounts: i.accounts,
		Request: consent.Request{
			Purpose: i.purpose(), Duration: consent.TimeBound, DurationDays: 1, LookbackDays: lookback, Account: clusters(),
		},
		KeyThumbprint: a.KeyThumbprint, CertThumbprint: a.CertThumbprint, Now: time.Now(), Life: life,
	})
	if err != nil {
		return err
	}
	c.tokens, c.hashes = append(c.tokens, made.Access.Reveal()), append(c.hashes, made.Hash)
	return nil
}
