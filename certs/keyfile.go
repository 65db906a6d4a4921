package certs

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// KeyFile is the KeyProvider that keeps the keys in a private file (mode 0600,
// ErrExposed otherwise): a JWKS (RFC 7517 section 5) whose keys have, besides
// the members of a private key, kid, alg and use, the members state, created
// and, where they apply, activated and retired (RFC 3339). Any other member,
// and any member twice, is refused.
//
// A JWKS of ES256 keys without those members is read as well: its first key is
// current, the second next, the rest retired, all since the file last changed.
// The first Update writes it anew.
//
// Update replaces the file in one step and lets in one process at a time, by a
// lock on the file of the same name with ".lock" added; it refuses a file that
// belongs to another user. A missing file is fs.ErrNotExist, never an empty
// set.
type KeyFile struct {
	path string
}

// NewKeyFile returns the provider of the file at path. It does not touch it.
func NewKeyFile(path string) *KeyFile { return &KeyFile{path: path} }

// GenerateSigningKeys creates a file with a current and a next key for each
// algorithm; without algorithms, for ES256. It never overwrites: an existing
// path is fs.ErrExist. The keys sign at once, because nobody can know others
// of a deployment that has not begun.
func GenerateSigningKeys(path string, algorithms ...string) error {
	if len(algorithms) == 0 {
		algorithms = []string{string(jose.ES256)}
	}
	var keys []fileKey
	for _, k := range (rules{algorithms: algorithms}).due(nil, time.Now()) {
		made, err := makeKey(k)
		if err != nil {
			return fmt.Errorf("certs: signing keys: %w", err)
		}
		keys = append(keys, made)
	}
	data, err := encodeKeys(keys)
	if err == nil {
		err = createPrivate(path, data)
	}
	if err != nil {
		return fmt.Errorf("certs: signing keys: %w", err)
	}
	return nil
}

// Keys returns the keys of the file: by algorithm, and of each the current,
// the next and the retired ones, newest first.
func (f *KeyFile) Keys(ctx context.Context) ([]KeyInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	keys, err := f.read()
	if err != nil {
		return nil, err
	}
	return infos(keys), nil
}

// Signer returns a private key of the file, which it reads again.
func (f *KeyFile) Signer(ctx context.Context, id string) (crypto.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	keys, err := f.read()
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.ID == id {
			// Only what a token could give away as well.
			return struct{ crypto.Signer }{k.private}, nil
		}
	}
	return nil, fmt.Errorf("certs: signing keys: %s: %w", f.path, ErrNoKey)
}

// Update changes the file. It waits for the lock until ctx ends. A decision
// that changes nothing writes nothing.
func (f *KeyFile) Update(ctx context.Context, decide func([]KeyInfo) ([]KeyInfo, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.mine(); err != nil {
		return err
	}
	unlock, err := lockFile(ctx, f.path+".lock")
	if err != nil {
		return fmt.Errorf("certs: signing keys: lock: %w", err)
	}
	defer unlock()
	keys, err := f.read()
	if err != nil {
		return err
	}
	before := infos(keys)
	after, err := decide(slices.Clone(before))
	if err != nil {
		return err
	}
	if sameKeys(before, after) {
		return nil
	}
	if err := CheckKeyUpdate(before, after); err != nil {
		return fmt.Errorf("certs: signing keys: %s: %w", f.path, err)
	}
	var changed []fileKey
	for _, k := range after {
		i := slices.IndexFunc(keys, func(old fileKey) bool { return k.ID != "" && old.ID == k.ID })
		if i < 0 {
			made, err := makeKey(k)
			if err != nil {
				return fmt.Errorf("certs: signing keys: %w", err)
			}
			changed = append(changed, made)
			continue
		}
		k.Public = keys[i].Public
		changed = append(changed, fileKey{KeyInfo: k, private: keys[i].private})
	}
	data, err := encodeKeys(changed)
	if err == nil {
		err = WritePrivate(f.path, data)
	}
	if err != nil {
		return fmt.Errorf("certs: signing keys: %w", err)
	}
	return nil
}

// mine refuses a file of another user: replaced by root, say, it would be
// root's from then on, and the servers could not read it any more.
func (f *KeyFile) mine() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("certs: signing keys: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("certs: signing keys: %s belongs to user %d: change it as that user", f.path, owner.Uid)
	}
	return nil
}

