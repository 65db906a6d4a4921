package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Head is what the tree is.
type Head struct {
	Size int64
	Root Hash
}

// Appended says what one Append did.
type Appended struct {
	Leaves int
	// Full: there may be more to do at once.
	Full bool
}

// Store keeps the tree beside the records. Its implementations are safe for
// concurrent use by any number of processes. An error that is none of those
// named means that it cannot be reached.
type Store interface {
	Prover
	// Append gives records that have no leaf their place in the tree, at most
	// limit, in one transaction. However many processes append at once, and in
	// whatever order records are committed, each record gets exactly one leaf.
	// ErrBusy when another process is at it, ErrTree when what is stored
	// contradicts itself.
	Append(ctx context.Context, limit int) (Appended, error)
	// Head returns the tree as it was last appended to.
	Head(ctx context.Context) (Head, error)
	// Put stores a checkpoint. Of several for one size the first one stays.
	Put(ctx context.Context, size int64, note []byte) error
	// Probe stores a record of no read, that nobody is shown, and returns its
	// id.
	Probe(ctx context.Context) (ID, error)
}

// ErrBusy: another process is appending.
var ErrBusy = errors.New("ledger: another process is appending")

// ErrRolledBack: the tree lacks records, or has other ones, than a checkpoint
// that was copied to the outside says: an older backup was restored, or the
// records were tampered with.
var ErrRolledBack = errors.New("ledger: the tree is not the one of the newest checkpoint outside")

// The names of the alarms.
const (
	AlarmBehind     = "audit_behind"      // records wait for their leaves, or for a checkpoint, for over a minute
	AlarmCopy       = "audit_copy"        // a checkpoint could not be copied to the outside
	AlarmProbe      = "audit_probe"       // the record of a probe was not found as it was written
	AlarmRolledBack = "audit_rolled_back" // ErrRolledBack
)

// appendLimit bounds one Append, so that it stays well within the bounds on
// statements.
const appendLimit = 4096

// late is after which time a record without a checkpoint is an alarm.
const late = time.Minute

