package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/token"
)

// endpoint is a row of the table of everything below fdxhttp.Base.
type endpoint struct {
	id     fdx.OperationID
	method string
	// path is below fdxhttp.Base, in the form of routes; what it names is
	// called :id.
	path string
	// scope is what the client's own token must hold.
	scope string
	// body: the request has a JSON body; without it, none.
	body bool
	// within is the time that the request may take.
	within time.Duration
	serve  func(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal)
}

// The time that a request may take. A stop that cannot reach the caches waits
// six seconds for what they hold to become stale (consent.Service.Settle).
const (
	shortly  = 3300 * time.Millisecond
	stopping = 10 * time.Second
)

// endpoints returns the table, in the order of the documentation.
func endpoints() []endpoint {
	return []endpoint{
		{fdx.ListConsentGrants, http.MethodGet, "/consents", token.ScopeGrantQuery, false, shortly, listConsents},
		{fdx.GetConsentGrant, http.MethodGet, "/consents/:id", token.ScopeGrantQuery, false, shortly, getConsent},
		{fdx.RevokeConsentGrant, http.MethodPut, "/consents/:id/revocation", token.ScopeGrantRevoke, true, stopping, revokeConsent},
		{fdx.GetConsentRevocation, http.MethodGet, "/consents/:id/revocation", token.ScopeGrantQuery, false, shortly, getRevocations},
	}
}

// call is a request of an authenticated recipient, not parsed further.
type call struct {
	who consent.RecipientID
	// id is what the path names, unescaped and unchecked.
	id    string
	path  string // as it was sent
	query url.Values
	body  []byte // at most one byte more than fdx.MaxBodyLength
}

// answer is what a request leads to.
type answer struct {
	status int
	body   any // sent as JSON; nil is none
}
