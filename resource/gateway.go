package resource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/certs/clientcert"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// Config configures a Gateway. Fields are required unless they say otherwise.
type Config struct {
	// Public is the origin under which recipients reach the gateway, such as
	// https://api.bank.example, without a path. DPoP proofs are checked
	// against it, never against the Host header, and it is the resource
	// identifier of RFC 9728.
	Public string
	// Issuer is the authorization server's identifier, for the metadata.
	Issuer string
	// Instance names this instance in access records.
	Instance string

	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	Hasher *token.Hasher
	Proofs *dpop.Verifier
	// Nonces makes DPoP proofs carry a nonce of ours; nil demands none.
	Nonces *dpop.Nonces
	// Certificates finds client certificates; nil takes those of the
	// connection.
	Certificates *clientcert.Source
	// Tokens is the truth, Cache what stands in front of it; a nil Cache
	// always asks the truth.
	Tokens Tokens
	Cache  Cache
	// Clients knows clients by their own access tokens, which open the
	// description of the API too; nil takes none.
	Clients *bearer.Clients
	// Beside are operations that another handler serves below the same path,
	// for the description of the API and the scopes in the metadata; nil is
	// none.
	Beside []openapi.Operation

	Provider Provider
	Gate     Gate
	// Performance keeps how calls end; nil counts nothing, and then nothing
	// is disclosed.
	Performance Performance
	// Watch is told how every request ended, also of paths that there are
	// not, and of waiting for the bank and for the gate.
	Watch web.Watch
	// Unrecorded is told of each refusal whose record could not be stored, so
	// that the consumer does not see the attempt, but for those that say that
	// the store is away; nil tells nobody.
	Unrecorded func()
	// Limits bound what is taken on; the zero value bounds nothing.
	Limits Limits
	// PageKeys are secrets of 32 bytes that all instances share. The first
	// seals, all open: put a new one second everywhere, then first, then
	// drop the old one after a day.
	PageKeys [][]byte
}

// Gateway answers reads of recipients. Safe for concurrent use.
type Gateway struct {
	public    string
	links     links
	instance  string
	now       func() time.Time
	bearer    *bearer.Verifier
	tokens    Tokens
	cache     Cache
	clients   *bearer.Clients
	beside    []fdx.OperationID
	provider  Provider
	gate      Gate
	keys      *pageKeys
	endpoints []endpoint
	metadata  []byte
	handler   http.Handler
	buffers   buffers
	meter     *meter // nil when nothing is counted
	told      histories
	limits    *limits
	watch     web.Watch
	// unrecorded is told of refusals that nobody will see.
	unrecorded func()
}

// New returns a Gateway. It does no I/O. Its error names everything that is
// wrong with the config.
func New(c Config) (*Gateway, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Unrecorded == nil {
		c.Unrecorded = func() {}
	}
	keys, keysErr := newPageKeys(c.PageKeys, c.Now)
	if c.Certificates == nil {
		var err error
		if c.Certificates, err = clientcert.New(clientcert.Config{Now: c.Now}); err != nil {
			return nil, fmt.Errorf("resource: %w", err)
		}
	}
	if err := errors.Join(c.check(), keysErr); err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	g := &Gateway{
		public: c.Public, links: links{base: c.Public + fdxhttp.Base}, instance: c.Instance, now: c.Now,
		tokens: c.Tokens, cache: c.Cache, clients: c.Clients, watch: c.Watch,
		provider: c.Provider, gate: c.Gate, keys: keys, unrecorded: c.Unrecorded,
		limits: newLimits(c.Limits), endpoints: endpoints(), metadata: protectedResource(c.Public, c.Issuer, c.Beside),
	}
	for _, op := range c.Beside {
		g.beside = append(g.beside, op.ID)
	}
	watch := c.Watch
	if c.Performance != nil {
		g.meter = newMeter(g, c.Performance, c.Log)
		watch.Observe = func(o web.Observation) {
			g.meter.observe(o)
			if c.Watch.Observe != nil {
				c.Watch.Observe(o)
			}
		}
	}
	var err error
	if g.bearer, err = bearer.New(bearer.Config{
		Hasher: c.Hasher, Proofs: c.Proofs, Nonces: c.Nonces, Certificates: c.Certificates, Now: c.Now,
	}); err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	if g.handler, err = g.routes(c.Log, watch); err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	return g, nil
}

// Handler returns the gateway's routes. The server in front of it must ask
// for client certificates and leave the TLS state in the request.
func (g *Gateway) Handler() http.Handler { return g.handler }

// Run does what has to be done beside answering: it stores how calls ended,
// every ten seconds and once more when ctx has ended, and then returns. Let
// ctx end after the last request.
func (g *Gateway) Run(ctx context.Context) {
	if g.meter == nil {
		<-ctx.Done()
		return
	}
	g.meter.run(ctx)
}

func (c Config) check() error {
	var faults []error
	need := func(ok bool, name string) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s is required", name))
		}
	}
	need(c.Instance != "", "Instance")
	need(c.Log != nil, "Log")
	need(c.Hasher != nil, "Hasher")
	need(c.Proofs != nil, "Proofs")
	need(c.Tokens != nil, "Tokens")
	need(c.Provider != nil, "Provider")
	need(c.Gate != nil, "Gate")
	for name, quota := range map[string]int{
		"Recipient": c.Limits.Quotas.Recipient, "Consent": c.Limits.Quotas.Consent, "Bank": c.Limits.Quotas.Bank,
	} {
		if quota < 0 || quota > limit.MaxQuota {
			faults = append(faults, fmt.Errorf("quota %s must be 0 to %d", name, limit.MaxQuota))
		}
	}
	if !isOrigin(c.Public) {
		faults = append(faults, errors.New("field Public must be an https origin without a path"))
	}
	if u, err := url.Parse(c.Issuer); err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		faults = append(faults, errors.New("field Issuer must be an https URL without query and fragment"))
	}
	return errors.Join(faults...)
}

// isOrigin reports whether s is scheme and host of an https URL and no more,
// free of characters that would end a quoted header value.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && s == "https://"+u.Host && !strings.ContainsAny(s, `"\ `)
}
