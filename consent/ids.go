package consent

import (
	"errors"

	"github.com/google/uuid"
)

// GrantID names one grant. On the wire it is the FDX consent id and the
// OAuth grant_id. It is an identifier, not a secret.
type GrantID string

// RecipientID names one registered data recipient; it is the OAuth client_id.
type RecipientID string

// ConsumerID names one person at the provider. It is opaque and never a
// name, an address or an account number.
type ConsumerID string

// AuthorizationID names one decision in progress. It appears in page
// addresses and is worthless without the browser session that it is bound to.
type AuthorizationID string

// NewGrantID returns a fresh random grant id (UUID version 4, so that it
// tells neither time nor order).
func NewGrantID() GrantID { return GrantID(uuid.NewString()) }

// NewAuthorizationID returns a fresh random id for a decision in progress.
func NewAuthorizationID() AuthorizationID { return AuthorizationID(uuid.NewString()) }

// The named outcomes of this package. Stores and services return them
// wrapped; callers test with errors.Is.
var (
	// ErrNotFound: no such grant, recipient or authorization, or none that
	// the caller may see. The two are never told apart.
	ErrNotFound = errors.New("consent: not found")
	// ErrEnded: the grant has already ended; nothing was changed.
	ErrEnded = errors.New("consent: grant has ended")
	// ErrConflict: the value was replaced by somebody else since it was
	// read; nothing was changed.
	ErrConflict = errors.New("consent: changed meanwhile")
	// ErrConsumed: the pushed request has been decided before.
	ErrConsumed = errors.New("consent: request already decided")
)
