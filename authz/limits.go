package authz

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/limit"
)

// Limits are how many requests a minute are let through. Each instance counts
// for itself, up to its part of a quota. 0 is no limit; the most is
// limit.MaxQuota. They are the same for every client.
type Limits struct {
	// Strangers are requests from one address that nobody has authenticated:
	// those that fail to, and those for which nobody does (registration and
	// the authorization endpoint).
	Strangers int
	// Clients are those of one client, pushed authorization requests and token
	// requests together with queries of grants.
	Clients int
	// Introspections are those of one resource server.
	Introspections int
	// Stops are revocations of one client, of tokens and of grants. They are
	// counted apart, strangers too, so that nothing else uses them up.
	Stops int
	// InFlight is the most requests at a time, and again of revocations, which
	// have their own places; further ones are refused at once.
	InFlight int
	// Instances is how many instances there are; 0 is 1.
	Instances int
	// Address returns who is at the other end; nil takes the connection's.
	Address func(*http.Request) netip.Addr
}

// lane is a kind of request that is counted apart.
type lane string

// The lanes, by the names that header fields tell.
const (
	laneClient     lane = "client"
	laneIntrospect lane = "introspection"
	laneStop       lane = "revocation"
)

// limits are the counters of one instance.
type limits struct {
	Limits
	now       func() time.Time
	headers   map[lane]limit.Headers
	flight    map[bool]limit.Flight // of revocations, and of all others
	strangers limit.Local[stranger]
	clients   limit.Local[known]
}

// stranger is whoever asks from one address.
type stranger struct {
	addr netip.Addr
	stop bool
}

type known struct {
	lane lane
	id   consent.RecipientID
}

func newLimits(l Limits, now func() time.Time) (*limits, error) {
	for _, quota := range []int{l.Strangers, l.Clients, l.Introspections, l.Stops} {
		if quota < 0 || quota > limit.MaxQuota {
			return nil, errors.New("authz: a quota is out of range")
		}
	}
	if l.Address == nil {
		l.Address = func(r *http.Request) netip.Addr {
			peer, _ := netip.ParseAddrPort(r.RemoteAddr)
			return peer.Addr().Unmap()
		}
	}
	own := &limits{Limits: l, now: now, headers: map[lane]limit.Headers{}}
	own.flight = map[bool]limit.Flight{true: limit.NewFlight(l.InFlight), false: limit.NewFlight(l.InFlight)}
	for _, a := range []lane{laneClient, laneIntrospect, laneStop} {
		own.headers[a] = limit.NewHeaders(limit.Policy{Name: string(a), Quota: own.quota(a)})
	}
	return own, nil
}

func (l *limits) quota(a lane) int {
	switch a {
	case laneIntrospect:
		return l.Introspections
	case laneStop:
		return l.Stops
	default:
		return l.Clients
	}
}

func (l *limits) from(r *http.Request, a lane) limit.Charge[stranger] {
	return limit.Charge[stranger]{
		Key: stranger{l.Address(r), a == laneStop}, Quota: limit.PerInstance(l.Strangers, l.Instances),
	}
}

// enter takes a place among the requests in flight, if there is one; leave
// gives it back.
func (l *limits) enter(a lane) (leave func(), err error) {
	f := l.flight[a == laneStop]
	if !f.Enter() {
		return nil, &Error{http.StatusServiceUnavailable, "temporarily_unavailable", "too busy: see Retry-After", errBusy}
	}
	return f.Leave, nil
}

var errBusy = errors.New("too many requests in flight")

// strange refuses a request from an address that failed to authenticate too
// often, before it costs anything.
func (l *limits) strange(r *http.Request, a lane) error {
	if l.Strangers <= 0 {
		return nil
	}
	return tooMany(l.strangers.Look(l.now(), l.from(r, a)))
}

// failed counts a request that nobody has authenticated.
func (l *limits) failed(r *http.Request, a lane) {
	if l.Strangers > 0 {
		l.strangers.Take(l.now(), l.from(r, a))
	}
}

// anybody counts a request of an endpoint where nobody authenticates, and
// refuses one too many.
func (l *limits) anybody(r *http.Request) error {
	if l.Strangers <= 0 {
		return nil
	}
	levels, _ := l.strangers.Take(l.now(), l.from(r, laneClient))
	return tooMany(levels[0])
}

// client counts a request of a client that has authenticated, refuses one too
// many, and tells where it stands.
func (l *limits) client(h http.Header, a lane, id consent.RecipientID) error {
	quota := l.quota(a)
	if quota <= 0 {
		return nil
	}
	levels, _ := l.clients.Take(l.now(), limit.Charge[known]{Key: known{a, id}, Quota: limit.PerInstance(quota, l.Instances)})
	l.headers[a].Set(h, levels...)
	return tooMany(levels[0])
}

// tooMany is the refusal of a request that a bucket has no room for, nil when
// it has. OAuth has no code for it; this one says what the client should do.
func tooMany(l limit.Level) error {
	if l.Wait == 0 {
		return nil
	}
	return &Error{http.StatusTooManyRequests, "temporarily_unavailable", "too many requests: see Retry-After", &fullError{l.Wait}}
}

// fullError is the cause of a refusal for asking too often.
type fullError struct{ wait time.Duration }

// Error says no more than that.
func (*fullError) Error() string { return "quota used up" }
