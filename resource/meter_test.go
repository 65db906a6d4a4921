package resource

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/web"
)

// lastHour is the last hour of a month.
var lastHour = time.Date(2026, 10, 31, 23, 0, 0, 0, time.UTC)

// bench is a meter of one operation of the bank and one without it, on a bank,
// a clock and a store of the test's.
type bench struct {
	*meter
	at   time.Time
	bank fdx.Availability
	away error // of the bank
	down error // of the store
	put  []Calls
}

func (b *bench) Put(_ context.Context, _ [16]byte, calls []Calls) error {
	b.put = append(b.put, calls...)
	return b.down
}

func (b *bench) History(context.Context, time.Time) (History, error) { return History{}, nil }

func newBench() *bench {
	b := &bench{at: lastHour, bank: fdx.Availability{Status: fdx.Alive}}
	g := &Gateway{now: func() time.Time { return b.at }, endpoints: []endpoint{&getAccount, &getAvailability, &getCustomer}, provider: offering{}}
	b.meter = newMeter(g, b, slog.New(slog.DiscardHandler))
	b.available = func(context.Context) (fdx.Availability, error) { return b.bank, b.away }
	return b
}

// offering is a bank that has one operation.
type offering struct{ Provider }

func (offering) Operations() []fdx.OperationID { return []fdx.OperationID{fdx.GetAccount} }

func (offering) Availability(context.Context) (fdx.Availability, error) {
	return fdx.Availability{Status: fdx.Alive}, nil
}

const accountRoute = fdxhttp.Base + "/accounts/:accountId"

func (b *bench) answer(status int) {
	b.observe(web.Observation{Route: accountRoute, Method: "GET", Status: status, At: b.at, Took: 7 * time.Millisecond})
}

// stored flushes and returns the rows of an operation that were put.
func (b *bench) stored(id fdx.OperationID) []Calls {
	b.put = nil
	b.flush(context.Background())
	var rows []Calls
	for _, c := range b.put {
		if c.Operation == id {
			rows = append(rows, c)
		}
	}
	return rows
}

func TestWhatCounts(t *testing.T) {
	t.Parallel()
	const proper, failed, nothing = "proper", "failed", "nothing"
	for name, c := range map[string]struct {
		o    web.Observation
		want string
	}{
		"data":                               {web.Observation{Status: 200}, proper},
		"data in part":                       {web.Observation{Status: 206}, proper},
		"a refusal before anybody was known": {web.Observation{Status: 401}, proper},
		"a refusal":                          {web.Observation{Status: 403}, proper},
		"too many requests":                  {web.Observation{Status: 429}, proper},
		"our mistake":                        {web.Observation{Status: 500}, failed},
		"out of order":                       {web.Observation{Status: 503, Code: "503"}, failed},
		"the bank's time-out":                {web.Observation{Status: 504}, failed},
		"says that it has no such version":   {web.Observation{Status: 501, Code: "1106"}, proper},
		"501 without saying why":             {web.Observation{Status: 501}, failed},
		"hung up while we failed":            {web.Observation{Status: 503, Gone: true}, nothing},
		"hung up on an answer":               {web.Observation{Status: 200, Gone: true}, proper},
		"another method":                     {web.Observation{Status: 405, Method: "POST"}, nothing},
		"no such path":                       {web.Observation{Status: 404, Route: web.Unmatched}, nothing},
		"what the bank does not offer":       {web.Observation{Status: 501, Route: fdxhttp.Base + "/customers/:customerId"}, nothing},
	} {
		b := newBench()
		if c.o.Method == "" {
			c.o.Method = "GET"
		}
		if c.o.Route == "" {
			c.o.Route = accountRoute
		}
		c.o.At, c.o.Took = b.at, 80*time.Millisecond
		b.observe(c.o)
		rows := b.stored(fdx.GetAccount)
		if len(rows) != 1 {
			t.Fatalf("%s: rows %+v", name, rows)
		}
		want := Calls{Hour: lastHour, Operation: fdx.GetAccount, Up: 1}
		switch c.want {
		case proper:
			want.Proper = 1
		case failed:
			want.Failed = 1
		}
		if c.want != nothing {
			want.Took, want.Latencies[5] = 80*time.Millisecond, 1
		}
		if rows[0] != want {
			t.Errorf("%s: %+v, want %+v", name, rows[0], want)
		}
	}
}

