package ledger

import (
	"encoding/binary"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a hash of the tree: SHA-256 with the prefixes of RFC 6962.
type Hash = tlog.Hash

// ID is the request id of a record, a UUID.
type ID = [16]byte

// Record is everything that is stored about one read, column for column, so
// that no bit of it can change without its leaf. It holds what is stored, not
// what it means: also what a program would refuse must be told apart.
type Record struct {
	RequestID ID
	At        int64 // microseconds since 2000-01-01 UTC
	Recipient string
	Grant     string
	Epoch     int64
	Consumer  string
	Operation string
	// Accounts and Clusters are array literals as PostgreSQL writes them, such
	// as {a,b}.
	Accounts, Clusters     string
	WindowStart, WindowEnd Date
	Count, Bytes           int64
	BodyHash               []byte
	Outcome, Reason        string
	Attended               bool
	Interaction, Instance  string
	// Lane and Counter number the records of one lane of one gateway from 1,
	// without a gap. Lane is empty for a record that is not numbered.
	Lane    string
	Counter int64
	// Transaction is the number of the transaction that stored the record.
	Transaction uint64
}

// Date is a day that may be missing.
type Date struct {
	Set  bool
	Days int32 // since 2000-01-01
}

// recordVersion starts every encoding. A record that gets another member gets
// another version, and the leaves of the old one stay as they are.
const recordVersion = 1

// AppendTo appends the canonical form of the record to b. It is the version,
// one byte, and then each member in the order of the type: integers as 8 bytes
// big-endian; texts and bytes as their length in 4 bytes big-endian and
// themselves; the id as it is; a date as 0, or 1 and 4 bytes big-endian; a
// boolean as 0 or 1. Two different records have different forms.
func (r *Record) AppendTo(b []byte) []byte {
	b = append(b, recordVersion)
	b = append(b, r.RequestID[:]...)
	b = integer(b, r.At)
	b = text(b, r.Recipient)
	b = text(b, r.Grant)
	b = integer(b, r.Epoch)
	b = text(b, r.Consumer)
	b = text(b, r.Operation)
	b = text(b, r.Accounts)
	b = text(b, r.Clusters)
	b = date(b, r.WindowStart)
	b = date(b, r.WindowEnd)
	b = integer(b, r.Count)
	b = integer(b, r.Bytes)
	b = text(b, r.BodyHash)
	b = text(b, r.Outcome)
	b = text(b, r.Reason)
	b = boolean(b, r.Attended)
	b = text(b, r.Interaction)
	b = text(b, r.Instance)
	b = text(b, r.Lane)
	b = integer(b, r.Counter)
	return binary.BigEndian.AppendUint64(b, r.Transaction)
}

// Leaf returns the hash of the record's leaf.
func (r *Record) Leaf() Hash {
	var room [1024]byte
	return tlog.RecordHash(r.AppendTo(room[:0]))
}

func integer(b []byte, n int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(n)) }

func text[T string | []byte](b []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

func date(b []byte, d Date) []byte {
	if b = boolean(b, d.Set); d.Set {
		b = binary.BigEndian.AppendUint32(b, uint32(d.Days))
	}
	return b
}

func boolean(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
