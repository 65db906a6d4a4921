package authzd

import (
	"context"
	"errors"
	"testing"

	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/resource/sandbox"
)

// listed is who the operator added.
type listed map[string]login.Credential

func (l listed) Credential(_ context.Context, username string) (login.Credential, error) {
	if c, ok := l[username]; ok {
		return c, nil
	}
	return login.Credential{}, consent.ErrNotFound
}

func TestWhoCanSignIn(t *testing.T) {
	t.Parallel()
	added := listed{"ann": {Consumer: "c-1", Hash: "h"}}
	own := people(&bank.Bank{Kind: bank.SQLViews}, added)
	if c, err := own.Credential(t.Context(), "ann"); err != nil || c.Consumer != "c-1" {
		t.Errorf("%+v, %v", c, err)
	}
	// No development password works at a bank that is not the sandbox.
	if c, err := own.Credential(t.Context(), "maria"); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("a persona: %+v, %v", c, err)
	}
	if s, ok := people(&bank.Bank{Kind: bank.Sandbox, Sandbox: &sandbox.Store{}}, added).(both); !ok || s.added == nil {
		t.Error("the sandbox's people cannot sign in")
	}
}
