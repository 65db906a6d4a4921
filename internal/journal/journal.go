package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/headgate/headgate/consent"
)

// suffix ends the name of a journal file.
const suffix = ".journal"

// entry is one line: a consent and the version that it has now. One without a
// consent says that all before it was written.
type entry struct {
	Grant consent.GrantID `json:"grant,omitempty"`
	Epoch int64           `json:"epoch,omitempty"`
	// At is when it was written, by the clock of the process.
	At time.Time `json:"at"`
}

// Contents is what a folder of journals says.
type Contents struct {
	// Epochs is the latest version of each consent that moved on.
	Epochs map[consent.GrantID]int64
	// Until is when the latest line was written; zero without any.
	Until time.Time
}

// ErrMalformed: a line is not one of ours. The last line of a file may be cut
// short, by the crash of its writer, and is then ignored.
var ErrMalformed = errors.New("journal: malformed line")

// Read reads every journal in a folder. It returns ErrMalformed with the name
// of the file; a folder without journals has empty contents.
func Read(dir string) (Contents, error) {
	c := Contents{Epochs: map[consent.GrantID]int64{}}
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return c, err
	}
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
		if d.Decode(&e) != nil || e.At.IsZero() || (e.Grant == "") != (e.Epoch == 0) || e.Epoch < 0 {
			return ErrMalformed
		}
		if e.Grant != "" {
			c.Epochs[e.Grant] = max(c.Epochs[e.Grant], e.Epoch)
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
}

// Add writes down what has moved on since it was last written, and returns
// when that is on disk. Errors of the store are passed on, wrapped; then
// nothing was written.
func (w *Writer) Add(ctx context.Context, m Moves) error {
	now := w.now()
	within := ever
	if !w.known.Until.IsZero() {
		within = now.Sub(w.known.Until) + overlap
	}
	moved, err := m.Moved(ctx, consent.Within(max(within, overlap)))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	var text bytes.Buffer
	add := func(e entry) error { return json.NewEncoder(&text).Encode(e) } // ends the line
	fresh := map[consent.GrantID]int64{}
	for _, one := range moved {
		if one.Epoch <= w.known.Epochs[one.Grant] {
			continue
		}
		fresh[one.Grant] = one.Epoch
		if err := add(entry{one.Grant, one.Epoch, now}); err != nil {
			return err
		}
	}
	if text.Len() == 0 && now.Sub(w.beat) < heartbeat {
		return nil
	}
	if err := add(entry{At: now}); err != nil {
		return err
	}
	if _, err := w.file.Write(text.Bytes()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for id, epoch := range fresh {
		w.known.Epochs[id] = epoch
	}
	w.known.Until, w.beat = now, now
	return nil
}

// Grants is the part of the store that a replay needs.
type Grants interface {
	Moves
	// Grant is that of consent.Store.
	Grant(ctx context.Context, id consent.GrantID) (consent.Grant, error)
	// End is that of consent.Store.
	End(ctx context.Context, e consent.End) (consent.Grant, error)
}

// ErrAhead: the journal knows of changes that the database does not. It was
// restored from a backup, and nobody may be served before the journal is
// replayed.
var ErrAhead = errors.New("the database is older than the journal: run 'headgate journal replay' before anybody is served")

// behind returns the ACTIVE consents that the store knows in an older version
// than the journal.
func (c Contents) behind(ctx context.Context, s Grants) ([]consent.GrantID, error) {
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

// Check returns ErrAhead when a consent that is stored as active has moved on
// according to the journal.
func (c Contents) Check(ctx context.Context, s Grants) error {
	list, err := c.behind(ctx, s)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if len(list) > 0 {
		return fmt.Errorf("journal: %w (%d consents)", ErrAhead, len(list))
	}
	return nil
}

// Replay ends every consent that the journal knows in a later version than the
// store, and returns how many that were. It may be repeated: what has ended
// stays ended.
func (c Contents) Replay(ctx context.Context, s Grants) (int, error) {
	list, err := c.behind(ctx, s)
	if err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	n := 0
	for _, id := range list {
		_, err := s.End(ctx, consent.End{
			Grant: id, Status: consent.StatusRevoked, Actor: consent.ActorProvider, Reason: consent.ReasonBusinessRule,
		})
		switch {
		case err == nil:
			n++
		case errors.Is(err, consent.ErrEnded): // its time is over
		default:
			return n, fmt.Errorf("journal: end consent %s: %w", id, err)
		}
	}
	return n, nil
}

// Await returns nil once the database was seen to be no older than the journals
// in dir, waiting for the database as long as ctx lasts, and ErrAhead when it is.
// No folder has nothing to compare.
func Await(ctx context.Context, dir string, s Grants) error {
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
