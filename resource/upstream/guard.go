package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/headgate/headgate/resource"
)

// fault is a failure that is the bank's: it counts against it at the circuit
// breaker. What the bank refuses, with a status of 400 and more, is none.
type fault struct {
	err error
	// passing: the same question may be answered a moment later.
	passing bool
	// after is how long the bank wants to be left alone; 0 when it did not
	// say.
	after time.Duration
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// noAnswer is the fault of a call that did not get through, broke off, or took
// too long.
func noAnswer(ctx context.Context, cause error) error {
	if err := ctx.Err(); err != nil {
		return &fault{err: fmt.Errorf("upstream: no answer: %w", err)}
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](cause)
	return &fault{
		err:     fmt.Errorf("%w: no answer: %s", resource.ErrUnavailable, tellable(cause)),
		passing: !untrusted,
	}
}

// tellable returns what may be logged of a failed call. The errors of HTTP
// quote what they could not read, which may be anything.
func tellable(cause error) string {
	if failed, ok := errors.AsType[*net.OpError](cause); ok {
		return failed.Error()
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](cause); ok {
		return untrusted.Error()
	}
	if errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrUnexpectedEOF) {
		return "it broke off"
	}
	return "it was no HTTP"
}

// The circuit breaker. A bank that fails this often in a row is left alone,
// and so is one that fails half of the time; then one call a second finds out
// whether it is back.
const (
	failuresInARow = 5
	fewestCalls    = 20 // below that half of them says nothing
	failureWindow  = 10 * time.Second
	probeEvery     = time.Second
)

func newBreaker() *gobreaker.CircuitBreaker[struct{}] {
	return gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:  1,
		Interval:     failureWindow,
		BucketPeriod: time.Second,
		Timeout:      probeEvery,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.ConsecutiveFailures >= failuresInARow || c.Requests >= fewestCalls && c.TotalFailures*2 >= c.Requests
		},
		IsSuccessful: func(err error) bool {
			var f *fault
			return !errors.As(err, &f)
		},
		// A caller that hung up says nothing about the bank.
		IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
	})
}

// budget bounds retries to a tenth of the calls, so that they cannot multiply
// the load on a bank that is down. It is counted in tenths of a retry. Safe
// for concurrent use.
type budget struct {
	mu     sync.Mutex
	tenths int
}

// A retry costs what ten calls earn. Some are given in advance, so that a bank
// with few calls gets any, and a quiet hour does not save up more.
const (
	retryCost = 10
	atStart   = 3 * retryCost
	mostSaved = 10 * retryCost
)

func newBudget() *budget { return &budget{tenths: atStart} }

func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tenths = min(b.tenths+1, mostSaved)
}

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tenths < retryCost {
		return false
	}
	b.tenths -= retryCost
	return true
}

// pause returns how long to wait before another try: up to 50 ms after the
// first, twice as long after the next, at random so that callers who failed
// together do not return together.
func pause(try int) time.Duration {
	return rand.N(50 * time.Millisecond << (try - 1))
}
