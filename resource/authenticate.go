package resource

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// Tokens finds access tokens in the truth.
type Tokens interface {
	// Live returns an access token with the present version of its grant:
	// token.ErrNotFound when unknown; an ended or revoked one is returned as
	// it is. The share holds nothing that the token does not reach, and that
	// of a recipient that may not read is REVOKED (token.Store). It is the one
	// question that a read asks of the truth before the gate.
	Live(ctx context.Context, h token.Hash) (token.Live, error)
}

// Caller is a recipient that has proved, for one request, that it holds a
// living access token and the key or certificate the token is bound to. Only
// authenticate makes one; the zero Caller is nobody.
type Caller struct {
	live   token.Live
	scheme scheme
	bound  string       // thumbprint that the request proved to hold
	proof  *token.Proof // nil with a certificate
	// nonce is a fresh DPoP nonce to hand out, empty when none is due.
	nonce string
}

// proofSkew is how much longer than its own life a proof is remembered,
// because instances' clocks differ.
const proofSkew = time.Minute

// credentials are what a request presents, unchecked.
type credentials struct {
	scheme scheme
	token  string
}

// readCredentials finds the access token, which may stand in the
// Authorization header and nowhere else (FAPI 2.0 section 5.3.4, RFC 6750
// section 2).
func readCredentials(r *http.Request) (credentials, *refusal) {
	if r.URL.Query().Has("access_token") {
		return credentials{}, malformed("the access token goes into the Authorization header")
	}
	if r.ContentLength != 0 {
		return credentials{}, malformed("a GET request has no body") // it could hold a token
	}
	header, given, err := web.Header(r.Header, "Authorization")
	if err != nil {
		return credentials{}, malformed("there must be one Authorization header")
	}
	name, text, _ := strings.Cut(header, " ")
	switch {
	case !given:
		return credentials{}, noCredentials("no_token")
	case strings.EqualFold(name, string(schemeDPoP)):
		return credentials{schemeDPoP, text}, nil
	case strings.EqualFold(name, string(schemeBearer)):
		return credentials{schemeBearer, text}, nil
	}
	return credentials{}, noCredentials("other_scheme")
}

// authenticate answers who is asking. One round trip to the cache in the
// usual case; the truth when the cache does not know or cannot be asked.
func (g *Gateway) authenticate(ctx context.Context, r *http.Request) (Caller, *refusal) {
	cred, refused := readCredentials(r)
	if refused != nil {
		return Caller{}, refused
	}
	hash, err := g.hasher.Hash(token.KindAccess, cred.token)
	if err != nil {
		return Caller{}, invalidToken(cred.scheme, "token_malformed")
	}
	c := Caller{scheme: cred.scheme}
	if cred.scheme == schemeDPoP {
		if refused := g.proof(&c, r, cred.token); refused != nil {
			return c, refused
		}
	} else if peer, ok, err := g.peers.Certificate(r); err != nil {
		return Caller{}, invalidToken(cred.scheme, "certificate_malformed")
	} else if ok {
		// The holder of the key is at the other end (RFC 8705 section 3).
		c.bound = certs.CertificateThumbprint(peer.Certificate)
	} else {
		return Caller{}, invalidToken(cred.scheme, "no_certificate")
	}
	if c.live, refused = g.find(ctx, hash, c); refused != nil {
		return c, refused
	}
	return c, g.check(c)
}

// proof verifies the DPoP proof and notes what it proves. Spending it comes
// later: in the cache together with the look-up, and for good at the gate.
func (g *Gateway) proof(c *Caller, r *http.Request, accessToken string) *refusal {
	p, err := g.proofs.Verify(r.Header.Values("DPoP"), r.Method, g.public+r.URL.EscapedPath(), accessToken)
	if err != nil {
		reason := "proof"
		if refused, ok := errors.AsType[*dpop.Error](err); ok {
			reason = "proof_" + string(refused.Reason)
		}
		return invalidProof(reason)
	}
	if g.nonces != nil {
		issued, ok := g.nonces.Check(p.Nonce)
		if !ok {
			c.nonce = g.nonces.Issue()
			return useNonce()
		}
		if g.now().Sub(issued) > dpop.NonceLife/2 {
			c.nonce = g.nonces.Issue()
		}
	}
	c.bound = p.Thumbprint
	c.proof = &token.Proof{Key: dpop.ReplayKey(p), ExpiresAt: p.ReplayUntil.Add(proofSkew)}
	return nil
}

// find returns the token's record from the cache or else from the truth.
func (g *Gateway) find(ctx context.Context, h token.Hash, c Caller) (token.Live, *refusal) {
	var lease Lease
	if g.cache != nil {
		// A cache that cannot be asked is the same as one that does not know.
		cached, err := g.cache.Look(ctx, h, c.proof)
		switch {
		case err != nil:
		case cached.Replayed:
			return token.Live{}, invalidProof("proof_replayed")
		case cached.Found:
			return cached.Live, nil
		default:
			lease = cached.Lease
		}
	}
	live, refused := g.truth(ctx, h, c.scheme)
	if refused != nil {
		return token.Live{}, refused
	}
	if lease != "" && live.Active(g.now()) {
		// It only makes the next read faster.
		_ = g.cache.Fill(ctx, lease, live)
	}
	return live, nil
}

// truth returns the token's record as it is now.
func (g *Gateway) truth(ctx context.Context, h token.Hash, s scheme) (token.Live, *refusal) {
	live, err := g.tokens.Live(ctx, h)
	if errors.Is(err, token.ErrNotFound) {
		return token.Live{}, invalidToken(s, "token_unknown")
	}
	if err != nil {
		return token.Live{}, storeDown(err)
	}
	return live, nil
}

// check decides whether the caller may use the record: alive, and bound to
// what the request proved (RFC 9449 section 7.1, RFC 8705 section 3). A token
// bound to a key is refused as Bearer and one bound to a certificate as DPoP,
// because each is bound to one of the two only.
func (g *Gateway) check(c Caller) *refusal {
	if !c.live.Active(g.now()) {
		return invalidToken(c.scheme, "token_not_active")
	}
	want := c.live.Access.KeyThumbprint
	if c.scheme == schemeBearer {
		want = c.live.Access.CertThumbprint
	}
	if want == "" || subtle.ConstantTimeCompare([]byte(want), []byte(c.bound)) != 1 {
		return invalidToken(c.scheme, "token_of_another_key")
	}
	return nil
}
