package outbox

import (
	"net/http"
	"time"

	"github.com/headgate/headgate/consent/notice"
)

// The schedule of attempts.
const (
	// FirstRetry is the pause after the first failure; it doubles with each
	// further one.
	FirstRetry = time.Second
	// LastRetry is the longest pause, also when the other side asks for a
	// longer one.
	LastRetry = time.Hour
	// GiveUp is how long a delivery is tried before it is dead.
	GiveUp = 72 * time.Hour
	// held is how often to look whether a suspended recipient is back.
	held = 10 * time.Minute
)

// settle decides what becomes of a delivery after its attempts-th attempt, at
// now. status is 0 when there was no answer; asked is Retry-After; jitter is
// from 0 to 1.
func settle(since, now time.Time, attempts, status int, asked time.Duration, jitter float64) notice.Outcome {
	o := notice.Outcome{State: notice.Pending, Attempts: attempts, Status: status}
	if status >= 200 && status < 300 {
		o.State = notice.Delivered
		return o
	}
	pause := pauseAfter(attempts, jitter)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		pause = max(pause, min(asked, LastRetry))
	}
	o.NextAt = now.Add(pause)
	if over(since, now) {
		o.State = notice.Dead
	}
	return o
}

// over reports whether a delivery has been tried for long enough.
func over(since, now time.Time) bool { return now.Sub(since) >= GiveUp }

// pauseAfter returns the pause after so many failures: FirstRetry doubled each
// time up to LastRetry, of which up to a fifth is taken off so that what
// failed together does not come back together.
func pauseAfter(attempts int, jitter float64) time.Duration {
	pause := LastRetry
	if doubled := attempts - 1; doubled < 12 { // 2^12 s is more than an hour
		pause = min(FirstRetry<<max(doubled, 0), LastRetry)
	}
	return max(pause-time.Duration(jitter*float64(pause)/5), FirstRetry)
}
