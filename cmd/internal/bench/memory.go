package bench

import (
	"context"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// openGate lets everything leave and records nothing: what is left of a read
// without the gate.
type openGate struct{}

// Release implements resource.Gate, against its contract.
func (openGate) Release(context.Context, resource.Release) (resource.Verdict, error) {
	return resource.Released, nil
}

// memoryBank answers every question for transactions with the same page.
type memoryBank struct {
	resource.Provider // of its other methods none is called
	page              resource.Page[fdx.Transaction]
}

// Transactions implements resource.Provider. The caller gets a copy that it
// may change, made in two allocations: it is the gateway that is measured.
func (b memoryBank) Transactions(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.Transaction], error) {
	items := make([]fdx.Transaction, len(b.page.Items))
	deposits := make([]fdx.DepositTransaction, len(items))
	for i, t := range b.page.Items {
		deposits[i] = *t.Deposit
		items[i].Deposit = &deposits[i]
	}
	return resource.Page[fdx.Transaction]{Items: items, Next: b.page.Next}, nil
}
