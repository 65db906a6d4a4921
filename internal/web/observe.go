package web

import "time"

// Unmatched is the route of a request that no route matched: its path may
// hold anything.
const Unmatched = "unmatched"

// Observation is how one request ended. Nothing in it was written by the
// client, so that it may label a metric.
type Observation struct {
	Route  string // template, such as /accounts/:accountId, or Unmatched
	Method string // a known method, or "other"
	Status int    // 500 after a panic, also when the answer had begun
	Took   time.Duration
	At     time.Time // when it ended
	// Code and Reason are those of the LogFields, empty when there are none.
	Code, Reason string
	// Gone: the client hung up before the answer was complete.
	Gone bool
}
