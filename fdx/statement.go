package fdx

import "encoding/json"

// Statement describes a statement; its document is fetched apart.
type Statement struct {
	AccountID AccountID `json:"accountId,omitzero"`
	// StatementID is always given.
	StatementID StatementID `json:"statementId,omitzero"`
	// StatementDate is the last day the statement covers. Windows select by
	// it.
	StatementDate Date           `json:"statementDate,omitzero"`
	Description   string         `json:"description,omitzero"`
	Status        DocumentStatus `json:"status,omitzero"`
	// Links lead to the document.
	Links []HateoasLink `json:"links,omitempty"`
}

// DocumentStatus is whether a document can be fetched.
type DocumentStatus string

// The states of a document. A document in processing is
// ErrStatementProcessing.
const (
	DocumentAvailable  DocumentStatus = "AVAILABLE"
	DocumentFailed     DocumentStatus = "FAILED"
	DocumentProcessing DocumentStatus = "PROCESSING"
)

// StatementsAnswer is the answer to searchForAccountStatements.
type StatementsAnswer struct {
	Page  PageMetadata `json:"page,omitzero"`
	Links Links        `json:"links,omitzero"`
	// Statements may be empty, which is [] in the JSON and never null.
	Statements []Statement `json:"statements"`
}

// MarshalJSON writes no list as [].
func (a StatementsAnswer) MarshalJSON() ([]byte, error) {
	type plain StatementsAnswer
	a.Statements = listed(a.Statements)
	return json.Marshal(plain(a))
}
