package resourcetest

import (
	"cmp"
	"context"
	"crypto/rand"
	"math/bits"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// Performances is a resource.Performance in memory, safe for concurrent use.
// The zero value is empty.
type Performances struct {
	// Stored is told of each Put after it; nil tells nobody.
	Stored func()

	mu   sync.Mutex
	rows map[callsKey]resource.Calls
	down error
}

type callsKey struct {
	hour      int64
	operation fdx.OperationID
	process   [16]byte
}

var _ resource.Performance = (*Performances)(nil)

// Fail makes every call fail with err until it is called with nil.
func (p *Performances) Fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = err
}

// Put implements resource.Performance.
func (p *Performances) Put(ctx context.Context, process [16]byte, calls []resource.Calls) error {
	p.mu.Lock()
	err := cmp.Or(ctx.Err(), p.down)
	if err == nil {
		p.put(process, calls)
	}
	p.mu.Unlock()
	if p.Stored != nil {
		p.Stored()
	}
	return err
}

func (p *Performances) put(process [16]byte, calls []resource.Calls) {
	if p.rows == nil {
		p.rows = map[callsKey]resource.Calls{}
	}
	for _, c := range calls {
		key := callsKey{c.Hour.Unix(), c.Operation, process}
		old := p.rows[key]
		if old.Proper+old.Failed+old.Excluded > c.Proper+c.Failed+c.Excluded {
			continue
		}
		c.Up, c.Planned = c.Up|old.Up, c.Planned|old.Planned
		p.rows[key] = c
	}
}

// History implements resource.Performance.
func (p *Performances) History(ctx context.Context, start time.Time) (resource.History, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := cmp.Or(ctx.Err(), p.down); err != nil {
		return resource.History{}, err
	}
	type minutes struct{ up, planned uint64 }
	masks := map[callsKey]minutes{} // without a process
	first := map[int64]uint64{}
	months := map[fdx.OperationID]*resource.Month{}
	month := func(k callsKey) *resource.Month {
		if months[k.operation] == nil {
			months[k.operation] = &resource.Month{Start: start, Operation: k.operation}
		}
		return months[k.operation]
	}
	for k, c := range p.rows {
		first[k.hour] |= c.Up | c.Planned
		if k.hour < start.Unix() || k.hour >= start.AddDate(0, 1, 0).Unix() {
			continue
		}
		m := month(k)
		m.Proper, m.Failed, m.Excluded, m.Took = m.Proper+c.Proper, m.Failed+c.Failed, m.Excluded+c.Excluded, m.Took+c.Took
		for i, n := range c.Latencies {
			m.Latencies[i] += n
		}
		k.process = [16]byte{}
		masks[k] = minutes{masks[k].up | c.Up, masks[k].planned | c.Planned}
	}
	for k, v := range masks {
		m := month(k)
		m.Up += int64(bits.OnesCount64(v.up &^ v.planned))
		m.Planned += int64(bits.OnesCount64(v.planned))
	}
	var h resource.History
	for _, m := range months {
		h.Months = append(h.Months, *m)
	}
	slices.SortFunc(h.Months, func(a, b resource.Month) int { return cmp.Compare(a.Operation, b.Operation) })
	if len(h.Months) > 0 {
		var oldest int64
		for hour := range first {
			if oldest == 0 || hour < oldest {
				oldest = hour
			}
		}
		h.Since = time.Unix(oldest, 0).UTC()
		if first[oldest] != 0 {
			h.Since = h.Since.Add(time.Duration(bits.TrailingZeros64(first[oldest])) * time.Minute)
		}
	}
	return h, nil
}

