package login

import (
	"context"
	"errors"
	"fmt"
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

// Config configures a Login.
type Config struct {
	Store Store // required
	// Now is the clock of the waiting times; nil is time.Now.
	Now func() time.Time
	// Concurrent is how many passwords are hashed at the same time, at 19 MiB
	// and one core each; 0 is 4.
	Concurrent int
	// Patience is how long an attempt waits for its turn; 0 is 3 s.
	Patience time.Duration
}

// Login judges sign-in attempts. It is safe for concurrent use.
//
// After five failures in a row for one username, further attempts for it have
// to wait: 30 s, then twice as long each time, up to 15 min. The count is kept
// in memory, per instance, for the 10,000 usernames tried last; with n
// instances a guesser has n times as many tries.
type Login struct {
	store    Store
	turns    chan struct{} // one element per hash in the making
	patience time.Duration
	attempts *attempts
	nobody   hash // what an absent person's password is compared with
}

// New returns a Login. It does no I/O.
func New(c Config) (*Login, error) {
	if c.Store == nil {
		return nil, errors.New("login: a store is required")
	}
	if c.Concurrent < 0 || c.Patience < 0 {
		return nil, errors.New("login: Concurrent and Patience must not be negative")
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
		store: c.Store, turns: make(chan struct{}, c.Concurrent), patience: c.Patience,
		attempts: newAttempts(c.Now),
		nobody:   hash{params: present, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)},
	}, nil
}

// Authenticate returns the person with this username and password. It returns
// ErrCredentials, ErrBusy or a *Wait; any other error means that nothing could
// be found out. An absent person costs the same work as a wrong password.
func (l *Login) Authenticate(ctx context.Context, username, password string) (consent.ConsumerID, error) {
	if username == "" || len(username) > maxUsername || !utf8.ValidString(username) || !usable(password) {
		return "", ErrCredentials
	}
	// Counted before the work, so that attempts sent in parallel cannot all
	// slip through before the first one has failed.
	if wait := l.attempts.begin(username); wait > 0 {
		return "", &Wait{For: wait}
	}
	who, err := l.judge(ctx, username, password)
	switch {
	case err == nil:
		l.attempts.succeeded(username)
	case !errors.Is(err, ErrCredentials):
		l.attempts.undo(username) // nobody guessed anything
	}
	return who, err
}

func (l *Login) judge(ctx context.Context, username, password string) (consent.ConsumerID, error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	select {
	case l.turns <- struct{}{}:
		defer func() { <-l.turns }()
	case <-ctx.Done():
		return "", ErrBusy
	}
	c, err := l.store.Credential(ctx, username)
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
	if !h.matches(password) || absent || c.Consumer == "" {
		return "", ErrCredentials
	}
	return c.Consumer, nil
}

func usable(password string) bool {
	return password != "" && len(password) <= maxPassword && utf8.ValidString(password)
}
