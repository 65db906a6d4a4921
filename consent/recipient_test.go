package consent_test

import (
	"slices"
	"testing"

	"github.com/headgate/headgate/consent"
)

func TestRegistrationMovesByTheAllowedStepsOnly(t *testing.T) {
	t.Parallel()
	all := []consent.RecipientStatus{
		consent.RecipientPending, consent.RecipientActive, consent.RecipientRestricted, consent.RecipientSuspended, consent.RecipientClosed, "", "sleeping",
	}
	allowed := map[consent.RecipientStatus][]consent.RecipientStatus{
		consent.RecipientPending:    {consent.RecipientActive, consent.RecipientClosed},
		consent.RecipientActive:     {consent.RecipientPending, consent.RecipientRestricted, consent.RecipientSuspended},
		consent.RecipientRestricted: {consent.RecipientPending, consent.RecipientActive, consent.RecipientSuspended},
		consent.RecipientSuspended:  {consent.RecipientActive, consent.RecipientRestricted, consent.RecipientClosed},
	}
	for _, from := range all {
		for _, to := range all {
			if got, want := from.CanBecome(to), slices.Contains(allowed[from], to); got != want {
				t.Errorf("%q to %q: %t, want %t", from, to, got, want)
			}
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		r    consent.Recipient
		asks bool
	}{
		"active recipient":     {consent.Recipient{Status: consent.RecipientActive}, true},
		"restricted recipient": {consent.Recipient{Status: consent.RecipientRestricted}, false},
		"pending recipient":    {consent.Recipient{Status: consent.RecipientPending}, false},
		"closed recipient":     {consent.Recipient{Status: consent.RecipientClosed}, false},
		"unknown state":        {consent.Recipient{Status: "x"}, false},
		"resource server":      {consent.Recipient{Status: consent.RecipientActive, Role: consent.RoleResourceServer}, false},
	} {
		if c.r.MayAsk() != c.asks {
			t.Errorf("%s: %t", name, c.r.MayAsk())
		}
	}
}
