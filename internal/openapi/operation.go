package openapi

import (
	"reflect"

	"github.com/headgate/headgate/fdx"
)

// Operation is one method of one path.
type Operation struct {
	// ID is the operationId.
	ID fdx.OperationID
	// Method is an HTTP method in capital letters.
	Method string
	// Path begins at the origin, with parameters as in
	// /fdx/v6/accounts/{accountId}.
	Path string
	// Tag is the heading under which it stands.
	Tag string
	// About says in one sentence, and more if needed, what it does. Empty
	// takes the doc comment of the Go declaration that is named as ID.
	About string
	// Parameters are those of its own. Those of every operation, such as
	// x-fapi-interaction-id, are not listed.
	Parameters []Parameter
	// Body is the type of the JSON of the request; nil for none.
	Body reflect.Type
	// Answers are those with a status below 400.
	Answers []Answer
	// Errors are all FDX errors that it can answer with, in any order.
	Errors []*fdx.Error
	// Opened are the clusters any of which opens it, to a token of a grant.
	// Carried are those whose fields its answer can hold.
	Opened, Carried fdx.Clusters
	// ClientScope is the scope that a client's own token (client_credentials)
	// must hold to open it. An operation with neither Opened nor ClientScope
	// is opened by any living token of either kind; none has both.
	ClientScope fdx.Scope
	// Customer: the CUSTOMER entry of a grant counts for each of its accounts.
	Customer bool
}

// Parameter is one parameter of an operation.
type Parameter struct {
	Name string
	In   Place
	// About says what it is for, in a sentence.
	About      string
	Required   bool
	Deprecated bool
	// Type is the Go type that it is parsed into, of which the schema is
	// made. Limits are members of the schema besides; they may be nil.
	Type   reflect.Type
	Limits Schema
}

// Place is where a parameter stands.
type Place string

// The places of parameters.
const (
	Path   Place = "path"
	Query  Place = "query"
	Header Place = "header"
)

// Schema holds members of a JSON Schema object (draft 2020-12).
type Schema map[string]any

// Answer is an answer that is no error.
type Answer struct {
	Status int
	// About says when it is given.
	About string
	// Type is the type of the JSON; nil for a document in one of Forms, or
	// for an answer without content when there are none either.
	Type  reflect.Type
	Forms []fdx.ContentType
	// Headers that only this answer can have: name and meaning.
	Headers map[string]string
}