func TestAnnouncedDowntimeIsExcluded(t *testing.T) {
	t.Parallel()
	b := newBench()
	window := func(status fdx.AvailabilityStatus, from, to time.Duration) fdx.PlannedAvailability {
		return fdx.PlannedAvailability{Status: status, StartTime: fdx.TimestampOf(lastHour.Add(from)), EndTime: fdx.TimestampOf(lastHour.Add(to))}
	}
	b.bank.PlannedAvailability = []fdx.PlannedAvailability{
		window(fdx.Maintenance, 10*time.Minute, 20*time.Minute), window(fdx.Partial, 30*time.Minute, 40*time.Minute),
	}
	b.stored("")
	b.bank, b.away = fdx.Availability{}, errors.New("away") // what was announced stands
	for minute, want := range map[int]string{9: "failed", 10: "excluded", 19: "excluded", 20: "failed", 35: "failed"} {
		b.at = lastHour.Add(time.Duration(minute) * time.Minute)
		before := b.current.Load().counts[0].calls(0, "")
		b.answer(503)
		after := b.stored(fdx.GetAccount)[0]
		got := "failed"
		if after.Excluded > before.Excluded {
			got = "excluded"
		}
		if got != want || after.Failed+after.Excluded != before.Failed+before.Excluded+1 {
			t.Errorf("minute %d: %s, want %s", minute, got, want)
		}
	}
	last := b.current.Load().counts
	if last[0].planned != 1<<10|1<<19 || last[0].up != 1 {
		t.Errorf("minutes planned %b, up %b", last[0].planned, last[0].up)
	}
	// What needs no bank has no downtime of the bank's.
	if last[1].planned != 0 || last[1].up != 1|1<<9|1<<10|1<<19|1<<20|1<<35 {
		t.Errorf("minutes planned %b, up %b", last[1].planned, last[1].up)
	}
	// What is announced no more is no downtime.
	b.bank, b.away = fdx.Availability{Status: fdx.Alive}, nil
	b.at = lastHour.Add(15 * time.Minute)
	b.stored("")
	b.answer(503)
	if got := b.stored(fdx.GetAccount)[0]; got.Excluded != 2 {
		t.Errorf("%+v", got)
	}
}

func TestHoursEnd(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.answer(200)
	b.stored("")
	late := web.Observation{Route: accountRoute, Method: "GET", Status: 200, At: lastHour.Add(time.Hour - 1)}
	b.observe(late)
	b.at = lastHour.Add(time.Hour)
	b.answer(200)
	b.answer(500)
	rows := b.stored(fdx.GetAccount)
	if len(rows) != 2 || rows[0].Proper != 2 || !rows[0].Hour.Equal(lastHour) || rows[1].Proper != 1 || rows[1].Failed != 1 || !rows[1].Hour.Equal(b.at) {
		t.Fatalf("%+v", rows)
	}
	if rows[0].Up != 1 || rows[1].Up != 1 {
		t.Errorf("minutes %b, %b", rows[0].Up, rows[1].Up)
	}
	if rows := b.stored(fdx.GetAccount); len(rows) != 0 || len(b.past) != 1 {
		t.Errorf("put again: %+v", rows)
	}
	b.at = b.at.Add(flushEvery)
	b.stored("")
	if len(b.past) != 0 || len(b.meter.put) != 2 {
		t.Errorf("%d hours and %d rows are kept for ever", len(b.past), len(b.meter.put))
	}
	b.at = lastHour // a clock that is put back
	b.answer(200)
	if rows := b.stored(fdx.GetAccount); len(rows) != 1 || rows[0].Proper != 2 || !rows[0].Hour.Equal(lastHour.Add(time.Hour)) {
		t.Errorf("%+v", rows)
	}
}

// What cannot be stored is stored later, in its own hour, and a minute in
// which nothing could be stored is not one of service.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.stored("")
	b.down = errors.New("down")
	for minute := range 180 {
		b.at = lastHour.Add(time.Duration(minute) * time.Minute)
		b.answer(503)
		b.flush(t.Context())
	}
	b.down = nil
	rows := b.stored(fdx.GetAccount)
	if len(rows) != 3 {
		t.Fatalf("%+v", rows)
	}
	for i, up := range []uint64{1, 0, 1 << 59} {
		if rows[i].Failed != 60 || rows[i].Up != up || !rows[i].Hour.Equal(lastHour.Add(time.Duration(i)*time.Hour)) {
			t.Errorf("%+v", rows[i])
		}
	}
}

// Nothing is lost or counted twice while requests and the flusher meet, hours
// ending all the time.
func TestCountingInARace(t *testing.T) {
	t.Parallel()
	b := newBench()
	const callers, each = 8, 2000
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for i := range each {
				b.observe(web.Observation{Route: accountRoute, Method: "GET", Status: 200, At: lastHour.Add(time.Duration(i/500) * time.Hour)})
			}
		})
	}
	newest := map[time.Time]Calls{}
	collect := func() {
		for _, c := range b.stored(fdx.GetAccount) {
			newest[c.Hour] = c
		}
	}
	for range 200 {
		collect()
	}
	all.Wait()
	collect()
	var sum int64
	for _, c := range newest {
		sum += c.Proper
	}
	if sum != callers*each {
		t.Errorf("%d of %d", sum, callers*each)
	}
}

// What counting costs a request, beside the two additions that it is about.
func BenchmarkObserve(b *testing.B) {
	m := newBench()
	o := web.Observation{Route: accountRoute, Method: "GET", Status: 200, At: lastHour, Took: 42 * time.Millisecond}
	var one, two atomic.Int64
	for name, count := range map[string]func(){
		"observe":       func() { m.observe(o) },
		"two additions": func() { one.Add(1); two.Add(42) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					count()
				}
			})
		})
	}
}
