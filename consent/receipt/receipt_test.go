package receipt

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
)

const issuer = "https://auth.example"

// shelf keeps versions and receipts in memory.
type shelf struct {
	mu       sync.Mutex
	versions map[ID]Version
	signed   map[ID]string
	keys     []Key
}

func (s *shelf) Version(_ context.Context, id ID) (Version, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.versions[id]
	if !ok {
		return Version{}, "", consent.ErrNotFound
	}
	return v, s.signed[id], nil
}

func (s *shelf) Versions(context.Context, consent.ConsumerID, int) ([]Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Version
	for _, v := range s.versions {
		all = append(all, v)
	}
	return all, nil
}

func (s *shelf) Keep(_ context.Context, id ID, jws string, key Key) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signed[id] == "" {
		s.signed[id] = jws
	}
	if !slices.ContainsFunc(s.keys, func(k Key) bool { return k.ID == key.ID }) {
		s.keys = append(s.keys, key)
	}
	return s.signed[id], nil
}

func (s *shelf) Keys(context.Context) ([]json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []json.RawMessage
	for _, k := range s.keys {
		all = append(all, k.JWK)
	}
	return all, nil
}

func version(who consent.ConsumerID) Version {
	at := time.Date(2026, 11, 22, 10, 0, 0, 987654321, time.UTC)
	g := consenttest.NewGrant(who, at)
	return Version{Grant: g, Event: consent.Event{Grant: g.ID, Epoch: 1, Kind: consent.EventGranted, Actor: consent.ActorConsumer, At: at}}
}

// office is a desk with one receipt of ada's to hand out.
type office struct {
	*Desk
	shelf *shelf
	keys  *certs.Rotator
	v     Version
}

