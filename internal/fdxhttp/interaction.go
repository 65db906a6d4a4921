package fdxhttp

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/headgate/headgate/internal/web"
)

// InteractionHeader names the recipient's id of the interaction. Every answer
// carries it, errors included, so that both sides can find the same request
// in their logs. It is in the canonical form of Go headers.
const InteractionHeader = "X-Fapi-Interaction-Id"

// Interaction returns the id of the request as it was sent, or a fresh one
// when there is none; ok is false for one that is no UUID or is repeated, and
// then too the id is a fresh one.
func Interaction(h http.Header) (id string, ok bool) {
	sent, given, err := web.Header(h, InteractionHeader)
	if err == nil && !given {
		return uuid.NewString(), true
	}
	// 36 characters: the parser also takes forms that FDX does not.
	if err != nil || len(sent) != 36 || uuid.Validate(sent) != nil {
		return uuid.NewString(), false
	}
	return sent, true
}
