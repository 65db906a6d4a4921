package authz

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/limit"
)

// restingRetry is when to try again while a grant rests, in seconds: the
// person can end a pause before its date, and the bank a hold at any time.
const restingRetry = "3600"

// resting words the refusal of tokens under a grant that rests. It is 503 and
// not invalid_grant: on that a client throws its refresh token away, and then
// the person would have to agree anew to what was only paused.
func resting(r *consent.RestingError) *Error {
	text := "sharing is on hold: keep the refresh token and try again later"
	if r.Rest == consent.RestPaused {
		text = "the consumer has paused sharing until " + r.Until.UTC().Format(time.RFC3339) + ": keep the refresh token and try again then"
	}
	return &Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Text: text, Cause: r}
}

// retryIn is the Retry-After of a refusal, in seconds.
func retryIn(e *Error) string {
	if full := (*fullError)(nil); errors.As(e.Cause, &full) {
		return strconv.FormatInt(max(1, limit.Seconds(full.wait)), 10)
	}
	if r := (*consent.RestingError)(nil); errors.As(e.Cause, &r) {
		return restingRetry
	}
	return retryAfter
}
