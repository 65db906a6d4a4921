package authztest_test

import (
	"testing"
	"time"

	"github.com/headgate/headgate/authz/authztest"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
)

func open(t *testing.T) authztest.Stores {
	m := authztest.NewMemory(time.Now)
	for _, r := range consenttest.Registrations() {
		if err := m.PutRecipient(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return authztest.Stores{Grants: m, Authorizations: m, Requests: m, Tokens: m, Guard: m, Recipients: m, Switch: m}
}

func TestMemoryRequests(t *testing.T) {
	t.Parallel()
	authztest.Requests(t, open)
}

func TestMemoryTokenStore(t *testing.T) {
	t.Parallel()
	authztest.TokenStore(t, open)
}

func TestMemorySpends(t *testing.T) {
	t.Parallel()
	authztest.Spends(t, open)
}

func TestMemoryGuard(t *testing.T) {
	t.Parallel()
	authztest.Guard(t, func(*testing.T) token.Guard { return authztest.NewMemory(time.Now) })
}

func TestMemoryRegistrations(t *testing.T) {
	t.Parallel()
	authztest.Registrations(t, func(*testing.T) authztest.Registered {
		m := authztest.NewMemory(time.Now)
		return authztest.Registered{Registrations: m, Recipients: m, Grants: m, Guard: m}
	})
}