// Performance checks the contract of resource.Performance. open returns an
// empty one.
func Performance(t *testing.T, open func(t *testing.T) resource.Performance) {
	november := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	october := november.AddDate(0, -1, 0)
	process := func() (id [16]byte) {
		_, _ = rand.Read(id[:])
		return id
	}
	calls := func(hour time.Time, proper, failed, excluded int64) resource.Calls {
		c := resource.Calls{
			Hour: hour, Operation: fdx.GetAccount, Proper: proper, Failed: failed, Excluded: excluded,
			Took: time.Duration(proper+failed) * 1500 * time.Microsecond,
		}
		c.Latencies[0], c.Latencies[14] = proper, failed
		return c
	}
	put := func(t *testing.T, p resource.Performance, id [16]byte, c ...resource.Calls) {
		t.Helper()
		if err := p.Put(t.Context(), id, c); err != nil {
			t.Fatal(err)
		}
	}
	want := func(t *testing.T, p resource.Performance, start, since time.Time, months ...resource.Month) {
		t.Helper()
		got, err := p.History(t.Context(), start)
		if err != nil || !got.Since.Equal(since) || !reflect.DeepEqual(got.Months, months) {
			t.Errorf("got %+v, %v, want since %s %+v", got, err, since, months)
		}
	}
	sum := func(start time.Time, proper, failed, excluded int64) resource.Month {
		c := calls(start, proper, failed, excluded)
		return resource.Month{
			Start: start, Operation: c.Operation, Proper: c.Proper, Failed: c.Failed, Excluded: c.Excluded, Took: c.Took, Latencies: c.Latencies,
		}
	}

	t.Run("nothing is known at first", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		put(t, p, process())
		want(t, p, october, time.Time{})
	})
	t.Run("what processes counted is added", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		put(t, p, process(), calls(november, 3, 1, 0), calls(november.Add(time.Hour), 2, 0, 5))
		put(t, p, process(), calls(november, 10, 0, 0))
		want(t, p, november, november, sum(november, 15, 1, 5))
	})
	t.Run("what is put again or late counts once", func(t *testing.T) {
		t.Parallel()
		p, id := open(t), process()
		first, second := calls(november, 3, 1, 0), calls(november, 5, 1, 1)
		for _, c := range []resource.Calls{first, first, second, second, first} {
			put(t, p, id, c)
		}
		want(t, p, november, november, sum(november, 5, 1, 1))
	})
	t.Run("months are those of UTC", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		last := november.Add(-time.Hour)
		other := calls(november, 1, 0, 0)
		other.Operation = fdx.SearchForAccounts
		put(t, p, process(), calls(last, 7, 0, 0), calls(november, 1, 1, 0), other, calls(october.Add(-time.Hour), 9, 9, 9))
		second := sum(november, 1, 0, 0)
		second.Operation = fdx.SearchForAccounts
		want(t, p, november, october.Add(-time.Hour), sum(november, 1, 1, 0), second)
		want(t, p, october, october.Add(-time.Hour), sum(october, 7, 0, 0))
		want(t, p, november.AddDate(0, 1, 0), time.Time{})
	})
	t.Run("minutes of processes overlap", func(t *testing.T) {
		t.Parallel()
		p, id := open(t), process()
		mark := func(id [16]byte, hour time.Time, up, planned uint64) {
			c := calls(hour, 0, 0, 0)
			c.Up, c.Planned = up, planned
			put(t, p, id, c)
		}
		mark(id, november, 0b0011000, 0)
		mark(id, november, 0b0100000, 0)
		mark(process(), november, 0b1110000, 0b1000000)
		mark(process(), november.Add(time.Hour), 1<<60-1, 0)
		m := sum(november, 0, 0, 0)
		m.Up, m.Planned = 3+60, 1
		want(t, p, november, november.Add(3*time.Minute), m)
	})
	t.Run("of many puts none is lost", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		var all sync.WaitGroup
		for range 8 {
			id := process()
			all.Go(func() {
				for n := range int64(5) {
					if err := p.Put(t.Context(), id, []resource.Calls{calls(november, n+1, 0, 0), calls(november.Add(time.Hour), 0, n, 0)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		want(t, p, november, november, sum(november, 8*5, 8*4, 0))
	})
	t.Run("nothing without a context", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		if err := p.Put(cancelled(t), process(), []resource.Calls{calls(november, 1, 0, 0)}); err == nil {
			t.Error("put")
		}
		if _, err := p.History(cancelled(t), november); err == nil {
			t.Error("told")
		}
	})
}

// cancelled returns a context that is over.
func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
