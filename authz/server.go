package authz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/clientcert"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// The lives of what the server hands out (FAPI 2.0 Security Profile sections
// 5.3.2.1 and 5.3.2.2).
const (
	PushedLife = 120 * time.Second // request_uri, from push to the first page
	CodeLife   = 45 * time.Second
	AccessLife = 900 * time.Second
)

// Config configures a Server. Every field is required unless it says
// otherwise.
type Config struct {
	// Issuer is the issuer identifier: https, and no path, because the
	// well-known documents are served at the root of the host.
	Issuer string
	// BrowserBase is the base of the host that people meet; the
	// authorization endpoint is below it.
	BrowserBase string

	// MTLSBase is the base of the host on which clients present their
	// certificates (RFC 8705 section 5); empty when there is none.
	MTLSBase string
	// Certificates finds client certificates; nil takes those of the
	// connection, and believes no name in them.
	Certificates *clientcert.Source
	// KeySets fetches keys that are registered by reference; nil knows none.
	KeySets KeySets

	// Registrations, when set, offers registration by software statement (RFC
	// 7591, RFC 7592); nil offers none.
	Registrations token.Registrations
	// Directories sign software statements that are taken; the operator's own
	// are taken always.
	Directories []Directory

	Recipients     consent.Recipients
	Authorizations consent.Authorizations
	// Switch says who has all new sharing switched off; nil says nobody.
	Switch   Switch
	Requests token.Requests
	Tokens   token.Store
	Guard    token.Guard
	Hasher   *token.Hasher
	Stop     *consent.Service
	DPoP     *dpop.Verifier
	// Nonces, when set, are demanded in every DPoP proof (RFC 9449 section
	// 8); nil demands none.
	Nonces *dpop.Nonces
	// Keys signs what recipients verify.
	Keys Signer
	// Subjects is the secret from which subject identifiers are made, of 32
	// bytes or more and the same for every instance. Whoever changes it
	// changes every sub that recipients know.
	Subjects []byte
	// Policy holds requests to the rules of the place; nil leaves them to the
	// registrations.
	Policy Policy
	// Provider is the bank, as a party of each grant.
	Provider consent.Party

	// Browsers ties a request to a browser session.
	Browsers Browsers
	// Pages shows what a person has to see.
	Pages Pages

	// Cache spares introspection the store; nil asks the store each time. It
	// must be told of every stop (consent.ServiceConfig.Cache).
	Cache Cache

	// Limits bound what is taken on; the zero value bounds nothing.
	Limits Limits

	Log *slog.Logger
	Now func() time.Time
	// Watch is told of every request; the zero value tells nobody.
	Watch web.Watch
}

// Policy is what may be asked for under the rules of a place. *policy.Book is
// one. Implementations are pure and safe for concurrent use.
type Policy interface {
	// Apply returns the request with its term cut to what is allowed, or a
	// *consent.Refusal.
	Apply(q consent.Request, now time.Time) (consent.Request, error)
	// Alone reports whether a purpose must not take the place of another one
	// in a grant that exists.
	Alone(purpose string, now time.Time) bool
}

// Switch is the part of consent.Switch that the server needs.
type Switch interface {
	// SharingOff is as in consent.Switch.
	SharingOff(ctx context.Context, who consent.ConsumerID) (time.Time, error)
}

// Signer signs with our keys. Implementations are safe for concurrent use.
type Signer interface {
	// Public returns the JWKS document to publish, as it is now. The caller
	// may keep and change it.
	Public() []byte
	// Algorithms are those that Sign takes, the preferred one first.
	Algorithms() []string
	// Sign returns a compact JWS over the JSON form of claims, with alg, kid
	// and, unless it is empty, typ in its header.
	Sign(ctx context.Context, alg, typ string, claims any) (string, error)
}

