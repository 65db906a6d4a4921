package fdxhttp

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/limit"
)

// Strangers are who presents tokens that there are not, counted by address in
// the memory of one process: whatever looks tokens up in the truth shares one.
// Ends of consents are counted apart, so that nothing else uses theirs up. nil
// counts nothing. Safe for concurrent use.
type Strangers struct {
	quota   int
	address func(*http.Request) netip.Addr
	unknown limit.Local[stranger]
}

type stranger struct {
	addr netip.Addr
	stop bool
}

// NewStrangers returns Strangers of which each address may present that many
// unknown tokens a minute, and as many to end consents; 0 is no limit, the most
// is limit.MaxQuota. address tells who is at the other end; nil takes the
// connection's.
func NewStrangers(quota int, address func(*http.Request) netip.Addr) (*Strangers, error) {
	if quota < 0 || quota > limit.MaxQuota {
		return nil, fmt.Errorf("quota of strangers must be 0 to %d", limit.MaxQuota)
	}
	if address == nil {
		address = peer
	}
	return &Strangers{quota: quota, address: address}, nil
}

// peer is the address of the connection.
func peer(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr().Unmap()
}

// Stranger is whoever sent one request, as long as its token is not known. The
// zero value is not counted.
type Stranger struct {
	all    *Strangers
	at     time.Time
	charge limit.Charge[stranger]
}

// Look refuses a request from an address that has presented too many tokens
// that there are not, before one more is looked up. stop tells a request that
// ends a consent.
func (s *Strangers) Look(r *http.Request, stop bool, now time.Time) (Stranger, *Refusal) {
	if s == nil || s.quota <= 0 {
		return Stranger{}, nil
	}
	from := Stranger{s, now, limit.Charge[stranger]{Key: stranger{s.address(r), stop}, Quota: s.quota}}
	if wait := s.unknown.Look(now, from.charge).Wait; wait > 0 {
		return from, TooMany("too many unknown access tokens from this address", "limit_address", wait)
	}
	return from, nil
}

// Unknown counts a token that there is not.
func (s Stranger) Unknown() {
	if s.all != nil {
		s.all.unknown.Take(s.at, s.charge)
	}
}

// TooMany is the answer to one request too many. debug is fixed text.
func TooMany(debug, reason string, wait time.Duration) *Refusal {
	return &Refusal{Public: fdx.ErrTooManyRequests.WithDebug(debug + "; see Retry-After"), Reason: reason, Wait: wait}
}
