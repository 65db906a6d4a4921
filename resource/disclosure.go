package resource

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
)

// performancePath is where everybody can read how the interface does (12 CFR
// 1033.341(d), which asks for 13 months).
const performancePath = "/performance.json"

// disclosed is how many months are told of, the current one not counted. What
// is told of the current one may be as old as currentAge, and what is told of
// those before, to which only an instance that was cut off adds, as old as
// finalAge.
const (
	disclosed  = 13
	currentAge = time.Minute
	finalAge   = time.Hour
)

// pause is how long a store that failed is left alone.
const pause = 2 * time.Second

// histories remembers months: anybody may ask for them, and to add one up is
// work.
type histories struct {
	mu     sync.Mutex // guards everything below
	months map[time.Time]told
	// The store is not asked again right after it has failed: those who wait
	// for each other would wait for every attempt.
	failed time.Time
	err    error
}

type told struct {
	history History
	at      time.Time
}

// history returns how operations did in the months that are disclosed, newest
// first, and as of when. While the store is away it is what was known last.
func (g *Gateway) history(ctx context.Context) (History, time.Time, error) {
	h := &g.told
	h.mu.Lock()
	defer h.mu.Unlock()
	now := g.now().UTC()
	// Detached: others wait for the same answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bankDeadline)
	defer cancel()
	months := map[time.Time]told{}
	var all History
	var asOf time.Time
	renewed := false
	for i := range disclosed + 1 {
		start := time.Date(now.Year(), now.Month()-time.Month(i), 1, 0, 0, 0, 0, time.UTC)
		m, known := h.months[start]
		due := !known || i == 0 && now.Sub(m.at) >= currentAge
		if !due && i > 0 && !renewed && (now.Sub(m.at) >= finalAge || m.at.Before(start.AddDate(0, 1, 0))) {
			due, renewed = true, true // one at a time
		}
		if due {
			if m, known = g.renew(ctx, start, m, known); !known {
				return History{}, time.Time{}, h.err
			}
		}
		if i == 0 {
			asOf = m.at
		}
		months[start] = m
		if !m.history.Since.IsZero() {
			all.Since = m.history.Since
		}
		all.Months = append(all.Months, m.history.Months...)
	}
	h.months = months
	return all, asOf, nil
}

// renew asks the store for a month and remembers it; while it is away, what is
// known stays. Called with the lock held.
func (g *Gateway) renew(ctx context.Context, start time.Time, m told, known bool) (told, bool) {
	h := &g.told
	now := g.now().UTC()
	if now.Sub(h.failed) < pause {
		return m, known
	}
	found, err := g.meter.store.History(ctx, start)
	if err != nil {
		h.failed, h.err = now, err
		return m, known
	}
	if h.months == nil {
		h.months = map[time.Time]told{}
	}
	h.months[start] = told{found, now}
	return h.months[start], true
}

// getCertificationMetrics tells how each operation did, month by month.
var getCertificationMetrics = description{
	id: fdx.GetCertificationMetrics, path: "/certification-metrics",
	query: availabilityParameters, errors: append(slices.Clip(anyErrors), fdx.ErrNotImplemented), body: reflect.TypeFor[fdx.CertificationMetricsAnswer](),
	answer: func(ctx context.Context, g *Gateway, q fdx.OperationsQuery) (any, *fdx.Error) {
		if g.meter == nil {
			return nil, fdx.ErrNotImplemented.WithDebug("performance is not counted here; see /capability")
		}
		history, at, err := g.history(ctx)
		if err != nil {
			return nil, fdx.ErrMaintenance.WithDebug("try again later")
		}
		var answer fdx.CertificationMetricsAnswer
		for _, m := range history.Months {
			if q.OperationID != "" && m.Operation != q.OperationID {
				continue
			}
			start, end := m.counted(history.Since, at)
			metric := fdx.CertificationMetric{
				ReportStartTimestamp: fdx.TimestampOf(start), ReportEndTimestamp: fdx.TimestampOf(end), ReportTimestamp: fdx.TimestampOf(at),
				MetricsName: m.Start.Format("2006-01"), OperationIDs: []fdx.OperationID{m.Operation},
			}
			metric.ResponseTimeAverage, _ = m.average()
			metric.AverageUpTime, _ = m.uptime(history.Since, at)
			answer.Metrics = append(answer.Metrics, metric)
		}
		return answer, nil
	},
}

// performance is the body of performancePath.
type performance struct {
	ReportedAt time.Time          `json:"reported_at"`
	TimeZone   string             `json:"time_zone"`
	Months     []performanceMonth `json:"months"` // newest first
}

type performanceMonth struct {
	Month string `json:"month"`
	// Complete: the month is over, and its figures are final but for what an
	// instance that was cut off still brings.
	Complete   bool                   `json:"complete"`
	From       time.Time              `json:"from"`
	To         time.Time              `json:"to"`
	Figures    performanceFigures     `json:"all_operations"`
	Operations []performanceOperation `json:"operations"`
}

type performanceOperation struct {
	Operation fdx.OperationID `json:"operation"`
	performanceFigures
}

type performanceFigures struct {
	Queries      int64       `json:"queries"`
	Proper       int64       `json:"proper_responses"`
	Excluded     int64       `json:"excluded"` // in announced downtime
	ResponseRate fdx.Decimal `json:"response_rate_percent,omitzero"`
	Average      fdx.Decimal `json:"response_time_average_ms,omitzero"`
	P95          int64       `json:"response_time_p95_ms,omitzero"`
	Uptime       fdx.Decimal `json:"uptime_percent,omitzero"`
	Planned      int64       `json:"planned_downtime_minutes"`
}

func figures(m Month, since, now time.Time) performanceFigures {
	f := performanceFigures{
		Queries: m.Proper + m.Failed, Proper: m.Proper, Excluded: m.Excluded,
		P95: m.Latencies.Percentile(95).Milliseconds(), Planned: m.Planned,
	}
	f.ResponseRate, _ = m.rate()
	f.Average, _ = m.average()
	f.Uptime, _ = m.uptime(since, now)
	return f
}

// report groups a history, whose months are sorted, by months.
func report(h History, now time.Time) performance {
	r := performance{ReportedAt: now.Truncate(time.Second), TimeZone: "UTC", Months: []performanceMonth{}}
	for months := h.Months; len(months) > 0; {
		sum := months[0]
		n := 1
		for ; n < len(months) && months[n].Start.Equal(sum.Start); n++ {
			sum.add(months[n])
		}
		start, end := sum.counted(h.Since, now)
		month := performanceMonth{
			Month: sum.Start.Format("2006-01"), Complete: !now.Before(sum.Start.AddDate(0, 1, 0)),
			From: start, To: end, Figures: figures(sum, h.Since, now),
		}
		for _, m := range months[:n] {
			month.Operations = append(month.Operations, performanceOperation{m.Operation, figures(m, h.Since, now)})
		}
		r.Months = append(r.Months, month)
		months = months[n:]
	}
	return r
}

// servePerformance answers performancePath: to everybody, and nothing about
// anybody.
func (g *Gateway) servePerformance(w http.ResponseWriter, r *http.Request) {
	history, at, err := g.history(r.Context())
	if err != nil {
		fdxhttp.StoreDown(err).Write(w, "")
		return
	}
	body, err := json.Marshal(report(history, at))
	if err != nil {
		panic(err) // numbers, times and names
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	fdxhttp.WriteJSON(w, http.StatusOK, body)
}
