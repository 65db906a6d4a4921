package resource

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/headgate/headgate/internal/web"
)

// interactionHeader names the recipient's id of the interaction. Every answer
// carries it, errors included, so that both sides can find the same request
// in their logs.
const interactionHeader = "x-fapi-interaction-id"

// interaction returns the id of the request as it was sent, or a fresh one
// when there is none; ok is false for one that is no UUID or is repeated, and
// then too the id is a fresh one.
func interaction(h http.Header) (id string, ok bool) {
	sent, given, err := web.Header(h, interactionHeader)
	if err == nil && !given {
		return uuid.NewString(), true
	}
	// 36 characters: the parser also takes forms that FDX does not.
	if err != nil || len(sent) != 36 || uuid.Validate(sent) != nil {
		return uuid.NewString(), false
	}
	return sent, true
}

// actorHeader names whether the consumer is present.
const actorHeader = "FDX-API-Actor-Type"

// attended reports whether the consumer is present; ok is false for a value
// that FDX does not know.
func attended(h http.Header) (present, ok bool) {
	actor, given, err := web.Header(h, actorHeader)
	switch {
	case err != nil:
		return false, false
	case !given || actor == "BATCH":
		return false, true
	}
	return actor == "USER", actor == "USER"
}
