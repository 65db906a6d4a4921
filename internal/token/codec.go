package token

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// ErrRecord: the bytes are not a record that AppendLive of this version
// wrote. A cache that holds such bytes holds nothing.
var ErrRecord = errors.New("token: record is damaged or of another version")

// liveVersion is the first byte of the form that AppendLive writes. Raise it
// with every change of the form: instances of the old and the new release
// share a cache during a roll-out, and each takes the other's records for
// missing ones.
const liveVersion = 5

// maxLiveItems bounds the lists of a record that is read.
const maxLiveItems = 10_000

// AppendLive appends the compact form of l to b. Times are kept to the
// microsecond. The form holds identifiers and the token's hash, no secret.
func AppendLive(b []byte, l Live) []byte {
	a, s := l.Access, l.Share
	b = append(b, liveVersion)
	b = append(b, a.Hash[:]...)
	b = appendText(b, string(a.Grant))
	b = appendText(b, string(a.Recipient))
	b = appendText(b, a.RequestID)
	b = binary.AppendUvarint(b, uint64(len(a.Scopes)))
	for _, scope := range a.Scopes {
		b = appendText(b, string(scope))
	}
	b = binary.AppendUvarint(b, uint64(len(a.Resources)))
	for _, r := range a.Resources {
		b = appendText(b, string(r.Type))
		b = appendText(b, r.ID)
		b = binary.AppendUvarint(b, uint64(r.Clusters))
	}
	b = appendText(b, a.KeyThumbprint)
	b = appendText(b, a.CertThumbprint)
	b = appendTime(b, a.IssuedAt)
	b = appendTime(b, a.ExpiresAt)
	b = appendTime(b, a.RevokedAt)

	b = appendText(b, string(s.Grant))
	b = binary.AppendVarint(b, s.Epoch)
	b = appendText(b, string(s.Recipient))
	b = appendText(b, string(s.Consumer))
	b = appendText(b, string(s.Status))
	b = appendTime(b, s.ExpiresAt)
	b = binary.AppendVarint(b, int64(s.LookbackDays))
	b = appendTime(b, s.PausedUntil)
	b = appendFlag(b, s.Held)
	b = binary.AppendUvarint(b, uint64(len(s.Accounts)))
	for _, account := range s.Accounts {
		b = appendText(b, string(account.ID))
		b = binary.AppendUvarint(b, uint64(account.Clusters))
	}
	b = binary.AppendUvarint(b, uint64(s.Customer))
	b = binary.AppendVarint(b, int64(l.Quota))
	return appendFlag(b, l.IntegerCodes)
}

// ParseLive reads what AppendLive wrote, all of it and nothing after it, or
// returns ErrRecord. The strings of the result share the memory of s.
func ParseLive(s string) (Live, error) {
	r := reader{rest: s}
	var l Live
	if r.take(1) != string([]byte{liveVersion}) {
		return Live{}, ErrRecord
	}
	a := &l.Access
	copy(a.Hash[:], r.take(len(a.Hash)))
	a.Grant = consent.GrantID(r.text())
	a.Recipient = consent.RecipientID(r.text())
	a.RequestID = r.text()
	if n := r.count(); n > 0 {
		a.Scopes = make([]fdx.Scope, n)
		for i := range a.Scopes {
			a.Scopes[i] = fdx.Scope(r.text())
		}
	}
	if n := r.count(); n > 0 {
		a.Resources = make([]consent.Resource, n)
		for i := range a.Resources {
			a.Resources[i] = consent.Resource{Type: consent.ResourceType(r.text()), ID: r.text(), Clusters: r.clusters()}
		}
	}
	a.KeyThumbprint = r.text()
	a.CertThumbprint = r.text()
	a.IssuedAt = r.time()
	a.ExpiresAt = r.time()
	a.RevokedAt = r.time()

	sh := &l.Share
	sh.Grant = consent.GrantID(r.text())
	sh.Epoch = r.signed()
	sh.Recipient = consent.RecipientID(r.text())
	sh.Consumer = consent.ConsumerID(r.text())
	sh.Status = consent.Status(r.text())
	sh.ExpiresAt = r.time()
	sh.LookbackDays = int(r.signed())
	sh.PausedUntil = r.time()
	sh.Held = r.flag()
	if n := r.count(); n > 0 {
		sh.Accounts = make([]consent.AccountShare, n)
		for i := range sh.Accounts {
			sh.Accounts[i] = consent.AccountShare{ID: fdx.AccountID(r.text()), Clusters: r.clusters()}
		}
	}
	sh.Customer = r.clusters()
	l.Quota = int(r.signed())
	l.IntegerCodes = r.flag()
	if r.broken || r.rest != "" {
		return Live{}, ErrRecord
	}
	return l, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTime(b []byte, t time.Time) []byte { return binary.AppendVarint(b, t.UnixMicro()) }

func appendFlag(b []byte, on bool) []byte {
	if on {
		return append(b, 1)
	}
	return append(b, 0)
}

// reader reads a record from the front. After the first fault it returns
// zero values only.
type reader struct {
	rest   string
	broken bool
}

func (r *reader) fail() { r.rest, r.broken = "", true }

func (r *reader) take(n int) string {
	if r.broken || n > len(r.rest) {
		r.fail()
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// unsigned reads a varint. A longer spelling than needed is refused, so that
// a record has one form.
func (r *reader) unsigned() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := r.take(1)
		if c == "" {
			return 0
		}
		if c[0] == 0 && shift > 0 || shift == 63 && c[0] > 1 {
			break
		}
		v |= uint64(c[0]&0x7f) << shift
		if c[0] < 0x80 {
			return v
		}
	}
	r.fail()
	return 0
}

func (r *reader) signed() int64 {
	u := r.unsigned()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) text() string {
	n := r.unsigned()
	if n > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	return r.take(int(n))
}

// count reads the length of a list. Each entry takes at least a byte, so a
// damaged length cannot make us reserve more than the record is long.
func (r *reader) count() int {
	n := r.unsigned()
	if n > uint64(len(r.rest)) || n > maxLiveItems {
		r.fail()
		return 0
	}
	return int(n)
}

// flag reads a yes or no, which has one spelling each.
func (r *reader) flag() bool {
	switch r.take(1) {
	case "\x00":
	case "\x01":
		return true
	default:
		r.fail()
	}
	return false
}

// clusters reads a set; one that names a cluster this release does not know
// is damaged.
func (r *reader) clusters() fdx.Clusters {
	u := r.unsigned()
	c := fdx.Clusters(u)
	if uint64(c) != u || fdx.NewClusters(c.List()...) != c {
		r.fail()
		return 0
	}
	return c
}

func (r *reader) time() time.Time { return time.UnixMicro(r.signed()).UTC() }
