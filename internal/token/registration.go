package token

import (
	"context"
	"encoding/json"
	"time"

	"github.com/headgate/headgate/consent"
)

// Registration is a client as it was registered, with what it manages its
// registration by (RFC 7591, RFC 7592).
type Registration struct {
	Recipient consent.Recipient
	// Record is the client metadata as registered, a JSON object.
	Record json.RawMessage
	// Access is the hash of the registration access token; zero for a client
	// that the operator registered, which has none.
	Access Hash
	// StatementIssuer and StatementID name the software statement by its iss
	// and jti; empty without one.
	StatementIssuer, StatementID string
	IssuedAt                     time.Time // whole seconds
	// UpdatedAt changes with everything that is changed about the client, its
	// state included. The store sets it.
	UpdatedAt time.Time
}

// Registrations keeps registrations. Implementations are safe for concurrent
// use; each method is one transaction. The executable contract is
// authztest.Registrations.
type Registrations interface {
	consent.Standing

	// Register stores a client that is new and spends proofs, all or nothing.
	// A *ReplayedError or, for an id that is taken, consent.ErrConflict stores
	// and spends nothing.
	Register(ctx context.Context, r Registration, spend ...Proof) error

	// Registration returns the registration whose registration access token
	// has that hash. ErrNotFound when there is none, or it is closed.
	Registration(ctx context.Context, access Hash) (Registration, error)

	// Update replaces recipient, record and statement of a registration that
	// is as it was read: UpdatedAt is compared, and consent.ErrConflict
	// changes nothing. It spends proofs as Register does. Access and IssuedAt
	// stay.
	Update(ctx context.Context, r Registration, spend ...Proof) error
}
