package engine

import (
	"errors"

	"github.com/ory/fosite"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// The error codes of OAuth that the engine answers with (RFC 6749 sections
// 4.1.2.1 and 5.2, RFC 9126). fosite's own names never leave the engine.
const (
	InvalidRequest          = "invalid_request"
	InvalidGrant            = "invalid_grant"
	InvalidScope            = "invalid_scope"
	InvalidClient           = "invalid_client"
	UnsupportedGrantType    = "unsupported_grant_type"
	UnsupportedResponseType = "unsupported_response_type"
	ServerError             = "server_error"
)

// Gone is what is said about a code or refresh token that is not there any
// more, or never was, or is somebody else's. It is one text for all, so that a
// used code cannot be told from an unknown one.
const Gone = "the code or refresh token is unknown, expired, used or withdrawn"

// Unbound is what is said to a token request that proves possession of
// nothing, or of nothing that its client's tokens can be bound to.
const Unbound = "tokens are bound to a key: send a DPoP proof, or use the client certificate, as this client is registered"

const badGrantType = "grant_type must be authorization_code, refresh_token or client_credentials"

// Error is a refusal in OAuth's words. Text is ASCII without quotes or
// backslashes, fit for error_description.
type Error struct {
	Code string
	Text string
	// Cause is for the log, never for the wire.
	Cause error
}

// Error returns code and text, and the cause when there is one.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Text + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// UsedError says that a code of the asking recipient was redeemed before, or
// at the same moment: what the first use issued must be withdrawn
// (RFC 6749 section 4.1.2).
type UsedError struct{ Grant consent.GrantID }

// Error names the condition, not the code.
func (*UsedError) Error() string { return "engine: authorization code used before" }

// outcome turns what fosite returned into what happened. What our own store
// or handler said comes first, because fosite hides it.
func (u *unit) outcome(err error) error {
	cause := u.failure
	var own *Error
	var used *UsedError
	switch {
	case cause == nil:
		return translate(err)
	case errors.As(cause, &own), errors.As(cause, &used):
		return cause
	case errors.Is(cause, token.ErrNotFound), errors.Is(cause, token.ErrRevoked):
		return &Error{Code: InvalidGrant, Text: Gone, Cause: cause}
	default:
		return cause // the store is out of order: the caller decides
	}
}

// translate maps what fosite decided by itself.
func translate(err error) error {
	var f *fosite.RFC6749Error
	if !errors.As(err, &f) {
		return &Error{Code: ServerError, Text: "the request could not be processed", Cause: err}
	}
	switch f.ErrorField {
	case InvalidGrant:
		return &Error{Code: InvalidGrant, Text: "the code does not go with this redirect_uri or code_verifier", Cause: err}
	case InvalidScope:
		return &Error{Code: InvalidScope, Text: "a requested scope is not in the registration of this client", Cause: err}
	case InvalidClient:
		return &Error{Code: InvalidClient, Text: "client authentication failed", Cause: err}
	case UnsupportedResponseType:
		return &Error{Code: UnsupportedResponseType, Text: "response_type must be code", Cause: err}
	case UnsupportedGrantType:
		return &Error{Code: UnsupportedGrantType, Text: badGrantType, Cause: err}
	case InvalidRequest, "invalid_state", "insufficient_entropy", "unsupported_response_mode", "invalid_request_uri", "registration_not_supported":
		return &Error{Code: InvalidRequest, Text: "a parameter is missing or has a value that is not accepted", Cause: err}
	default:
		return &Error{Code: ServerError, Text: "the request could not be processed", Cause: err}
	}
}
