package authzd

import (
	"context"
	"net/http"
	"strings"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/internal/postgres"
)

// stopLane serves what ends sharing, on connections to PostgreSQL of its own:
// however busy everything else is, a stop finds one.
type stopLane struct{ protocol, mtls, consumer http.Handler }

// newStopLane wires another site over connections of its own; without any, the
// lane is served by the one that serves everything else.
func (p *Process) newStopLane(ctx context.Context, c Config, dsn string, sealer *certs.Sealer, with shared, all site) (lane stopLane, err error) {
	if c.StopConns > 0 {
		db, err := postgres.Open(ctx, postgres.Config{DSN: dsn, MaxConns: c.StopConns, Sealer: sealer, Name: "authzd stops", Traces: p.watch.Traces()})
		if err != nil {
			return stopLane{}, err
		}
		p.closers = append(p.closers, db.Close)
		p.watch.Stops(db)
		if all, err = p.newSite(c, db, with); err != nil {
			return stopLane{}, err
		}
	}
	if lane.protocol, err = all.server.Protocol(); err != nil {
		return stopLane{}, err
	}
	if lane.mtls, err = all.server.MTLS(); err != nil {
		return stopLane{}, err
	}
	lane.consumer, err = all.pages.Handler()
	return lane, err
}

// around returns the handler of protocol requests that are no stops, with the
// lane's own beside it.
func around(next, stops http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if revokes(r) {
			stops.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// revokes reports whether a protocol request ends sharing: RFC 7009, or the
// end of a grant (Grant Management for OAuth 2.0).
func revokes(r *http.Request) bool {
	return r.URL.Path == "/revoke" || r.Method == http.MethodDelete && strings.HasPrefix(r.URL.Path, "/grants/")
}

// stops reports whether a request of a person may be on the way to a stop, a
// pause or a hold: the portal from the sign-in on, but for the history of
// reads, whose queries are the portal's only long ones.
func stops(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, "/portal")
	return ok && (rest == "" || rest[0] == '/') && rest != "/history" && !strings.HasPrefix(rest, "/history/")
}
