// Package certstest holds the executable contract of certs.KeyProvider, which
// every place where signing keys are kept must pass: the file as much as a
// token or a key management service. It knows nothing of how they keep them.
package certstest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
)

// KeyProvider runs the contract. open returns a provider with a current ES256
// key and at most a next one, each time another.
func KeyProvider(t *testing.T, open func(*testing.T) certs.KeyProvider) {
	cases := map[string]func(*testing.T, certs.KeyProvider){
		"a key that is made is a pair of its own":         makes,
		"what is made is sealed in: only signatures come": onlySignatures,
		"an unknown key has no signer":                    unknownSigner,
		"states and times come back":                      statesComeBack,
		"a key that is left out is destroyed":             destroys,
		"an order to keep all changes nothing":            keepsAll,
		"a decision's error changes nothing":              decisionFails,
		"a change that cannot be is refused whole":        refusesWhole,
		"of many that find something due one does it":     updatesAlone,
		"a caller's list is its own":                      ownList,
		"a context that has ended ends the call":          cancelled,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t))
		})
	}
}

// at is a time that every provider can hold: whole seconds.
func at(second int) time.Time { return time.Date(2030, 1, 2, 3, 4, second, 0, time.UTC) }

func keys(t *testing.T, p certs.KeyProvider) []certs.KeyInfo {
	t.Helper()
	all, err := p.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// add makes keys besides those there are and returns what is new.
func add(t *testing.T, p certs.KeyProvider, more ...certs.KeyInfo) []certs.KeyInfo {
	t.Helper()
	before := keys(t, p)
	err := p.Update(t.Context(), func(all []certs.KeyInfo) ([]certs.KeyInfo, error) { return append(all, more...), nil })
	if err != nil {
		t.Fatal(err)
	}
	var fresh []certs.KeyInfo
	for _, k := range keys(t, p) {
		if !slices.ContainsFunc(before, func(b certs.KeyInfo) bool { return b.ID == k.ID }) {
			fresh = append(fresh, k)
		}
	}
	if len(fresh) != len(more) || len(keys(t, p)) != len(before)+len(more) {
		t.Fatalf("%d keys made, want %d", len(fresh), len(more))
	}
	return fresh
}

func next(alg string) certs.KeyInfo {
	return certs.KeyInfo{Algorithm: alg, State: certs.KeyNext, Created: at(0)}
}

func makes(t *testing.T, p certs.KeyProvider) {
	for _, k := range add(t, p, next("PS256"), next("EdDSA")) {
		public := jose.JSONWebKey{Key: k.Public}
		if thumbprint, err := certs.Thumbprint(public); err != nil || thumbprint != k.ID || certs.Algorithm(public) != k.Algorithm {
			t.Errorf("%s: kid %s, key of %s with thumbprint %s", k.Algorithm, k.ID, certs.Algorithm(public), thumbprint)
		}
		if k.State != certs.KeyNext || !k.Created.Equal(at(0)) || !k.Activated.IsZero() || !k.Retired.IsZero() {
			t.Errorf("made as %+v", k)
		}
	}
	for _, k := range keys(t, p) {
		signer, err := p.Signer(t.Context(), k.ID)
		if err != nil {
			t.Fatal(err)
		}
		message := []byte("message")
		digest := sha256.Sum256(message)
		var signature []byte
		ok := false
		switch public := k.Public.(type) {
		case *ecdsa.PublicKey:
			signature, err = signer.Sign(rand.Reader, digest[:], crypto.SHA256)
			ok = ecdsa.VerifyASN1(public, digest[:], signature)
		case *rsa.PublicKey:
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
			signature, err = signer.Sign(rand.Reader, digest[:], options)
			ok = rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, options) == nil
		case ed25519.PublicKey:
			signature, err = signer.Sign(rand.Reader, message, crypto.Hash(0))
			ok = ed25519.Verify(public, message, signature)
		}
		if err != nil || !ok {
			t.Errorf("%s: signature verified %v, %v", k.Algorithm, ok, err)
		}
		if own, comparable := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); !comparable || !own.Equal(k.Public) {
			t.Errorf("%s: the signer's public half is another", k.Algorithm)
		}
	}
}

func onlySignatures(t *testing.T, p certs.KeyProvider) {
	for _, k := range append(keys(t, p), add(t, p, next("PS256"), next("EdDSA"))...) {
		signer, err := p.Signer(t.Context(), k.ID)
		if err != nil {
			t.Fatal(err)
		}
		switch signer.(type) {
		case *ecdsa.PrivateKey, *rsa.PrivateKey, ed25519.PrivateKey, *ed25519.PrivateKey:
			t.Errorf("%s: the private key itself was handed out", k.Algorithm)
		}
		if public := (jose.JSONWebKey{Key: k.Public}); !public.IsPublic() {
			t.Errorf("%s: Keys told a private key", k.Algorithm)
		}
	}
}

