package authz_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
)

// end has the person's browser end a journey as its pages do.
func (p person) end(id consent.AuthorizationID, d consent.Decision, why consent.Cause) {
	p.w.t.Helper()
	a, err := p.w.mem.Authorization(p.w.t.Context(), id, p.name)
	must(p.w.t, err)
	a.Decision, a.Cause = d, why
	_, err = p.w.mem.Replace(p.w.t.Context(), a)
	must(p.w.t, err)
}

// TestEachEndingHasItsAnswer walks the ways in which a journey ends without
// sharing: what the app gets, in each mode, once.
func TestEachEndingHasItsAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(w *world, p person, id consent.AuthorizationID)
		code string
		text string
		why  consent.Cause
	}{
		"the person says no": {
			func(_ *world, p person, id consent.AuthorizationID) { p.end(id, consent.Denied, "") },
			"access_denied", "decided not to share", "",
		},
		"the bank cannot go on": {
			func(_ *world, p person, id consent.AuthorizationID) { p.end(id, consent.Denied, consent.CauseBank) },
			"temporarily_unavailable", "try again later", consent.CauseBank,
		},
		"new sharing stays switched off": {
			func(_ *world, p person, id consent.AuthorizationID) { p.end(id, consent.Denied, consent.CauseOff) },
			"access_denied", "switched off", consent.CauseOff,
		},
		"nobody does anything": {
			func(w *world, _ person, _ consent.AuthorizationID) { w.clock.advance(consent.JourneyTime) },
			"access_denied", "took too long", consent.CauseTime,
		},
		"the app is restricted": {
			func(w *world, _ person, _ consent.AuthorizationID) {
				w.change("app", func(r *consent.Recipient) { r.Status = consent.RecipientRestricted })
			},
			"unauthorized_client", "may not ask", consent.CauseApp,
		},
		"the app is suspended": {
			func(w *world, _ person, _ consent.AuthorizationID) {
				w.change("app", func(r *consent.Recipient) { r.Status = consent.RecipientSuspended })
			},
			"unauthorized_client", "may not ask", consent.CauseApp,
		},
		"a cause that nobody knows": {
			func(_ *world, p person, id consent.AuthorizationID) { p.end(id, consent.Denied, "moon") },
			"access_denied", "decided not to share", "moon",
		},
	} {
		for _, mode := range []string{"query", "jwt"} {
			t.Run(name+", "+mode, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				client := w.client("app")
				alice := w.person("alice")
				id := alice.journey(client.front(client.asks(url.Values{"state": {"s 1"}, "response_mode": {mode}})))
				c.end(w, alice, id)
				a := alice.resume(id)
				var back url.Values
				if mode == "jwt" {
					_, signed := w.signedBack(a)
					back = url.Values{}
					for member, value := range signed {
						if text, ok := value.(string); ok {
							back.Set(member, text)
						}
					}
				} else {
					back = w.back(a)
				}
				if back.Get("error") != c.code || !strings.Contains(back.Get("error_description"), c.text) || back.Get("state") != "s 1" || back.Get("iss") != issuer || back.Has("code") {
					t.Errorf("the app is told %v", back)
				}
				kept, err := w.mem.Authorization(t.Context(), id, "alice")
				must(t, err)
				if !kept.Answered || kept.Decision != consent.Denied || kept.Cause != c.why || len(w.grants()) != 0 {
					t.Errorf("%+v, %d grants", kept, len(w.grants()))
				}
				if to := alice.resume(id).header.Get("Location"); !strings.HasSuffix(to, "/done") {
					t.Errorf("a second answer: %s", to)
				}
			})
		}
	}
}

func TestNobodySharesAnythingNewWhileItIsOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	const who = consent.ConsumerID("consumer-alice")
	query := c.front(c.pushed(nil))
	id := alice.journey(query)
	must(t, w.mem.SwitchSharing(t.Context(), who, true))
	if to := alice.resume(id).header.Get("Location"); !strings.HasSuffix(to, "/login") {
		t.Errorf("before anybody signed in: %s", to)
	}
	alice.decide(id, consent.Approved)
	if to := alice.resume(id).header.Get("Location"); !strings.HasSuffix(to, "/sharing") {
		t.Errorf("approved: %s", to)
	}
	a, err := w.mem.Authorization(t.Context(), id, "alice")
	must(t, err)
	if a.Decision != consent.Undecided || a.Answered || a.Disclosure != (consent.Disclosure{}) || len(w.grants()) != 0 {
		t.Errorf("the yes stands: %+v", a)
	}
	must(t, w.mem.SwitchSharing(t.Context(), who, false))
	if to := alice.resume(id).header.Get("Location"); !strings.HasSuffix(to, "/review") {
		t.Errorf("switched on: %s", to)
	}
	alice.decide(id, consent.Approved)
	if back := w.back(alice.resume(id)); !back.Has("code") || len(w.grants()) != 1 {
		t.Errorf("%v", back)
	}
}

// A switch that falls between the page and the transaction is seen there.
func TestTheSwitchIsLookedAtAgainInTheTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	id := alice.journey(c.front(c.pushed(nil)))
	alice.decide(id, consent.Approved)
	w.stores.before = func(call string) error {
		if call == "Approve" {
			must(t, w.mem.SwitchSharing(t.Context(), "consumer-alice", true))
		}
		return nil
	}
	if to := alice.resume(id).header.Get("Location"); !strings.HasSuffix(to, "/sharing") {
		t.Errorf("sent to %s", to)
	}
	a, err := w.mem.Authorization(t.Context(), id, "alice")
	must(t, err)
	if a.Decision != consent.Undecided || a.Answered || len(w.grants()) != 0 {
		t.Errorf("%+v, %d grants", a, len(w.grants()))
	}
}

func TestASwitchThatCannotBeReadIsNoYes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alice := w.person("alice")
	id := alice.journey(c.front(c.pushed(nil)))
	alice.decide(id, consent.Approved)
	w.stores.before = failing("SharingOff", errors.New("connection refused"))
	if a := alice.resume(id); a.status != http.StatusServiceUnavailable || a.header.Get("Location") != "" || len(w.grants()) != 0 {
		t.Errorf("%s", a)
	}
}
