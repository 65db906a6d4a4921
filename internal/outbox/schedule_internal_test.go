package outbox

import (
	"testing"
	"time"

	"github.com/headgate/headgate/consent/notice"
)

func TestPauses(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 7: 64 * time.Second, 12: 2048 * time.Second,
		13: time.Hour, 14: time.Hour, 100: time.Hour, 1 << 40: time.Hour, 0: time.Second,
	} {
		if got := pauseAfter(attempts, 0); got != want {
			t.Errorf("%d attempts: %v, want %v", attempts, got, want)
		}
		if got := pauseAfter(attempts, 1); got > want || got < time.Second || got < want*4/5 {
			t.Errorf("%d attempts with jitter: %v of %v", attempts, got, want)
		}
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	const young, old = time.Hour, 72 * time.Hour
	for name, tc := range map[string]struct {
		age    time.Duration
		status int
		asked  time.Duration
		state  notice.State
		pause  time.Duration
	}{
		"200 is delivered":                        {young, 200, 0, notice.Delivered, 0},
		"204 is delivered, late or not":           {old, 204, 0, notice.Delivered, 0},
		"199 is not":                              {young, 199, 0, notice.Pending, 4 * time.Second},
		"300 is not":                              {young, 300, 0, notice.Pending, 4 * time.Second},
		"no answer":                               {young, 0, 0, notice.Pending, 4 * time.Second},
		"429 is asked for time":                   {young, 429, time.Minute, notice.Pending, time.Minute},
		"503 is asked for time":                   {young, 503, time.Minute, notice.Pending, time.Minute},
		"500 is not":                              {young, 500, time.Minute, notice.Pending, 4 * time.Second},
		"an hour at most":                         {young, 503, 25 * time.Hour, notice.Pending, time.Hour},
		"not sooner than without":                 {young, 429, time.Second, notice.Pending, 4 * time.Second},
		"a moment before the end":                 {old - 1, 500, 0, notice.Pending, 4 * time.Second},
		"dead at the end":                         {old, 500, 0, notice.Dead, 4 * time.Second},
		"dead at the end, whatever was asked for": {old, 503, time.Hour, notice.Dead, time.Hour},
	} {
		now := since.Add(tc.age)
		got := settle(since, now, 3, tc.status, tc.asked, 0)
		want := notice.Outcome{State: tc.state, Attempts: 3, Status: tc.status, NextAt: now.Add(tc.pause)}
		if tc.state == notice.Delivered {
			want.NextAt = time.Time{}
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}
