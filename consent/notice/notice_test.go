package notice_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
)

func TestOfEvent(t *testing.T) {
	t.Parallel()
	const revoked, updated = fdx.ConsentRevokedEvent, fdx.ConsentUpdatedEvent
	for name, tc := range map[string]struct {
		event     consent.Event
		kind      fdx.NotificationType // "" for what is not told
		initiator consent.Actor
	}{
		"stopped by the person":   {consent.Event{Kind: consent.EventRevoked, Actor: consent.ActorConsumer}, revoked, consent.ActorConsumer},
		"stopped by the bank":     {consent.Event{Kind: consent.EventRevoked, Actor: consent.ActorProvider}, revoked, consent.ActorProvider},
		"stopped by the app":      {consent.Event{Kind: consent.EventRevoked, Actor: consent.ActorRecipient}, revoked, consent.ActorRecipient},
		"stopped for the person":  {consent.Event{Kind: consent.EventRevoked, Actor: consent.ActorRecipient, Initiator: consent.ActorConsumer}, revoked, consent.ActorConsumer},
		"changed":                 {consent.Event{Kind: consent.EventChanged, Actor: consent.ActorConsumer}, updated, consent.ActorConsumer},
		"over":                    {consent.Event{Kind: consent.EventExpired, Actor: consent.ActorTime}, updated, consent.ActorProvider},
		"granted":                 {consent.Event{Kind: consent.EventGranted, Actor: consent.ActorConsumer}, "", ""},
		"tokens were given back":  {consent.Event{Kind: consent.EventTokensRevoked, Actor: consent.ActorRecipient}, "", ""},
		"something nobody thinks": {consent.Event{Kind: "sold", Actor: consent.ActorProvider}, "", ""},
	} {
		topic, initiator, told := notice.OfEvent(tc.event)
		if topic.Type != tc.kind || initiator != tc.initiator || told != (tc.kind != "") || told != topic.Told() {
			t.Errorf("%s: got %v by %q, told: %v", name, topic, initiator, told)
		}
	}
	if !notice.Custom().Told() || !notice.Outage().Told() || (notice.Topic{Type: revoked, Category: fdx.SecurityNotification}).Told() {
		t.Error("the topics that are told")
	}
}

func registration() consent.Recipient {
	return consent.Recipient{HomeURI: "https://www.app.example/", RedirectURIs: []string{"https://app.example/cb", "https://App.Example:444/cb", "https://[2001:db8::1]/cb"}}
}

func TestCallable(t *testing.T) {
	t.Parallel()
	for callback, want := range map[string]bool{
		"https://app.example/hook":            true,
		"https://APP.example:8443/a?b=c":      true,
		"https://www.app.example":             true,
		"https://[2001:db8::1]:9/":            true,
		"http://app.example/":                 false,
		"https://app.example.evil.example/":   false,
		"https://evil.example/app.example":    false,
		"https://app.example@evil.example/":   false,
		"https://user@app.example/":           false,
		"https://evil.example#app.example":    false,
		"https://evil.example\\@app.example/": false,
		"https://app.example./":               false,
		"https://a.app.example/":              false,
		"https:///hook":                       false,
		"https:app.example":                   false,
		"//app.example/":                      false,
		"":                                    false,
	} {
		if got := notice.Callable(registration(), callback); got != want {
			t.Errorf("%q: %v", callback, got)
		}
	}
	if notice.Callable(consent.Recipient{}, "https://app.example") || notice.Callable(consent.Recipient{RedirectURIs: []string{""}}, "https:///") {
		t.Error("without a registered host")
	}
}

// FuzzCallable: whatever is accepted is https and has a registered host for
// whoever parses it as a client does.
func FuzzCallable(f *testing.F) {
	for _, s := range []string{"https://app.example/hook", "https://app.example@evil.example/", "https://evil.example\\@app.example/", "HTTPS://APP.EXAMPLE:1", "https://[2001:db8::1%25eth0]/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, callback string) {
		if !notice.Callable(registration(), callback) {
			return
		}
		u, err := url.Parse(callback)
		if err != nil || u.Scheme != "https" || u.User != nil {
			t.Fatalf("accepted %q", callback)
		}
		switch strings.ToLower(u.Hostname()) {
		case "app.example", "www.app.example", "2001:db8::1":
		default:
			t.Fatalf("accepted host %q", u.Hostname())
		}
	})
}
