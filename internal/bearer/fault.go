package bearer

// Fault is what is wrong with what a request presents. Each interface has its
// own words for them; a client learns no more than the fault.
type Fault int

// The faults.
const (
	// TokenInQuery: the access token stands in the address (400).
	TokenInQuery Fault = iota + 1
	// RepeatedHeader: there are several Authorization headers (400).
	RepeatedHeader
	// NoCredentials: there is no access token at all (401, without an error
	// code).
	NoCredentials
	// InvalidToken: the token is malformed, unknown, over, of another kind or
	// bound to something else (401 invalid_token). Whoever presents it cannot
	// tell which.
	InvalidToken
	// InvalidProof: the DPoP proof is missing, wrong or spent (401
	// invalid_dpop_proof).
	InvalidProof
	// UseNonce: the DPoP proof lacks a nonce of ours (401 use_dpop_nonce).
	UseNonce
	// InsufficientScope: the token is good, but not for this (403
	// insufficient_scope).
	InsufficientScope
	// Unavailable: a store cannot say (503).
	Unavailable
)

// Error is a refusal.
type Error struct {
	Fault Fault
	// Reason is a fixed word for the log, such as "token_unknown".
	Reason string
	// Cause is private; nil for a plain no.
	Cause error
}

// Error returns the reason and the cause, for the log.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
