package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/resource"
)

// batchTimeout bounds one statement of the gate, waiting for a connection
// included.
const batchTimeout = 2 * time.Second

// gatherEach is how long a lane waits for each release of the statement before.
const gatherEach = 500 * time.Microsecond

// hurry is how long a release waits before it calls a further lane.
const hurry = 25 * time.Millisecond

// GateConfig configures a Gate. The zero value is ready for use.
type GateConfig struct {
	// Lanes is how many statements run at once, each on a connection of its
	// own; 4 when zero. All but the first run only when they are needed: see
	// Crowd.
	Lanes int
	// Crowd is how many releases have to wait before a further lane takes
	// them, or else one has to wait for 25 ms; 32 when zero. Fewer statements
	// carry more releases each, which is what makes them cheap.
	Crowd int
	// MaxBatch is the most releases in one statement; 256 when zero.
	MaxBatch int
	// Queue is how many releases may wait for a lane; one more is refused at
	// once. 1,024 when zero.
	Queue int
	// Wait is the longest that a release waits for a lane; 1 s when zero.
	Wait time.Duration
	// Gather is the longest that a lane waits after a statement that releases
	// shared, so that more of them share the next one: half a millisecond for
	// each of them, so that a few do not wait for many that do not come. A
	// crowd ends it. 5 ms when zero, and a negative one does not wait.
	Gather time.Duration
	// Observe is told by the lanes how many releases a statement carries, and
	// how long the first of them waited for it; nil tells nobody. It must not
	// block.
	Observe func(releases int, waited time.Duration)
}

// Gate is the resource.Gate. Concurrent releases share statements: a lane
// takes the first one that waits and whatever waits behind it, so that the
// cost of a release falls as the load rises. A statement costs far more than a
// release in it; so what comes while one runs, and for a moment after one that
// was shared, makes up the next. A release that comes alone goes at once. Only
// when a crowd waits, or a statement takes long, another lane helps. It is safe
// for concurrent use. Close it after use, before its DB.
type Gate struct {
	db       *DB
	maxBatch int
	crowd    int
	wait     time.Duration
	gather   time.Duration // at most, and each for every release before
	each     time.Duration
	observe  func(int, time.Duration)
	lanes    sync.WaitGroup
	numbers  numberings

	mu     sync.RWMutex
	closed bool          // guarded by mu
	queue  chan *release // sent to under mu, closed by Close
	// help wakes a further lane; sent to under mu, closed by Close. Who hears
	// a call looks whether it still holds (needed): the first that heard one of
	// a crowd has taken all of it.
	help chan struct{}
	// hurried: somebody has waited for long, and no lane has come since.
	hurried atomic.Bool
}

var _ resource.Gate = (*Gate)(nil)

// release is one release on its way through a lane.
type release struct {
	row gateRow
	// state is waiting until either the lane takes the release or the caller
	// gives up, so that no record is stored for a caller who has gone.
	state atomic.Int32
	since time.Time     // when it began to wait; zero when nobody observes
	done  chan struct{} // closed when verdict and err are set
	// Written by the lane before done is closed.
	verdict resource.Verdict
	err     error
}

const (
	waiting int32 = iota
	taken
	abandoned
)

// NewGate returns a Gate and starts its lanes.
func NewGate(db *DB, c GateConfig) *Gate {
	if c.Lanes <= 0 {
		c.Lanes = 4
	}
	if c.MaxBatch <= 0 {
		c.MaxBatch = 256
	}
	if c.Crowd <= 0 {
		c.Crowd = 32
	}
	if c.Gather == 0 {
		c.Gather = 5 * time.Millisecond
	}
	if c.Queue <= 0 {
		c.Queue = 1024
	}
	if c.Wait <= 0 {
		c.Wait = time.Second
	}
	g := &Gate{
		db: db, maxBatch: c.MaxBatch, crowd: c.Crowd, wait: c.Wait, gather: c.Gather, each: gatherEach, observe: c.Observe,
		queue: make(chan *release, c.Queue), help: make(chan struct{}, c.Lanes),
	}
	g.lanes.Go(g.lane)
	for range c.Lanes - 1 {
		g.lanes.Go(g.helper)
	}
	return g
}

