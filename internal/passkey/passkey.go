package passkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/login"
)

// MaxAnswer is the longest answer of an authenticator that is read, in bytes.
const MaxAnswer = 16 << 10

// Config configures Passkeys. All fields without a note are required.
type Config struct {
	// Base is the origin of the pages, byte for byte as browsers write it. Its
	// host is the relying party's id, so it must be a name and not an address.
	Base string
	// Bank is what authenticators call the relying party.
	Bank     string
	Store    login.PasskeyStore
	Throttle login.Throttle
	Journal  login.Journal
	// Teller tells people of a passkey that may have been copied.
	Teller inbox.Teller
	// Secret keys what is stored; at least 32 bytes, the same for every
	// instance.
	Secret []byte
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Passkeys asks authenticators, judges their answers and keeps passkeys. It is
// safe for concurrent use.
type Passkeys struct {
	c        Config
	party    *webauthn.WebAuthn
	id       string // of the relying party
	attempts login.Attempts
}

// patience is how long an answer waits while others for the same passkey are
// judged.
const patience = 3 * time.Second

// New returns Passkeys. It does no I/O.
func New(c Config) (*Passkeys, error) {
	u, err := url.Parse(c.Base)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != c.Base {
		return nil, errors.New("passkey: Base must be an https origin")
	}
	if c.Bank == "" || c.Store == nil || c.Throttle == nil || c.Journal == nil || c.Teller == nil || len(c.Secret) < 32 {
		return nil, errors.New("passkey: Bank, Store, Throttle, Journal, Teller and a Secret of 32 bytes are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	party, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: c.Bank, RPOrigins: []string{c.Base},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: protocol.ResidentKeyRequired(), ResidentKey: protocol.ResidentKeyRequirementRequired,
			UserVerification: protocol.VerificationRequired,
		},
		// None is asked for; what some authenticators say of themselves unasked
		// is of no use and no harm.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
		Timeouts: webauthn.TimeoutsConfig{
			Login: webauthn.TimeoutConfig{Timeout: login.ChallengeLife}, Registration: webauthn.TimeoutConfig{Timeout: login.ChallengeLife},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkey: Base: %w", err)
	}
	return &Passkeys{
		c: c, party: party, id: u.Hostname(),
		attempts: login.Attempts{Throttle: c.Throttle, Journal: c.Journal, Secret: c.Secret, Patience: patience},
	}, nil
}

// holder is a person as the library wants one.
type holder struct {
	handle []byte
	all    []webauthn.Credential
}

func (h holder) WebAuthnID() []byte                         { return h.handle }
func (h holder) WebAuthnName() string                       { return "-" } // the page puts in what the person calls it
func (h holder) WebAuthnDisplayName() string                { return "-" }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.all }

// credential is a record as the library wants one.
func credential(r login.PasskeyRecord) webauthn.Credential {
	c := webauthn.Credential{
		ID: r.Credential, PublicKey: r.Key,
		Flags:         webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: r.BackupEligible, BackupState: r.BackedUp},
		Authenticator: webauthn.Authenticator{AAGUID: r.AAGUID[:], SignCount: r.SignCount},
	}
	for _, t := range r.Transports {
		c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
	}
	return c
}

func credentials(all []login.PasskeyRecord) (list []webauthn.Credential) {
	for _, r := range all {
		list = append(list, credential(r))
	}
	return list
}

func descriptors(all []login.PasskeyRecord) (list []protocol.CredentialDescriptor) {
	for _, c := range credentials(all) {
		list = append(list, c.Descriptor())
	}
	return list
}

// What a challenge is for.
const (
	toSignIn = "sign in"
	toProve  = "prove"
	toAdd    = "add"
)

// put keeps the challenge of a ceremony until it is answered, and returns the
// options as a page gets them.
func (p *Passkeys) put(ctx context.Context, value []byte, is login.Key, options any) ([]byte, error) {
	err := p.c.Store.PutChallenge(ctx, login.Challenge{Value: value, For: is, ExpiresAt: p.c.Now().Add(login.ChallengeLife)})
	if err != nil {
		return nil, fmt.Errorf("keep challenge: %w", err)
	}
	return json.Marshal(options)
}

// take uses up the challenge that an answer names. From then on it is worth
// nothing, whatever becomes of the answer.
func (p *Passkeys) take(ctx context.Context, named string, is login.Key) error {
	value, err := base64.RawURLEncoding.Strict().DecodeString(named)
	if err != nil {
		return login.ErrPasskey
	}
	err = p.c.Store.TakeChallenge(ctx, value, is, p.c.Now())
	if errors.Is(err, consent.ErrNotFound) {
		return login.ErrPasskey
	}
	return err
}

