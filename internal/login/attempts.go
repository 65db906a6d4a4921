package login

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/headgate/headgate/consent"
)

// Key names what is counted: the keyed hash of a username, of a network or of
// a person who asks for codes. It tells nothing without the secret.
type Key [sha256.Size]byte

// Subject is something whose failures are counted, and how it is slowed down.
type Subject struct {
	Key Key
	// Waits are the pauses after the first, second, ... failure in a row; the
	// last one is for all that follow. Never empty.
	Waits []time.Duration
}

// Free returns how many failures in a row lead to the first wait, 0 when none
// does. As many attempts less the failures so far, and never fewer than one,
// may be under way at the same moment.
func (s Subject) Free() int {
	return 1 + slices.IndexFunc(s.Waits, func(w time.Duration) bool { return w > 0 })
}

// Throttle counts failures in a row, and the attempts that are under way and
// might fail. What it counts it forgets an hour after the last attempt.
// Implementations are safe for concurrent use, and share their counts among all
// instances; logintest.Stores is the contract.
type Throttle interface {
	// Begin notes that an attempt of every subject is under way, and returns
	// 0; Fail or Undo ends it. When one of them has to wait, it returns the
	// longest wait, and ErrBusy when for one as many are under way as may be
	// (Subject.Free): either way it notes nothing. So of attempts at the same moment no more can fail than one
	// after the other could, and those that do not fail are in nobody's way
	// for long. An attempt that nobody ends is over after AttemptLife.
	Begin(ctx context.Context, now time.Time, subjects ...Subject) (time.Duration, error)
	// Fail ends one attempt of each subject as failed.
	Fail(ctx context.Context, now time.Time, subjects ...Subject) error
	// Undo ends one attempt of each: it did not fail.
	Undo(ctx context.Context, keys ...Key) error
	// Forget forgets all failures of a subject, and no attempt under way.
	Forget(ctx context.Context, key Key) error
}

// AttemptLife is after how long an attempt is over of which nothing was heard:
// its instance has died. An attempt that is judged takes less.
const AttemptLife = 10 * time.Second

// Memory is how long a Throttle remembers a subject after its last attempt. It
// is longer than the longest wait, so that waiting does not wipe the count.
const Memory = time.Hour

// The waits begin after so many failures in a row.
const (
	freeFailures = 5   // of one username
	freeNetwork  = 100 // of one network, behind which many people may be
	freeCodes    = 10  // codes for one person that were not used
	firstWait    = 30 * time.Second
	longestWait  = 15 * time.Minute
)

// Attempts makes attempts to sign in: it slows guessing down, and notes what
// came of it. All fields are required. It is safe for concurrent use.
type Attempts struct {
	Throttle Throttle
	Journal  Journal
	// Secret keys what the throttle stores; at least 32 bytes, the same for
	// every instance.
	Secret []byte
	// Patience is how long an attempt waits until others of the same subject
	// are judged; less than half of AttemptLife.
	Patience time.Duration
}

// Key returns the keyed hash of a list of texts.
func (a Attempts) Key(parts ...string) Key { return secret(a.Secret).of(parts...) }

// Make lets judge look at an attempt that counts for a subject and for the
// network that it came from, and notes it as s says. judge returns whose it is,
// also beside ErrCredentials or ErrPasskey, which are failures; any other error
// means that nothing could be found out. Make returns what judge does, but
// nobody beside an error; ErrBusy, or a *Wait, before judge was asked.
func (a Attempts) Make(ctx context.Context, about Key, s SignIn, judge func(context.Context) (consent.ConsumerID, error)) (consent.ConsumerID, error) {
	subjects, keys := []Subject{{about, waits(freeFailures)}}, []Key{about}
	if s.Network.IsValid() {
		keys = append(keys, a.Key("network", s.Network.String()))
		subjects = append(subjects, Subject{keys[1], waits(freeNetwork)})
	}
	// Noted before the work, so that attempts sent in parallel cannot all slip
	// through before the first one has failed.
	wait, err := a.begin(ctx, s.At, subjects...)
	switch {
	case errors.Is(err, ErrBusy):
		return "", ErrBusy
	case err != nil:
		return "", fmt.Errorf("count attempt: %w", err)
	case wait > 0:
		return "", &Wait{For: wait}
	}
	found, err := judge(ctx)
	// The attempt stands, so what it led to is written down even when the
	// person has gone away.
	ctx = context.WithoutCancel(ctx)
	s.Consumer, s.Refused = found, err != nil
	switch {
	case err == nil:
	case errors.Is(err, ErrCredentials), errors.Is(err, ErrPasskey):
		if uncounted := a.Throttle.Fail(ctx, s.At, subjects...); uncounted != nil {
			return "", fmt.Errorf("count failure: %w", uncounted) // it must not serve as a guess
		}
		if errors.Is(err, ErrCopied) {
			s.Event = PasskeyCopied
		}
		_ = a.Journal.Note(ctx, s) // that nothing was noted must not tell who exists
		return "", err
	default:
		// Nobody guessed anything.
		return "", errors.Join(err, a.Throttle.Undo(ctx, keys...))
	}
	// A success clears the subject. It must not clear the network, or one
	// account of one's own would be a way to go on guessing at others.
	if err := errors.Join(a.Journal.Note(ctx, s), a.Throttle.Forget(ctx, about), a.Throttle.Undo(ctx, keys...)); err != nil {
		return "", fmt.Errorf("note sign-in: %w", err)
	}
	return found, nil
}

// again is after how long an attempt that found no room tries again.
const again = 20 * time.Millisecond

// begin is Throttle.Begin for somebody who waits for room.
func (a Attempts) begin(ctx context.Context, now time.Time, subjects ...Subject) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Patience)
	defer cancel()
	for {
		wait, err := a.Throttle.Begin(ctx, now, subjects...)
		if !errors.Is(err, ErrBusy) {
			return wait, err
		}
		select {
		case <-ctx.Done():
			return 0, ErrBusy
		case <-time.After(again):
		}
	}
}

// waits returns the pauses after n free failures: 30 s, then twice as long
// each time, up to 15 min.
func waits(free int) []time.Duration {
	list := make([]time.Duration, free-1)
	for w := firstWait; w < longestWait; w *= 2 {
		list = append(list, w)
	}
	return append(list, longestWait)
}

// secret makes the keys under which things are stored.
type secret []byte

// of returns the keyed hash of a list of texts. The lengths keep two lists
// from reading as one text.
func (s secret) of(parts ...string) Key {
	mac := hmac.New(sha256.New, s)
	for _, p := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		mac.Write([]byte(p))
	}
	return Key(mac.Sum(nil))
}

// Network returns the part of an address that is counted and shown: 24 bits of
// IPv4, 48 of IPv6. It is the zero Prefix for no address and for this machine
// itself, from where only a proxy or a developer calls.
func Network(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	if !from.IsValid() || from.IsLoopback() {
		return netip.Prefix{}
	}
	bits := 48
	if from.Is4() {
		bits = 24
	}
	p, _ := from.Prefix(bits) // the bits fit
	return p
}
