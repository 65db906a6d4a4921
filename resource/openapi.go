package resource

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

// Operations returns what the gateway answers, for the API document, in the
// order of the table of endpoints. The caller owns the list.
func Operations() []openapi.Operation {
	var list []openapi.Operation
	for _, e := range endpoints() {
		a := e.about()
		op := openapi.Operation{
			ID: a.id, Method: http.MethodGet, Tag: a.tag(),
			Answers: a.answers, Errors: a.errors, Opened: a.any, Carried: a.through, Customer: a.holders,
		}
		op.Path, op.Parameters = openapi.Route(fdxhttp.Base+a.path, pathParameters)
		op.Parameters = append(op.Parameters, a.parameters...)
		list = append(list, op)
	}
	return list
}

// tag is the family: the first part of the path, or what an account has.
func (a about) tag() string {
	first, _, _ := strings.Cut(strings.TrimPrefix(a.path, "/"), "/")
	switch {
	case a.any.Empty():
		return "About the API"
	case first == "accounts" && slices.Contains(a.entities, "DepositTransaction"), a.any.Has(fdx.Images):
		return "Transactions"
	case a.any.Has(fdx.Statements):
		return "Statements"
	case a.any.Has(fdx.Rewards):
		return "Rewards"
	case first == "customers":
		return "Customers"
	}
	return "Accounts"
}

var pathParameters = map[string]openapi.Parameter{
	"accountId":       openapi.PathParameter[fdx.AccountID]("accountId", "The account."),
	"customerId":      openapi.PathParameter[fdx.CustomerID]("customerId", "The customer."),
	"imageId":         openapi.PathParameter[fdx.ImageID]("imageId", "The image, as imageIds of a transaction names it."),
	"rewardProgramId": openapi.PathParameter[fdx.RewardProgramID]("rewardProgramId", "The reward program."),
	"statementId":     openapi.PathParameter[fdx.StatementID]("statementId", "The statement, as the list of statements names it."),
}

func deprecated(p openapi.Parameter) openapi.Parameter {
	p.Deprecated = true
	return p
}

// What endpoints read from the query. The parsers are those of package fdx; a
// test holds the two against each other.
var (
	pageParameters   = openapi.PageParameters(openapi.SealedPageKey)
	windowParameters = append([]openapi.Parameter{
		openapi.QueryParameter[fdx.Date]("startDate", "The first day, at most 24 months ago; it goes with endDate. Without either the window is the last seven days. Days are those of UTC.", nil),
		openapi.QueryParameter[fdx.Date]("endDate", "The last day, included; a later one than today means today.", nil),
		deprecated(openapi.QueryParameter[fdx.Date]("startTime", "The older name of startDate.", nil)),
		deprecated(openapi.QueryParameter[fdx.Date]("endTime", "The older name of endDate.", nil)),
	}, pageParameters...)
	resultType         = openapi.QueryParameter[fdx.ResultType]("resultType", "How much is told of each: names alone, or everything.", openapi.Schema{"default": fdx.Lightweight})
	operationParameter = openapi.QueryParameter[fdx.OperationID]("operationId", "Restricts the answer to one operation.",
		openapi.Schema{"pattern": "^[A-Za-z]{1,64}$"})
	accountsParameters = append([]openapi.Parameter{
		resultType,
		openapi.QueryParameter[[]fdx.AccountID]("accountIds", "Restricts the list to these, in this order, separated by commas.", openapi.Schema{"maxItems": fdx.MaxAccountIDs}),
	}, pageParameters...)
	availabilityParameters = []openapi.Parameter{operationParameter}
	capabilityParameters   = []openapi.Parameter{
		operationParameter,
		openapi.QueryParameter[fdx.Version]("fdxVersion", "Restricts the answer to a release of FDX.", openapi.Schema{"pattern": "^[A-Za-z0-9.]{1,64}$"}),
		resultType,
	}
)

// actor is what every read of data says about the consumer.
var actor = openapi.Parameter{
	Name: actorHeader, In: openapi.Header, Type: reflect.TypeFor[string](),
	About:  "Whether the consumer is present (USER) or not (BATCH); the consumer sees it in the history of reads.",
	Limits: openapi.Schema{"enum": []string{"USER", "BATCH"}, "default": "BATCH"},
}

// Errors that several endpoints share.
var (
	// Any request.
	anyErrors = []*fdx.Error{fdx.ErrInvalidInput, fdx.ErrAuthentication, fdx.ErrNotAcceptable, fdx.ErrTooManyRequests, fdx.ErrInternal, fdx.ErrMaintenance}
	// Any read of data.
	dataErrors = append([]*fdx.Error{fdx.ErrForbidden, fdx.ErrCustomerNotAuthorized, fdx.ErrSubsystem, fdx.ErrUpstreamTimeout}, anyErrors...)
	// A read of one account, and of what an account has.
	accountErrors = []*fdx.Error{fdx.ErrAccountNotFound, fdx.ErrAccountLocked}
	partErrors    = append(slices.Clip(accountErrors), fdx.ErrAccountTypeNotSupported)
	windowErrors  = []*fdx.Error{fdx.ErrInvalidDate, fdx.ErrInvalidDateRange}
)

// offered are the errors of an operation that not every bank has.
func offered(list ...*fdx.Error) []*fdx.Error {
	return append(slices.Clip(list), fdx.ErrNotImplemented)
}

// errors returns every error that the operation can answer with.
func (op *operation[T]) errors() []*fdx.Error {
	list := slices.Clone(dataErrors)
	for _, e := range append(slices.Clip(op.more), op.none, op.missing) {
		if e != nil && !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	return list
}

// failed maps an error of the bank. One that the operation does not have in
// the API document breaks the contract of Provider, and a bank that does is
// out of order.
func (op *operation[T]) failed(err error) *fdxhttp.Refusal {
	r := fromProvider(err, op.missing)
	if !slices.ContainsFunc(op.errors(), func(e *fdx.Error) bool { return errors.Is(r.Public, e) }) {
		r = fromProvider(ErrUnavailable, nil)
		r.Cause = errors.Join(errUndeclared, err)
	}
	return r
}
