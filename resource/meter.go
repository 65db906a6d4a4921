package resource

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/web"
)

// How often what was counted is stored, the most that a process can lose when
// it is killed, and how long storing may take.
const (
	flushEvery   = 10 * time.Second
	flushTimeout = 3 * time.Second
)

// meter counts at the edge how calls end, where also those end that have no
// access record: refusals before anybody is known, and failures of the store
// of records. Counting is two atomic additions; everything else is the work of
// one goroutine.
type meter struct {
	store   Performance
	process [16]byte
	log     *slog.Logger
	now     func() time.Time
	// available asks the bank how it is; down when it cannot say.
	available func(context.Context) (fdx.Availability, error)

	operations []metered
	routes     map[string]int // index into operations
	bounds     [15]time.Duration

	current atomic.Pointer[hour]
	planned atomic.Pointer[[]fdx.PlannedAvailability]

	mu   sync.Mutex
	past []*hour // guarded by mu; hours that may still have to be stored
	// put is what was stored last of each row; it belongs to the flusher.
	put map[rowOf]Calls
}

// metered is an operation that is counted.
type metered struct {
	id   fdx.OperationID
	bank bool // it needs the bank
}

type rowOf struct {
	number    int64
	operation int
}

// hour is what was counted in one hour.
type hour struct {
	number int64 // hours since 1970
	counts []counts
}

type counts struct {
	proper, failed [len(Latencies{})]atomic.Int64
	excluded       atomic.Int64
	took           atomic.Int64 // microseconds
	// Minutes. They belong to the flusher.
	up, planned uint64
}

// newMeter returns the meter of the endpoints that the bank offers: what is
// not offered is no part of the interface whose performance is told.
func newMeter(g *Gateway, store Performance, log *slog.Logger) *meter {
	m := &meter{
		store: store, process: uuid.Must(uuid.NewV7()), log: log, now: g.now, available: g.provider.Availability,
		routes: map[string]int{}, bounds: LatencyBounds(), put: map[rowOf]Calls{},
	}
	offered := g.provider.Operations()
	for _, e := range g.endpoints {
		a := e.about()
		if a.any.Empty() || slices.Contains(offered, a.id) {
			m.routes[fdxhttp.Base+a.path] = len(m.operations)
			m.operations = append(m.operations, metered{id: a.id, bank: !a.any.Empty()})
		}
	}
	m.current.Store(m.newHour(hourOf(m.now())))
	m.planned.Store(new([]fdx.PlannedAvailability))
	return m
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

func (m *meter) newHour(number int64) *hour {
	return &hour{number: number, counts: make([]counts, len(m.operations))}
}

// observe counts one request.
func (m *meter) observe(o web.Observation) {
	i, ok := m.routes[o.Route]
	if !ok || o.Method != http.MethodGet {
		return
	}
	failed := o.Status >= http.StatusInternalServerError && o.Code != fdx.ErrNotImplemented.Code
	if failed && o.Gone {
		return // what it would have been cannot be known
	}
	c := &m.hour(o.At).counts[i]
	if m.inPlanned(o.At) {
		c.excluded.Add(1)
		return
	}
	band := 0
	for band < len(m.bounds)-1 && o.Took > m.bounds[band] {
		band++
	}
	if failed {
		c.failed[band].Add(1)
	} else {
		c.proper[band].Add(1)
	}
	c.took.Add(o.Took.Microseconds())
}

// hour returns where to count at a time. A clock that was put back counts
// into the newest hour.
func (m *meter) hour(at time.Time) *hour {
	number := hourOf(at)
	if h := m.current.Load(); h.number >= number {
		return h
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.current.Load()
	if h.number >= number {
		return h
	}
	m.past = append(m.past, h)
	h = m.newHour(number)
	m.current.Store(h)
	return h
}

// inPlanned reports whether the bank announced to be away at that time.
func (m *meter) inPlanned(at time.Time) bool {
	for _, p := range *m.planned.Load() {
		if !at.Before(p.StartTime.Time()) && at.Before(p.EndTime.Time()) {
			return true
		}
	}
	return false
}

// run stores what is counted until ctx ends, and then once more.
func (m *meter) run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		m.flush(ctx)
		select {
		case <-ctx.Done():
			m.flush(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		}
	}
}

// flush looks how the bank is and stores what has changed. What cannot be
// stored stays counted and is tried again.
func (m *meter) flush(ctx context.Context) {
	alive := m.ask(ctx)
	now := m.now()
	m.hour(now)
	minute := uint64(1) << (now.Unix() / 60 % 60)
	planned := m.inPlanned(now)

	m.mu.Lock()
	past := slices.Clone(m.past)
	hours := append(past, m.current.Load())
	m.mu.Unlock()
	type change struct {
		row    rowOf
		counts *counts
	}
	var changed []Calls
	var changes []change
	for _, h := range hours {
		for i, op := range m.operations {
			c := h.counts[i].calls(h.number, op.id)
			if h.number == hourOf(now) {
				if planned && op.bank {
					c.Planned |= minute
				}
				if alive || !op.bank {
					c.Up |= minute
				}
			}
			if row := (rowOf{h.number, i}); m.put[row] != c {
				changed, changes = append(changed, c), append(changes, change{row, &h.counts[i]})
			}
		}
	}
	if len(changed) > 0 {
		ctx, cancel := context.WithTimeout(ctx, flushTimeout)
		defer cancel()
		if err := m.store.Put(ctx, m.process, changed); err != nil {
			m.log.Warn("performance is not stored", slog.String("cause", err.Error()))
			return
		}
	}
	for i, c := range changes {
		m.put[c.row] = changed[i]
		c.counts.up, c.counts.planned = changed[i].Up, changed[i].Planned
	}
	m.drop(past, now)
}

// drop forgets hours that are stored and ended a while ago: a request that
// found its hour just before the end has been counted by then.
func (m *meter) drop(stored []*hour, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range stored {
		if now.Before(time.Unix((h.number+1)*3600, 0).Add(flushEvery)) {
			continue
		}
		m.past = slices.DeleteFunc(m.past, func(p *hour) bool { return p == h })
		for i := range m.operations {
			delete(m.put, rowOf{h.number, i})
		}
	}
}

// ask keeps what the bank announces and reports whether it is in service. A
// bank that cannot be asked is down, and what it had announced stands.
func (m *meter) ask(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, bankDeadline)
	defer cancel()
	a, err := m.available(ctx)
	if err != nil {
		return false
	}
	var away []fdx.PlannedAvailability
	for _, p := range a.PlannedAvailability {
		if p.Status == fdx.Down || p.Status == fdx.Maintenance {
			away = append(away, p)
		}
	}
	m.planned.Store(&away)
	return a.Status == fdx.Alive || a.Status == fdx.Partial
}

func (c *counts) calls(number int64, id fdx.OperationID) Calls {
	out := Calls{
		Hour: time.Unix(number*3600, 0).UTC(), Operation: id, Excluded: c.excluded.Load(), Up: c.up, Planned: c.planned,
	}
	for i := range c.proper {
		proper, failed := c.proper[i].Load(), c.failed[i].Load()
		out.Proper, out.Failed = out.Proper+proper, out.Failed+failed
		out.Latencies[i] = proper + failed
	}
	out.Took = time.Duration(c.took.Load()) * time.Microsecond
	return out
}
