package token

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// The named outcomes of token stores.
var (
	// ErrNotFound: unknown or expired.
	ErrNotFound = errors.New("token: not found")
	// ErrUsed: a single-use artefact was used before. Clients must not be
	// able to tell it from ErrNotFound.
	ErrUsed = errors.New("token: used before")
	// ErrRevoked: withdrawn, or the grant behind it has ended.
	ErrRevoked = errors.New("token: revoked")
)

// Pushed is a request stored by PAR (RFC 9126). It is consumed when the
// consumer has decided, not when a page is loaded.
type Pushed struct {
	Hash      Hash
	Recipient consent.RecipientID
	// Params are the authorization request parameters, client authentication
	// removed.
	Params  map[string]string
	Request consent.Request
	// KeyThumbprint binds the code to a DPoP key (RFC 9449 section 10);
	// empty when the recipient asked for no binding.
	KeyThumbprint string
	ExpiresAt     time.Time // whole seconds; past it the request can no longer be opened
	ConsumedAt    time.Time // zero until decided
}

// Code is an authorization code.
type Code struct {
	Hash      Hash
	Grant     consent.GrantID
	Recipient consent.RecipientID
	// RequestID is the chain that joins a code with the tokens it led to.
	RequestID     string
	RedirectURI   string
	Challenge     string // PKCE S256 code_challenge
	KeyThumbprint string // as Pushed.KeyThumbprint
	Scopes        []fdx.Scope
	// Session is the engine's own serialised state, opaque to stores. It
	// holds no secret.
	Session   []byte
	IssuedAt  time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero until redeemed
}

// Refresh is a refresh token. It is bound to the recipient, not to a key,
// is never rotated and dies with its grant.
type Refresh struct {
	Hash      Hash
	Grant     consent.GrantID
	Recipient consent.RecipientID
	RequestID string
	Scopes    []fdx.Scope
	Session   []byte // as Code.Session
	IssuedAt  time.Time
	ExpiresAt time.Time
	RevokedAt time.Time // zero while usable
}

// Access is an access token.
type Access struct {
	Hash      Hash
	Grant     consent.GrantID
	Recipient consent.RecipientID
	RequestID string
	Scopes    []fdx.Scope
	// Resources are what a narrowed token reaches of its grant (RFC 9396
	// section 6); empty when it reaches all of it. Scopes limit it besides.
	Resources []consent.Resource
	// Exactly one of the two is set: the DPoP key (RFC 7638 thumbprint) or
	// the certificate (x5t#S256) that may use the token.
	KeyThumbprint  string
	CertThumbprint string
	IssuedAt       time.Time // whole seconds
	ExpiresAt      time.Time // whole seconds; over from this instant on
	RevokedAt      time.Time // zero while usable
}

// ClientAccess is an access token that a client obtained for itself
// (client_credentials, RFC 6749 section 4.4). It opens no grant, only the
// interfaces that are about the client's own affairs, and is of a kind of its
// own, so that the gateway cannot take it for an Access.
type ClientAccess struct {
	Hash      Hash
	Recipient consent.RecipientID
	Scopes    []string
	// As in Access, exactly one of the two is set.
	KeyThumbprint  string
	CertThumbprint string
	IssuedAt       time.Time // whole seconds
	ExpiresAt      time.Time // whole seconds; over from this instant on
	// IntegerCodes and Quota are as in Live; stores fill them in, issuing
	// ignores them.
	IntegerCodes bool
	Quota        int
}

// Live is an access token together with the share it opens: all that the
// gateway needs to decide about a read. The share holds nothing outside the
// token's Resources.
type Live struct {
	Access Access
	Share  consent.Share
	// IntegerCodes: the recipient is registered for FDX error codes that are
	// JSON integers (consent.Profile.ErrorCodes). It is as old as the rest of
	// the record and decides nothing.
	IntegerCodes bool
	// Quota is that of consent.Recipient, as old as the rest of the record.
	Quota int
	// At is when the record was looked for, by the clock of the store or cache
	// that answered, which all instances share: what is over is judged by it,
	// and not by the clock of whoever asks. It is no part of the record. Zero
	// when who answered has no clock.
	At time.Time
}

// Active reports whether the token opens its share at now. A token without
// a sender constraint is never active.
func (l Live) Active(now time.Time) bool { return l.valid(now) && l.Share.Active(now) }

// Resting reports whether the token would open its share at now if that did
// not rest (consent.Rest).
func (l Live) Resting(now time.Time) bool { return l.valid(now) && l.Share.RestAt(now) != "" }

// valid is what has to be true of the token itself.
func (l Live) valid(now time.Time) bool {
	bound := (l.Access.KeyThumbprint == "") != (l.Access.CertThumbprint == "")
	return bound && l.Access.RevokedAt.IsZero() && now.Before(l.Access.ExpiresAt) &&
		l.Access.Grant == l.Share.Grant && l.Access.Recipient == l.Share.Recipient
}

// Redemption is the exchange of a code: what is consumed and what is issued,
// as one step.
type Redemption struct {
	Code    Hash
	Access  Access
	Refresh *Refresh // nil for a one-time grant
	// Spend are the one-time proofs of the request. They are spent in the
	// same step, also when the redemption is refused; a *ReplayedError
	// comes before every other refusal and redeems nothing.
	Spend []Proof
}

