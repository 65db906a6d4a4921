package cases

import (
	"net/http"
	"slices"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// consentExpired: what becomes of a consent when its time is over. The time is
// that of a consent for one look, the only one that a run can wait for.
func consentExpired() []suite.Case {
	needs := []suite.Claim{suite.FDXConsent, suite.RAR, suite.FDXConsentAPI, suite.ClientCreds, suite.OneTimeExpiry}
	one := func(id, title, spec, mend string, more []suite.Claim, run func(t *suite.T, g *suite.Grant)) suite.Case {
		return suite.Case{
			ID: "consent.expired." + id, Title: title, Spec: spec, Mend: mend, Needs: slices.Concat(needs, more), Waits: true,
			Run: func(t *suite.T) { run(t, expired(t)) },
		}
	}
	query := func(t *suite.T) *suite.Grant { return t.Own(t.A(), "grant_management_query") }
	return []suite.Case{
		one("read", "when its time is over a consent opens nothing more", "FDX API 6, consent, expirationTime; RFC 6749, 5.1", "Compare the end of the grant with the clock on every read.", []suite.Claim{suite.FDX}, func(t *suite.T, g *suite.Grant) {
			for _, path := range []string{"/accounts", "/accounts?resultType=details", "/customers/current"} {
				t.Expect(t.Send(t.Read(g, path)), dead)
			}
		}),
		one("status", "when its time is over a consent is EXPIRED, alone and in lists", "FDX API 6, ConsentGrant, status", "Tell the state as of now, whatever the row says.", nil, func(t *suite.T, g *suite.Grant) {
			t.Expect(t.Send(t.Read(query(t), "/consents/"+g.ID)), suite.Answer{Status: http.StatusOK, JSON: map[string]any{"status": "EXPIRED"}})
			for status, want := range map[string]bool{"EXPIRED": true, "ACTIVE": false, "REVOKED": false} {
				resp := t.Send(t.Read(query(t), "/consents?limit=500&status="+status))
				t.Expect(resp, suite.OK)
				ids := idsOf(resp.List("consents"), "id")
				t.Check(slices.Contains(ids, g.ID) == want || len(ids) == 500, "the consent is in the list of those that are %s: %v", status, !want)
			}
		}),
		one("introspection", "when its time is over the token of a consent is not active", "RFC 7662, 2.2", "active is about the consent as well as about the token.", []suite.Claim{suite.Introspection}, func(t *suite.T, g *suite.Grant) {
			resp := t.Send(t.IntrospectRequest(t.ResourceServer(), g.Access))
			t.Expect(resp, suite.Answer{Status: http.StatusOK, JSON: map[string]any{"active": false}})
			t.Check(len(resp.Object()) == 1, "more is said about it than that it is not active")
		}),
		one("revocation", "a consent whose time is over cannot be ended again", "FDX API 6, revokeConsentGrant", "Answer 409: the consent has ended already.", nil, func(t *suite.T, g *suite.Grant) {
			ends := t.Own(t.A(), "grant_management_revoke")
			t.Expect(t.Send(endConsent(t, ends, g.ID, `{"reason":"USER_ACTION","initiator":"INDIVIDUAL"}`)), suite.FDXRefused(http.StatusConflict, "409"))
			t.Expect(t.Send(t.Read(query(t), "/consents/"+g.ID)), suite.Answer{Status: http.StatusOK, JSON: map[string]any{"status": "EXPIRED"}})
		}),
		one("portal", "the person sees that sharing is over, and is offered nothing to stop", "FDX API 6, consent; 12 CFR 1033.421 (b)", "Show what has ended as ended.", []suite.Claim{suite.Portal}, func(t *suite.T, g *suite.Grant) {
			page := portal(t, t.Person(), g, "")
			t.Check(page.Status == http.StatusOK, "the page about the consent has status %d", page.Status)
			t.Check(len(page.IDs("stop_sharing")) == 0, "there is a button that stops what is over")
		}),
	}
}

// expired is a consent that was good, and whose time has then run out.
func expired(t *suite.T) *suite.Grant {
	return suite.Once(t, "expired consent", func(t *suite.T) *suite.Grant {
		g := t.Grant(t.A(), suite.Ask{Duration: "ONE_TIME"})
		t.Expect(t.Send(t.Read(g, g.App.Resource)), suite.OK)
		resp := t.Send(t.Read(t.Own(t.A(), "grant_management_query"), "/consents/"+g.ID))
		t.Expect(resp, suite.Answer{Status: http.StatusOK, JSON: map[string]any{"status": "ACTIVE"}})
		end, err := time.Parse(time.RFC3339, resp.Text("expirationTime"))
		t.Check(err == nil && time.Until(end) <= time.Duration(t.Target.OneTimeSeconds)*time.Second, "expirationTime is not there, or later than the target claims")
		t.Wait(time.Until(end) + 2*time.Second) // and a little for clocks that differ
		return g
	})
}
