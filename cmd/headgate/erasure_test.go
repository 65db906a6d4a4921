package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/erasure"
)

func TestErasure(t *testing.T) {
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
	run := func(args ...string) result {
		return s.command("", append(append([]string{"erasure"}, args...), "--recipient", string(g.Recipient), "--postgres-dsn-file", filepath.Join(s.dir, "dsn"))...)
	}
	if r := run("open"); r.code != 0 || !strings.Contains(r.stdout, "There are none.") {
		t.Errorf("%+v", r)
	}
	if r := run("answer", string(g.ID), "done"); r.code == 0 || !strings.Contains(r.stderr, "was not asked") {
		t.Errorf("%+v", r)
	}
	if err := s.db.Erasures().AskApp(t.Context(), "consumer", g.ID); err != nil {
		t.Fatal(err)
	}
	if r := run("open"); r.code != 0 || !strings.Contains(r.stdout, string(g.ID)) || strings.Contains(r.stdout, "consumer") {
		t.Errorf("%+v", r)
	}
	for name, args := range map[string][]string{
		"an unknown answer":                 {"answer", string(g.ID), "maybe"},
		"a refusal without a reason":        {"answer", string(g.ID), "refused"},
		"a reason for what was done":        {"answer", string(g.ID), "done", "--reason", "x"},
		"a reason with control characters":  {"answer", string(g.ID), "refused", "--reason", "a\nb"},
		"a reason of too many characters":   {"answer", string(g.ID), "refused", "--reason", strings.Repeat("x", 201)},
		"an answer about another's consent": {"answer", "none", "done"},
	} {
		if r := run(args...); r.code == 0 {
			t.Errorf("%s is taken: %s", name, r.stdout)
		}
	}
	if r := run("answer", string(g.ID), "refused", "--reason", "We keep invoices."); r.code != 0 {
		t.Errorf("%+v", r)
	}
	if r := run("answer", string(g.ID), "done"); r.code == 0 || !strings.Contains(r.stderr, "first answer stands") {
		t.Errorf("%+v", r)
	}
	got, err := s.db.Erasures().Requests(t.Context(), "consumer")
	if err != nil || len(got) != 1 || got[0].Answer != erasure.Refused || got[0].Reason != "We keep invoices." {
		t.Errorf("%+v, %v", got, err)
	}
}
