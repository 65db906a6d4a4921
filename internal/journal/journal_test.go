package journal

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
)

// store is a store of grants that can be set back to a backup.
type store struct {
	grants map[consent.GrantID]consent.Grant
	moved  map[consent.GrantID]int64
	within time.Duration
	err    error
}

func newStore(ids ...consent.GrantID) *store {
	s := &store{grants: map[consent.GrantID]consent.Grant{}, moved: map[consent.GrantID]int64{}}
	for _, id := range ids {
		s.grants[id] = consent.Grant{ID: id, Status: consent.StatusActive, Epoch: 1}
	}
	return s
}

func (s *store) backup() *store {
	return &store{grants: maps.Clone(s.grants), moved: maps.Clone(s.moved)}
}

func (s *store) Moved(_ context.Context, ages []consent.Span) ([]consent.Move, error) {
	s.within = ages[0].Most
	var list []consent.Move
	for id, epoch := range s.moved {
		list = append(list, consent.Move{Grant: id, Epoch: epoch})
	}
	return list, s.err
}

func (s *store) Grant(_ context.Context, id consent.GrantID) (consent.Grant, error) {
	g, ok := s.grants[id]
	if !ok {
		return g, consent.ErrNotFound
	}
	return g, nil
}

func (s *store) End(_ context.Context, e consent.End) (consent.Grant, error) {
	g := s.grants[e.Grant]
	if g.Status != consent.StatusActive {
		return g, consent.ErrEnded
	}
	g.Status, g.Epoch = e.Status, g.Epoch+1
	s.grants[e.Grant], s.moved[e.Grant] = g, g.Epoch
	return g, nil
}

// change moves a grant on without ending it.
func (s *store) change(id consent.GrantID) {
	g := s.grants[id]
	g.Epoch++
	s.grants[id], s.moved[id] = g, g.Epoch
}

func (s *store) stop(t *testing.T, id consent.GrantID) {
	t.Helper()
	if _, err := s.End(t.Context(), consent.End{Grant: id, Status: consent.StatusRevoked}); err != nil {
		t.Fatal(err)
	}
}

func writer(t *testing.T, dir string, now func() time.Time) *Writer {
	t.Helper()
	w, err := NewWriter(Config{Dir: dir, Name: "a", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func add(t *testing.T, w *Writer, s *store) {
	t.Helper()
	if err := w.Add(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir string) Contents {
	t.Helper()
	c, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What was stopped after the backup stays stopped after its restoration, and
// nobody is served before.
func TestRestoredDatabase(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	s := newStore("stopped", "changed", "before", "untouched")
	w := writer(t, dir, nil)
	s.stop(t, "before")
	add(t, w, s)
	old := s.backup()
	s.stop(t, "stopped")
	s.change("changed")
	s.grants["later"] = consent.Grant{ID: "later", Status: consent.StatusActive, Epoch: 1}
	s.stop(t, "later")
	add(t, w, s)

	c := read(t, dir)
	if err := c.Check(ctx, s); err != nil {
		t.Errorf("the database as it is: %v", err)
	}
	if err := Await(ctx, dir, old); !errors.Is(err, ErrAhead) {
		t.Errorf("the restored one: %v, want ErrAhead", err)
	}
	if n, err := c.Replay(ctx, old); n != 2 || err != nil {
		t.Errorf("ended %d (%v), want 2", n, err)
	}
	for id, want := range map[consent.GrantID]consent.Status{
		"stopped": consent.StatusRevoked, "changed": consent.StatusRevoked, "before": consent.StatusRevoked, "untouched": consent.StatusActive,
	} {
		if got := old.grants[id].Status; got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if _, ok := old.grants["later"]; ok {
		t.Error("a consent was made")
	}
	if err := Await(ctx, dir, old); err != nil {
		t.Errorf("after the replay: %v", err)
	}
	if n, err := c.Replay(ctx, old); n != 0 || err != nil {
		t.Errorf("once more: ended %d (%v)", n, err)
	}
}

func TestWriterGoesOnWhereTheLastOneEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s := newStore("a", "b")
	s.stop(t, "a")
	first := writer(t, dir, clock)
	add(t, first, s)
	if s.within != ever {
		t.Errorf("the first look went back %v", s.within)
	}
	now = now.Add(time.Hour)
	second := writer(t, dir, clock)
	s.stop(t, "b")
	add(t, second, s)
	if s.within != time.Hour+overlap {
		t.Errorf("after an hour the look went back %v", s.within)
	}
	if c := read(t, dir); c.Epochs["a"] != 2 || c.Epochs["b"] != 2 || !c.Until.Equal(now) {
		t.Errorf("got %+v", c)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	size := func() (n int64) {
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			n += info.Size()
		}
		return n
	}
	was := size()
	add(t, second, s)
	if len(files) != 2 || size() != was {
		t.Errorf("%d files; nothing new was written down again", len(files))
	}
	now = now.Add(heartbeat)
	add(t, second, s)
	if c := read(t, dir); !c.Until.Equal(now) {
		t.Error("a quiet minute leaves no line")
	}
	s.err = consent.ErrUnavailable
	now = now.Add(heartbeat)
	if err := second.Add(t.Context(), s); !errors.Is(err, consent.ErrUnavailable) {
		t.Error("store down:", err)
	}
	if c := read(t, dir); c.Until.Equal(now) {
		t.Error("what was not looked at counts as written")
	}
}

const line = `{"grant":"g","epoch":2,"at":"2026-01-01T00:00:00Z"}` + "\n"

func TestRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"a line":                {line, nil},
		"cut short":             {line + line[:20], nil},
		"nothing":               {"", nil},
		"a word":                {"hello\n", ErrMalformed},
		"cut short in between":  {line[:20] + "\n" + line, ErrMalformed},
		"an unknown member":     {strings.Replace(line, "epoch", "epochs", 1), ErrMalformed},
		"a grant without epoch": {`{"grant":"g","at":"2026-01-01T00:00:00Z"}` + "\n", ErrMalformed},
		"no time":               {`{"grant":"g","epoch":2}` + "\n", ErrMalformed},
		"a long line":           {strings.Repeat("x", 2*maxLine) + "\n", ErrMalformed},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x"+suffix), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(line)
	f.Add(line[:20])
	f.Add("{}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := Contents{Epochs: map[consent.GrantID]int64{}}
		if c.read(strings.NewReader(text)) != nil {
			return
		}
		for id, epoch := range c.Epochs {
			if id == "" || epoch < 1 {
				t.Errorf("%q: %d", id, epoch)
			}
		}
	})
}
