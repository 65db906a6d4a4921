package portal

import (
	_ "embed"
	"sync"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/ui"
)

//go:embed static/history.css
var historyCSS []byte

//go:embed static/history.js
var historyJS []byte

// historyFiles adds what the history has of its own and returns the addresses.
func historyFiles(u *ui.UI) (style, script string, err error) {
	if style, err = u.Add("css", historyCSS); err != nil {
		return "", "", err
	}
	script, err = u.Add("js", historyJS)
	return style, script, err
}

// How many streams are open at once, of one person and in all.
const (
	streamsOfOne = 4
	streamsOfAll = 1000
)

// streams counts what is open.
type streams struct {
	mu    sync.Mutex
	open  map[consent.ConsumerID]int // guarded by mu
	all   int                        // guarded by mu
	end   sync.Once
	ended chan struct{} // closed when the process leaves
}

func newStreams() *streams {
	return &streams{open: map[consent.ConsumerID]int{}, ended: make(chan struct{})}
}

// enter counts one more stream of a person until leave is called; false when
// there are too many.
func (s *streams) enter(who consent.ConsumerID) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[who] >= streamsOfOne || s.all >= streamsOfAll {
		return nil, false
	}
	s.open[who]++
	s.all++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.open[who]--; s.open[who] == 0 {
			delete(s.open, who)
		}
	}, true
}

// EndStreams ends the answers that last, so that a server can shut down. It
// may be called more than once.
func (p *Portal) EndStreams() { p.streams.end.Do(func() { close(p.streams.ended) }) }
