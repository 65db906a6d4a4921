package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/headgate/headgate/conformance/recipient"
)

func TestRing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a bare list": `["b2xk"]`,
		"an object":   `{"keys":[{"id":"k1","secret":"b2xk"}]}`,
	} {
		path := filepath.Join(t.TempDir(), "keys.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := readRing(path)
		if err != nil {
			t.Fatal(err)
		}
		fresh := r.fresh()
		if err := r.write(fresh, r.keys[0]); err != nil {
			t.Fatal(err)
		}
		again, err := readRing(path)
		if err != nil || again.bare != r.bare || len(again.keys) != 2 || !bytes.Equal(again.keys[0], fresh) || !bytes.Equal(again.keys[1], r.keys[0]) {
			t.Errorf("%s: %v, %s", name, err, again.keys)
		}
		var id struct{ ID string }
		if !r.bare && (json.Unmarshal(again.fresh(), &id) != nil || bytes.Contains(fresh, []byte(id.ID))) {
			t.Errorf("%s: the id %q comes twice", name, id.ID)
		}
	}
	for _, text := range []string{`{}`, `[]`, `{"keys":[]}`, `keys`} {
		path := filepath.Join(t.TempDir(), "keys.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readRing(path); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// A certificate of the next authority belongs to it and not to the one before.
func TestNewAuthority(t *testing.T) {
	t.Parallel()
	one, _, err1 := newAuthority("one")
	two, text, err2 := newAuthority("two")
	if err1 != nil || err2 != nil || len(text) == 0 {
		t.Fatal(err1, err2)
	}
	pair, err := two.issue("app", false)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if leaf.CheckSignatureFrom(two.cert) != nil || leaf.CheckSignatureFrom(one.cert) == nil {
		t.Error("the certificate is not of the authority that issued it")
	}
}

// What is kept of requests is bounded, and newer ones take the place of some.
func TestCarried(t *testing.T) {
	t.Parallel()
	d := &driver{sent: map[string][]string{}}
	for range 3 * mostSent {
		d.carried(&recipient.Request{Header: map[string][]string{"Dpop": {"a"}}})
	}
	d.carried(&recipient.Request{Form: map[string][]string{"code": {"c"}, "scope": {"s"}}})
	if len(d.sent["a DPoP proof"]) != mostSent || len(d.sent["a code"]) != 1 || len(d.sent) != 2 {
		t.Errorf("%d proofs, %d codes, %d kinds", len(d.sent["a DPoP proof"]), len(d.sent["a code"]), len(d.sent))
	}
}

// Of a key file the private members are secrets, and the public ones are not.
func TestPrivateValue(t *testing.T) {
	t.Parallel()
	const d, x = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	text := []byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"` + x + `","x":"` + x + `","y": "` + x + `","d":"` + d + `"}]}`)
	found := privateValue.FindAllSubmatch(publicMembers.ReplaceAll(text, nil), -1)
	if len(found) != 1 || string(found[0][1]) != d {
		t.Errorf("got %q", found)
	}
}
