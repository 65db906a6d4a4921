package consenttest_test

import (
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	consenttest.Store(t, func(*testing.T) consent.Store { return consenttest.NewMemory(time.Now) })
}

func TestMemorySwitch(t *testing.T) {
	t.Parallel()
	consenttest.Switch(t, func(*testing.T) consent.Switch { return consenttest.NewMemory(time.Now) })
}

func TestMemoryAuthorizations(t *testing.T) {
	t.Parallel()
	consenttest.Authorizations(t, func(*testing.T) consent.Authorizations { return consenttest.NewMemory(time.Now) })
}
