package resource

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/openapi"
)

// endpoint is a row of the table of everything below fdxhttp.Base.
type endpoint interface {
	about() about
	// serve answers a request for what the path names.
	serve(g *Gateway, w http.ResponseWriter, r *http.Request, t target)
}

// about describes an endpoint.
type about struct {
	id   fdx.OperationID
	path string // in the form of routes
	// any, through and entities are those of operation; all zero for an
	// endpoint that gives no data.
	any, through fdx.Clusters
	holders      bool
	entities     []string
	document     bool
	// parameters are those that it reads besides what the path names.
	parameters []openapi.Parameter
	answers    []openapi.Answer
	errors     []*fdx.Error
}

// endpoints returns the table, in the order of the documentation.
func endpoints() []endpoint {
	return []endpoint{
		&searchForAccounts,
		&getAccount,
		&getAccountContact,
		&getAccountPaymentNetworks,
		&getAccountAssetTransferNetworks,
		&searchForAccountTransactions,
		&getAccountTransactionImages,
		&searchForAccountStatements,
		&getAccountStatement,
		&getTermsAndConditions,
		&searchRewardPrograms,
		&getRewardProgram,
		&getRewardProgramCategories,
		&getCustomers,
		&getCustomerInfo,
		&getCustomer,
		&getAvailability,
		&getCapability,
		&getCertificationMetrics,
	}
}

func (op *operation[T]) about() about {
	a := about{
		id: op.id, path: op.path, any: op.any, through: op.through, holders: op.holders, entities: op.entities,
		document: op.forms != nil, parameters: append(slices.Clip(op.query), actor), errors: op.errors(),
	}
	given := openapi.Answer{Status: http.StatusOK, About: "What the grant lets through.", Forms: op.forms}
	if op.forms == nil {
		given.Type = reflect.TypeOf(op.answer(make([]T, 1), fdx.PageMetadata{}, fdx.Links{}))
	}
	if slices.ContainsFunc(op.query, func(p openapi.Parameter) bool { return p.Name == "startDate" }) {
		given.Headers = map[string]string{effectiveStart: "The first day of what is given, when the look-back of the consent has shortened the window."}
	}
	a.answers = []openapi.Answer{given}
	if op.partial != nil {
		given.Status = http.StatusPartialContent
		given.About = "As 200, but the bank could not tell all: what lacks something says so itself, in error."
		a.answers = append(a.answers, given)
	}
	return a
}

func (op *operation[T]) serve(g *Gateway, w http.ResponseWriter, r *http.Request, t target) {
	read(g, op, w, r, t)
}
