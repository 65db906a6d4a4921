package resource

import (
	"context"
	"slices"
	"time"

	"github.com/headgate/headgate/fdx"
)

// searchForAccountStatements lists the statements of an account whose date is
// in the window.
var searchForAccountStatements = operation[fdx.Statement]{
	id: fdx.SearchForAccountStatements, path: "/accounts/:accountId/statements",
	any: fdx.NewClusters(fdx.Statements), through: fdx.NewClusters(fdx.Statements),
	entities: []string{"Statement"},
	parse:    parseWindow,
	query:    windowParameters,
	more:     offered(append(append(slices.Clip(windowErrors), partErrors...), fdx.ErrNoStatements)...),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[fdx.Statement], error) {
		return p.Statements(ctx, a, q.page)
	},
	filter: func(item *fdx.Statement, a Access, l links) verdict {
		if item.AccountID != a.Account() || !a.window.Contains(item.StatementDate) {
			return outside
		}
		fdx.FilterStatement(item, a.clusters(item.AccountID))
		item.Links = l.statement(item)
		return kept
	},
	answer: func(items []fdx.Statement, page fdx.PageMetadata, links fdx.Links) any {
		return fdx.StatementsAnswer{Page: page, Links: links, Statements: items}
	},
}

// getAccountStatement gives the document of a statement that the look-back of
// the grant reaches.
var getAccountStatement = operation[Document]{
	id: fdx.GetAccountStatement, path: "/accounts/:accountId/statements/:statementId",
	any: fdx.NewClusters(fdx.Statements), through: fdx.NewClusters(fdx.Statements),
	parse: parseDated, forms: fdx.DocumentTypes(),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[Document], error) {
		id, err := fdx.ParseStatementID(q.id)
		if err != nil {
			return Page[Document]{}, ErrNotFound
		}
		return one(p.Statement(ctx, a, id, q.forms))
	},
	filter: filterDated, answer: first[Document], missing: fdx.ErrStatementNotFound,
	more: offered(append(slices.Clip(partErrors), fdx.ErrNoStatements, fdx.ErrStatementProcessing)...),
}

// getAccountTransactionImages gives an image of a transaction that the
// look-back of the grant reaches.
var getAccountTransactionImages = operation[Document]{
	id: fdx.GetAccountTransactionImages, path: "/accounts/:accountId/transaction-images/:imageId",
	any: fdx.NewClusters(fdx.Images), through: fdx.NewClusters(fdx.Images),
	parse: parseDated, forms: fdx.DocumentTypes(),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[Document], error) {
		id, err := fdx.ParseImageID(q.id)
		if err != nil {
			return Page[Document]{}, ErrNotFound
		}
		return one(p.Image(ctx, a, id, q.forms))
	},
	filter: filterDated, answer: first[Document], missing: fdx.ErrImageNotFound,
	more: offered(partErrors...),
}

// getTermsAndConditions gives the terms of an account.
var getTermsAndConditions = operation[Document]{
	id: fdx.GetTermsAndConditions, path: "/accounts/:accountId/terms-and-conditions",
	any: fdx.NewClusters(fdx.TermsAndConditions), through: fdx.NewClusters(fdx.TermsAndConditions),
	parse: parseAccount, forms: fdx.TermsTypes(),
	fetch: func(ctx context.Context, p Provider, a Access, q ask) (Page[Document], error) {
		return one(p.Terms(ctx, a, q.forms))
	},
	filter: func(*Document, Access, links) verdict { return kept },
	answer: first[Document], missing: fdx.ErrDataNotFound,
	more: offered(partErrors...),
}

// parseDated reads a request for one thing of an account that has a day.
func parseDated(t target, v fdx.Query, now time.Time) (question, *fdx.Error) {
	q, invalid := parseAccount(t, v, now)
	q.need.Lookback = true
	return q, invalid
}

// filterDated lets through a document of a day inside the look-back.
func filterDated(item *Document, a Access, _ links) verdict {
	if !a.window.Contains(item.Date) {
		return outside
	}
	return kept
}
