package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

func TestCareNeedsAReason(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"", "  ", "x", "\xff\xff\xff", strings.Repeat("y", maxReason+1)} {
		// It is refused before any database is looked for.
		err := careShowCmd{Consumer: "c", Reason: reason}.Run(context.Background())
		if err == nil || !strings.Contains(err.Error(), "reason") && !strings.Contains(err.Error(), "why") {
			t.Errorf("%q: %v", reason, err)
		}
	}
}

func TestCarePrintsGrants(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	var b strings.Builder
	err := printGrants(&b, []consent.Grant{{
		ID: "g-1", Recipient: "app", Purpose: "budgeting", Status: consent.StatusActive, Epoch: 3, CreatedAt: now.AddDate(-1, 0, 0), ExpiresAt: now,
		Resources: []consent.Resource{{Type: consent.ResourceAccount, ID: "a", Clusters: fdx.NewClusters(fdx.Balances)}},
	}}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"g-1", "app", "budgeting", "EXPIRED", "3", "BALANCES", "2025-11-22", "1 grants. The person sees that you looked."} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
}
