package authz

import (
	"errors"
	"net/http"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
)

// Error is a refusal on the wire (RFC 6749 section 5.2). Text is ASCII
// without quotes and backslashes.
type Error struct {
	Status int
	Code   string
	Text   string
	Cause  error // for the log only
}

// Error returns code and text; the cause is kept apart.
func (e *Error) Error() string { return e.Code + ": " + e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func refuse(code, text string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Text: text}
}

// badClient is the one answer to every failure of client authentication, so
// that nothing can be learned by trying. The cause goes to the log.
func badClient(cause error) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: engine.InvalidClient, Text: "client authentication failed", Cause: cause}
}

// wire maps whatever went wrong to what is said about it. Unknown causes are
// server errors; a store that cannot answer is never a no.
func wire(err error) *Error {
	var own *Error
	var eng *engine.Error
	var used *engine.UsedError
	var refusal *consent.Refusal
	var rests *consent.RestingError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &rests):
		return resting(rests)
	case errors.As(err, &used):
		return &Error{http.StatusBadRequest, engine.InvalidGrant, engine.Gone, err}
	case errors.As(err, &eng) && eng.Code == engine.ServerError:
		return &Error{http.StatusInternalServerError, engine.ServerError, "the request could not be processed", err}
	case errors.As(err, &eng):
		return &Error{http.StatusBadRequest, eng.Code, eng.Text, err}
	case errors.As(err, &refusal) && errors.Is(err, consent.ErrDetails):
		return &Error{http.StatusBadRequest, "invalid_authorization_details", refusal.Text, nil}
	case errors.As(err, &refusal):
		return &Error{http.StatusBadRequest, engine.InvalidScope, refusal.Text, nil}
	case errors.Is(err, consent.ErrUnavailable):
		return &Error{http.StatusServiceUnavailable, "temporarily_unavailable", "try again in a moment", err}
	default:
		return &Error{http.StatusInternalServerError, engine.ServerError, "the request could not be processed", err}
	}
}
