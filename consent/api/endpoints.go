package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/token"
)

// endpoint is a row of the table of everything below fdxhttp.Base. Routes and
// the API document are made from it.
type endpoint struct {
	id     fdx.OperationID
	method string
	// path is below fdxhttp.Base, in the form of routes; it names one thing at
	// most.
	path string
	// about says what it does, for the API document.
	about string
	// scope is what the client's own token must hold.
	scope fdx.Scope
	// query are the parameters that it reads besides what the path names.
	query []openapi.Parameter
	// body is the type of the JSON body that a request must have; nil for one
	// that must have none.
	body reflect.Type
	// given is the one answer that is no refusal, more the errors that it can
	// answer with besides anyErrors.
	given openapi.Answer
	more  []*fdx.Error
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
		{
			id: fdx.ListConsentGrants, method: http.MethodGet, path: "/consents",
			about: "Lists the consents that the caller holds, newest first. An extension: FDX has no such list. Consents that are given meanwhile come before the first page and move nothing.",
			scope: token.ScopeGrantQuery, query: consentsParameters,
			given: given[fdx.ConsentsAnswer]("A page of the list, which may hold nothing."), within: shortly, serve: listConsents,
		},
		{
			id: fdx.GetConsentGrant, method: http.MethodGet, path: "/consents/:consentId",
			about: "Returns a consent that the caller holds, as it is now. What it covered stays when it has ended.",
			scope: token.ScopeGrantQuery,
			given: given[fdx.ConsentGrant]("The consent."), more: unknown, within: shortly, serve: getConsent,
		},
		{
			id: fdx.RevokeConsentGrant, method: http.MethodPut, path: "/consents/:consentId/revocation",
			about: "Ends a consent that the caller holds. Once it has answered, no read that starts later gives data and the tokens are dead; 409 says the same of a consent that had ended before, and 503 promises nothing yet: repeat. Both members of the body are required, and initiator is DATA_RECIPIENT, or INDIVIDUAL when the person asked for it in the app.",
			scope: token.ScopeGrantRevoke, body: reflect.TypeFor[fdx.ConsentRevocationRequest](),
			given: openapi.Answer{Status: http.StatusNoContent, About: "The consent is over."}, more: append(slices.Clip(unknown), fdx.ErrConflict),
			within: stopping, serve: revokeConsent,
		},
		{
			id: fdx.GetConsentRevocation, method: http.MethodGet, path: "/consents/:consentId/revocation",
			about: "Tells how a consent of the caller ended. An end that no person asked for has the reason BUSINESS_RULE; a term that ran out is EXPIRED, by DATA_PROVIDER.",
			scope: token.ScopeGrantQuery,
			given: given[fdx.ConsentRevocationsAnswer]("How it ended; nothing while it is active."), more: unknown, within: shortly, serve: getRevocations,
		},
	}
}

// call is a request of an authenticated recipient, not parsed further.
type call struct {
	who consent.RecipientID
	// id is what the path names, unescaped and unchecked.
	id    string
	path  string // as it was sent
	query fdx.Query
	body  []byte // at most one byte more than fdx.MaxBodyLength
}

// answer is what a request leads to.
type answer struct {
	status int
	body   any // sent as JSON; nil is none
	// location is the path of what was made, below fdxhttp.Base; "" for none.
	location string
}
