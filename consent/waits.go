package consent

import (
	"sync"
	"time"
)

// mostWaits bounds what waits remembers. A change beyond it waits for itself.
const mostWaits = 10_000

// waits remembers since when this process has known of the changes that the
// cache could not be told of. A change that is forgotten, or that another
// process knew first, waits for the whole time. The zero waits is empty. It is
// safe for concurrent use.
type waits struct {
	mu    sync.Mutex
	known map[Move]time.Time
}

// since returns when a change became known: now, if it is not remembered.
func (w *waits) since(m Move, now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t, ok := w.known[m]; ok {
		return t
	}
	return now
}

// remember keeps when a change became known, for as long as a wait for it may
// be repeated with profit.
func (w *waits) remember(m Move, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.known[m]; ok {
		return
	}
	if len(w.known) >= mostWaits {
		for old, t := range w.known {
			if since.Sub(t) > Remembered {
				delete(w.known, old)
			}
		}
	}
	if w.known == nil {
		w.known = map[Move]time.Time{}
	}
	if len(w.known) < mostWaits {
		w.known[m] = since
	}
}
