package login

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
)

// The bounds of a one-time code.
const (
	// CodeDigits is how many digits a code has.
	CodeDigits = 6
	// CodeLife is how long a code can be used.
	CodeLife = 5 * time.Minute
	// CodeTries is how often a code can be entered.
	CodeTries = 5
	// CodePause is the least time between two codes for the same purpose.
	CodePause = 30 * time.Second
)

// How a code that was entered is refused.
var (
	// ErrCode: it is not the code.
	ErrCode = errors.New("login: wrong code")
	// ErrCodeOver: there is no code that could be entered: none was sent, or
	// it was used, ran out or was entered wrongly too often.
	ErrCodeOver = errors.New("login: no code that can be used")
)

// Message is a one-time code on its way to a person.
type Message struct {
	Consumer consent.ConsumerID
	Code     string // CodeDigits digits
	// Reference stands on the page, too, so that a person can tell which
	// message belongs to it. It is no secret.
	Reference string
	ExpiresAt time.Time
	// Locales are the languages of the page, preferred first.
	Locales []string
}

// Sender brings codes to people by a way that only they can read, such as
// e-mail. Implementations are safe for concurrent use.
type Sender interface {
	// Send returns nil when the message has been handed over. It never puts
	// the code into an error or a log.
	Send(ctx context.Context, m Message) error
}

// Code is what a store keeps of a code.
type Code struct {
	Consumer consent.ConsumerID
	Purpose  string
	Hash     Key
	// Reference is as in Message.
	Reference           string
	IssuedAt, ExpiresAt time.Time
}

// CodeStore keeps the last code per person and purpose. Implementations are
// safe for concurrent use; logintest.Stores is the contract.
type CodeStore interface {
	// PutCode stores c in place of an earlier one, unless an unused one was
	// issued at or after notBefore: then it stores nothing and returns false.
	PutCode(ctx context.Context, c Code, notBefore time.Time) (bool, error)
	// Code returns the code that can be used at now, or consent.ErrNotFound.
	Code(ctx context.Context, who consent.ConsumerID, purpose string, now time.Time) (Code, error)
	// TryCode counts a try and, when the hash is the right one, uses the code
	// up, in one atomic step. It returns nil, ErrCode or ErrCodeOver.
	TryCode(ctx context.Context, who consent.ConsumerID, purpose string, hash Key, now time.Time) error
	// DropCode removes a code; one that is not there is no error.
	DropCode(ctx context.Context, who consent.ConsumerID, purpose string) error
}

// CodesConfig configures Codes.
type CodesConfig struct {
	Store    CodeStore // required
	Throttle Throttle  // required
	Sender   Sender    // required
	// Secret keys the hashes; at least 32 bytes, the same for every instance.
	Secret []byte
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Codes sends one-time codes and checks what people enter. It is safe for
// concurrent use.
type Codes struct {
	c      CodesConfig
	secret secret
}

// NewCodes returns Codes. It does no I/O.
func NewCodes(c CodesConfig) (*Codes, error) {
	if c.Store == nil || c.Throttle == nil || c.Sender == nil || len(c.Secret) < minSecret {
		return nil, errors.New("login: codes need Store, Throttle, Sender and a Secret of 32 bytes")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Codes{c: c, secret: c.Secret}, nil
}

// Sent returns the reference of the code that is on its way for a purpose, ""
// when there is none that could be entered.
func (c *Codes) Sent(ctx context.Context, who consent.ConsumerID, purpose string) (reference string, err error) {
	code, err := c.c.Store.Code(ctx, who, purpose, c.c.Now())
	if errors.Is(err, consent.ErrNotFound) {
		return "", nil
	}
	return code.Reference, err
}

// Send makes a code for a purpose, sends it and returns its reference. An
// earlier code for the same purpose is worth nothing from then on. It returns
// a *Wait when the last one was sent less than CodePause ago, or when many
// were sent to this person and none was used.
func (c *Codes) Send(ctx context.Context, who consent.ConsumerID, purpose string, locales []string) (reference string, err error) {
	now := c.c.Now().UTC().Truncate(time.Microsecond)
	asks := c.asks(who)
	counted := Subject{asks, waits(freeCodes)}
	wait, err := c.c.Throttle.Begin(ctx, now, counted)
	switch {
	case errors.Is(err, ErrBusy):
		return "", &Wait{For: time.Second} // as many as may be are on their way out
	case err != nil:
		return "", fmt.Errorf("count codes: %w", err)
	case wait > 0:
		return "", &Wait{For: wait}
	}
	m := Message{Consumer: who, Code: digits(), Reference: newReference(), ExpiresAt: now.Add(CodeLife), Locales: locales}
	put, err := c.c.Store.PutCode(ctx, Code{
		Consumer: who, Purpose: purpose, Hash: c.hash(who, purpose, m.Code), Reference: m.Reference,
		IssuedAt: now, ExpiresAt: m.ExpiresAt,
	}, now.Add(-CodePause))
	if err == nil && put {
		if err = c.c.Sender.Send(ctx, m); err == nil {
			// It counts until one is used. The code is on its way, whatever
			// becomes of the count.
			_ = c.c.Throttle.Fail(context.WithoutCancel(ctx), now, counted)
			return m.Reference, nil
		}
		// Nobody has the code: the next page must not say that it was sent.
		err = errors.Join(err, c.c.Store.DropCode(context.WithoutCancel(ctx), who, purpose))
	}
	err = errors.Join(err, c.c.Throttle.Undo(context.WithoutCancel(ctx), asks))
	if err != nil {
		return "", fmt.Errorf("send code: %w", err)
	}
	return "", &Wait{For: CodePause}
}

// Check uses up the code for a purpose. Spaces in what was entered do not
// count. It returns nil, ErrCode, ErrCodeOver, or another error when nothing
// could be found out.
func (c *Codes) Check(ctx context.Context, who consent.ConsumerID, purpose, entered string) error {
	entered = strings.Join(strings.Fields(entered), "")
	if len(entered) != CodeDigits || strings.Trim(entered, "0123456789") != "" {
		return ErrCode // a slip, not a guess: it costs no try
	}
	if err := c.c.Store.TryCode(ctx, who, purpose, c.hash(who, purpose, entered), c.c.Now()); err != nil {
		return err
	}
	// The person reads what we send. That nothing is forgotten is harmless.
	_ = c.c.Throttle.Forget(ctx, c.asks(who))
	return nil
}

func (c *Codes) asks(who consent.ConsumerID) Key { return c.secret.of("codes", string(who)) }

func (c *Codes) hash(who consent.ConsumerID, purpose, code string) Key {
	return c.secret.of("code", string(who), purpose, code)
}

// digits returns a fresh code, each as likely as any other.
func digits() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand never fails (Go 1.24)
	}
	return fmt.Sprintf("%0*d", CodeDigits, n)
}

// newReference returns five letters that are hard to mistake for each other
// and spell no word.
func newReference() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	b := make([]byte, 5)
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil {
			panic(err)
		}
		b[i] = letters[n.Int64()]
	}
	return string(b)
}