// Browsers ties requests to browser sessions.
type Browsers interface {
	// Middleware opens the session of a request.
	Middleware(http.Handler) http.Handler
	// Browser returns what identifies the session of the request, the same
	// for every request of one browser and known to no other.
	Browser(context.Context) string
}

// Pages is what the server needs of the consumer pages.
type Pages interface {
	// Path returns the path of the page for a step of an authorization.
	Path(id consent.AuthorizationID, s consent.Step) string
	// Problem writes a page that says what went wrong and leads back.
	Problem(w http.ResponseWriter, r *http.Request, p Problem)
}

// Problem is what a person is told when there is nothing to decide.
type Problem struct {
	Status int    // HTTP status: 400, 429 or 503; 404, 405 or 500 where no route answers
	Code   string // OAuth error code
	Text   string // for the app's developer, in English
	// AppName and BackURI lead back to the app; empty when the app is not
	// known.
	AppName, BackURI string
	// RetryURI is the path and query of this request when trying again may
	// help, else empty.
	RetryURI string
	// UILocales are the languages that the app asked for, preferred first;
	// nil when it named none.
	UILocales []string
	// Journey is the decision in progress that cannot go on now, and
	// RedirectURIs are its app's: whoever does not wait ends it, and comes back
	// here for the answer. Zero when there is nothing to end.
	Journey      consent.Authorization
	RedirectURIs []string
}

// Server is the authorization server. It is safe for concurrent use.
type Server struct {
	cfg    Config
	engine *engine.Engine
	bearer *bearer.Verifier
	limits *limits
	keys   *parsedKeys
}

// New checks the configuration and returns a Server. It does no I/O.
func New(c Config) (*Server, error) {
	var faults []error
	for name, missing := range map[string]bool{
		"Recipients": c.Recipients == nil, "Authorizations": c.Authorizations == nil,
		"Requests": c.Requests == nil, "Tokens": c.Tokens == nil, "Guard": c.Guard == nil, "Hasher": c.Hasher == nil,
		"Stop": c.Stop == nil, "DPoP": c.DPoP == nil, "Browsers": c.Browsers == nil, "Pages": c.Pages == nil,
		"Keys": c.Keys == nil, "Log": c.Log == nil, "Now": c.Now == nil,
	} {
		if missing {
			faults = append(faults, fmt.Errorf("authz: %s is required", name))
		}
	}
	if len(c.Subjects) < minSubjects {
		faults = append(faults, fmt.Errorf("authz: Subjects needs %d bytes or more", minSubjects))
	}
	if c.Keys != nil {
		if _, err := certs.ParseJWKS(c.Keys.Public()); err != nil { // a private key among them would be published
			faults = append(faults, fmt.Errorf("authz: Keys: %w", err))
		}
	}
	faults = append(faults, checkDirectories(c), checkBase("Issuer", c.Issuer), checkBase("BrowserBase", c.BrowserBase))
	if c.MTLSBase != "" {
		faults = append(faults, checkBase("MTLSBase", c.MTLSBase))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	var err error
	if c.Certificates == nil {
		if c.Certificates, err = clientcert.New(clientcert.Config{Now: c.Now}); err != nil {
			return nil, fmt.Errorf("authz: %w", err)
		}
	}
	s := &Server{cfg: c, keys: new(parsedKeys)}
	if s.limits, err = newLimits(c.Limits, c.Now); err != nil {
		return nil, err
	}
	s.bearer, err = bearer.New(bearer.Config{
		Hasher: c.Hasher, Proofs: c.DPoP, Nonces: c.Nonces, Certificates: c.Certificates, Now: c.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("authz: %w", err)
	}
	s.engine, err = engine.New(engine.Config{
		Store: c.Tokens, Hasher: c.Hasher, IDToken: s.idToken, Now: c.Now,
		PushedLife: PushedLife, CodeLife: CodeLife, AccessLife: AccessLife,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func checkBase(name, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Path != "" {
		return fmt.Errorf("authz: %s must be an https address without path, query or fragment", name)
	}
	return nil
}
