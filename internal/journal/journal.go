package journal

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/headgate/headgate/consent"
)

// What the name of a journal file ends with. The version before wrote down
// consents alone, in files with the old one, and would not take lines of
// anything else.
const (
	suffix    = ".journal2"
	oldSuffix = ".journal"
)

// entry is one line: a consent and the version that it has now, or a turn. One
// without either says that all before it was written.
type entry struct {
	Grant consent.GrantID   `json:"grant,omitempty"`
	Epoch int64             `json:"epoch,omitempty"`
	Of    consent.TurnOf    `json:"of,omitempty"`
	ID    string            `json:"id,omitempty"`
	State consent.TurnState `json:"state,omitempty"`
	Since time.Time         `json:"since,omitzero"`
	// At is when it was written, by the clock of the process.
	At time.Time `json:"at"`
}

// turn is the turn of a line that has one.
func (e entry) turn() consent.Turn {
	return consent.Turn{Of: e.Of, ID: e.ID, State: e.State, Since: e.Since}
}

// valid reports whether the line is one of ours.
func (e entry) valid() bool {
	none := e.turn() == consent.Turn{}
	switch {
	case e.At.IsZero():
		return false
	case e.Grant != "":
		return e.Epoch > 0 && none
	default:
		return e.Epoch == 0 && (none || e.turn().Known() && e.ID != "" && !e.Since.IsZero())
	}
}

// thing is what a turn is about.
type thing struct {
	of consent.TurnOf
	id string
}

// Contents is what a folder of journals says.
type Contents struct {
	// Epochs is the latest version of each consent that moved on.
	Epochs map[consent.GrantID]int64
	// Until is when the latest line was written; zero without any.
	Until time.Time

	turns map[thing]consent.Turn // the latest of each
}

func newContents() Contents {
	return Contents{Epochs: map[consent.GrantID]int64{}, turns: map[thing]consent.Turn{}}
}

// add takes a turn in unless it knows one that is as late, and reports whether
// it did.
func (c *Contents) add(t consent.Turn) bool {
	key := thing{t.Of, t.ID}
	if !t.Since.After(c.turns[key].Since) {
		return false
	}
	c.turns[key] = t
	return true
}

// Turns returns how many turns are known.
func (c *Contents) Turns() int { return len(c.turns) }

// ErrMalformed: a line is not one of ours. The last line of a file may be cut
// short, by the crash of its writer, and is then ignored.
var ErrMalformed = errors.New("journal: malformed line")

// Read reads every journal in a folder. It returns ErrMalformed with the name
// of the file; a folder without journals has empty contents.
func Read(dir string) (Contents, error) {
	c := newContents()
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return c, err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*"+oldSuffix))
	if err != nil {
		return c, err
	}
	files = append(files, old...)
	if _, err := os.Stat(dir); err != nil {
		return c, err // a folder that is not there is not an empty one
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return c, err
		}
		err = c.read(f)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return c, fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	return c, nil
}

// maxLine bounds a line, in bytes.
const maxLine = 4096

func (c *Contents) read(r io.Reader) error {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return nil // an unfinished line was never acknowledged
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return ErrMalformed
		}
		if err != nil {
			return err
		}
		var e entry
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if d.Decode(&e) != nil || !e.valid() {
			return ErrMalformed
		}
		if e.Grant != "" {
			c.Epochs[e.Grant] = max(c.Epochs[e.Grant], e.Epoch)
		}
		if e.Of != "" {
			c.add(e.turn())
		}
		if e.At.After(c.Until) {
			c.Until = e.At
		}
	}
}

// Writer adds to a journal of its own. It is for one goroutine.
type Writer struct {
	file  *os.File
	known Contents
	now   func() time.Time
	beat  time.Time // of the last line
}

// Config is what NewWriter needs.
type Config struct {
	Dir string // of all journals of the deployment; it must exist
	// Name tells this process's files from those of others.
	Name string
	Now  func() time.Time // time.Now when nil
}

