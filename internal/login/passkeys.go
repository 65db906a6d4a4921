package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
)

// What pages, stores and the ceremonies of passkeys say to each other.

// The bounds of passkeys.
const (
	// MaxPasskeys is how many one person can have.
	MaxPasskeys = 10
	// MaxPasskeyName is the longest name, in characters.
	MaxPasskeyName = 40
	// ChallengeLife is how long a challenge can be answered.
	ChallengeLife = 5 * time.Minute
)

// How a passkey is refused.
var (
	// ErrPasskey: the answer proves nothing, for whatever reason: it is to no
	// challenge of this session and purpose, to one that is over or was
	// answered before, of an unknown passkey or another person's, or not right.
	ErrPasskey = errors.New("login: the passkey is refused")
	// ErrCopied is an ErrPasskey of which the person should be told: everything
	// was right but the count of uses, which is behind. Somebody may have a
	// copy of the passkey.
	ErrCopied = fmt.Errorf("%w: its count of uses is behind", ErrPasskey)
	// ErrPasskeys: the person has as many as one can have, or has this one
	// already.
	ErrPasskeys = errors.New("login: no more passkeys")
)

// PasskeyID names a passkey on pages. It is no secret, and says nothing about
// the passkey.
type PasskeyID string

// PasskeyRecord is a credential record (WebAuthn section 4).
type PasskeyRecord struct {
	ID       PasskeyID
	Consumer consent.ConsumerID
	// Name is what the person calls it.
	Name      string
	CreatedAt time.Time
	UsedAt    time.Time // zero when never
	// Credential is the id by which authenticators know it, up to 1,023 bytes.
	Credential []byte
	// Key is the public key (COSE_Key).
	Key []byte
	// SignCount is the last one that was seen; 0 where it is not counted.
	SignCount uint32
	// AAGUID is the make of the authenticator; zero where it does not say.
	AAGUID     [16]byte
	Transports []string
	// BackupEligible: it can be on more than one device. It never changes.
	BackupEligible bool
	// BackedUp: it is, as far as is known.
	BackedUp bool
	// Handle is the random value that stands for the person in authenticators,
	// 32 bytes.
	Handle []byte
}

// Challenge is what an authenticator is asked to sign.
type Challenge struct {
	// Value is random, 32 bytes.
	Value []byte
	// For ties it to a session, a purpose and, where there is one, a person.
	For       Key
	ExpiresAt time.Time
}

// PasskeyStore keeps passkeys and challenges. Implementations are safe for
// concurrent use; logintest.PasskeyStores is the contract.
type PasskeyStore interface {
	// PutChallenge stores a challenge.
	PutChallenge(ctx context.Context, c Challenge) error
	// TakeChallenge removes the challenge with this value that is for this, or
	// returns consent.ErrNotFound. Of any number of calls for one challenge one
	// succeeds, and none does at its end or later.
	TakeChallenge(ctx context.Context, value []byte, is Key, now time.Time) error
	// Handle returns the person's handle, and makes it when there is none.
	Handle(ctx context.Context, who consent.ConsumerID) ([]byte, error)
	// PasskeysOf returns a person's passkeys, the oldest first; nil for none.
	PasskeysOf(ctx context.Context, who consent.ConsumerID) ([]PasskeyRecord, error)
	// Passkey returns the one with this credential id, or consent.ErrNotFound.
	Passkey(ctx context.Context, credential []byte) (PasskeyRecord, error)
	// AddPasskey stores a passkey of a person with a handle, and in the same
	// atomic step tells them and notes it among their sign-ins. It returns
	// ErrPasskeys when there are MaxPasskeys, or the credential id is known.
	AddPasskey(ctx context.Context, p PasskeyRecord, s SignIn) error
	// UsePasskey notes a use with this count in one atomic step with comparing
	// it: it changes nothing and returns ErrCopied unless the count is
	// higher than the last one or both are 0 (WebAuthn section 6.1.1), and
	// ErrPasskey when the passkey is gone.
	UsePasskey(ctx context.Context, id PasskeyID, count uint32, backedUp bool, at time.Time) error
	// RenamePasskey gives a passkey of the person another name, or returns
	// consent.ErrNotFound.
	RenamePasskey(ctx context.Context, who consent.ConsumerID, id PasskeyID, name string) error
	// RemovePasskey removes a passkey of the person, and in the same atomic
	// step tells them and notes it among their sign-ins; or it returns
	// consent.ErrNotFound.
	RemovePasskey(ctx context.Context, who consent.ConsumerID, id PasskeyID, s SignIn) error
}
