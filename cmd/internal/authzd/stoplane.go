package authzd

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/postgres"
)

// stopLane serves what ends sharing, on connections to PostgreSQL of its own:
// however busy everything else is, a stop finds one.
type stopLane struct {
	protocol, mtls, consumer http.Handler
	strangers                *strangers // nil without connections of its own
}

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
		lane.strangers = &strangers{quota: limit.PerInstance(c.StrangerQuota, c.Instances), address: with.addresses.Of, now: time.Now}
		with.known = lane.strangers.known
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

// beside returns the handler of pages, with the lane's own beside it.
func (l stopLane) beside(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if stops(r) && l.strangers.admit(r) {
			l.consumer.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

// strangers are requests to the lane's portal from one address to which nobody
// is signed in. Beyond their quota an address has the connections of everything
// else: whoever is there can still stop, and cannot keep others from it. nil
// counts nothing.
type strangers struct {
	quota   int
	address func(*http.Request) netip.Addr
	now     func() time.Time
	count   limit.Local[netip.Addr]
}

// admit lets a request into the lane if its address has room. Each counts, and
// before it costs a look for its session: of a flood, none would be known to be
// a stranger's until the lane is full.
func (s *strangers) admit(r *http.Request) bool {
	if s == nil {
		return true
	}
	_, ok := s.count.Take(s.now(), s.charge(r))
	return ok
}

// known makes a request not count that was let into the lane: somebody is signed
// in.
func (s *strangers) known(r *http.Request) { s.count.Return(s.now(), s.charge(r)) }

func (s *strangers) charge(r *http.Request) limit.Charge[netip.Addr] {
	return limit.Charge[netip.Addr]{Key: s.address(r), Quota: s.quota}
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