// SignInOptions returns what a browser needs to ask for any passkey of this
// bank, as JSON (PublicKeyCredentialRequestOptionsJSON). It says nothing about
// anybody. The answer counts in this session and for this purpose only.
func (p *Passkeys) SignInOptions(ctx context.Context, session, purpose string) ([]byte, error) {
	asked, _, err := p.party.BeginDiscoverableLogin()
	if err != nil {
		return nil, fmt.Errorf("ask for passkey: %w", err)
	}
	return p.put(ctx, asked.Response.Challenge, p.attempts.Key(toSignIn, session, purpose), asked.Response)
}

// SignIn returns whose passkey gave the answer. It returns login.ErrPasskey,
// login.ErrBusy or a *login.Wait; any other error means that nothing could be
// found out.
func (p *Passkeys) SignIn(ctx context.Context, session, purpose, answer string, from netip.Addr) (consent.ConsumerID, error) {
	return p.use(ctx, answer, p.attempts.Key(toSignIn, session, purpose), "", login.SignIn{Network: login.Network(from)})
}

// ProofOptions is SignInOptions for the passkeys of one person who is signed
// in. It returns login.ErrPasskey when there are none.
func (p *Passkeys) ProofOptions(ctx context.Context, session, purpose string, who consent.ConsumerID) ([]byte, error) {
	all, err := p.c.Store.PasskeysOf(ctx, who)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, login.ErrPasskey
	}
	asked, _, err := p.party.BeginDiscoverableLogin(webauthn.WithAllowedCredentials(descriptors(all)))
	if err != nil {
		return nil, fmt.Errorf("ask for passkey: %w", err)
	}
	return p.put(ctx, asked.Response.Challenge, p.attempts.Key(toProve, session, purpose, string(who)), asked.Response)
}

// Prove judges the answer to ProofOptions. It returns what SignIn does.
func (p *Passkeys) Prove(ctx context.Context, session, purpose string, who consent.ConsumerID, answer string, from netip.Addr) error {
	if who == "" {
		return login.ErrPasskey
	}
	_, err := p.use(ctx, answer, p.attempts.Key(toProve, session, purpose, string(who)), who, login.SignIn{Event: login.Proved, Network: login.Network(from)})
	return err
}

// use judges the use of a passkey: by anybody, or by this person only.
func (p *Passkeys) use(ctx context.Context, answer string, is login.Key, only consent.ConsumerID, s login.SignIn) (consent.ConsumerID, error) {
	parsed, err := parseUse(answer)
	if err != nil {
		return "", err
	}
	s.Method, s.At = login.Passkey, p.c.Now()
	who, err := p.attempts.Make(ctx, p.attempts.Key("passkey", string(parsed.RawID)), s, func(ctx context.Context) (consent.ConsumerID, error) {
		return p.judge(ctx, parsed, is, only)
	})
	if errors.Is(err, login.ErrCopied) {
		if r, found := p.c.Store.Passkey(ctx, parsed.RawID); found == nil {
			err = errors.Join(err, p.c.Teller.Tell(context.WithoutCancel(ctx), r.Consumer, inbox.PasskeyCopied))
		}
	}
	return who, err
}

// parseUse reads what navigator.credentials.get gave (WebAuthn section
// 7.2, steps 1 to 4).
func parseUse(answer string) (*protocol.ParsedCredentialAssertionData, error) {
	if len(answer) > MaxAnswer {
		return nil, login.ErrPasskey
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil || len(parsed.RawID) == 0 {
		return nil, login.ErrPasskey // the library's text repeats what was sent
	}
	return parsed, nil
}

// judge returns whose passkey it is, also beside an error that is a failure.
func (p *Passkeys) judge(ctx context.Context, parsed *protocol.ParsedCredentialAssertionData, is login.Key, only consent.ConsumerID) (consent.ConsumerID, error) {
	client := parsed.Response.CollectedClientData
	if err := p.take(ctx, client.Challenge, is); err != nil {
		return "", err
	}
	r, err := p.c.Store.Passkey(ctx, parsed.RawID)
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return "", login.ErrPasskey
	case err != nil:
		return "", fmt.Errorf("find passkey: %w", err)
	case r.Consumer == "", only != "" && r.Consumer != only, !bytes.Equal(r.Credential, parsed.RawID):
		return r.Consumer, login.ErrPasskey
	case client.Origin != p.c.Base: // the library lets a path and a default port pass
		return r.Consumer, login.ErrPasskey
	}
	session := webauthn.SessionData{
		Challenge: client.Challenge, RelyingPartyID: p.id, UserID: r.Handle, UserVerification: protocol.VerificationRequired,
	}
	used, err := p.party.ValidateLogin(holder{handle: r.Handle, all: []webauthn.Credential{credential(r)}}, session, parsed)
	if err != nil || only == "" && len(parsed.Response.UserHandle) == 0 {
		return r.Consumer, login.ErrPasskey
	}
	count := parsed.Response.AuthenticatorData.Counter
	return r.Consumer, p.c.Store.UsePasskey(ctx, r.ID, count, used.Flags.BackupState, p.c.Now())
}

