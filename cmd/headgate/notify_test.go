package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
)

func TestNotify(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, r := range consenttest.Registrations() {
		if err := s.db.Recipients().PutRecipient(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	g := consenttest.NewGrant("consumer", time.Now())
	if err := s.db.Grants().Create(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	sub := notice.Subscription{
		ID: "s1", Recipient: consenttest.Recipient, Topic: notice.Outage(), CallbackURL: "https://app.example/hook",
		EffectiveDate: fdx.DateOf(time.Now()),
	}
	if err := s.db.Notices().Subscribe(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) result {
		return s.command("", append(append([]string{"notify"}, args...), "--postgres-dsn-file", filepath.Join(s.dir, "dsn"))...)
	}
	const from, to = "2026-12-01T02:00:00Z", "2026-12-01T04:00:00Z"
	for name, args := range map[string][]string{
		"an outage that ends before it begins": {"outage", "--from", to, "--to", from, "--message", "x"},
		"an outage at no time":                 {"outage", "--from", "soon", "--to", to, "--message", "x"},
		"an outage without a word":             {"outage", "--from", from, "--to", to},
		"an outage with an empty word":         {"outage", "--from", from, "--to", to, "--message", ""},
		"an outage with too many words":        {"outage", "--from", from, "--to", to, "--message", strings.Repeat("x", 201)},
		"an outage with control characters":    {"outage", "--from", from, "--to", to, "--message", "a\nb"},
		"no account":                           {"account-removed"},
		"a replay of nothing":                  {"replay"},
		"a replay of everybody's":              {"replay", "--all"},
		"a replay of one and all":              {"replay", "n", "--all", "--recipient", "x"},
	} {
		if r := run(args...); r.code == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := run("dead"); r != (result{0, "There are none.\n", ""}) {
		t.Errorf("dead: %+v", r)
	}
	if r := run("outage", "--from", from, "--to", to, "--message", "New discs."); r.code != 0 || !strings.HasPrefix(r.stdout, "2 recipients are told of outage ") {
		t.Errorf("outage: %+v", r)
	}
	for _, want := range []string{"The holders of 1 consents are told.\n", "The holders of 0 consents are told.\n"} {
		if r := run("account-removed", "--account", "account-1"); r != (result{0, want, ""}) {
			t.Errorf("account-removed: %+v, want %q", r, want)
		}
	}
	d, err := s.db.Notices().Claim(t.Context(), sub.ID, time.Now().Add(time.Minute), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if v := d.Notification.Payload.CustomField.Value; v != from+"/"+to+" New discs." {
		t.Errorf("told %q", v)
	}
	if err := s.db.Notices().Settle(t.Context(), d.Key(), notice.Outcome{State: notice.Dead, Attempts: 3, Status: 500}); err != nil {
		t.Fatal(err)
	}
	id := string(d.Notification.ID)
	if r := run("dead", "--recipient", string(consenttest.Recipient)); r.code != 0 || !strings.Contains(r.stdout, id) || !strings.Contains(r.stdout, "3 attempts, last status 500") {
		t.Errorf("dead: %+v", r)
	}
	if r := run("dead", "--recipient", "x"); r.stdout != "There are none.\n" {
		t.Errorf("dead of nobody: %+v", r)
	}
	if r := run("replay", id); r != (result{0, "1 deliveries begin again.\n", ""}) {
		t.Errorf("replay: %+v", r)
	}
	if r := run("replay", "--all", "--recipient", string(consenttest.Recipient)); r != (result{0, "0 deliveries begin again.\n", ""}) {
		t.Errorf("replay again: %+v", r)
	}
	if g, err := s.db.Grants().Grant(t.Context(), g.ID); err != nil || g.Status != consent.StatusActive {
		t.Errorf("the grant: %+v (%v)", g, err)
	}
}
