package api

import (
	"net/http"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/token"
)

// quotas are the counters of one instance. Nothing else uses up those of ends.
type quotas struct {
	own, stops, instances int
	taken                 limit.Local[bucket]
}

// bucket is what a recipient's requests are counted by.
type bucket struct {
	stop bool
	who  consent.RecipientID
}

// take counts a request of a recipient that has proved who it is, tells where
// it stands, and refuses one too many.
func (q *quotas) take(h http.Header, who token.ClientAccess, stop bool, now time.Time) *fdxhttp.Refusal {
	name, quota := "recipient", q.own
	switch {
	case stop:
		name, quota = "revocation", q.stops
	case who.Quota > 0:
		quota = who.Quota
	}
	if quota <= 0 {
		return nil
	}
	levels, ok := q.taken.Take(now, limit.Charge[bucket]{Key: bucket{stop, who.Recipient}, Quota: limit.PerInstance(quota, q.instances)})
	limit.NewHeaders(limit.Policy{Name: name, Quota: quota}).Set(h, levels...)
	if ok {
		return nil
	}
	return fdxhttp.TooMany("too many requests of this recipient", "limit_"+name, levels[0].Wait)
}