// Presented is what a request for tokens needs before anything is decided.
type Presented struct {
	// Client is the client that the request claims to come from, in whatever
	// status it is. Nothing has been proved yet.
	Client consent.Recipient
	// Code or Refresh is what the client presents, and Grant what is behind
	// it as it is now; zero when Refused is set, but for a used code.
	Code    Code
	Refresh Refresh
	Grant   consent.Grant
	// Refused says why the code or the refresh token cannot be used: what
	// Store.Code or Store.Refresh says, and ErrNotFound for one of another
	// client. It must not be told before the client has authenticated.
	Refused error
}

// Proof is a one-time artefact that a recipient made itself, such as a
// client assertion or a DPoP proof: the hash of what makes it unique, and
// until when a copy of it could be accepted.
type Proof struct {
	Key       [32]byte
	ExpiresAt time.Time
}

// ErrReplayed: a one-time proof was seen before.
var ErrReplayed = errors.New("token: proof replayed")

// ReplayedError says which of several proofs was seen before. It is
// ErrReplayed.
type ReplayedError struct{ Key [32]byte }

// Error names the condition, not the proof.
func (*ReplayedError) Error() string { return ErrReplayed.Error() }

// Is makes it ErrReplayed.
func (*ReplayedError) Is(target error) bool { return target == ErrReplayed }

// Guard remembers one-time proofs. Implementations are safe for concurrent
// use and shared by all instances. The executable contract is
// authztest.Guard.
type Guard interface {
	// Spend records the proofs and returns nil once; every other call with one
	// of the same keys before its ExpiresAt returns a *ReplayedError, with
	// the first such key; the others are spent all the same. Any other error
	// means that nothing is known, and the caller must refuse. Without proofs
	// it does nothing.
	Spend(ctx context.Context, proofs ...Proof) error
}

// Store keeps codes and tokens. Implementations are safe for concurrent use;
// each method is one transaction, and times are compared with the store's
// own clock. The executable contract is authztest.TokenStore.
type Store interface {
	// Code returns a code that can be redeemed. ErrNotFound for an unknown
	// or expired one; the record with ErrUsed when it was redeemed before,
	// so that the caller can check whose it was before withdrawing anything.
	Code(ctx context.Context, h Hash) (Code, error)

	// PresentedCode returns a client and the code that it presents, in one
	// step, so that an exchange need not ask twice. consent.ErrNotFound when
	// there is no such client. A code that cannot be used is no error but
	// Presented.Refused.
	PresentedCode(ctx context.Context, who consent.RecipientID, h Hash) (Presented, error)

	// Redeem marks the code used and stores the tokens, all or nothing, if
	// the code is unused and unexpired and its grant is active. ErrUsed for
	// the losers of a race, ErrRevoked when the grant has ended or its
	// recipient may not read, a *consent.RestingError while the grant rests,
	// ErrNotFound when the code is gone. It returns the grant as it was found
	// active in the same transaction.
	Redeem(ctx context.Context, r Redemption) (consent.Grant, error)

	// Refresh returns a usable refresh token: ErrNotFound when unknown or
	// expired, ErrRevoked when it or its grant has ended or its recipient may
	// not read, a *consent.RestingError while the grant rests: the token stays
	// good.
	Refresh(ctx context.Context, h Hash) (Refresh, error)

	// PresentedRefresh does for a refresh token what PresentedCode does for a
	// code.
	PresentedRefresh(ctx context.Context, who consent.RecipientID, h Hash) (Presented, error)

	// Renew stores an access token under a refresh token, if that token and
	// the grant are still usable and the recipient may read, else ErrRevoked,
	// or a *consent.RestingError while the grant rests. It returns the grant as
	// Redeem does, and spends proofs as a Redemption does.
	Renew(ctx context.Context, refresh Hash, a Access, spend ...Proof) (consent.Grant, error)

	// IssueClient stores a client's own access token if the client may read,
	// else ErrRevoked, and spends proofs as a Redemption does.
	IssueClient(ctx context.Context, a ClientAccess, spend ...Proof) error

	// ClientAccess returns a client's own access token. ErrNotFound when it
	// is unknown, expired or withdrawn, or its client may not read.
	ClientAccess(ctx context.Context, h Hash) (ClientAccess, error)

	// RevokeClient withdraws a client's own access token. ErrNotFound for one
	// that is unknown, of another client, or already dead.
	RevokeClient(ctx context.Context, who consent.RecipientID, h Hash) error

	// Live returns an access token with the present version of its grant and
	// the form of its recipient's error codes. ErrNotFound when unknown; an
	// ended or revoked one is returned as it is, so decide with Live.Active.
	// The share of a recipient that may not read (RecipientStatus.MayRead) is
	// REVOKED, so that nobody has to ask for the recipient as well. At is the
	// present of the store's clock.
	Live(ctx context.Context, h Hash) (Live, error)

	// RevokeAccess withdraws one access token of a recipient;
	// RevokeRefresh a refresh token and every access token issued under its
	// grant. Both raise the grant's epoch, so that no instance serves from
	// an older snapshot, and return the grant id and the new epoch.
	// ErrNotFound for a token that is unknown or of another recipient;
	// ErrRevoked, with the grant and its present epoch, for one that is dead
	// already, so that whoever asks again is told no sooner than whoever
	// asked first. With an error nothing changes.
	RevokeAccess(ctx context.Context, who consent.RecipientID, h Hash) (consent.GrantID, int64, error)
	// RevokeRefresh: see RevokeAccess.
	RevokeRefresh(ctx context.Context, who consent.RecipientID, h Hash) (consent.GrantID, int64, error)
}
