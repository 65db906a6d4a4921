package receipt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/headgate/headgate/consent"
)

// Store keeps the versions of grants and the receipts that were signed for
// them. Implementations are safe for concurrent use; each method is one
// transaction. Versions are written by the store of grants, in the
// transaction of the change.
type Store interface {
	// Version returns a version, whatever its event, and the receipt that
	// was signed for it, "" when none was yet; consent.ErrNotFound when no
	// version was kept.
	Version(ctx context.Context, id ID) (Version, string, error)

	// Versions returns the newest versions of a person's grants for which
	// there are receipts (Told), newest first and at most limit of them; nil
	// when there are none.
	Versions(ctx context.Context, who consent.ConsumerID, limit int) ([]Version, error)

	// Keep stores a signed receipt together with the public key that checks
	// it, unless there is a receipt for that version already. It returns the
	// one that is stored then: of two that are signed at once, one stays.
	Keep(ctx context.Context, id ID, jws string, key Key) (string, error)

	// Keys returns every key that signed a receipt that was kept, oldest
	// first; nil when there are none.
	Keys(ctx context.Context) ([]json.RawMessage, error)
}

// Key is a public key that signed receipts.
type Key struct {
	ID  string
	JWK json.RawMessage // public
}

// Signer signs with our keys. *certs.Rotator is one.
type Signer interface {
	// Public returns the JWKS document of the keys that are in use.
	Public() []byte
	// Algorithms are those that Sign takes.
	Algorithms() []string
	// Sign returns a compact JWS over the JSON form of claims, with alg, kid
	// and typ in its header.
	Sign(ctx context.Context, alg, typ string, claims any) (string, error)
}

// Config configures a Desk. All fields are required.
type Config struct {
	Store  Store
	Signer Signer
	// Issuer is the issuer identifier of the authorization server.
	Issuer string
}

// Desk hands out receipts and checks them. It is safe for concurrent use.
type Desk struct{ c Config }

// New returns a Desk. It does no I/O.
func New(c Config) (*Desk, error) {
	if c.Store == nil || c.Signer == nil || c.Issuer == "" {
		return nil, errors.New("receipt: a required field of Config is missing")
	}
	return &Desk{c}, nil
}

// Signed is a receipt with its signature.
type Signed struct {
	Receipt Receipt
	JWS     string // compact form, the same each time
	Code    string // as Code
}

// List returns the newest versions of a person's grants that have receipts,
// newest first and at most limit of them; nil when there are none.
func (d *Desk) List(ctx context.Context, who consent.ConsumerID, limit int) ([]Version, error) {
	all, err := d.c.Store.Versions(ctx, who, limit)
	if err != nil {
		return nil, fmt.Errorf("list receipts: %w", err)
	}
	return slices.DeleteFunc(all, func(v Version) bool { return v.Grant.Consumer != who || !Told(v.Event.Kind) }), nil
}

// Receipt returns a person's receipt and signs it if nobody has asked for it
// before. One that does not exist and one of another person are both
// consent.ErrNotFound. Every receipt is checked before it is handed out: one
// that was changed where it is kept is an error.
func (d *Desk) Receipt(ctx context.Context, who consent.ConsumerID, id ID) (Signed, error) {
	v, jws, err := d.c.Store.Version(ctx, id)
	if err == nil && (v.ID() != id || v.Grant.ID != id.Grant || v.Grant.Consumer != who || !Told(v.Event.Kind)) {
		err = consent.ErrNotFound
	}
	if err != nil {
		return Signed{}, fmt.Errorf("load receipt: %w", err)
	}
	if jws == "" {
		if jws, err = d.sign(ctx, v); err != nil {
			return Signed{}, fmt.Errorf("sign receipt: %w", err)
		}
	}
	r, err := d.Verify(ctx, jws)
	if err != nil {
		return Signed{}, fmt.Errorf("check receipt: %w", err)
	}
	if r.ID != id.String() {
		return Signed{}, fmt.Errorf("check receipt: it is kept in the place of another: %w", ErrForm)
	}
	return Signed{Receipt: r, JWS: jws, Code: Code(jws)}, nil
}

// sign makes the receipt of a version and keeps it.
func (d *Desk) sign(ctx context.Context, v Version) (string, error) {
	algorithms := d.c.Signer.Algorithms()
	if len(algorithms) == 0 {
		return "", errors.New("there is no key to sign with")
	}
	alg := algorithms[0]
	if slices.Contains(algorithms, "ES256") {
		alg = "ES256" // what most tools can check
	}
	jws, err := d.c.Signer.Sign(ctx, alg, Type, Of(d.c.Issuer, v))
	if err != nil {
		return "", err
	}
	key, err := d.keyOf(jws)
	if err != nil {
		return "", err
	}
	return d.c.Store.Keep(ctx, v.ID(), jws, key)
}

// keyOf returns the public key that a receipt was just signed with.
func (d *Desk) keyOf(jws string) (Key, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(d.c.Signer.Public(), &document); err != nil {
		return Key{}, fmt.Errorf("read our keys: %w", err)
	}
	for _, raw := range document.Keys {
		keys, err := ParseKeys(slices.Concat([]byte(`{"keys":[`), raw, []byte(`]}`)))
		if err != nil {
			return Key{}, err
		}
		if _, err := Verify(keys, jws); err == nil {
			return Key{ID: keys[0].KeyID, JWK: raw}, nil
		}
	}
	return Key{}, ErrKey // it was withdrawn in this moment: ask again
}

// Verify checks a receipt in compact form against every key that ever signed
// one of ours; otherwise as the function Verify. A receipt of another issuer
// is ErrForm.
func (d *Desk) Verify(ctx context.Context, jws string) (Receipt, error) {
	document, err := d.Keys(ctx)
	if err != nil {
		return Receipt{}, err
	}
	keys, err := ParseKeys(document)
	if err != nil {
		return Receipt{}, err
	}
	r, err := Verify(keys, jws)
	if err != nil {
		return Receipt{}, err
	}
	if r.Issuer != d.c.Issuer {
		return Receipt{}, ErrForm
	}
	return r, nil
}

// Keys returns the JWKS document with every key that ever signed a receipt.
func (d *Desk) Keys(ctx context.Context) ([]byte, error) {
	keys, err := d.c.Store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("load receipt keys: %w", err)
	}
	return document(keys), nil
}
