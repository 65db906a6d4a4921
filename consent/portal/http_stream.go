package portal

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/web"
)

// The times of a stream.
const (
	streamPoll  = time.Second      // how often it looks for something new
	streamBeat  = 10 * time.Second // how often it says that it is there
	streamWrite = 10 * time.Second // how long one message may take
	streamLife  = 10 * time.Minute // after that the browser asks again
)

// getStream tells a page that something was added to the history of whoever is
// signed in, and nothing else: the page then loads itself again, which decides
// anew who sees what. So no mistake here can show one person another's reads.
// It ends with the sign-in (server-sent events, HTML section 9.2). An answer
// without a stream tells the browser not to ask again.
func (p *Portal) getStream(g *gin.Context) {
	ctx := g.Request.Context()
	id, _, ok := p.c.Sessions.Consumer(ctx)
	if !ok {
		g.Status(http.StatusNoContent)
		return
	}
	who := consent.ConsumerID(id)
	leave, ok := p.streams.enter(who)
	if !ok {
		g.Status(http.StatusNoContent)
		return
	}
	defer leave()
	since := g.GetHeader("Last-Event-ID")
	if since == "" {
		since = g.Query("since")
	}
	g.Header("Content-Type", "text/event-stream")
	g.Header("X-Accel-Buffering", "no") // proxies must not collect messages
	s := stream{g: g, conn: http.NewResponseController(g.Writer)}
	if err := s.send("retry: 1000\n\n"); err != nil {
		return // the browser has gone
	}
	tick := time.NewTicker(streamPoll)
	defer tick.Stop()
	quiet := time.Duration(0)
	for left := streamLife; left > 0; left -= streamPoll {
		still, err := p.c.Sessions.Still(ctx)
		if err == nil && !still {
			_ = s.send("event: over\ndata: over\n\n") // and if nobody hears it
			return
		}
		var pulse string
		if err == nil {
			pulse, err = p.c.Reads.Pulse(ctx, who)
		}
		switch {
		case err != nil:
			if ctx.Err() == nil {
				web.Fields(ctx).Cause = fmt.Errorf("stream: %w", err)
			}
			return // the browser asks again
		case pulse != since:
			since, quiet = pulse, 0
			err = s.send("id: " + pulse + "\nevent: changed\ndata: changed\n\n")
		case quiet >= streamBeat:
			quiet = 0
			err = s.send(": here\n\n")
		}
		if err != nil {
			return
		}
		quiet += streamPoll
		select {
		case <-ctx.Done():
			return
		case <-p.streams.ended:
			return
		case <-tick.C:
		}
	}
}

// stream writes messages as they come.
type stream struct {
	g    *gin.Context
	conn *http.ResponseController
}

func (s stream) send(message string) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.g.Writer.WriteString(message); err != nil {
		return err
	}
	return s.conn.Flush()
}