// KeeperConfig is what NewKeeper needs.
type KeeperConfig struct {
	Store  Store  // required
	Signer Signer // required
	// Outside are the places that checkpoints are copied to.
	Outside []Outside
	// Alarm is told, by a fixed name, of what an operator should look at; nil
	// tells nobody.
	Alarm func(name string)
	Log   *slog.Logger // required
	// Every is the time between two rounds, 1 s when zero; CheckpointEvery
	// that between two checkpoints of a tree that grows, 10 s when zero;
	// ProbeEvery that between two probes, one minute when zero.
	Every, CheckpointEvery, ProbeEvery time.Duration
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Keeper lets the tree grow, signs checkpoints and copies them to the outside.
// Any number of processes may keep one store; each copies to its own outside.
type Keeper struct {
	c       KeeperConfig
	opens   Verifier
	checked atomic.Bool // Check has succeeded
	// The rest belongs to the goroutine of Run, and before that to Check's.
	copied   []Checkpoint // by place: the newest that is there
	probe    ID           // the probe on its way; zero when none is
	probed   time.Time
	signed   time.Time // when the last checkpoint was due
	caughtUp time.Time
}

// NewKeeper checks the configuration.
func NewKeeper(c KeeperConfig) (*Keeper, error) {
	if c.Store == nil || c.Signer.key == nil || c.Log == nil {
		return nil, errors.New("ledger: Store, Signer and Log are required")
	}
	if c.Alarm == nil {
		c.Alarm = func(string) {}
	}
	for _, d := range []struct {
		set *time.Duration
		to  time.Duration
	}{{&c.Every, time.Second}, {&c.CheckpointEvery, 10 * time.Second}, {&c.ProbeEvery, time.Minute}} {
		if *d.set <= 0 {
			*d.set = d.to
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	now := c.Now()
	return &Keeper{c: c, opens: c.Signer.Verifier(), copied: make([]Checkpoint, len(c.Outside)), caughtUp: now, probed: now, signed: now}, nil
}

// Check compares the tree with the newest checkpoint of every place outside.
// It returns ErrRolledBack, ErrCheckpoint for a place that holds something
// else than checkpoints of this key, or why it could not find out. It is to
// succeed before the tree grows.
func (k *Keeper) Check(ctx context.Context) error {
	for i, place := range k.c.Outside {
		c, err := Compare(ctx, k.c.Store, k.opens, place)
		if err != nil {
			return err
		}
		if c.Size > 0 {
			k.copied[i] = c
		}
	}
	k.checked.Store(true)
	return nil
}

// Covered returns the size of the largest tree whose checkpoint is outside, as
// records may be retired that it covers; 0 when there is none. It is safe beside
// Run.
func (k *Keeper) Covered(ctx context.Context) (size int64, err error) {
	for _, place := range k.c.Outside {
		c, err := Compare(ctx, k.c.Store, k.opens, place)
		if err != nil {
			return 0, err
		}
		size = max(size, c.Size)
	}
	return size, nil
}

// Stored is what Compare looks at; a Store is one.
type Stored interface {
	Nodes
	// Head returns the tree as it was last appended to.
	Head(ctx context.Context) (Head, error)
}

// Compare returns the newest checkpoint of a place outside, the zero one when
// there is none, if the tree began as that says. It returns ErrRolledBack when
// it did not, ErrCheckpoint when the place holds something else than
// checkpoints of that key, or why it could not find out. The public key is
// enough.
func Compare(ctx context.Context, s Stored, v Verifier, place Outside) (Checkpoint, error) {
	msg, err := place.Newest(ctx)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("newest checkpoint in %s: %w", place, err)
	}
	if msg == nil {
		return Checkpoint{}, nil
	}
	c, err := v.Open(msg)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("newest checkpoint in %s: %w", place, err)
	}
	if err := covers(ctx, s, c); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint of %d records in %s: %w", c.Size, place, err)
	}
	return c, nil
}

// covers reports whether the tree began as the checkpoint says.
func covers(ctx context.Context, s Stored, c Checkpoint) error {
	head, err := s.Head(ctx)
	if err != nil {
		return err
	}
	if head.Size < c.Size {
		return fmt.Errorf("%w: it has %d records", ErrRolledBack, head.Size)
	}
	root, err := RootAt(ctx, s, c.Size)
	if errors.Is(err, ErrTree) {
		return fmt.Errorf("%w: %w", ErrRolledBack, err)
	}
	if err == nil && root != c.Root {
		return ErrRolledBack
	}
	return err
}

// Run keeps the tree until ctx ends, then appends and signs once more. It
// returns nil, or ErrRolledBack or ErrCheckpoint as soon as one is found: the
// process should not go on.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.c.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if !k.checked.Load() {
				return nil
			}
			k.grow(last)
			return k.sign(last)
		case <-tick.C:
			if err := k.Round(ctx); err != nil {
				return err
			}
		}
	}
}

// Round is what Run does each time. It must not run twice at once.
func (k *Keeper) Round(ctx context.Context) error {
	if !k.checked.Load() {
		if err := k.Check(ctx); Refuses(err) {
			k.c.Alarm(AlarmRolledBack)
			return err
		} else if err != nil {
			k.failed("the tree is not kept yet", AlarmBehind, err)
			return nil
		}
	}
	k.grow(ctx)
	if now := k.c.Now(); now.Sub(k.signed) >= k.c.CheckpointEvery {
		k.signed = now
		if err := k.sign(ctx); err != nil {
			return err
		}
	}
	k.lookAtProbe(ctx)
	return nil
}

// Refuses reports whether an error of Check means that the tree is not to be
// gone on with, rather than that it could not be looked at.
func Refuses(err error) bool { return errors.Is(err, ErrRolledBack) || errors.Is(err, ErrCheckpoint) }

// failed tells of what could not be done, unless it is because we are ending.
func (k *Keeper) failed(what, alarm string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	k.c.Log.Warn(what, slog.String("cause", err.Error()))
	if alarm != "" {
		k.c.Alarm(alarm)
	}
}

