package resource

import (
	"net/http"

	"github.com/headgate/headgate/fdx"
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
	}
}

func (op *operation[T]) about() about {
	return about{
		id: op.id, path: op.path, any: op.any, through: op.through, holders: op.holders, entities: op.entities,
		document: op.forms != nil,
	}
}

func (op *operation[T]) serve(g *Gateway, w http.ResponseWriter, r *http.Request, t target) {
	read(g, op, w, r, t)
}
