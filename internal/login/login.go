package login

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/consent"
)

// The bounds of what a person may type.
const (
	maxUsername = 256  // bytes
	maxPassword = 1024 // bytes
)

// The ways in which a sign-in is refused. None says whether the person
// exists.
var (
	// ErrCredentials: wrong username or wrong password.
	ErrCredentials = errors.New("login: wrong username or password")
	// ErrBusy: too many sign-ins at once; trying again soon may help.
	ErrBusy = errors.New("login: too many sign-ins at once")
	// ErrPassword: the password is empty, longer than 1,024 bytes or not
	// UTF-8, and so cannot be hashed.
	ErrPassword = errors.New("login: password is empty, too long or not UTF-8")
)

// Wait is the refusal of an attempt that came too soon after failed ones. The
// password was not looked at.
type Wait struct {
	// For is how long to wait; more than zero.
	For time.Duration
}

// Error says how long to wait.
func (w *Wait) Error() string { return fmt.Sprintf("login: too many failed attempts, wait %s", w.For) }

// Credential is what a store keeps of one person.
type Credential struct {
	Consumer consent.ConsumerID
	Hash     string // PHC string made by Hash
}

// Store keeps credentials. Implementations are safe for concurrent use.
type Store interface {
	// Credential returns the credential with exactly this username, byte for
	// byte, or consent.ErrNotFound. Usernames that only differ in case are
	// different ones: attempts are counted per username as typed.
	Credential(ctx context.Context, username string) (Credential, error)
}

// Method is how somebody proved who they are, by the names of RFC 8176.
type Method string

// The methods.
const (
	Password    Method = "pwd"
	OneTimeCode Method = "otp"
	Passkey     Method = "hwk"
	// BankLogin is the bank's own sign-in, whatever it asks for.
	BankLogin Method = "ext"
)

// Event is what happened to somebody's sign-in, besides an attempt.
type Event string

// The events.
const (
	Attempted      Event = ""        // somebody tried to sign in
	Proved         Event = "proved"  // somebody who is signed in tried to prove once more who they are
	PasskeyAdded   Event = "added"   // there is one passkey more
	PasskeyRemoved Event = "removed" // there is one less
	PasskeyCopied  Event = "copied"  // one was refused that may be a copy
)

// SignIn is one attempt, or another event, as the person is shown it later.
type SignIn struct {
	Event Event
	// Consumer is empty when nobody has that username.
	Consumer consent.ConsumerID
	At       time.Time
	Method   Method
	Refused  bool
	// Network is where it came from, as far as Network tells.
	Network netip.Prefix
}

// Journal keeps past attempts. Implementations are safe for concurrent use.
type Journal interface {
	// Note writes one down. It takes as long for nobody as for somebody.
	Note(ctx context.Context, s SignIn) error
}

// minSecret is the least length of a secret, in bytes.
const minSecret = 32

// Config configures a Login.
type Config struct {
	Store    Store    // required
	Throttle Throttle // required
	Journal  Journal  // required
	// Secret keys what the throttle stores; at least 32 bytes, the same for
	// every instance.
	Secret []byte
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Concurrent is how many passwords are hashed at the same time, at 19 MiB
	// and one core each; 0 is 4.
	Concurrent int
	// Patience is how long an attempt waits for its turn; 0 is 3 s, and it is
	// less than half of AttemptLife.
	Patience time.Duration
}

// Login judges sign-in attempts. It is safe for concurrent use.
//
// After five failures in a row for one username, or a hundred from one
// network, further attempts have to wait: 30 s, then twice as long each time,
// up to 15 min. All instances share the counts.
type Login struct {
	c        Config
	attempts Attempts
	turns    chan struct{} // one element per hash in the making
	nobody   hash          // what an absent person's password is compared with
}

// New returns a Login. It does no I/O.
func New(c Config) (*Login, error) {
	if c.Store == nil || c.Throttle == nil || c.Journal == nil || len(c.Secret) < minSecret {
		return nil, errors.New("login: Store, Throttle, Journal and a Secret of 32 bytes are required")
	}
	if c.Concurrent < 0 || c.Patience < 0 || c.Patience >= AttemptLife/2 {
		return nil, errors.New("login: Concurrent and Patience must not be negative, and Patience less than 5 s")
	}
	if c.Concurrent == 0 {
		c.Concurrent = 4
	}
	if c.Patience == 0 {
		c.Patience = 3 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Login{
		c: c, attempts: Attempts{Throttle: c.Throttle, Journal: c.Journal, Secret: c.Secret, Patience: c.Patience},
		turns:  make(chan struct{}, c.Concurrent),
		nobody: hash{params: present, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)},
	}, nil
}

// Attempt is what somebody presents.
type Attempt struct {
	Username, Password string
	// From is where the request came from; the zero Addr when unknown.
	From netip.Addr
}

// Authenticate returns the person with this username and password. It returns
// ErrCredentials, ErrBusy or a *Wait; any other error means that nothing could
// be found out. An absent person costs the same work as a wrong password.
func (l *Login) Authenticate(ctx context.Context, a Attempt) (consent.ConsumerID, error) {
	if a.Username == "" || len(a.Username) > maxUsername || !utf8.ValidString(a.Username) || !usable(a.Password) {
		return "", ErrCredentials
	}
	return l.attempts.Make(ctx, l.attempts.Key("username", a.Username),
		SignIn{At: l.c.Now(), Method: Password, Network: Network(a.From)},
		func(ctx context.Context) (consent.ConsumerID, error) { return l.judge(ctx, a) })
}

// judge returns whose username it is, also beside ErrCredentials.
func (l *Login) judge(ctx context.Context, a Attempt) (consent.ConsumerID, error) {
	ctx, cancel := context.WithTimeout(ctx, l.c.Patience)
	defer cancel()
	select {
	case l.turns <- struct{}{}:
		defer func() { <-l.turns }()
	case <-ctx.Done():
		return "", ErrBusy
	}
	c, err := l.c.Store.Credential(ctx, a.Username)
	absent := errors.Is(err, consent.ErrNotFound)
	if err != nil && !absent {
		return "", fmt.Errorf("find credential: %w", err)
	}
	h := l.nobody
	if !absent {
		if h, err = parseHash(c.Hash); err != nil {
			return "", err
		}
	}
	if !h.matches(a.Password) || absent || c.Consumer == "" {
		return c.Consumer, ErrCredentials
	}
	return c.Consumer, nil
}

func usable(password string) bool {
	return password != "" && len(password) <= maxPassword && utf8.ValidString(password)
}
