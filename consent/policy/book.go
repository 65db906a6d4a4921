package policy

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
)

//go:embed packs/*.json
var packs embed.FS

// Book is a pack in all its versions. It is safe for concurrent use.
type Book struct {
	versions []Pack // by Effective
	oneTime  int    // minutes; 0 for the pack's
}

// WithOneTime returns the book with a shorter term for one-time access than
// its packs give, in minutes: a bank may allow less than the rules of a place
// do. It refuses anything but 1 to the minutes of every version.
func (b *Book) WithOneTime(minutes int) (*Book, error) {
	for _, p := range b.versions {
		if minutes < 1 || minutes > p.OneTimeMinutes {
			return nil, fmt.Errorf("policy: one-time access lasts from 1 to %d minutes", p.OneTimeMinutes)
		}
	}
	return &Book{versions: b.versions, oneTime: minutes}, nil
}

// Load reads every pack and returns the one with that name. The error tells
// every fault of every pack.
func Load(name string) (*Book, error) {
	all, err := Books()
	if err != nil {
		return nil, err
	}
	b, ok := all[name]
	if !ok {
		return nil, fmt.Errorf("policy: there is no pack of that name; there are %s", strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	return b, nil
}

// Books reads every pack, by name.
func Books() (map[string]*Book, error) {
	dir, err := fs.Sub(packs, "packs")
	if err != nil {
		return nil, err
	}
	return read(dir)
}

// NewBook returns the book of a pack's versions, which count from 1 and take
// effect one after the other.
func NewBook(versions ...Pack) (*Book, error) {
	if len(versions) == 0 {
		return nil, errors.New("policy: a book has at least one version")
	}
	for i, p := range versions {
		if p.Version != i+1 || i > 0 && !p.Effective.Time().After(versions[i-1].Effective.Time()) {
			return nil, fmt.Errorf("policy: %s: versions must count from 1, each effective after the one before", p.Name)
		}
	}
	return &Book{versions: slices.Clone(versions)}, nil
}

// read reads the packs of a folder.
func read(dir fs.FS) (map[string]*Book, error) {
	names, err := fs.Glob(dir, "*.json")
	if err != nil {
		return nil, err
	}
	var faults []error
	all := map[string][]Pack{}
	for _, name := range names {
		data, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		p, err := Parse(data)
		if err == nil && name != fmt.Sprintf("%s.%d.json", p.Name, p.Version) {
			err = errors.New("the file is named for another pack or version")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("policy: %s: %w", name, err))
			continue
		}
		all[p.Name] = append(all[p.Name], p)
	}
	books := map[string]*Book{}
	for name, versions := range all {
		slices.SortFunc(versions, func(x, y Pack) int { return x.Version - y.Version })
		b, err := NewBook(versions...)
		if err != nil {
			faults = append(faults, err)
		}
		books[name] = b
	}
	return books, errors.Join(faults...)
}

// At returns the version that holds at a time; before the first one, the
// first.
func (b *Book) At(now time.Time) Pack {
	at := b.versions[0]
	for _, p := range b.versions[1:] {
		if !now.Before(p.Effective.Time()) {
			at = p
		}
	}
	return at
}

// For returns the version that held when a grant was agreed to: a newer one
// changes no grant that was given.
func (b *Book) For(g consent.Grant) Pack { return b.At(agreed(g)) }

// Keep is for how many days after its end the record of a grant is kept: as
// long as the version that it was agreed to under said, or as the one that
// holds now says, if that is longer. A law that asks for less forgets nothing
// that people were told would be kept.
func (b *Book) Keep(g consent.Grant, now time.Time) int {
	return max(b.For(g).RecordDays, b.At(now).RecordDays)
}

// Span is a version of a pack and the time in which it holds: from Since on,
// and before Until.
type Span struct {
	Pack
	Since, Until time.Time
}

// Spans returns every version, oldest first. Together they hold at all times:
// the first one holds before its day as well (At).
func (b *Book) Spans() []Span {
	all := make([]Span, len(b.versions))
	for i, p := range b.versions {
		all[i] = Span{p, p.Effective.Time(), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
		if i > 0 {
			all[i-1].Until = all[i].Since
		}
	}
	all[0].Since = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	return all
}

// Versions returns every version, oldest first.
func (b *Book) Versions() []Pack { return slices.Clone(b.versions) }
