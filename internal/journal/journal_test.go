package journal

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
)

// store is a store of grants that can be set back to a backup.
type store struct {
	grants map[consent.GrantID]consent.Grant
	moved  map[consent.GrantID]int64
	turns  map[string]consent.Turn // by what and id
	due    int                     // erasures
	within time.Duration
	err    error
	stuck  string // what cannot be turned
}

func newStore(ids ...consent.GrantID) *store {
	s := &store{grants: map[consent.GrantID]consent.Grant{}, moved: map[consent.GrantID]int64{}, turns: map[string]consent.Turn{}}
	for _, id := range ids {
		s.grants[id] = consent.Grant{ID: id, Status: consent.StatusActive, Epoch: 1}
	}
	return s
}

func (s *store) backup() *store {
	return &store{grants: maps.Clone(s.grants), moved: maps.Clone(s.moved), turns: maps.Clone(s.turns)}
}

func (s *store) Turned(context.Context, time.Duration) ([]consent.Turn, error) {
	return slices.Collect(maps.Values(s.turns)), s.err
}

// Behind knows recipients and people that have a turn already.
func (s *store) Behind(_ context.Context, turns []consent.Turn) ([]consent.Turn, error) {
	var list []consent.Turn
	for _, t := range turns {
		if was, ok := s.turns[string(t.Of)+t.ID]; ok && t.Since.After(was.Since) {
			list = append(list, t)
		}
	}
	return list, s.err
}

var errStuck = errors.New("stuck")

func (s *store) Turn(_ context.Context, t consent.Turn) error {
	if t.ID == s.stuck {
		return errStuck
	}
	s.turns[string(t.Of)+t.ID] = t
	if t.Of == consent.TurnOfPerson {
		s.due++
	}
	return nil
}

