package api

import (
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/openapi"
)

// Operations returns what an API with notices and erasures answers, for the API document,
// in the order of the tables of endpoints. The caller owns the list.
func Operations() []openapi.Operation {
	return operations(slices.Concat(endpoints(), noticeEndpoints(), erasureEndpoints()))
}

func operations(table []endpoint) []openapi.Operation {
	list := make([]openapi.Operation, len(table))
	for i, e := range table {
		path, parameters := openapi.Route(fdxhttp.Base+e.path, pathParameters)
		list[i] = openapi.Operation{
			ID: e.id, Method: e.method, Path: path, Tag: e.tag(), About: e.about, Parameters: append(parameters, e.query...),
			Body: e.body, Answers: []openapi.Answer{e.given}, Errors: e.errors(), ClientScope: e.scope,
		}
	}
	return list
}

func (e endpoint) tag() string {
	if strings.HasPrefix(e.path, "/consents") {
		return "Consents"
	}
	if strings.HasPrefix(e.path, "/erasure-requests") {
		return "Erasure"
	}
	return "Notifications"
}

var pathParameters = map[string]openapi.Parameter{
	"consentId":      openapi.PathParameter[fdx.ConsentID]("consentId", "The consent: the grant_id of the token response."),
	"subscriptionId": openapi.PathParameter[fdx.SubscriptionID]("subscriptionId", "The subscription."),
}

// What endpoints read from the query. The parsers are those of package fdx; a
// test holds the two against each other.
var (
	consentsParameters = append([]openapi.Parameter{
		openapi.QueryParameter[fdx.CustomerID]("customerId", "Restricts the list to one person, by the customerId of the data.", nil),
		openapi.QueryParameter[fdx.ConsentStatus]("status", "Restricts the list to one state.", nil),
	}, openapi.PageParameters(openapi.SealedPageKey)...)
	notificationsParameters = append([]openapi.Parameter{
		openapi.QueryParameter[string]("dataRecipientId", "The caller's own client id, and no other.", openapi.Schema{"minLength": 1, "maxLength": fdx.MaxIDLength}),
	}, openapi.PageParameters("The notificationId of the last notification that the caller has; the page begins after it.")...)
)

// given is an answer of 200.
func given[T any](about string) openapi.Answer {
	return openapi.Answer{Status: http.StatusOK, About: about, Type: reflect.TypeFor[T]()}
}

// Errors that endpoints share.
var (
	// Any request.
	anyErrors = []*fdx.Error{
		fdx.ErrInvalidInput, fdx.ErrAuthentication, fdx.ErrForbidden, fdx.ErrNotAcceptable, fdx.ErrTooManyRequests, fdx.ErrInternal, fdx.ErrMaintenance,
	}
	// What the path names is unknown, or somebody else's.
	unknown = []*fdx.Error{fdx.ErrDataNotFound}
)

// errors returns every error that the endpoint can answer with.
func (e endpoint) errors() []*fdx.Error { return append(slices.Clip(anyErrors), e.more...) }

// declared returns the refusal, if the API document has it for the endpoint.
// Another one comes from a store that breaks its contract, and is our fault.
func (e endpoint) declared(r *fdxhttp.Refusal) *fdxhttp.Refusal {
	if r == nil || slices.ContainsFunc(e.errors(), func(one *fdx.Error) bool { return errors.Is(r.Public, one) }) {
		return r
	}
	return &fdxhttp.Refusal{Public: fdx.ErrInternal, Cause: errors.Join(errUndeclared, r.Public, r.Cause), Integer: r.Integer}
}

var errUndeclared = errors.New("not an error of this operation")