func unknownSigner(t *testing.T, p certs.KeyProvider) {
	for _, id := range []string{"", "unknown", "../" + keys(t, p)[0].ID} {
		if s, err := p.Signer(t.Context(), id); !errors.Is(err, certs.ErrNoKey) || s != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func statesComeBack(t *testing.T, p certs.KeyProvider) {
	k := add(t, p, next("EdDSA"))[0]
	for _, want := range []certs.KeyInfo{
		{State: certs.KeyCurrent, Created: at(0), Activated: at(1)},
		{State: certs.KeyRetired, Created: at(0), Activated: at(1), Retired: at(2)},
	} {
		err := p.Update(t.Context(), func(all []certs.KeyInfo) ([]certs.KeyInfo, error) {
			for i := range all {
				if all[i].ID == k.ID {
					all[i].State, all[i].Created, all[i].Activated, all[i].Retired = want.State, want.Created, want.Activated, want.Retired
					all[i].Public = nil // is not looked at
				}
			}
			return all, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		all := keys(t, p)
		got := all[slices.IndexFunc(all, func(g certs.KeyInfo) bool { return g.ID == k.ID })]
		if got.State != want.State || !got.Created.Equal(want.Created) || !got.Activated.Equal(want.Activated) || !got.Retired.Equal(want.Retired) {
			t.Errorf("came back as %+v, want %+v", got, want)
		}
		if own, ok := got.Public.(ed25519.PublicKey); !ok || !own.Equal(k.Public) {
			t.Error("the public half changed with the state")
		}
	}
}

func destroys(t *testing.T, p certs.KeyProvider) {
	k := add(t, p, next("EdDSA"))[0]
	err := p.Update(t.Context(), func(all []certs.KeyInfo) ([]certs.KeyInfo, error) {
		return slices.DeleteFunc(all, func(o certs.KeyInfo) bool { return o.ID == k.ID }), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(keys(t, p), func(o certs.KeyInfo) bool { return o.ID == k.ID }) {
		t.Error("it is still there")
	}
	if _, err := p.Signer(t.Context(), k.ID); !errors.Is(err, certs.ErrNoKey) {
		t.Errorf("it still signs: %v", err)
	}
}

func keepsAll(t *testing.T, p certs.KeyProvider) {
	unchanged(t, p, func() error {
		return p.Update(t.Context(), func(all []certs.KeyInfo) ([]certs.KeyInfo, error) { return all, nil })
	}, nil)
}

var errDecision = errors.New("decided against it")

func decisionFails(t *testing.T, p certs.KeyProvider) {
	unchanged(t, p, func() error {
		return p.Update(t.Context(), func(all []certs.KeyInfo) ([]certs.KeyInfo, error) { return all[:0], errDecision })
	}, errDecision)
}

// unchanged checks that a call returns an error, nil included, and leaves the
// keys as they were.
func unchanged(t *testing.T, p certs.KeyProvider, call func() error, want error) {
	t.Helper()
	before := keys(t, p)
	if err := call(); !errors.Is(err, want) {
		t.Errorf("error = %v, want %v", err, want)
	}
	same := func(a, b certs.KeyInfo) bool {
		return a.ID == b.ID && a.State == b.State && a.Created.Equal(b.Created) && a.Activated.Equal(b.Activated)
	}
	if after := keys(t, p); !slices.EqualFunc(before, after, same) {
		t.Errorf("keys are %+v, were %+v", after, before)
	}
}

func refusesWhole(t *testing.T, p certs.KeyProvider) {
	for name, more := range map[string]certs.KeyInfo{
		"an id from nowhere":         {ID: "mine", Algorithm: "EdDSA", State: certs.KeyNext, Created: at(0)},
		"an algorithm we do not use": next("RS256"),
		"no algorithm":               next(""),
		"no state":                   {Algorithm: "EdDSA", Created: at(0)},
		"a state of its own":         {Algorithm: "EdDSA", State: "revoked", Created: at(0)},
		"never created":              {Algorithm: "EdDSA", State: certs.KeyNext},
		"current, never activated":   {Algorithm: "EdDSA", State: certs.KeyCurrent, Created: at(0)},
		"two current keys":           {Algorithm: "ES256", State: certs.KeyCurrent, Created: at(0), Activated: at(0)},
	} {
		unchanged(t, p, func() error {
			return p.Update(t.Context(), func(all []certs.KeyInfo) ([]certs.KeyInfo, error) {
				return append(all, next("PS256"), more), nil
			})
		}, certs.ErrKeySet)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	for name, change := range map[string]func(*certs.KeyInfo){
		"another algorithm": func(k *certs.KeyInfo) { k.Algorithm = "EdDSA" },
		"another id":        func(k *certs.KeyInfo) { k.ID += "x" },
	} {
		unchanged(t, p, func() error {
			return p.Update(t.Context(), func(all []certs.KeyInfo) ([]certs.KeyInfo, error) {
				change(&all[0])
				return all, nil
			})
		}, certs.ErrKeySet)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func updatesAlone(t *testing.T, p certs.KeyProvider) {
	var wg sync.WaitGroup
	made := make(chan int, 16)
	for i := range 16 {
		wg.Go(func() {
			did := false
			err := p.Update(context.Background(), func(all []certs.KeyInfo) ([]certs.KeyInfo, error) {
				did = !slices.ContainsFunc(all, func(k certs.KeyInfo) bool { return k.Algorithm == "EdDSA" })
				if did {
					all = append(all, next("EdDSA"))
				}
				return all, nil
			})
			if err != nil {
				t.Error(err)
			}
			if did {
				made <- i
			}
			if _, err := p.Keys(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 {
		t.Errorf("%d found it due", len(made))
	}
}

func ownList(t *testing.T, p certs.KeyProvider) {
	mine := keys(t, p)
	id := mine[0].ID
	mine[0].ID, mine[0].State = "other", certs.KeyRetired
	if again := keys(t, p); again[0].ID != id || again[0].State == certs.KeyRetired {
		t.Error("a caller changed what the provider holds")
	}
}

func cancelled(t *testing.T, p certs.KeyProvider) {
	id := keys(t, p)[0].ID
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Keys(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Keys: %v", err)
	}
	if _, err := p.Signer(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("Signer: %v", err)
	}
	unchanged(t, p, func() error {
		return p.Update(ctx, func([]certs.KeyInfo) ([]certs.KeyInfo, error) { return nil, nil })
	}, context.Canceled)
}
