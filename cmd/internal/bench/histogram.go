package bench

import (
	"math/bits"
	"time"
)

// Every power of two is cut into steps of equal width, so that a recorded
// time is off by less than 1 part in 128 whatever its size, and recording is
// two shifts and an addition.
const (
	stepBits = 6
	steps    = 1 << stepBits
	// Buckets up to about 18 minutes; longer times count as that.
	buckets = 35*steps + steps
)

// histogram counts times. The zero value is empty. Not safe for concurrent
// use: each caller has its own, merged afterwards.
type histogram struct {
	counts [buckets]uint64
	total  uint64
}

func (h *histogram) record(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
}

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < steps {
		return int(v)
	}
	e := bits.Len64(v) - stepBits - 1
	return min(e*steps+int(v>>e), buckets-1)
}

// middle returns the middle of a bucket.
func middle(bucket int) time.Duration {
	e := max(0, bucket/steps-1)
	low := time.Duration(bucket-e*steps) << e
	return low + (time.Duration(1)<<e)/2
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
}

// quantile returns the time that a share q (0 to 1) of all did not exceed; 0
// when nothing was recorded.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := max(1, uint64(q*float64(h.total)+0.5))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return middle(i)
		}
	}
	return middle(buckets - 1)
}
