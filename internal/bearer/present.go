package bearer

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/clientcert"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// Scheme is an HTTP authentication scheme that carries an access token; ""
// is none.
type Scheme string

// The schemes. With Bearer the token must be bound to the client's
// certificate: a token that anybody could use does not exist here.
const (
	DPoP   Scheme = "DPoP"
	Bearer Scheme = "Bearer"
)

// skew is how much longer than its own life a proof is remembered, because
// instances' clocks differ.
const skew = time.Minute

// Config is what New needs. Fields are required unless they say otherwise.
type Config struct {
	Hasher *token.Hasher
	Proofs *dpop.Verifier
	// Nonces makes proofs carry a nonce of ours; nil demands none.
	Nonces       *dpop.Nonces
	Certificates *clientcert.Source
	Now          func() time.Time
}

// Verifier verifies what requests present. Safe for concurrent use.
type Verifier struct{ c Config }

// New returns a Verifier.
func New(c Config) (*Verifier, error) {
	if c.Hasher == nil || c.Proofs == nil || c.Certificates == nil || c.Now == nil {
		return nil, errors.New("bearer: Hasher, Proofs, Certificates and Now are required")
	}
	return &Verifier{c}, nil
}

// Presented is what a request presents and has proved to hold. Whether there
// is such a token, and whether it is bound to just that, comes after: see
// Holds. The zero value has proved nothing.
type Presented struct {
	Scheme Scheme
	Kind   token.Kind
	Hash   token.Hash
	// Bound is the thumbprint of the key or certificate that the request
	// proved to hold, "" for none.
	Bound string
	// Proof is the DPoP proof, verified and not yet spent; nil with a
	// certificate.
	Proof *token.Proof
	// Nonce is to be handed out in DPoP-Nonce whatever the answer is; "" when
	// none is due.
	Nonce string
}

// Present reads and verifies what a request presents. base is the public
// origin of the host that the request came to; kinds are those of the tokens
// that open something there, one of any other kind is malformed. Presented
// holds Scheme and Nonce beside an Error too.
func (v *Verifier) Present(r *http.Request, base string, kinds ...token.Kind) (Presented, *Error) {
	p, secret, no := credentials(r)
	if no != nil {
		return p, no
	}
	if no := v.token(&p, secret, kinds); no != nil {
		return p, no
	}
	if p.Scheme == DPoP {
		proved, nonce, no := v.Prove(r, base, secret)
		p.Bound, p.Proof, p.Nonce = proved.Thumbprint, proved.Once, nonce
		return p, no
	}
	peer, ok, err := v.c.Certificates.Holder(r)
	switch {
	case err != nil:
		return p, &Error{Fault: InvalidToken, Reason: "certificate_malformed", Cause: err}
	case !ok:
		return p, &Error{Fault: InvalidToken, Reason: "no_certificate"}
	}
	// The holder of the key is at the other end (RFC 8705 section 3).
	p.Bound = certs.CertificateThumbprint(peer.Certificate)
	return p, nil
}

// credentials finds the access token, which may stand in the Authorization
// header and nowhere else (FAPI 2.0 section 5.3.4, RFC 6750 section 2).
func credentials(r *http.Request) (p Presented, secret string, no *Error) {
	if tokenInQuery(r.URL) {
		return p, "", &Error{Fault: TokenInQuery, Reason: "token_in_query"}
	}
	header, given, err := web.Header(r.Header, "Authorization")
	if err != nil {
		return p, "", &Error{Fault: RepeatedHeader, Reason: "authorization_repeated", Cause: err}
	}
	name, secret, _ := strings.Cut(header, " ")
	switch {
	case !given:
		return p, "", &Error{Fault: NoCredentials, Reason: "no_token"}
	case strings.EqualFold(name, string(DPoP)):
		p.Scheme = DPoP
	case strings.EqualFold(name, string(Bearer)):
		p.Scheme = Bearer
	default:
		return p, "", &Error{Fault: NoCredentials, Reason: "other_scheme"}
	}
	return p, secret, nil
}

// tokenInQuery reports whether the address has a parameter access_token. Only
// one that names it or has escapes, in which a name can hide, is taken apart.
func tokenInQuery(u *url.URL) bool {
	return (strings.Contains(u.RawQuery, "access_token") || strings.Contains(u.RawQuery, "%")) && u.Query().Has("access_token")
}

// token hashes the token if it is of one of the kinds.
func (v *Verifier) token(p *Presented, secret string, kinds []token.Kind) *Error {
	for _, k := range kinds {
		if h, err := v.c.Hasher.Hash(k, secret); err == nil {
			p.Kind, p.Hash = k, h
			return nil
		}
	}
	return &Error{Fault: InvalidToken, Reason: "token_malformed"}
}

// Proved is what a DPoP proof proves.
type Proved struct {
	Thumbprint string
	Once       *token.Proof // to be spent
}

// Prove verifies the DPoP proof of a request, of which there must be exactly
// one. secret is the access token that the request presents, "" for none. The
// nonce is to be handed out in DPoP-Nonce whatever comes of it; "" when none
// is due. Errors are InvalidProof and UseNonce.
func (v *Verifier) Prove(r *http.Request, base, secret string) (proved Proved, nonce string, no *Error) {
	p, err := v.c.Proofs.Verify(r.Header.Values("DPoP"), r.Method, base+r.URL.EscapedPath(), secret)
	if err != nil {
		reason := "proof"
		if refused, ok := errors.AsType[*dpop.Error](err); ok {
			reason = "proof_" + string(refused.Reason)
		}
		return Proved{}, "", &Error{Fault: InvalidProof, Reason: reason}
	}
	if v.c.Nonces != nil {
		issued, ok := v.c.Nonces.Check(p.Nonce)
		if !ok {
			return Proved{}, v.c.Nonces.Issue(), &Error{Fault: UseNonce, Reason: "nonce"}
		}
		if v.c.Now().Sub(issued) > dpop.NonceLife/2 {
			nonce = v.c.Nonces.Issue()
		}
	}
	once := &token.Proof{Key: dpop.ReplayKey(p), ExpiresAt: p.ReplayUntil.Add(skew)}
	return Proved{p.Thumbprint, once}, nonce, nil
}

// Holds reports whether the request proved to hold what a token is bound to:
// its key with DPoP, its certificate with Bearer (RFC 9449 section 7.1, RFC
// 8705 section 3). A token bound to a key is refused as Bearer and one bound
// to a certificate as DPoP, because each is bound to one of the two only.
func (p *Presented) Holds(key, certificate string) bool {
	want := key
	if p.Scheme == Bearer {
		want = certificate
	}
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(p.Bound)) == 1
}
