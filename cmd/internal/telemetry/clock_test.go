package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// database tells a time, or that it cannot.
type database struct {
	at  time.Time
	err error
}

func (d *database) Clock(context.Context) (time.Time, error) { return d.at, d.err }

func TestClocksApart(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ asked, answered, want time.Duration }{
		"the same":                    {0, 0, 0},
		"between":                     {-time.Second, 2 * time.Second, 0},
		"ahead":                       {3 * time.Second, 4 * time.Second, 3 * time.Second},
		"behind":                      {-4 * time.Second, -3 * time.Second, -3 * time.Second},
		"behind by less than it took": {-4 * time.Second, time.Millisecond, 0},
	} {
		if got := apart(noon.Add(c.asked), noon.Add(c.answered), noon); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// Over a second is an alarm at every look and one line, and it is over with
// another one. A database that is away says nothing.
func TestClockAlarm(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w, err := Open(t.Context(), Config{
		ListenMetrics: "127.0.0.1:0", Service: "test", Instance: "1", Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	db := &database{at: noon}
	var ours time.Time
	c := clockWatch{telemetry: w, db: db, now: func() time.Time { return ours }}
	metrics := func() string {
		r := httptest.NewRecorder()
		w.metrics.Handler().ServeHTTP(r, httptest.NewRequest("GET", "/metrics", nil))
		return r.Body.String()
	}
	for i, step := range []struct {
		ahead         time.Duration
		err           error
		alarms, gauge string
		lines         int // in all
	}{
		{ahead: time.Second, gauge: " 1\n"},
		{err: errors.New("away"), gauge: " 1\n"},
		{ahead: 1001 * time.Millisecond, alarms: "1", gauge: " 1.001\n", lines: 1},
		{err: errors.New("away"), alarms: "1", gauge: " 1.001\n", lines: 1},
		{ahead: -5 * time.Minute, alarms: "2", gauge: " -300\n", lines: 1},
		{ahead: -time.Millisecond, alarms: "2", gauge: " -0.001\n", lines: 2},
		{ahead: -2 * time.Second, alarms: "3", gauge: " -2\n", lines: 3},
	} {
		ours, db.err = noon.Add(step.ahead), step.err
		c.look(t.Context())
		text := metrics()
		if got := strings.Contains(text, `headgate_alarms_total{alarm="clock"} `+step.alarms+"\n"); got != (step.alarms != "") {
			t.Errorf("look %d: want %q alarms", i, step.alarms)
		}
		if !strings.Contains(text, "headgate_clock_ahead_seconds"+step.gauge) {
			t.Errorf("look %d: the metric is not%s", i, step.gauge)
		}
		if got := strings.Count(log.String(), "\n"); got != step.lines {
			t.Errorf("look %d: %d lines, want %d:\n%s", i, got, step.lines, &log)
		}
	}
	if !strings.Contains(log.String(), "ahead=1.001s") || !strings.Contains(log.String(), "set both by NTP") {
		t.Errorf("the log does not say by how much and what to do:\n%s", &log)
	}
}

// It looks at once, and ends with its context.
func TestClockIsLookedAtAtOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w, err := Open(t.Context(), Config{Service: "test", Instance: "1", Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.Clock(ctx, &database{at: time.Now().Add(time.Hour)})
	if strings.Count(log.String(), "cause=") != 1 {
		t.Errorf("got %q", &log)
	}
}