// lockRetry is how often a lock is tried that another process holds.
const lockRetry = 20 * time.Millisecond

// lockFile waits until no other caller, in this process or another, holds the
// lock. A crash releases it. The file stays: removing it would let two callers
// lock two files of the same name.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		// Not the blocking form, which ctx could not end.
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing releases it
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(lockRetry):
		}
	}
}

// sortKeys orders by algorithm, then current, next and retired, newest first.
func sortKeys(keys []fileKey) {
	states := []KeyState{KeyCurrent, KeyNext, KeyRetired}
	slices.SortStableFunc(keys, func(a, b fileKey) int {
		return cmp.Or(
			slices.Index(algorithms(), a.Algorithm)-slices.Index(algorithms(), b.Algorithm),
			slices.Index(states, a.State)-slices.Index(states, b.State),
			b.Created.Compare(a.Created))
	})
}

// fileKey is a key with its private half, which stays in this file.
type fileKey struct {
	KeyInfo
	private crypto.Signer
}

func infos(keys []fileKey) []KeyInfo {
	var out []KeyInfo
	for _, k := range keys {
		out = append(out, k.KeyInfo)
	}
	return out
}

// makeKey gives a key of a plan its pair.
func makeKey(k KeyInfo) (fileKey, error) {
	private, err := newKey(k.Algorithm)
	if err != nil {
		return fileKey{}, err
	}
	k.Public = private.Public()
	k.ID, err = Thumbprint(jose.JSONWebKey{Key: k.Public})
	return fileKey{KeyInfo: k, private: private}, err
}

// lifeMembers are the members of a key that RFC 7517 does not know.
type lifeMembers struct {
	State     KeyState  `json:"state"`
	Created   time.Time `json:"created"`
	Activated time.Time `json:"activated,omitzero"`
	Retired   time.Time `json:"retired,omitzero"`
}

