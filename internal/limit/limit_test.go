package limit

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func take(l *Local[string], now time.Time, charges ...Charge[string]) bool {
	_, ok := l.Take(now, charges...)
	return ok
}

func TestQuotaComesAtOnceAndThenDrop(t *testing.T) {
	t.Parallel()
	var l Local[string]
	c := Charge[string]{"a", 60}
	for i := range 60 {
		levels, ok := l.Take(noon, c)
		want := Level{Quota: 60, Left: 59 - i, Whole: time.Duration(i+1) * time.Second}
		if !ok || levels[0] != want {
			t.Fatalf("request %d: %v %+v, want %+v", i, ok, levels[0], want)
		}
	}
	full := Level{Quota: 60, Whole: time.Minute, Wait: time.Second}
	for range 100 { // a refusal fills nothing
		if levels, ok := l.Take(noon, c); ok || levels[0] != full {
			t.Fatalf("over the quota: %v %+v", ok, levels[0])
		}
	}
	if got := l.Look(noon, c); got != full {
		t.Errorf("seen from beside: %+v", got)
	}
	if take(&l, noon.Add(time.Second-1), c) {
		t.Error("too early")
	}
	if !take(&l, noon.Add(time.Second), c) {
		t.Error("not let through in time")
	}
	if take(&l, noon.Add(time.Second), c) {
		t.Error("two for one drop")
	}
	if !take(&l, noon, Charge[string]{"b", 60}) {
		t.Error("another one's quota is used up too")
	}
}

// In no minute are there twice as many as the quota.
func TestNoMinuteHasTwiceTheQuota(t *testing.T) {
	t.Parallel()
	var l Local[string]
	var through []time.Time
	for now := noon; now.Before(noon.Add(10 * time.Minute)); now = now.Add(50 * time.Millisecond) {
		if take(&l, now, Charge[string]{"a", 100}) {
			through = append(through, now)
		}
	}
	if n := len(through); n < 1000 || n > 1100 {
		t.Errorf("%d in ten minutes", n)
	}
	for i := range through {
		if i >= 200 && through[i].Sub(through[i-200]) <= Window {
			t.Fatalf("200 within a minute at %d", i)
		}
	}
}

func TestAllBucketsOrNone(t *testing.T) {
	t.Parallel()
	var l Local[string]
	small, large := Charge[string]{"small", 1}, Charge[string]{"large", 10}
	if !take(&l, noon, large, small) {
		t.Fatal("the first is refused")
	}
	for range 20 {
		levels, ok := l.Take(noon, large, small)
		if ok || levels[0].Wait != 0 || levels[0].Left != 9 || levels[1].Wait != time.Minute {
			t.Fatalf("%v %+v", ok, levels)
		}
	}
}

func TestNoQuotaLimitsNothing(t *testing.T) {
	t.Parallel()
	var l Local[string]
	for range 100 {
		levels, ok := l.Take(noon, Charge[string]{"a", 0})
		if !ok || levels[0] != (Level{}) {
			t.Fatalf("%v %+v", ok, levels)
		}
	}
	if len(l.now) != 0 {
		t.Error("counted all the same")
	}
}

func TestReturn(t *testing.T) {
	t.Parallel()
	var l Local[string]
	c := Charge[string]{"a", 2}
	l.Return(noon, c) // of nothing
	for range 10 {
		if !take(&l, noon, c) {
			t.Fatal("counted all the same")
		}
		l.Return(noon, c)
	}
	take(&l, noon, c)
	take(&l, noon, c)
	l.Return(noon.Add(2*Window), c) // what has drained meanwhile is no credit
	for i, want := range []bool{true, true, false} {
		if take(&l, noon.Add(2*Window), c) != want {
			t.Errorf("request %d of two: %v", i+1, !want)
		}
	}
	l.Return(noon, Charge[string]{"none", 0})
}

func TestClockSetBack(t *testing.T) {
	t.Parallel()
	var l Local[string]
	c := Charge[string]{"a", 60}
	for range 60 {
		take(&l, noon.Add(time.Hour), c)
	}
	if !take(&l, noon, c) {
		t.Error("shut out until the clock is back")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	l := Local[string]{most: 100}
	used := Charge[string]{"used", 1}
	take(&l, noon, used)
	for i := range 10_000 {
		l.Take(noon, Charge[string]{fmt.Sprint(i), 1})
		if n := len(l.now) + len(l.before); n > 200 {
			t.Fatalf("%d buckets", n)
		}
	}
	var m Local[string]
	take(&m, noon, used)
	for s := range 3 {
		now := noon.Add(time.Duration(s) * 25 * time.Second)
		if s < 2 && take(&m, now, used) {
			t.Errorf("forgotten after %s", now.Sub(noon))
		}
	}
	m.Take(noon.Add(2*Window), Charge[string]{"other", 1})
	m.Take(noon.Add(4*Window), Charge[string]{"other", 1})
	if len(m.now)+len(m.before) > 2 {
		t.Errorf("%d buckets after four minutes", len(m.now)+len(m.before))
	}
}

func TestFlight(t *testing.T) {
	t.Parallel()
	f := NewFlight(2)
	for i, want := range []bool{true, true, false} {
		if f.Enter() != want {
			t.Errorf("place %d of two: got %v", i+1, !want)
		}
	}
	f.Leave()
	if !f.Enter() || f.Enter() {
		t.Error("not one for the one that left")
	}
	for _, free := range []Flight{{}, NewFlight(0), NewFlight(-1)} {
		for range 10 {
			if !free.Enter() {
				t.Fatal("bounded")
			}
		}
		free.Leave()
	}
}

func TestShareOfAnInstance(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]int{{0, 4, 0}, {10, 0, 10}, {10, 1, 10}, {10, 4, 3}, {1, 100, 1}, {-1, 2, 0}} {
		if got := PerInstance(c[0], c[1]); got != c[2] {
			t.Errorf("%d among %d: %d", c[0], c[1], got)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	h := NewHeaders(Policy{"recipient", 6000}, Policy{"consent", 0}, Policy{"address", 60})
	got := http.Header{}
	h.Set(got, LevelOf(6000, 15*time.Millisecond, false), Level{}, LevelOf(60, Window, true))
	SetRetry(got, 1001*time.Millisecond)
	want := map[string]string{
		"RateLimit-Policy": `"recipient";q=6000;w=60, "address";q=60;w=60`,
		"RateLimit":        `"recipient";r=5998;t=1, "address";r=0;t=60`,
		"Retry-After":      "2",
	}
	for name, value := range want {
		if got.Get(name) != value {
			t.Errorf("%s: %s", name, got.Get(name))
		}
	}
	alone := http.Header{}
	h.Set(alone)
	SetRetry(alone, 0)
	if alone.Get("RateLimit") != "" || alone.Get("RateLimit-Policy") == "" || alone.Get("Retry-After") != "1" {
		t.Errorf("without levels: %v", alone)
	}
	none := http.Header{}
	NewHeaders(Policy{"recipient", 0}).Set(none, Level{})
	if len(none) != 0 {
		t.Errorf("without limits: %v", none)
	}
}
