package login

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
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

// Throttle counts failures in a row. What it counts it forgets an hour after
// the last attempt. Implementations are safe for concurrent use, and share
// their counts among all instances; logintest.Stores is the contract.
type Throttle interface {
	// Begin counts an attempt of every subject as failed, until Forget or
	// Undo says otherwise, and returns 0. When one of them has to wait, it
	// returns the longest wait and counts nothing. Of attempts at the same
	// moment no more get through than one after the other would.
	Begin(ctx context.Context, now time.Time, subjects ...Subject) (time.Duration, error)
	// Undo takes back one attempt of each, and the wait that it led to.
	Undo(ctx context.Context, keys ...Key) error
	// Forget forgets all failures of a subject.
	Forget(ctx context.Context, key Key) error
}

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