func open(t *testing.T, algorithms ...string) *office {
	t.Helper()
	if algorithms == nil {
		algorithms = []string{"ES256"}
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := certs.GenerateSigningKeys(file, algorithms...); err != nil {
		t.Fatal(err)
	}
	keys, err := certs.LoadSigningKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{shelf: &shelf{versions: map[ID]Version{}, signed: map[ID]string{}}, keys: keys, v: version("ada")}
	o.shelf.versions[o.v.ID()] = o.v
	if o.Desk, err = New(Config{Store: o.shelf, Signer: keys, Issuer: issuer}); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) signed(t *testing.T) Signed {
	t.Helper()
	s, err := o.Receipt(context.Background(), "ada", o.v.ID())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReceiptSaysWhatTheVersionSays(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "PS256", "EdDSA"} {
		o := open(t, alg)
		s := o.signed(t)
		g := o.v.Grant
		r, err := o.Verify(context.Background(), s.JWS)
		if err != nil || r.ID != string(g.ID)+".1" || r.Issuer != issuer || r.Event != consent.EventGranted || r.At != o.v.Event.At.Unix() ||
			r.Disclosure != g.Disclosure || r.Consent.Accounts != len(g.Accounts()) || !r.Consent.ExpiresAt.Equal(g.ExpiresAt) ||
			!slices.Equal(r.Consent.Clusters, g.Clusters().Names()) || !slices.Equal(r.Parties, g.Parties) {
			t.Errorf("%s: %+v (%v)", alg, r, err)
		}
		if s.Code != Code(s.JWS) || len(s.Code) != 14 {
			t.Errorf("code %s", s.Code)
		}
		payload, _ := segment(strings.Split(s.JWS, ".")[1])
		for _, secret := range append(g.Accounts(), "ada") {
			if bytes.Contains(payload, []byte(`"`+secret+`"`)) {
				t.Errorf("the receipt tells %s", secret)
			}
		}
	}
}

func TestReceiptIsTheSameBytesEverAfter(t *testing.T) {
	t.Parallel()
	o := open(t)
	first := o.signed(t)
	if err := o.keys.Rotate(context.Background(), "", true); err != nil {
		t.Fatal(err)
	}
	// A wording that came later touches nothing that was signed.
	later := o.v
	later.Grant.Disclosure.Text = "other words"
	o.shelf.versions[o.v.ID()] = later
	again := o.signed(t)
	if again.JWS != first.JWS || again.Code != first.Code || again.Receipt.Disclosure != first.Receipt.Disclosure {
		t.Error("the receipt changed")
	}
	// Two desks that sign at once hand out one receipt.
	o = open(t)
	var all [32]string
	for _, err := range consenttest.Race(func(i int) error {
		s, err := o.Receipt(context.Background(), "ada", o.v.ID())
		all[i] = s.JWS
		return err
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, jws := range all {
		if jws != all[0] {
			t.Fatal("two receipts for one change")
		}
	}
}

// rotator with keys that are made and thrown away in memory is what the real
// one is; here the file of keys is replaced by one without the old key.
func TestReceiptHoldsWhenItsKeyIsGone(t *testing.T) {
	t.Parallel()
	o := open(t)
	s := o.signed(t)
	fresh := open(t)
	o.c.Signer = fresh.keys // none of the keys that signed is known here
	if _, err := o.Verify(context.Background(), s.JWS); err != nil {
		t.Errorf("with the key kept: %v", err)
	}
	other := version("ada")
	o.shelf.versions[other.ID()] = other
	second, err := o.Receipt(context.Background(), "ada", other.ID())
	if err != nil {
		t.Fatal(err)
	}
	for _, jws := range []string{s.JWS, second.JWS} {
		if _, err := o.Verify(context.Background(), jws); err != nil {
			t.Error(err)
		}
	}
	if keys, _ := o.Keys(context.Background()); strings.Count(string(keys), `"kid"`) != 2 || strings.Contains(string(keys), `"d"`) {
		t.Errorf("published %s", keys)
	}
	o.shelf.keys = o.shelf.keys[1:]
	if r, err := o.Verify(context.Background(), s.JWS); !errors.Is(err, ErrKey) || r.ID != "" {
		t.Errorf("without the key: %v", err)
	}
}

func TestForeignAndUnknownAreTheSame(t *testing.T) {
	t.Parallel()
	o := open(t)
	tokens := version("ada")
	tokens.Event.Kind = consent.EventTokensRevoked
	o.shelf.versions[tokens.ID()] = tokens
	for name, ask := range map[string]struct {
		who consent.ConsumerID
		id  ID
	}{
		"somebody else":   {"bob", o.v.ID()},
		"nobody":          {"", o.v.ID()},
		"another version": {"ada", ID{o.v.Grant.ID, 2}},
		"another grant":   {"ada", ID{"none", 1}},
		"no such kind":    {"ada", tokens.ID()},
	} {
		_, err := o.Receipt(context.Background(), ask.who, ask.id)
		if !errors.Is(err, consent.ErrNotFound) || err.Error() != "load receipt: consent: not found" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(o.shelf.signed) != 0 {
		t.Error("something was signed")
	}
	o.shelf.versions[ID{"g", 1}] = version("bob")
	if list, err := o.List(context.Background(), "ada", 10); err != nil || len(list) != 1 || list[0].ID() != o.v.ID() {
		t.Errorf("listed %v (%v)", list, err)
	}
}

func TestSwappedReceiptIsNotHandedOut(t *testing.T) {
	t.Parallel()
	o := open(t)
	other := version("ada")
	o.shelf.versions[other.ID()] = other
	first := o.signed(t)
	if _, err := o.Receipt(context.Background(), "ada", other.ID()); err != nil {
		t.Fatal(err)
	}
	o.shelf.signed[other.ID()] = first.JWS
	if _, err := o.Receipt(context.Background(), "ada", other.ID()); !errors.Is(err, ErrForm) {
		t.Errorf("got %v", err)
	}
	o.shelf.signed[other.ID()] = first.JWS[:len(first.JWS)-4] + "AAAA"
	if _, err := o.Receipt(context.Background(), "ada", other.ID()); !errors.Is(err, ErrSignature) {
		t.Errorf("got %v", err)
	}
}

// No letter of a receipt can be changed, in any of its bits that still make a
// letter of the alphabet.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "EdDSA"} {
		o := open(t, alg)
		jws := []byte(o.signed(t).JWS)
		document, err := o.Keys(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		keys, err := ParseKeys(document)
		if err != nil {
			t.Fatal(err)
		}
		for i := range jws {
			others := []byte{jws[i] ^ 1, jws[i] ^ 16}
			if i == len(jws)-1 || jws[i+1] == '.' { // where the encoding may leave bits unused
				others = []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")
			}
			for _, other := range others {
				bent := slices.Clone(jws)
				bent[i] = other
				if _, err := Verify(keys, string(bent)); err == nil && other != jws[i] {
					t.Fatalf("%s: byte %d became %q unseen", alg, i, other)
				}
			}
			if _, err := Verify(keys, string(jws[:i])); err == nil {
				t.Fatalf("%s: cut at %d unseen", alg, i)
			}
		}
		for _, bent := range []string{string(jws) + "A", "." + string(jws), string(jws) + ".", string(jws) + "=", string(jws) + "\n", string(jws) + strings.Repeat("A", MaxBytes)} {
			if _, err := Verify(keys, bent); err == nil {
				t.Errorf("%.10q at its end goes unseen", bent[len(jws)-1:])
			}
		}
	}
}

func TestOnlyReceiptsPass(t *testing.T) {
	t.Parallel()
	o := open(t, "ES256", "PS256")
	ctx := context.Background()
	o.signed(t) // so that the key is known
	good := Of(issuer, o.v)
	sign := func(alg, typ string, claims any) string {
		jws, err := o.keys.Sign(ctx, alg, typ, claims)
		if err != nil {
			t.Fatal(err)
		}
		return jws
	}
	with := func(bend func(*Receipt)) Receipt { r := good; bend(&r); return r }
	if _, err := o.Verify(ctx, sign("ES256", Type, good)); err != nil {
		t.Fatal(err)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"x","typ":"`+Type+`"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(`{}`)) + ".AA"
	for name, c := range map[string]struct {
		jws  string
		want error
	}{
		"another type":     {sign("ES256", "JWT", good), ErrForm},
		"no type":          {sign("ES256", "", good), ErrForm},
		"a key never used": {sign("PS256", Type, good), ErrKey},
		"another issuer":   {sign("ES256", Type, with(func(r *Receipt) { r.Issuer = "https://other.example" })), ErrForm},
		"another format":   {sign("ES256", Type, with(func(r *Receipt) { r.Format = 2 })), ErrForm},
		"another version":  {sign("ES256", Type, with(func(r *Receipt) { r.Consent.Version = 2 })), ErrForm},
		"another grant":    {sign("ES256", Type, with(func(r *Receipt) { r.Consent.ID = "other" })), ErrForm},
		"no receipt":       {sign("ES256", Type, map[string]string{"a": "b"}), ErrForm},
		"alg none":         {none, ErrForm},
		"nothing":          {"", ErrForm},
		"two parts":        {"a.b", ErrForm},
		"too long":         {strings.Repeat("A", MaxBytes) + "." + "A.A", ErrForm},
	} {
		if r, err := o.Verify(ctx, c.jws); !errors.Is(err, c.want) || r.ID != "" {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a.b.c":                                "a.b.c",
		" \r\na.b\n  .c \n":                    "a.b.c",
		"\ufeffa.b.c":                          "a.b.c",
		`{"jws":"a.b.c","says":{}}`:            "a.b.c",
		`{"JWS":"a.b.c"}`:                      "a.b.c",
		`{"jws":1}`:                            "",
		`{"jws":"a.b.c","jws":"d"}`:            "",
		`{"jws":"a.b"}`:                        "",
		`{`:                                    "",
		"":                                     "",
		"a.b.c.d":                              "",
		strings.Repeat("a", MaxBytes) + ".b.c": "",
	} {
		got, err := Find([]byte(in))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Find(%.40q) = %q, %v", in, got, err)
		}
	}
}

func TestParseID(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"g.1": true, "a.b.2": true, "g.01": false, "g.0": false, "g.-1": false, "g.+1": false, "g.": false, ".1": false, "": false, "g": false,
		"g.1 ": false, "g.99999999999999999999": false, strings.Repeat("g", maxID) + ".1": false,
	} {
		if id, got := ParseID(in); got != ok || got && id.String() != in {
			t.Errorf("ParseID(%q) = %v, %v", in, id, got)
		}
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "{}", `{"keys":null}`, `{"keys":[{}]}`, `{"keys":[{"kty":"oct","k":"AA"}]}`, `[]`, strings.Repeat(" ", MaxKeysBytes+1)} {
		if _, err := ParseKeys([]byte(in)); err == nil {
			t.Errorf("%.40q was read", in)
		}
	}
	if keys, err := ParseKeys([]byte(`{"keys":[]}`)); err != nil || keys != nil {
		t.Errorf("the empty set: %v, %v", keys, err)
	}
}

func FuzzVerify(f *testing.F) {
	file := filepath.Join(f.TempDir(), "keys.json")
	if err := certs.GenerateSigningKeys(file, "ES256"); err != nil {
		f.Fatal(err)
	}
	rotator, err := certs.LoadSigningKeys(file)
	if err != nil {
		f.Fatal(err)
	}
	keys, err := ParseKeys(rotator.Public())
	if err != nil {
		f.Fatal(err)
	}
	jws, err := rotator.Sign(context.Background(), "ES256", Type, Of(issuer, version("ada")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(jws))
	f.Add([]byte(`{"jws":"` + jws + `"}`))
	f.Add([]byte("a.b.c"))
	f.Fuzz(func(t *testing.T, in []byte) {
		found, err := Find(in)
		if err != nil {
			return
		}
		if _, err := Verify(keys, found); err == nil && found != jws {
			t.Errorf("%q passes", found)
		}
	})
}
