package resource

import (
	"context"
	"time"

	"github.com/headgate/headgate/fdx"
)

// Performance keeps how calls of operations ended, for at least 14 months.
// The executable contract is resourcetest.Performance.
type Performance interface {
	// Put stores what one process has counted so far. Each entry replaces
	// what that process put before for the same operation and hour, unless
	// that had counted more already: to repeat a Put, also one whose outcome
	// is unknown, counts nothing twice, and a late one undoes nothing. All or
	// nothing. No two processes have the same id.
	Put(ctx context.Context, process [16]byte, calls []Calls) error

	// History returns the sums of all processes over one month, which begins
	// at start, by operation. An operation that nobody has put anything of is
	// absent; the zero History when that is so of all.
	History(ctx context.Context, start time.Time) (History, error)
}

// Calls is what one process counted of one operation in one hour.
type Calls struct {
	Hour      time.Time // its start, UTC
	Operation fdx.OperationID
	// Proper answers gave what was asked for or said why not, Failed ones did
	// neither. Excluded ones fell into announced downtime and count as none
	// of the two.
	Proper, Failed, Excluded int64
	// Took is the time of proper and failed answers together, in whole
	// microseconds, and Latencies how many of them took how long.
	Took      time.Duration
	Latencies Latencies
	// Up and Planned are minutes of the hour, bit 0 the first: those in which
	// the operation was found in service, and those of announced downtime.
	Up, Planned uint64
}

// Latencies counts answers by the time they took: entry i those of at most
// LatencyBounds()[i] that are over the bound before.
type Latencies [15]int64

// LatencyBounds returns the upper bounds of Latencies, ascending. The last is
// where the server cuts a request off.
func LatencyBounds() [15]time.Duration {
	const ms = time.Millisecond
	return [15]time.Duration{
		5 * ms, 10 * ms, 25 * ms, 50 * ms, 75 * ms, 100 * ms, 150 * ms, 200 * ms, 300 * ms, 500 * ms,
		750 * ms, 1000 * ms, 2000 * ms, 3500 * ms, 15000 * ms,
	}
}

// Percentile returns the least bound that at least percent of the answers
// kept; zero when there are none.
func (l Latencies) Percentile(percent int64) time.Duration {
	var all, sum int64
	for _, n := range l {
		all += n
	}
	bounds := LatencyBounds()
	for i, n := range l {
		if sum += n; all > 0 && sum*100 >= all*percent {
			return bounds[i]
		}
	}
	return 0
}

// History is how operations did, by calendar months of UTC.
type History struct {
	// Since is the first minute of which anything is known, of whatever
	// month.
	Since  time.Time
	Months []Month
}

// Month is one operation in one month.
type Month struct {
	Start     time.Time // of the month, UTC
	Operation fdx.OperationID
	// As in Calls.
	Proper, Failed, Excluded int64
	Took                     time.Duration
	Latencies                Latencies
	// Up is how many minutes at least one process found the operation in
	// service, outside announced downtime; Planned how many minutes that was.
	Up, Planned int64
}

// add adds the calls of another operation in the same month; minutes are
// those of the operation that was in service least.
func (m *Month) add(o Month) {
	m.Proper, m.Failed, m.Excluded, m.Took = m.Proper+o.Proper, m.Failed+o.Failed, m.Excluded+o.Excluded, m.Took+o.Took
	for i, n := range o.Latencies {
		m.Latencies[i] += n
	}
	m.Up, m.Planned = min(m.Up, o.Up), max(m.Planned, o.Planned)
}

// counted returns the part of a month of which something can be known.
func (m *Month) counted(since, now time.Time) (start, end time.Time) {
	start, end = m.Start, m.Start.AddDate(0, 1, 0)
	if since.After(start) {
		start = since
	}
	if now.Before(end) {
		end = now.Truncate(time.Minute)
	}
	return start, end
}

// rate returns the share of proper answers in percent, to the thousandth and
// never rounded up; false when there was no call.
func (m *Month) rate() (fdx.Decimal, bool) { return percent(m.Proper, m.Proper+m.Failed) }

// uptime returns the share of minutes in service in percent, announced
// downtime left out; false when there was no other minute.
func (m *Month) uptime(since, now time.Time) (fdx.Decimal, bool) {
	start, end := m.counted(since, now)
	minutes := int64(end.Sub(start)/time.Minute) - m.Planned
	return percent(min(m.Up, minutes), minutes)
}

// average returns the mean time of an answer in milliseconds; false when
// there was no call.
func (m *Month) average() (fdx.Decimal, bool) {
	n := m.Proper + m.Failed
	if n == 0 {
		return fdx.Decimal{}, false
	}
	return fdx.NewDecimal(m.Took.Microseconds()/n, 3), true
}

func percent(part, whole int64) (fdx.Decimal, bool) {
	if whole <= 0 {
		return fdx.Decimal{}, false
	}
	return fdx.NewDecimal(part*100_000/whole, 3), true
}
