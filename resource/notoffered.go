package resource

import (
	"context"

	"github.com/headgate/headgate/fdx"
)

// NotOffered answers every method that not every bank has with
// ErrNotOffered. A provider embeds it and writes the methods of what it has;
// only accounts and transactions it has to write itself, and Operations, which
// names all of them.
type NotOffered struct{}

// Availability implements Provider: a bank that says nothing is there.
func (NotOffered) Availability(context.Context) (fdx.Availability, error) {
	return fdx.Availability{Status: fdx.Alive}, nil
}

// Contact implements Provider.
func (NotOffered) Contact(context.Context, Access) (fdx.AccountContact, error) {
	return fdx.AccountContact{}, ErrNotOffered
}

// PaymentNetworks implements Provider.
func (NotOffered) PaymentNetworks(context.Context, Access, PageRequest) (Page[fdx.PaymentNetwork], error) {
	return Page[fdx.PaymentNetwork]{}, ErrNotOffered
}

// AssetTransferNetworks implements Provider.
func (NotOffered) AssetTransferNetworks(context.Context, Access, PageRequest) (Page[fdx.AssetTransferNetwork], error) {
	return Page[fdx.AssetTransferNetwork]{}, ErrNotOffered
}

// Statements implements Provider.
func (NotOffered) Statements(context.Context, Access, PageRequest) (Page[fdx.Statement], error) {
	return Page[fdx.Statement]{}, ErrNotOffered
}

// Statement implements Provider.
func (NotOffered) Statement(context.Context, Access, fdx.StatementID, []fdx.ContentType) (Document, error) {
	return Document{}, ErrNotOffered
}

// Image implements Provider.
func (NotOffered) Image(context.Context, Access, fdx.ImageID, []fdx.ContentType) (Document, error) {
	return Document{}, ErrNotOffered
}

// Terms implements Provider.
func (NotOffered) Terms(context.Context, Access, []fdx.ContentType) (Document, error) {
	return Document{}, ErrNotOffered
}

// RewardPrograms implements Provider.
func (NotOffered) RewardPrograms(context.Context, Access, PageRequest) (Page[fdx.RewardProgram], error) {
	return Page[fdx.RewardProgram]{}, ErrNotOffered
}

// RewardProgram implements Provider.
func (NotOffered) RewardProgram(context.Context, Access, fdx.RewardProgramID) (fdx.RewardProgram, error) {
	return fdx.RewardProgram{}, ErrNotOffered
}

// RewardCategories implements Provider.
func (NotOffered) RewardCategories(context.Context, Access, fdx.RewardProgramID, PageRequest) (Page[fdx.RewardCategory], error) {
	return Page[fdx.RewardCategory]{}, ErrNotOffered
}

// Holders implements Provider.
func (NotOffered) Holders(context.Context, Access, PageRequest) (Page[fdx.Customer], error) {
	return Page[fdx.Customer]{}, ErrNotOffered
}

// Holder implements Provider.
func (NotOffered) Holder(context.Context, Access, fdx.CustomerID) (fdx.Customer, error) {
	return fdx.Customer{}, ErrNotOffered
}
