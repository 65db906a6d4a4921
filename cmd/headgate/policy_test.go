package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/fdx"
)

func TestPolicyDryRunCountsByRecipient(t *testing.T) {
	t.Parallel()
	p, err := chosen{Pack: "generic"}.pack()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := tally{pack: p, now: now, by: map[consent.RecipientID]*affected{}}
	add := func(who consent.RecipientID, purpose string, clusters ...fdx.Cluster) {
		g := consenttest.NewGrant("ada", now)
		g.Recipient, g.Purpose = who, purpose
		g.Resources = []consent.Resource{{Type: consent.ResourceAccount, ID: "a", Clusters: fdx.NewClusters(clusters...)}}
		if err := c.add(g); err != nil {
			t.Fatal(err)
		}
	}
	add("good", "budgeting", fdx.Balances)
	add("greedy", "budgeting", fdx.Tax)
	add("greedy", "anything", fdx.Transfers)
	add("seller", "data_sale", fdx.Balances)
	over := consenttest.NewGrant("ada", now)
	over.Status, over.Purpose = consent.StatusRevoked, "data_sale"
	if err := c.add(over); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.print(&out); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(out.String()), " ")
	want := "generic version 1, from 2026-01-01: 3 of 4 active grants would not be allowed. Nothing was changed. " +
		"RECIPIENT GRANTS TERM TOO LONG DATA NOT ALLOWED PURPOSE NOT ALLOWED greedy 2 0 2 0 seller 1 0 1 1"
	if got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

func TestChosenPack(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../consent/policy/packs/au.1.json")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "next.json")
	if err := os.WriteFile(file, bytes.Replace(data, []byte(`"version": 1`), []byte(`"version": 7`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := (chosen{Pack: file}).pack(); err != nil || p.Version != 7 || p.Name != "au" {
		t.Errorf("%d (%v)", p.Version, err)
	}
	if p, err := (chosen{Pack: "au", Version: 1}).pack(); err != nil || p.Version != 1 {
		t.Errorf("%d (%v)", p.Version, err)
	}
	for _, c := range []chosen{{Pack: "none"}, {Pack: "au", Version: 2}, {Pack: "au", Version: -1}, {Pack: file, Version: 7}, {Pack: "missing.json"}} {
		if _, err := c.pack(); err == nil {
			t.Errorf("%+v was found", c)
		}
	}
}