// Close refuses new releases, lets the lanes finish what waits and returns
// when they have ended. It may be called more than once.
func (g *Gate) Close() {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		close(g.queue)
		close(g.help)
	}
	g.mu.Unlock()
	g.lanes.Wait()
}

var (
	errGateClosed = errors.New("gate is closed")
	errGateFull   = errors.New("too many releases are waiting")
	errGateWait   = errors.New("no lane came free in time")
	errRepeatedID = errors.New("the request id was recorded before")
	errNoVerdict  = errors.New("the gate's statement did not answer for the release")
)

// Release implements resource.Gate. A record that cannot be stored as it is,
// and a request id that was recorded before, are plain errors; all others
// wrap consent.ErrUnavailable. When ctx ends while the statement runs, the
// record may exist though nothing was released. One round trip, shared.
func (g *Gate) Release(ctx context.Context, r resource.Release) (resource.Verdict, error) {
	row, err := newGateRow(r)
	if err != nil {
		return resource.Withheld, fmt.Errorf("release: %w", err)
	}
	// A caller without time must not leave a record behind.
	if err := ctx.Err(); err != nil {
		return resource.Withheld, fmt.Errorf("release: %w", unavailable(err))
	}
	w := &release{row: row, done: make(chan struct{})}
	if g.observe != nil {
		w.since = time.Now()
	}
	if err := g.enqueue(w); err != nil {
		return resource.Withheld, fmt.Errorf("release: %w", unavailable(err))
	}
	patience := time.NewTimer(min(hurry, g.wait))
	defer patience.Stop()
	hurried := g.wait <= hurry
	for {
		select {
		case <-w.done:
			if w.err != nil {
				return resource.Withheld, fmt.Errorf("release: %w", w.err)
			}
			return w.verdict, nil
		case <-ctx.Done():
			w.state.CompareAndSwap(waiting, abandoned)
			return resource.Withheld, fmt.Errorf("release: %w", unavailable(ctx.Err()))
		case <-patience.C:
			if !hurried {
				hurried = true
				patience.Reset(g.wait - hurry)
				if w.state.Load() == waiting {
					g.wake()
				}
				continue
			}
			if w.state.CompareAndSwap(waiting, abandoned) {
				return resource.Withheld, fmt.Errorf("release: %w", unavailable(errGateWait))
			}
			// A lane has it: the statement's own deadline bounds the rest.
		}
	}
}

func (g *Gate) enqueue(w *release) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return errGateClosed
	}
	select {
	case g.queue <- w:
	default:
		return errGateFull
	}
	if len(g.queue) >= g.crowd {
		g.call()
	}
	return nil
}

// wake has a further lane take what waits, if one is free.
func (g *Gate) wake() {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if !g.closed {
		g.hurried.Store(true) // before the call: whoever hears any call later sees it
		g.call()
	}
}

// needed reports whether a further lane is: there is a crowd, or somebody has
// waited for long. Whoever asks takes what waits.
func (g *Gate) needed() bool { return g.hurried.Swap(false) || len(g.queue) >= g.crowd }

// call is wake for a caller that holds mu.
func (g *Gate) call() {
	select {
	case g.help <- struct{}{}:
	default: // as many calls are unheard as there are lanes
	}
}

// helper executes a batch whenever it is called and needed, and on while it is.
func (g *Gate) helper() {
	for range g.help {
		for g.needed() {
			select {
			case first, open := <-g.queue:
				if !open {
					return
				}
				g.execute(g.fill(first))
			default:
			}
		}
	}
}

// lane executes batches until the queue is closed and empty. Only a statement
// that was shared is followed by a pause: who reads alone never waits.
func (g *Gate) lane() {
	for first := range g.queue {
		if n := g.execute(g.fill(first)); n > 1 {
			g.pause(min(g.gather, time.Duration(n)*g.each))
		}
	}
}

