package fdx

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Customer is a holder behind the accounts of a grant: the answer to
// getCustomer and getCustomerInfo, and an entry of getCustomers.
type Customer struct {
	// CustomerID is always given.
	CustomerID CustomerID         `json:"customerId,omitzero"`
	Type       BusinessOrConsumer `json:"type,omitzero"`
	// Name is that of a consumer, BusinessCustomer that of a business.
	Name             CustomerName      `json:"name,omitzero"`
	BusinessCustomer BusinessCustomer  `json:"businessCustomer,omitzero"`
	Emails           []string          `json:"emails,omitempty"`
	Addresses        []DeliveryAddress `json:"addresses,omitempty"`
	Telephones       []TelephoneNumber `json:"telephones,omitempty"`
	DateOfBirth      Date              `json:"dateOfBirth,omitzero"`
	// TaxID leaves masked: see FilterCustomer.
	TaxID string `json:"taxId,omitzero"`
	// TaxIDCountry is an ISO 3166-1 alpha-2 code.
	TaxIDCountry string `json:"taxIdCountry,omitzero"`
	GovernmentID string `json:"governmentId,omitzero"`
	// Accounts are the customer's parts in accounts.
	Accounts []CustomerAccount `json:"accounts,omitempty"`
}

// CustomerAccount is the part a customer has in an account (FDX
// CustomerToAccountRelationship).
type CustomerAccount struct {
	AccountID    AccountID                 `json:"accountId,omitzero"`
	Relationship AccountHolderRelationship `json:"relationship,omitzero"`
	Links        []HateoasLink             `json:"links,omitempty"`
}

// CustomersAnswer is the answer to getCustomers.
type CustomersAnswer struct {
	Page  PageMetadata `json:"page,omitzero"`
	Links Links        `json:"links,omitzero"`
	// Customers may be empty, which is [] in the JSON and never null.
	Customers []Customer `json:"customers"`
}

// MarshalJSON writes no list as [].
func (a CustomersAnswer) MarshalJSON() ([]byte, error) {
	type plain CustomersAnswer
	a.Customers = listed(a.Customers)
	return json.Marshal(plain(a))
}

// listed returns the list, and an empty one for nil, which would be null.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// maskTaxID hides all but the last four characters, and the whole of a number
// too short to hide anything.
func maskTaxID(id string) string {
	const shown = 4
	n := utf8.RuneCountInString(id)
	if n <= shown {
		return strings.Repeat("*", n)
	}
	var b strings.Builder
	for i, r := range []rune(id) {
		switch {
		case i >= n-shown:
			b.WriteRune(r)
		default:
			b.WriteByte('*')
		}
	}
	return b.String()
}
