package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The faults of our own signing keys.
var (
	// ErrNoKey: no key has that id, or none signs with that algorithm now.
	ErrNoKey = errors.New("no such signing key")
	// ErrKeySet: keys that do not make a set to sign with, or a change of them
	// that no provider makes.
	ErrKeySet = errors.New("not a usable set of signing keys")
)

// KeyState is where a signing key is in its life. It only ever moves forward,
// in the order of the constants.
type KeyState string

// The states of a key. Every key is published, from the moment it is made
// until some time after it was retired.
const (
	KeyNext    KeyState = "next"    // published, so that verifiers know it before it signs
	KeyCurrent KeyState = "current" // signs; one for each algorithm
	KeyRetired KeyState = "retired" // published while something it signed may still be in use
)

// KeyInfo is what may be known of a signing key outside its provider.
type KeyInfo struct {
	ID        string   // its kid, unique in the provider
	Algorithm string   // ES256, PS256 or EdDSA
	State     KeyState // as above
	// Created, Activated and Retired are when the key entered each state, the
	// zero time when it has not. Created is also since when it is published.
	Created, Activated, Retired time.Time
	// Public is an *ecdsa.PublicKey on P-256, an *rsa.PublicKey or an
	// ed25519.PublicKey.
	Public crypto.PublicKey
}

// KeyProvider keeps signing keys: a file, a PKCS #11 token, a key management
// service. Private keys never leave it, only signatures do. certstest.KeyProvider
// is this contract as a test. Implementations are safe for concurrent use, also
// by several processes on the same keys.
type KeyProvider interface {
	// Keys returns every key, in an order of the provider's choice, and never a
	// part of a change that Update makes meanwhile.
	Keys(ctx context.Context) ([]KeyInfo, error)

	// Signer returns the private key with that id for signing, in any state;
	// ErrNoKey when there is none. ES256 and PS256 keys are given SHA-256
	// digests, EdDSA keys the message. A signer may be kept and used by several
	// goroutines at once; after its key is gone it may fail or not.
	Signer(ctx context.Context, id string) (crypto.Signer, error)

	// Update changes the keys to those that decide returns, given all there
	// are: a key whose ID is empty is made, with a pair of its own and its
	// thumbprint (RFC 7638) as ID; one that is missing is destroyed; of the
	// others State and times are kept as returned. Whatever CheckKeyUpdate
	// refuses, and an error of decide, changes nothing and is returned.
	//
	// No other Update, of any process, runs between what decide is given and
	// the change, so that of several instances that find a rotation due one
	// makes it. decide must be quick and must not call the provider.
	Update(ctx context.Context, decide func([]KeyInfo) ([]KeyInfo, error)) error
}

// CheckKeyUpdate returns ErrKeySet, with the reason, unless a provider may
// change its keys from before to after: every named key was there and keeps
// its algorithm, a new one has an algorithm that we sign with, and the result
// passes CheckKeys. Public is not looked at.
func CheckKeyUpdate(before, after []KeyInfo) error {
	for _, k := range after {
		if k.ID == "" {
			continue
		}
		i := slices.IndexFunc(before, func(b KeyInfo) bool { return b.ID == k.ID })
		if i < 0 || before[i].Algorithm != k.Algorithm {
			return fmt.Errorf("%w: an update names a key that is not there or has another algorithm", ErrKeySet)
		}
	}
	return CheckKeys(after)
}

// CheckKeys returns ErrKeySet, with the reason, unless each key has a known
// algorithm and state and the times of that state, no two have the same id, no
// algorithm has two current or two next keys, and a set of them is one that
// verifiers take (MaxJWKSKeys). Several may have no id yet.
func CheckKeys(keys []KeyInfo) error {
	if len(keys) > MaxJWKSKeys {
		return fmt.Errorf("%w: over %d keys", ErrKeySet, MaxJWKSKeys)
	}
	seen := make(map[string]bool)
	once := func(what string) bool {
		was := seen[what]
		seen[what] = true
		return !was
	}
	for i, k := range keys {
		fault := ""
		switch {
		case !slices.Contains(algorithms(), k.Algorithm):
			fault = "its algorithm is none of ES256, PS256, EdDSA"
		case k.ID != "" && !once("kid "+k.ID):
			fault = "its kid is taken"
		case k.Created.IsZero():
			fault = "it was never created"
		case k.State == KeyNext && (!k.Activated.IsZero() || !k.Retired.IsZero()),
			k.State == KeyCurrent && (k.Activated.IsZero() || !k.Retired.IsZero()),
			k.State == KeyRetired && (k.Activated.IsZero() || k.Retired.IsZero()):
			fault = "its times do not fit its state"
		case k.State == KeyRetired:
		case k.State != KeyNext && k.State != KeyCurrent:
			fault = "its state is none of next, current, retired"
		case !once(string(k.State) + " " + k.Algorithm):
			fault = "another key is " + string(k.State) + " for " + k.Algorithm
		}
		if fault != "" {
			return fmt.Errorf("%w: key %d: %s", ErrKeySet, i+1, fault)
		}
	}
	return nil
}

// algorithms are those we sign with (FAPI 2.0 Security Profile section 5.4.1),
// the default first: PS256 costs many times more per signature.
func algorithms() []string {
	return []string{string(jose.ES256), string(jose.PS256), string(jose.EdDSA)}
}

// newKey makes a key pair. RSA has the least size that the profile allows:
// the key signs for weeks, what it signs lives for minutes.
func newKey(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case string(jose.ES256):
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case string(jose.PS256):
		return rsa.GenerateKey(rand.Reader, MinRSABits)
	case string(jose.EdDSA):
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("%w: algorithm is none of ES256, PS256, EdDSA", ErrKeySet)
}

// samePublic reports whether two public keys are the same.
func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// sameKeys reports whether two lists say the same of the same keys, in the
// same order.
func sameKeys(a, b []KeyInfo) bool {
	return slices.EqualFunc(a, b, func(a, b KeyInfo) bool {
		return a.ID != "" && a.ID == b.ID && a.Algorithm == b.Algorithm && a.State == b.State &&
			a.Created.Equal(b.Created) && a.Activated.Equal(b.Activated) && a.Retired.Equal(b.Retired)
	})
}