// pause lets releases gather for so long. None of them is taken yet, so that a
// caller may go and another lane may help.
func (g *Gate) pause(most time.Duration) {
	if most <= 0 {
		return
	}
	over := time.NewTimer(most)
	defer over.Stop()
	for {
		select {
		case <-over.C:
			return
		case _, open := <-g.help:
			if !open || g.needed() {
				return
			}
		}
	}
}

// fill returns first and what waits behind it, without waiting itself.
func (g *Gate) fill(first *release) []*release {
	batch := take(nil, first)
	for len(batch) < g.maxBatch {
		select {
		case w, ok := <-g.queue:
			if !ok {
				return batch
			}
			batch = take(batch, w)
		default:
			return batch
		}
	}
	return batch
}

// take adds w unless its caller has gone. Two releases with one request id
// never get into one statement: it tells rows apart by it.
func take(batch []*release, w *release) []*release {
	if !w.state.CompareAndSwap(waiting, taken) {
		return batch
	}
	for _, other := range batch {
		if other.row.requestID == w.row.requestID {
			w.err = errRepeatedID
			close(w.done)
			return batch
		}
	}
	return append(batch, w)
}

// execute runs one statement for the batch, answers every caller and returns
// how many they are. Any error is the answer to all of them: whether the
// statement was committed is then unknown.
func (g *Gate) execute(batch []*release) int {
	if len(batch) == 0 {
		return 0
	}
	if g.observe != nil {
		g.observe(len(batch), time.Since(batch[0].since))
	}
	rows := make([]gateRow, len(batch))
	for i, w := range batch {
		rows[i] = w.row
		w.err = errNoVerdict
	}
	// The callers' contexts do not bound a statement that is not theirs
	// alone.
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	verdicts, err := g.releaseNumbered(ctx, rows)
	for i, w := range batch {
		switch {
		case err != nil:
			w.err = err
		case verdicts[i] == verdictReleased:
			w.verdict, w.err = resource.Released, nil
		case verdicts[i] == verdictReplayed:
			w.verdict, w.err = resource.Replayed, nil
		case verdicts[i] == verdictWithheld:
			w.verdict, w.err = resource.Withheld, nil
		case verdicts[i] == verdictRepeated:
			w.err = errRepeatedID
		}
		close(w.done)
	}
	return len(batch)
}

// newGateRow checks and converts a release. What the server would refuse is
// refused here, because there it would fail the batch and so the releases of
// others.
func newGateRow(r resource.Release) (gateRow, error) {
	rec := r.Record
	if rec.RequestID == [16]byte{} {
		return gateRow{}, errors.New("record without a request id")
	}
	switch rec.Outcome {
	case audit.Given, audit.Clipped, audit.Refused:
	default:
		return gateRow{}, errors.New("record without an outcome")
	}
	storable := func(t string) bool { return utf8.ValidString(t) && strings.IndexByte(t, 0) < 0 }
	ok := true
	for _, t := range [...]string{
		string(rec.Recipient), string(rec.Grant), string(rec.Consumer), rec.Operation,
		rec.Reason, rec.Interaction, rec.Instance,
	} {
		ok = ok && storable(t)
	}
	for _, id := range rec.Accounts {
		ok = ok && storable(string(id))
	}
	if !ok {
		return gateRow{}, errors.New("record with text that is not UTF-8 or has a NUL")
	}
	row := gateRow{
		requestID: rec.RequestID, recipient: string(rec.Recipient), grant: string(rec.Grant),
		epoch: rec.Epoch, consumer: string(rec.Consumer), operation: rec.Operation,
		accounts: arrayLiteral(rec.Accounts), clusters: arrayLiteral(rec.Clusters.Names()),
		windowStart: nullable(rec.Window.Start.Time()), windowEnd: nullable(rec.Window.End.Time()),
		count: int64(rec.Count), bytes: int64(rec.Bytes), bodyHash: rec.BodyHash[:],
		outcome: string(rec.Outcome), reason: rec.Reason, attended: rec.Attended,
		interaction: rec.Interaction, instance: rec.Instance, tokenExpires: r.TokenExpires,
	}
	if r.Proof != nil {
		row.proof, row.proofExpires = r.Proof.Key[:], &r.Proof.ExpiresAt
	}
	return row, nil
}
