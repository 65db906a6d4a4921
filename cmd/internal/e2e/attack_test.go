package e2e

import "testing"

// Everybody who is registered attacks one deployment with everything that
// anybody can hold. Nothing changes by it, every answer is the documented
// one, and nothing secret is written down.
func TestAttacks(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	finish := s.slowly(t)
	for _, attack := range []struct {
		name string
		by   func(*testing.T)
	}{
		{"JWTs", s.everyJWT},
		{"JWTs for one another", s.confusion},
		{"JWTs again", s.again},
		{"codes", s.codes},
		{"refresh tokens", s.refreshTokens},
		{"tokens of clients", s.clientTokens},
		{"introspections", s.introspections},
		{"grant management", s.grantManagement},
		{"registrations", s.registrations},
		{"certificates", s.certificates},
		{"narrowed tokens", s.narrowed},
		{"request URIs", s.frontChannel},
		{"decisions", s.decisions},
		{"two tabs", s.tabsDiffer},
		{"suspensions", s.suspensions},
		{"crowds", s.crowding},
		{"shapes of requests", s.shapes},
		{"clocks", s.clocks},
		{"bodies that do not come", finish},
		{"silence", s.silence},
	} {
		t.Run(attack.name, attack.by)
	}
}