// EraseDue erases nobody while there is an active grant that moved on.
func (s *store) EraseDue(context.Context, int) (int, error) {
	n := s.due
	s.due = 0
	return n, nil
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// turn gives something a state, so many hours after noon.
func (s *store) turn(of consent.TurnOf, id string, state consent.TurnState, hours int) {
	s.turns[string(of)+id] = consent.Turn{Of: of, ID: id, State: state, Since: noon.Add(time.Duration(hours) * time.Hour)}
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
	if done, err := c.Replay(ctx, old); done.Ended != 2 || err != nil {
		t.Errorf("did %+v (%v), want 2 ended", done, err)
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
	if done, err := c.Replay(ctx, old); done.Ended != 0 || err != nil {
		t.Errorf("once more: %+v (%v)", done, err)
	}
}

// What recipients and people were last holds after the restoration, whoever
// wrote it and in whatever order it is read.
func TestRestoredTurns(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	s := newStore()
	for _, id := range []string{"suspended", "lifted", "again", "untouched"} {
		s.turn(consent.TurnOfRecipient, id, "active", 0)
	}
	s.turn(consent.TurnOfRecipient, "before", "suspended", 0)
	s.turn(consent.TurnOfSharing, "p", consent.TurnOn, 0)
	s.turn(consent.TurnOfPerson, "p", "", -1) // known, and not erased
	old := s.backup()
	late := writer(t, dir, nil) // knows nothing of what the next one writes
	w := writer(t, dir, func() time.Time { return noon })
	delete(s.turns, "personp")

	s.turn(consent.TurnOfRecipient, "suspended", "suspended", 1)
	s.turn(consent.TurnOfRecipient, "lifted", "suspended", 1)
	s.turn(consent.TurnOfRecipient, "again", "suspended", 1)
	s.turn(consent.TurnOfRecipient, "before", "active", 1)
	s.turn(consent.TurnOfRecipient, "new", "suspended", 1)
	s.turn(consent.TurnOfSharing, "p", consent.TurnOff, 1)
	add(t, w, s)
	s.turn(consent.TurnOfRecipient, "lifted", "active", 2)
	s.turn(consent.TurnOfRecipient, "again", "suspended", 3)
	s.turn(consent.TurnOfPerson, "p", consent.TurnErased, 2)
	add(t, w, s)
	s.turn(consent.TurnOfRecipient, "lifted", "suspended", 1) // older, read from another file
	add(t, late, s)

	c := read(t, dir)
	if err := Await(ctx, dir, old); !errors.Is(err, ErrAhead) {
		t.Errorf("the restored one: %v, want ErrAhead", err)
	}
	old.stuck = "before"
	if _, err := c.Replay(ctx, old); !errors.Is(err, errStuck) {
		t.Errorf("a store that fails: %v", err)
	}
	if err := c.Check(ctx, old); !errors.Is(err, ErrAhead) {
		t.Errorf("after half a replay: %v, want ErrAhead", err)
	}
	old.stuck = ""
	if done, err := c.Replay(ctx, old); err != nil || len(done.Turned) == 0 || done.Erased != 1 {
		t.Errorf("did %+v (%v)", done, err)
	}
	for key, want := range map[string]consent.TurnState{
		"recipientsuspended": "suspended", "recipientlifted": "active", "recipientagain": "suspended", "recipientbefore": "active",
		"recipientuntouched": "active", "sharingp": consent.TurnOff, "personp": consent.TurnErased,
	} {
		if got := old.turns[key].State; got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	if _, ok := old.turns["recipientnew"]; ok {
		t.Error("a recipient was made")
	}
	if err := Await(ctx, dir, old); err != nil {
		t.Errorf("after the replay: %v", err)
	}
	if done, err := c.Replay(ctx, old); len(done.Turned) != 0 || done.Erased != 0 || err != nil {
		t.Errorf("once more: %+v (%v)", done, err)
	}
}

// The version before writes files of its own beside, about consents, and reads
// none of ours.
func TestFilesOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old"+oldSuffix), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	w := writer(t, dir, nil)
	s := newStore()
	s.turn(consent.TurnOfRecipient, "r", "suspended", 1)
	add(t, w, s)
	if c := read(t, dir); c.Epochs["g"] != 2 || c.Turns() != 1 {
		t.Errorf("got %+v", c)
	}
	if old, _ := filepath.Glob(filepath.Join(dir, "*.journal")); len(old) != 1 {
		t.Errorf("the version before reads %v", old)
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

const turnLine = `{"of":"recipient","id":"r","state":"suspended","since":"2026-01-01T00:00:00Z","at":"2026-01-01T00:00:00Z"}` + "\n"

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
		"a turn":                {turnLine, nil},
		"an unknown thing":      {strings.Replace(turnLine, "recipient", "bank", 1), ErrMalformed},
		"an unknown state":      {strings.Replace(turnLine, "suspended", "gone", 1), ErrMalformed},
		"a state of another":    {strings.Replace(turnLine, "suspended", "erased", 1), ErrMalformed},
		"a turn of nobody":      {strings.Replace(turnLine, `"r"`, `""`, 1), ErrMalformed},
		"a turn at no time":     {strings.Replace(turnLine, `"since":"2026-01-01T00:00:00Z",`, "", 1), ErrMalformed},
		"both":                  {strings.Replace(turnLine, "{", `{"grant":"g","epoch":2,`, 1), ErrMalformed},
		"a turn with an epoch":  {strings.Replace(turnLine, "{", `{"epoch":2,`, 1), ErrMalformed},
		"an id of nothing":      {`{"id":"r","at":"2026-01-01T00:00:00Z"}` + "\n", ErrMalformed},
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
	f.Add(turnLine)
	f.Add("{}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := newContents()
		if c.read(strings.NewReader(text)) != nil {
			return
		}
		for id, epoch := range c.Epochs {
			if id == "" || epoch < 1 {
				t.Errorf("%q: %d", id, epoch)
			}
		}
		for key, turn := range c.turns {
			if !turn.Known() || turn.ID == "" || turn.Since.IsZero() || key != (thing{turn.Of, turn.ID}) {
				t.Errorf("%v: %v", key, turn)
			}
		}
	})
}
