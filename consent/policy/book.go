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

// read reads the packs of a folder.
func read(dir fs.FS) (map[string]*Book, error) {
	names, err := fs.Glob(dir, "*.json")
	if err != nil {
		return nil, err
	}
	var faults []error
	books := map[string]*Book{}
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
		if books[p.Name] == nil {
			books[p.Name] = &Book{}
		}
		books[p.Name].versions = append(books[p.Name].versions, p)
	}
	for name, b := range books {
		slices.SortFunc(b.versions, func(x, y Pack) int { return x.Version - y.Version })
		for i, p := range b.versions {
			if p.Version != i+1 || i > 0 && !p.Effective.Time().After(b.versions[i-1].Effective.Time()) {
				faults = append(faults, fmt.Errorf("policy: %s: versions must count from 1, each effective after the one before", name))
			}
		}
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

// Versions returns every version, oldest first.
func (b *Book) Versions() []Pack { return slices.Clone(b.versions) }
