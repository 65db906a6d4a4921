package consent

import "errors"

// ErrUnavailable: the store behind an interface cannot answer now, or its
// answer was lost, so that nothing is known about what a write has done.
// Every store wraps it around such causes; the caller refuses and may ask
// again later (503 with Retry-After). It never means yes.
var ErrUnavailable = errors.New("consent: store unavailable")
