package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/receipt"
)

func TestVerifyReceipt(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := certs.GenerateSigningKeys(file, "ES256"); err != nil {
		t.Fatal(err)
	}
	rotator, err := certs.LoadSigningKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	g := consenttest.NewGrant("ada", time.Now())
	g.Disclosure.Text = "One line.\n\x1b[31mAnother.\n"
	r := receipt.Of("https://auth.example", receipt.Version{Grant: g, Event: consent.Event{Grant: g.ID, Epoch: 1, Kind: consent.EventGranted, Actor: consent.ActorConsumer, At: g.CreatedAt}})
	jws, err := rotator.Sign(context.Background(), "ES256", receipt.Type, r)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := receipt.ParseKeys(rotator.Public())
	if err != nil {
		t.Fatal(err)
	}
	document, _ := json.Marshal(map[string]string{"jws": jws})
	for _, in := range [][]byte{[]byte(jws + "\n"), document} {
		var out bytes.Buffer
		if err := verifyReceipt(&out, keys, in); err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"The signature holds.", string(g.ID) + ".1", receipt.Code(jws), "    One line.", `"\x1b[31mAnother."`} {
			if !strings.Contains(out.String(), s) {
				t.Errorf("does not print %q:\n%s", s, out.String())
			}
		}
	}
	for name, in := range map[string]string{"changed": jws[:len(jws)-8] + "AAAAAAAA", "cut": jws[:90], "empty": "", "large": strings.Repeat("a", receipt.MaxBytes+1)} {
		var out bytes.Buffer
		if err := verifyReceipt(&out, keys, []byte(in)); !errors.Is(err, errNotReal) || out.Len() > 0 {
			t.Errorf("%s: %v, %s", name, err, out.String())
		}
	}
	if err := verifyReceipt(&bytes.Buffer{}, nil, []byte(jws)); !errors.Is(err, errNotReal) {
		t.Errorf("without keys: %v", err)
	}
}
