package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinOneStep(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var h, half histogram
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(r.ExpFloat64() * float64(7*time.Millisecond))
		all = append(all, d)
		if i%2 == 0 {
			half.record(d)
		} else {
			h.record(d)
		}
	}
	h.merge(&half)
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.99, 1} {
		want := all[max(0, int(q*float64(len(all)))-1)]
		got := h.quantile(q)
		if off := (got - want).Abs(); off > want/100 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

func TestBucketsFollowEachOther(t *testing.T) {
	t.Parallel()
	for b := range buckets - 1 {
		if bucketOf(middle(b)) != b {
			t.Fatalf("the middle of bucket %d is in bucket %d", b, bucketOf(middle(b)))
		}
		if middle(b) >= middle(b+1) {
			t.Fatalf("bucket %d is not before %d", b, b+1)
		}
	}
}

func TestTimesOutsideTheRangeAreKept(t *testing.T) {
	t.Parallel()
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	h.record(-time.Second)
	h.record(100 * time.Hour)
	if got := h.quantile(1); h.total != 2 || got < 15*time.Minute {
		t.Errorf("%d recorded, the longest %v", h.total, got)
	}
}