// NewWriter reads what was written before, by whatever process, and begins a
// file of its own: nothing is ever added to another's.
func NewWriter(c Config) (*Writer, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	known, err := Read(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	name := c.Name + "-" + strconv.FormatInt(c.Now().UnixNano(), 10) + suffix
	f, err := os.OpenFile(filepath.Join(c.Dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &Writer{file: f, known: known, now: c.Now}, nil
}

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }

const (
	// overlap is how far back each look goes beyond the one before: longer
	// than a change may take to commit, and than clocks differ.
	overlap = 2 * time.Minute
	// heartbeat is how often a line says that there was nothing.
	heartbeat = time.Minute
	// ever is the first look of a new journal.
	ever = 20 * 365 * 24 * time.Hour
)

// Moves is the part of the store that a journal is written from.
type Moves interface {
	// Moved is that of consent.Moves.
	Moved(ctx context.Context, ages []consent.Span) ([]consent.Move, error)
	// Turned returns the turns that came about at most so long ago, by the
	// store's clock, the last of each thing; nil when there are none.
	Turned(ctx context.Context, within time.Duration) ([]consent.Turn, error)
}

// Add writes down what has moved on since it was last written, and returns
// when that is on disk. Errors of the store are passed on, wrapped; then
// nothing was written.
func (w *Writer) Add(ctx context.Context, m Moves) error {
	now := w.now()
	within := ever
	if !w.known.Until.IsZero() {
		within = max(now.Sub(w.known.Until)+overlap, overlap)
	}
	moved, err := m.Moved(ctx, consent.Within(within))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	turned, err := m.Turned(ctx, within)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	var fresh []entry
	for _, one := range moved {
		if one.Epoch > w.known.Epochs[one.Grant] {
			fresh = append(fresh, entry{Grant: one.Grant, Epoch: one.Epoch, At: now})
		}
	}
	for _, t := range turned {
		if t.Since.After(w.known.turns[thing{t.Of, t.ID}].Since) {
			fresh = append(fresh, entry{Of: t.Of, ID: t.ID, State: t.State, Since: t.Since, At: now})
		}
	}
	if len(fresh) == 0 && now.Sub(w.beat) < heartbeat {
		return nil
	}
	var text bytes.Buffer
	for _, e := range append(fresh, entry{At: now}) {
		if err := json.NewEncoder(&text).Encode(e); err != nil { // ends the line
			return err
		}
	}
	if _, err := w.file.Write(text.Bytes()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for _, e := range fresh {
		if e.Grant != "" {
			w.known.Epochs[e.Grant] = e.Epoch
		} else {
			w.known.add(e.turn())
		}
	}
	w.known.Until, w.beat = now, now
	return nil
}

// Store is what a journal is compared with and replayed to.
type Store interface {
	Moves
	// Grant is that of consent.Store.
	Grant(ctx context.Context, id consent.GrantID) (consent.Grant, error)
	// End is that of consent.Store.
	End(ctx context.Context, e consent.End) (consent.Grant, error)
	// Behind returns those of some turns that came after what is stored of
	// the same thing, in their order; nil when there are none. A thing that
	// is not stored at all is not behind.
	Behind(ctx context.Context, turns []consent.Turn) ([]consent.Turn, error)
	// Turn stores a turn unless what is stored of the same thing is as late,
	// so that Behind no longer returns it. It may give a recipient less than
	// the turn says, never more. An erasure is only due afterwards.
	Turn(ctx context.Context, t consent.Turn) error
	// EraseDue erases at most limit persons whose erasure is due and returns
	// how many.
	EraseDue(ctx context.Context, limit int) (int, error)
}

// ErrAhead: the journal knows of changes that the database does not. It was
// restored from a backup, and nobody may be served before the journal is
// replayed.
var ErrAhead = errors.New("the database is older than the journal: run 'headgate journal replay' before anybody is served")

// behind returns the ACTIVE consents that the store knows in an older version
// than the journal.
func (c Contents) behind(ctx context.Context, s Store) ([]consent.GrantID, error) {
	moved, err := s.Moved(ctx, consent.Within(ever))
	if err != nil {
		return nil, err
	}
	has := make(map[consent.GrantID]int64, len(moved))
	for _, m := range moved {
		has[m.Grant] = m.Epoch
	}
	var list []consent.GrantID
	for id, epoch := range c.Epochs {
		if has[id] >= epoch {
			continue
		}
		g, err := s.Grant(ctx, id)
		if errors.Is(err, consent.ErrNotFound) {
			continue // given after the backup, and gone with it
		}
		if err != nil {
			return nil, err
		}
		if g.Status == consent.StatusActive && g.Epoch < epoch {
			list = append(list, id)
		}
	}
	return list, nil
}

// turnsAtOnce bounds one question about turns, and eraseAtOnce one transaction
// of erasures.
const (
	turnsAtOnce = 1000
	eraseAtOnce = 100
)

// turnsBehind returns the turns that came after what the store has, sorted by
// what and id.
func (c Contents) turnsBehind(ctx context.Context, s Store) ([]consent.Turn, error) {
	all := slices.SortedFunc(maps.Values(c.turns), func(a, b consent.Turn) int {
		return cmp.Or(cmp.Compare(a.Of, b.Of), cmp.Compare(a.ID, b.ID))
	})
	var list []consent.Turn
	for some := range slices.Chunk(all, turnsAtOnce) {
		behind, err := s.Behind(ctx, some)
		if err != nil {
			return nil, err
		}
		list = append(list, behind...)
	}
	return list, nil
}

// Check returns ErrAhead when a consent that is stored as active has moved on
// according to the journal, or when a recipient or a person has turned since.
func (c Contents) Check(ctx context.Context, s Store) error {
	list, err := c.behind(ctx, s)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	turns, err := c.turnsBehind(ctx, s)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if len(list)+len(turns) > 0 {
		return fmt.Errorf("journal: %w (%d consents, %d apps and people)", ErrAhead, len(list), len(turns))
	}
	return nil
}

// Replayed is what a replay did.
type Replayed struct {
	Ended  int            // consents
	Turned []consent.Turn // what was brought up to the journal, sorted by what and id
	Erased int            // people
}

// Replay ends every consent that the journal knows in a later version than the
// store, gives recipients and people the state that they had last, and erases
// again who was erased. It may be repeated: what has ended stays ended, and the
// last state is the same whatever was replayed before.
func (c Contents) Replay(ctx context.Context, s Store) (done Replayed, err error) {
	turns, err := c.turnsBehind(ctx, s)
	if err != nil {
		return done, fmt.Errorf("journal: %w", err)
	}
	for _, t := range turns {
		if err := s.Turn(ctx, t); err != nil {
			return done, fmt.Errorf("journal: %s %s: %w", t.Of, t.ID, err)
		}
		done.Turned = append(done.Turned, t)
	}
	list, err := c.behind(ctx, s)
	if err != nil {
		return done, fmt.Errorf("journal: %w", err)
	}
	for _, id := range list {
		_, err := s.End(ctx, consent.End{
			Grant: id, Status: consent.StatusRevoked, Actor: consent.ActorProvider, Reason: consent.ReasonBusinessRule,
		})
		switch {
		case err == nil:
			done.Ended++
		case errors.Is(err, consent.ErrEnded): // its time is over
		default:
			return done, fmt.Errorf("journal: end consent %s: %w", id, err)
		}
	}
	// Whoever still shares cannot be erased, so the ends come before.
	for {
		n, err := s.EraseDue(ctx, eraseAtOnce)
		if err != nil {
			return done, fmt.Errorf("journal: %w", err)
		}
		if done.Erased += n; n < eraseAtOnce {
			return done, nil
		}
	}
}

// Await returns nil once the database was seen to be no older than the journals
// in dir, waiting for the database as long as ctx lasts, and ErrAhead when it is.
// No folder has nothing to compare.
func Await(ctx context.Context, dir string, s Store) error {
	if dir == "" {
		return nil
	}
	c, err := Read(dir)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for {
		err := c.Check(ctx, s)
		if !errors.Is(err, consent.ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}
