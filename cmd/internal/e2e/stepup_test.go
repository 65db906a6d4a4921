package e2e

import (
	"context"
	"errors"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
)

// Account numbers are shared with whoever reads the person's messages, and
// not with whoever knows the password alone.
func TestGuardedDataTakesAOneTimeCode(t *testing.T) {
	t.Parallel()
	s := startStack(t, newHome(t), nil)
	defer s.stop(t)
	app, who := s.client(t, 4), s.Personas[0]
	ask := recipient.ConsentRequest{
		DurationType: recipient.TimeBound, DurationPeriod: 30, LookbackPeriod: 30,
		Resources: []recipient.Resource{{ResourceType: "ACCOUNT", DataClusters: []string{"ACCOUNT_BASIC", "PAYMENT_SUPPORT"}}},
	}
	attempt, err := recipient.Ask(ask)
	must(t, err)
	p, err := app.Push(t.Context(), attempt)
	must(t, err)
	for name, codes := range map[string]func(context.Context, string) (string, error){
		"no code at all": nil,
		"a guess":        func(context.Context, string) (string, error) { return "000000", nil },
	} {
		roots, err := s.TLS()
		must(t, err)
		b, err := browser.New(browser.Config{Home: []string{s.Issuer, s.PortalURL}, TLS: roots, Codes: codes})
		must(t, err)
		back, err := browser.ApproveAll(t.Context(), b, app.AuthorizationURL(p.RequestURI), who.Username, who.Password)
		if back != nil || !errors.Is(err, browser.ErrCode) {
			t.Errorf("%s: sent to %v, %v", name, back, err)
		}
	}
	tok := s.granted(t, app, who, ask)
	if got, _ := accounts(t, app, tok); got.status != 200 {
		t.Errorf("a read: %v", got)
	}
}
