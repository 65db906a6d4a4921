package resource

import (
	"context"
	"time"

	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/token"
)

// Gate releases answers. The executable contract is resourcetest.Gate.
type Gate interface {
	// Release stores the record of a read and reports whether the answer may
	// leave. For a given or clipped read that is the case if, and only if,
	// at the instant of storing and by the gate's own clock, the access token
	// is not over, the grant is active in the record's epoch and unexpired,
	// its recipient is active, and the proof was not spent before: one atomic
	// statement decides and stores. A withheld or
	// replayed read stores nothing and spends nothing, so that it can be
	// asked again. A refused read is stored as it is, and spends no proof.
	// Any error means that nothing is known and nothing may leave.
	Release(ctx context.Context, r Release) (Verdict, error)
}

// Release is the question to the Gate.
type Release struct {
	Record audit.Record
	// TokenExpires is the end of the access token; of no use to a refusal. A
	// read without one is withheld.
	TokenExpires time.Time
	// Proof is the DPoP proof of the request; nil for a certificate-bound
	// token. It is spent in the same statement that releases, so that no
	// proof ever gives data twice, whatever Redis remembers.
	Proof *token.Proof
}

// Verdict is what the gate said.
type Verdict int

// The verdicts. The zero value withholds.
const (
	// Withheld: the access token is over, the grant is not active in that
	// epoch, or its recipient is not. The caller reads the present version and decides anew.
	Withheld Verdict = iota
	// Replayed: the proof was spent before.
	Replayed
	// Released: the record is stored; the answer may leave.
	Released
)
