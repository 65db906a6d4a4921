package authz

import (
	"net/http"

	"github.com/headgate/headgate/internal/token"
)

// Protected is a resource that says which client asked.
func (s *Server) Protected(scope string) http.Handler {
	return s.protected(s.cfg.Issuer, laneClient, scope, func(_ *http.Request, who token.ClientAccess) (reply, error) {
		return reply{status: http.StatusOK, body: map[string]any{"client": who.Recipient}}, nil
	})
}
