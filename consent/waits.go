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
	swept time.Time
}

// since returns when a change became known: now, if it is not remembered, or
// from so long ago that nobody can still be waiting for it.
func (w *waits) since(m Move, now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t, ok := w.known[m]; ok && now.Sub(t) <= Remembered {
		return t
	}
	return now
}

// remember keeps when a change became known. What is too old makes room, which
// is looked for once a second at most.
func (w *waits) remember(m Move, since, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.known) >= mostWaits && now.Sub(w.swept) > time.Second {
		w.swept = now
		for old, t := range w.known {
			if now.Sub(t) > Remembered {
				delete(w.known, old)
			}
		}
	}
	if w.known == nil {
		w.known = map[Move]time.Time{}
	}
	if _, ok := w.known[m]; ok || len(w.known) < mostWaits {
		w.known[m] = since
	}
}