// grow appends what there is. A process that finds another one at it leaves it
// to that one.
func (k *Keeper) grow(ctx context.Context) {
	for {
		a, err := k.c.Store.Append(ctx, appendLimit)
		switch {
		case err == nil && a.Full:
			continue
		case err == nil, errors.Is(err, ErrBusy):
			k.caughtUp = k.c.Now()
		default:
			alarm := ""
			if errors.Is(err, ErrTree) || k.c.Now().Sub(k.caughtUp) > late {
				alarm = AlarmBehind
			}
			k.failed("records do not get their leaves", alarm, err)
		}
		return
	}
}

// sign makes a checkpoint if the tree has grown, and copies the newest one,
// whoever made it. Only what says that the tree was tampered with is returned.
func (k *Keeper) sign(ctx context.Context) error {
	msg, err := k.newest(ctx)
	if err != nil {
		k.failed("no checkpoint was made", AlarmBehind, err)
		return nil
	}
	if msg == nil {
		return nil
	}
	c, err := k.opens.Open(msg)
	if err != nil {
		k.failed("a checkpoint in the database", AlarmRolledBack, err)
		return nil
	}
	for i, place := range k.c.Outside {
		if had := k.copied[i]; had.Size > 0 {
			if err := covers(ctx, k.c.Store, had); Refuses(err) || c.Size < had.Size {
				k.c.Alarm(AlarmRolledBack)
				return fmt.Errorf("checkpoint of %d records in %s: %w", had.Size, place, ErrRolledBack)
			} else if err != nil {
				k.failed("a checkpoint was not copied", AlarmCopy, err)
				continue
			}
			if c.Size == had.Size {
				continue
			}
		}
		if err := place.Put(ctx, c.Size, msg); err != nil {
			k.failed("a checkpoint was not copied to "+place.String(), AlarmCopy, err)
			continue
		}
		k.copied[i] = c
	}
	return nil
}

// newest returns the newest checkpoint, a new one if the tree has grown since.
func (k *Keeper) newest(ctx context.Context) ([]byte, error) {
	head, err := k.c.Store.Head(ctx)
	if err != nil {
		return nil, err
	}
	msg, err := k.c.Store.Newest(ctx)
	if err != nil {
		return nil, err
	}
	if msg != nil {
		// What does not open is dealt with by who asked.
		if c, err := k.opens.Open(msg); err != nil || c.Size >= head.Size {
			return msg, nil
		}
	}
	if head.Size == 0 {
		return nil, nil
	}
	fresh, err := k.c.Signer.Sign(Checkpoint{Size: head.Size, Root: head.Root, At: k.c.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return nil, err
	}
	if err := k.c.Store.Put(ctx, head.Size, fresh); err != nil {
		return nil, err
	}
	// Another process may have been first.
	return k.c.Store.Newest(ctx)
}

// lookAtProbe writes a record that nobody asked for, and later looks whether
// it is there, unchanged, and proven by a checkpoint: a pipeline that has
// stopped is found out even when nobody reads.
func (k *Keeper) lookAtProbe(ctx context.Context) {
	now := k.c.Now()
	if k.probe != (ID{}) {
		err := k.proven(ctx, k.probe)
		if err == nil {
			k.probe = ID{}
		} else if now.Sub(k.probed) > late {
			k.probe = ID{}
			k.failed("the probe was not found", AlarmProbe, err)
		}
	}
	if k.probe == (ID{}) && now.Sub(k.probed) >= k.c.ProbeEvery {
		id, err := k.c.Store.Probe(ctx)
		if k.probed = now; err != nil {
			k.failed("the probe was not written", AlarmProbe, err)
			return
		}
		k.probe = id
	}
}

// proven checks a record as anybody outside could.
func (k *Keeper) proven(ctx context.Context, id ID) error {
	_, _, err := ProveRecord(ctx, k.c.Store, k.opens, id)
	return err
}
