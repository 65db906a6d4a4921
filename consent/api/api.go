package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/certs/clientcert"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// Grants is the part of consent.Store that recipients read.
type Grants interface {
	// GrantOfRecipient is as in consent.Store.
	GrantOfRecipient(ctx context.Context, who consent.RecipientID, id consent.GrantID) (consent.Grant, error)
	// GrantsOfRecipient is as in consent.Store.
	GrantsOfRecipient(ctx context.Context, who consent.RecipientID, f consent.Filter, after consent.Place, limit int) ([]consent.Grant, error)
	// Events is as in consent.Store.
	Events(ctx context.Context, id consent.GrantID) ([]consent.Event, error)
}

// Stop ends grants for recipients; it is a *consent.Service.
type Stop interface {
	// StopByRecipient is as in consent.Service.
	StopByRecipient(ctx context.Context, who consent.RecipientID, id consent.GrantID, reason consent.Reason) (consent.Grant, error)
	// StopForConsumer is as in consent.Service.
	StopForConsumer(ctx context.Context, who consent.RecipientID, id consent.GrantID, reason consent.Reason) (consent.Grant, error)
}

// Config configures an API. Fields are required unless they say otherwise.
type Config struct {
	// Public is the origin under which recipients reach the API, as in
	// resource.Config.
	Public string

	Log *slog.Logger
	// Watch is told of every request; the zero value tells nobody.
	Watch web.Watch
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	Hasher *token.Hasher
	Proofs *dpop.Verifier
	// Nonces makes DPoP proofs carry a nonce of ours; nil demands none.
	Nonces *dpop.Nonces
	// Certificates finds client certificates; nil takes those of the
	// connection.
	Certificates *clientcert.Source
	// Clients knows recipients by their own access tokens.
	Clients bearer.Clients

	Grants Grants
	Stop   Stop
	// Notices serves the notification endpoints; with nil there are none.
	Notices *Notices
	// Erasures serves what persons ask apps to erase; with nil there is nothing.
	Erasures Erasures
	// InFlight is the most requests at a time, further ones are refused at
	// once; 0 has no bound.
	InFlight int
	// Quota is how many requests a minute of one recipient are let through, if
	// it has none of its own (consent.Recipient.Quota), and Stops how many ends
	// of consents, which are counted apart; 0 is no limit, the most is
	// limit.MaxQuota. Each of the Instances, 0 is 1, counts for itself, up to
	// its part.
	Quota, Stops, Instances int
	// Strangers are who presents tokens that there are not, those of the gateway
	// at the same address; nil counts none.
	Strangers *fdxhttp.Strangers
	// PageKeys are secrets of 32 bytes, as in resource.Config.
	PageKeys [][]byte
}

// Notices is what the notification endpoints need; all of it.
type Notices struct {
	Subscriptions notice.Subscriptions
	Recipients    consent.Recipients
	Publisher     fdx.Party // the bank, in every notification
}

// API answers recipients about their consents. Safe for concurrent use.
type API struct {
	public    string
	now       func() time.Time
	bearer    *bearer.Verifier
	clients   bearer.Clients
	grants    Grants
	stop      Stop
	notices   *Notices
	erasures  Erasures
	flight    limit.Flight
	quotas    quotas
	strangers *fdxhttp.Strangers
	keys      *fdxhttp.PageKeys
	endpoints []endpoint
	handler   http.Handler
}

// New returns an API. It does no I/O. Its error names everything that is
// wrong with the config.
func New(c Config) (*API, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Certificates == nil {
		var err error
		if c.Certificates, err = clientcert.New(clientcert.Config{Now: c.Now}); err != nil {
			return nil, fmt.Errorf("consent api: %w", err)
		}
	}
	verifier, err := bearer.New(bearer.Config{
		Hasher: c.Hasher, Proofs: c.Proofs, Nonces: c.Nonces, Certificates: c.Certificates, Now: c.Now,
	})
	keys, keysErr := fdxhttp.NewPageKeys(c.PageKeys, c.Now)
	if err := errors.Join(c.check(), err, keysErr); err != nil {
		return nil, fmt.Errorf("consent api: %w", err)
	}
	a := &API{
		public: c.Public, now: c.Now, bearer: verifier, clients: c.Clients,
		grants: c.Grants, stop: c.Stop, keys: keys, endpoints: endpoints(), notices: c.Notices, erasures: c.Erasures,
		flight: limit.NewFlight(c.InFlight), strangers: c.Strangers, quotas: quotas{own: c.Quota, stops: c.Stops, instances: c.Instances},
	}
	if c.Notices != nil {
		a.endpoints = append(a.endpoints, noticeEndpoints()...)
	}
	if c.Erasures != nil {
		a.endpoints = append(a.endpoints, erasureEndpoints()...)
	}
	if a.handler, err = a.routes(c.Log, c.Watch); err != nil {
		return nil, fmt.Errorf("consent api: %w", err)
	}
	return a, nil
}

func (c Config) check() error {
	var faults []error
	for _, need := range []struct {
		missing bool
		name    string
	}{
		{c.Public == "", "Public"}, {c.Log == nil, "Log"}, {c.Grants == nil, "Grants"}, {c.Stop == nil, "Stop"},
		{c.Notices != nil && (c.Notices.Subscriptions == nil || c.Notices.Recipients == nil || c.Notices.Publisher.Name == ""), "each part of Notices"},
		{c.Clients.Tokens == nil, "Clients.Tokens"}, {c.Clients.Guard == nil, "Clients.Guard"},
	} {
		if need.missing {
			faults = append(faults, fmt.Errorf("%s is required", need.name))
		}
	}
	return errors.Join(faults...)
}

// Handler returns the routes. The server in front of it must ask for client
// certificates and leave the TLS state in the request.
func (a *API) Handler() http.Handler { return a.handler }

// Serves reports whether a path is for Handler, which answers there also
// where there is nothing.
func (a *API) Serves(path string) bool {
	below, ok := strings.CutPrefix(path, fdxhttp.Base+"/")
	if !ok {
		return false
	}
	first, _, _ := strings.Cut(below, "/")
	for _, e := range a.endpoints {
		own, _, _ := strings.Cut(e.path[1:], "/")
		if first == own {
			return true
		}
	}
	return false
}

// Serving returns those of Operations that Handler serves: without notices
// or erasures their endpoints are missing. The caller owns the list.
func (a *API) Serving() []openapi.Operation { return operations(a.endpoints) }