// encodeKeys returns the content of a key file.
func encodeKeys(keys []fileKey) ([]byte, error) {
	var file struct {
		Keys []members `json:"keys"`
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no keys would be left", ErrKeySet)
	}
	for _, k := range keys {
		var all members
		for _, part := range []any{
			jose.JSONWebKey{Key: k.private, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"},
			lifeMembers{k.State, k.Created.UTC(), k.Activated.UTC(), k.Retired.UTC()},
		} {
			data, err := json.Marshal(part)
			if err == nil {
				err = json.Unmarshal(data, &all)
			}
			if err != nil {
				return nil, err
			}
		}
		file.Keys = append(file.Keys, all)
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err == nil && len(data) > maxPrivate {
		err = fmt.Errorf("%w: the file would be over %d bytes", ErrKeySet, maxPrivate)
	}
	return data, err
}

// read returns the keys of the file, sorted.
func (f *KeyFile) read() ([]fileKey, error) {
	data, err := ReadPrivate(f.path)
	if err != nil {
		return nil, fmt.Errorf("certs: signing keys: %w", err)
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, fmt.Errorf("certs: signing keys: %w", err)
	}
	keys, err := parseKeyFile(data, info.ModTime())
	if err != nil {
		return nil, fmt.Errorf("certs: signing keys: %s: %w", f.path, err)
	}
	return keys, nil
}

// parseKeyFile reads the content of a file that last changed at that time.
func parseKeyFile(data []byte, changed time.Time) ([]fileKey, error) {
	if err := StrictJSON(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeySet, err)
	}
	var file members
	var raw []json.RawMessage
	// No message of a decoder is passed on: it may quote a private key.
	if json.Unmarshal(data, &file) != nil || !file.only("keys") || json.Unmarshal(file["keys"], &raw) != nil || len(raw) == 0 {
		return nil, fmt.Errorf("%w: not a JWKS with keys", ErrKeySet)
	}
	var keys []fileKey
	thumbprints := make(map[string]bool)
	for i, r := range raw {
		k, err := parseFileKey(r)
		if err != nil {
			return nil, fmt.Errorf("%w: key %d: %w", ErrKeySet, i+1, err)
		}
		thumbprint, err := Thumbprint(jose.JSONWebKey{Key: k.Public})
		if err != nil || thumbprints[thumbprint] {
			return nil, fmt.Errorf("%w: key %d is there twice", ErrKeySet, i+1)
		}
		thumbprints[thumbprint] = true
		keys = append(keys, k)
	}
	if !slices.ContainsFunc(keys, func(k fileKey) bool { return k.State != "" }) {
		if err := asOldForm(keys, changed); err != nil {
			return nil, err
		}
	}
	if err := CheckKeys(infos(keys)); err != nil {
		return nil, err
	}
	sortKeys(keys)
	return keys, nil
}

// parseFileKey reads one key. One without state is of the old form.
func parseFileKey(raw []byte) (fileKey, error) {
	var m members
	var jwk jose.JSONWebKey
	if json.Unmarshal(raw, &m) != nil || m == nil || jwk.UnmarshalJSON(raw) != nil {
		return fileKey{}, errors.New("not a private key")
	}
	private, ok := jwk.Key.(crypto.Signer)
	if !ok || jwk.IsPublic() {
		return fileKey{}, errors.New("not a private key")
	}
	k := fileKey{private: private, KeyInfo: KeyInfo{
		ID: jwk.KeyID, Public: private.Public(),
		Algorithm: Algorithm(jose.JSONWebKey{Key: private.Public()}),
	}}
	switch {
	case k.ID == "":
		return fileKey{}, errors.New("it has no kid")
	case k.Algorithm == "" || jwk.Algorithm != "" && jwk.Algorithm != k.Algorithm:
		return fileKey{}, errors.New("it is not for the one algorithm of ES256, PS256, EdDSA that its kind has")
	case jwk.Use != "" && jwk.Use != "sig":
		return fileKey{}, errors.New("it is not for signatures")
	case !belongs(private):
		return fileKey{}, errors.New("its public half is not that of its private half")
	}
	var life lifeMembers
	if _, ok := m["state"]; !ok {
		return k, nil
	}
	if !m.only("kty", "crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi", "kid", "alg", "use",
		"state", "created", "activated", "retired") {
		return fileKey{}, errors.New("it has an unknown member")
	}
	if json.Unmarshal(raw, &life) != nil || life.State == "" {
		return fileKey{}, errors.New("its state or times cannot be read")
	}
	k.State, k.Created, k.Activated, k.Retired = life.State, life.Created, life.Activated, life.Retired
	return k, nil
}

// asOldForm gives the keys of a file without states those that their order
// means. Since when is not recorded: the change of the file is the latest
// moment it can have been.
func asOldForm(keys []fileKey, changed time.Time) error {
	for i := range keys {
		k := &keys[i]
		if k.Algorithm != string(jose.ES256) {
			return fmt.Errorf("%w: key %d has no state, and is not for ES256", ErrKeySet, i+1)
		}
		k.State, k.Created = KeyRetired, changed
		switch i {
		case 0:
			k.State, k.Activated = KeyCurrent, changed
		case 1:
			k.State = KeyNext
		default:
			k.Activated, k.Retired = changed, changed
		}
	}
	return nil
}

// only reports whether there are no members but these.
func (m members) only(names ...string) bool {
	for name := range maps.Keys(m) {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// belongs reports whether the public half is that of the private one; with
// any other, nobody could verify what we sign.
func belongs(private crypto.Signer) bool {
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		d, err := k.Bytes()
		if err != nil {
			return false
		}
		derived, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
		return err == nil && derived.PublicKey.Equal(&k.PublicKey)
	case *rsa.PrivateKey:
		bits := k.N.BitLen()
		return bits >= MinRSABits && bits <= MaxRSABits && k.Validate() == nil
	case ed25519.PrivateKey:
		return len(k) == ed25519.PrivateKeySize && ed25519.NewKeyFromSeed(k.Seed()).Equal(k)
	}
	return false
}
