package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
)

// numbering numbers the records of one lane, from 1, without a gap: a record
// that is removed later leaves one, also before it has got its leaf in the
// tree. Statements of a lane follow each other, each stores its records at once
// or none, and the statement itself numbers those that it stores. A numbering
// whose next number is not known for sure is never used again.
type numbering struct {
	lane  string // random; empty does not number
	after int64  // the last number that was given
}

func newNumbering() numbering {
	var name [9]byte
	_, _ = rand.Read(name[:]) // never fails
	return numbering{lane: hex.EncodeToString(name[:])}
}

// numberings are those of a gate that no statement is using. The zero value is
// ready for use, by many goroutines.
type numberings struct {
	mu   sync.Mutex
	free []numbering
}

// take returns a numbering for one statement.
func (s *numberings) take() numbering {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.free) - 1
	if last < 0 {
		return newNumbering()
	}
	n := s.free[last]
	s.free = s.free[:last]
	return n
}

// giveBack is told of the statement's end. After an error it is not known
// whether the records were stored, and of a request id that was there before
// not whether it got a number that nobody has.
func (s *numberings) giveBack(n numbering, verdicts []gateVerdict, err error) {
	if err != nil {
		return
	}
	for _, v := range verdicts {
		switch v {
		case verdictReleased:
			n.after++
		case verdictReplayed, verdictWithheld:
		default:
			return
		}
	}
	s.mu.Lock()
	s.free = append(s.free, n)
	s.mu.Unlock()
}

// releaseNumbered runs the gate for rows with distinct request ids and numbers
// their records.
func (g *Gate) releaseNumbered(ctx context.Context, rows []gateRow) ([]gateVerdict, error) {
	n := g.numbers.take()
	verdicts, err := g.db.releaseRows(ctx, n, rows)
	g.numbers.giveBack(n, verdicts, err)
	return verdicts, err
}
