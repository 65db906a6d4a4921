package resource

import (
	"net/http"

	"github.com/headgate/headgate/internal/web"
)

// actorHeader names whether the consumer is present; actorField is the same in
// the canonical form of Go.
const (
	actorHeader = "FDX-API-Actor-Type"
	actorField  = "Fdx-Api-Actor-Type"
)

// attended reports whether the consumer is present; ok is false for a value
// that FDX does not know.
func attended(h http.Header) (present, ok bool) {
	actor, given, err := web.Header(h, actorField)
	switch {
	case err != nil:
		return false, false
	case !given || actor == "BATCH":
		return false, true
	}
	return actor == "USER", actor == "USER"
}