// AddOptions returns what a browser needs to make a passkey for a person, as
// JSON (PublicKeyCredentialCreationOptionsJSON). Whoever calls it has made sure
// of the person just now: the answer adds the passkey without further proof. It
// returns login.ErrPasskeys when there are as many as one can have.
func (p *Passkeys) AddOptions(ctx context.Context, session string, who consent.ConsumerID) ([]byte, error) {
	all, err := p.c.Store.PasskeysOf(ctx, who)
	if err != nil {
		return nil, err
	}
	if len(all) >= login.MaxPasskeys {
		return nil, login.ErrPasskeys
	}
	handle, err := p.c.Store.Handle(ctx, who)
	if err != nil {
		return nil, err
	}
	asked, _, err := p.party.BeginRegistration(holder{handle: handle},
		webauthn.WithExclusions(descriptors(all)), webauthn.WithCredentialParameters(webauthn.CredentialParametersRecommendedL3()))
	if err != nil {
		return nil, fmt.Errorf("ask for new passkey: %w", err)
	}
	return p.put(ctx, asked.Response.Challenge, p.attempts.Key(toAdd, session, string(who)), asked.Response)
}

// Add judges the answer to AddOptions and keeps the passkey under a name of 1
// to login.MaxPasskeyName characters. It returns login.ErrPasskey or
// login.ErrPasskeys; any other error means that nothing could be found out.
func (p *Passkeys) Add(ctx context.Context, session string, who consent.ConsumerID, name, answer string, from netip.Addr) error {
	if n := utf8.RuneCountInString(name); who == "" || n < 1 || n > login.MaxPasskeyName {
		return errors.New("passkey: a passkey needs a person and a name")
	}
	if len(answer) > MaxAnswer {
		return login.ErrPasskey
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return login.ErrPasskey
	}
	client := parsed.Response.CollectedClientData
	if err := p.take(ctx, client.Challenge, p.attempts.Key(toAdd, session, string(who))); err != nil {
		return err
	}
	if client.Origin != p.c.Base {
		return login.ErrPasskey
	}
	handle, err := p.c.Store.Handle(ctx, who)
	if err != nil {
		return err
	}
	made, err := p.party.CreateCredential(holder{handle: handle}, webauthn.SessionData{
		Challenge: client.Challenge, RelyingPartyID: p.id, UserID: handle,
		UserVerification: protocol.VerificationRequired, CredParams: webauthn.CredentialParametersRecommendedL3(),
	}, parsed)
	if err != nil {
		return login.ErrPasskey
	}
	now := p.c.Now()
	r := login.PasskeyRecord{
		ID: login.PasskeyID(rand.Text()), Consumer: who, Name: name, CreatedAt: now, Handle: handle,
		Credential: made.ID, Key: made.PublicKey, SignCount: made.Authenticator.SignCount,
		BackupEligible: made.Flags.BackupEligible, BackedUp: made.Flags.BackupState,
	}
	copy(r.AAGUID[:], made.Authenticator.AAGUID)
	for _, t := range made.Transport {
		if known(t) {
			r.Transports = append(r.Transports, string(t))
		}
	}
	return p.c.Store.AddPasskey(ctx, r, p.event(login.PasskeyAdded, who, from))
}

// known reports whether a transport is one that browsers understand (WebAuthn
// section 5.8.4); the client may send any text.
func known(t protocol.AuthenticatorTransport) bool {
	switch t {
	case protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal:
		return true
	}
	return false
}

func (p *Passkeys) event(e login.Event, who consent.ConsumerID, from netip.Addr) login.SignIn {
	return login.SignIn{Event: e, Consumer: who, At: p.c.Now(), Method: login.Passkey, Network: login.Network(from)}
}

// Of returns a person's passkeys, the oldest first; nil when there are none.
func (p *Passkeys) Of(ctx context.Context, who consent.ConsumerID) ([]login.PasskeyRecord, error) {
	return p.c.Store.PasskeysOf(ctx, who)
}

// Rename gives a passkey of a person another name, of 1 to
// login.MaxPasskeyName characters. It returns consent.ErrNotFound for one that
// is unknown or another person's.
func (p *Passkeys) Rename(ctx context.Context, who consent.ConsumerID, id login.PasskeyID, name string) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > login.MaxPasskeyName {
		return errors.New("passkey: a passkey needs a name")
	}
	return p.c.Store.RenamePasskey(ctx, who, id, name)
}

// Remove removes a passkey of a person, and tells them. It returns
// consent.ErrNotFound for one that is unknown or another person's.
func (p *Passkeys) Remove(ctx context.Context, who consent.ConsumerID, id login.PasskeyID, from netip.Addr) error {
	return p.c.Store.RemovePasskey(ctx, who, id, p.event(login.PasskeyRemoved, who, from))
}
