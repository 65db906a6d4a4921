package resource

import (
	"net/http"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/web"
)

// Quotas are how many requests a minute are let through: of one recipient,
// under one of its consents, and to the bank as a whole. 0 is no limit; the
// most is limit.MaxQuota.
type Quotas struct{ Recipient, Consent, Bank int }

// Of returns the quotas of a recipient that has a quota of its own; 0 for one
// that has none.
func (q Quotas) Of(own int) Quotas {
	if own > 0 {
		q.Recipient = own
	}
	return q
}

func (q Quotas) none() bool { return q == Quotas{} }

// Levels are where a request stands with the quotas.
type Levels struct{ Recipient, Consent, Bank limit.Level }

// wait is how long to wait for all three; 0 for a request that was let
// through.
func (l Levels) wait() time.Duration { return max(l.Recipient.Wait, l.Consent.Wait, l.Bank.Wait) }

// Limits bound what the gateway takes on. The zero value bounds nothing.
type Limits struct {
	// Quotas are counted in the Cache, for all instances together.
	Quotas Quotas
	// Instances is how many instances there are. What the Cache does not
	// count each instance counts for itself, up to its part of the quota; 0
	// is 1.
	Instances int
	// Strangers are who presents tokens that do not exist; when there were too
	// many, the truth is not asked for their address any more.
	Strangers *fdxhttp.Strangers
	// InFlight is the most requests at a time; what comes on top is refused
	// at once.
	InFlight int
}

// limits are the counters of one instance.
type limits struct {
	Limits
	headers limit.Headers
	callers limit.Local[bucket]
	flight  limit.Flight
}

// bucket is what a caller's requests are counted by.
type bucket struct{ kind, id string }

func newLimits(l Limits) *limits {
	return &limits{Limits: l, flight: limit.NewFlight(l.InFlight), headers: headersOf(l.Quotas)}
}

// tell puts the levels of a known caller, which may have a quota of its own,
// into the headers of its answer. There is room for one value, or for none.
func (l *limits) tell(h http.Header, own int, v Levels, room []string) {
	if v.Recipient.Quota > 0 || v.Consent.Quota > 0 {
		headers := l.headers
		if own > 0 {
			headers = headersOf(l.Quotas.Of(own))
		}
		headers.SetIn(h, room, v.Recipient, v.Consent)
	}
}

func headersOf(q Quotas) limit.Headers {
	return limit.NewHeaders(limit.Policy{Name: "recipient", Quota: q.Recipient}, limit.Policy{Name: "consent", Quota: q.Consent})
}

// count holds a request against the part of the quotas that is this
// instance's, because the cache did not.
func (l *limits) count(c *Caller, now time.Time) {
	q := l.Quotas.Of(c.live.Quota)
	if q.none() {
		return
	}
	levels, _ := l.callers.Take(now,
		l.charge("recipient", string(c.live.Share.Recipient), q.Recipient),
		l.charge("consent", string(c.live.Share.Grant), q.Consent),
		l.charge("bank", "", q.Bank),
	)
	c.levels = Levels{levels[0], levels[1], levels[2]}
}

// client holds a request under a client's own token against the quota of the
// recipient.
func (l *limits) client(id consent.RecipientID, own int, now time.Time) Levels {
	quota := l.Quotas.Of(own).Recipient
	if quota <= 0 {
		return Levels{}
	}
	levels, _ := l.callers.Take(now, l.charge("recipient", string(id), quota))
	return Levels{Recipient: levels[0]}
}

func (l *limits) charge(kind, id string, quota int) limit.Charge[bucket] {
	return limit.Charge[bucket]{Key: bucket{kind, id}, Quota: limit.PerInstance(quota, l.Instances)}
}

// refuse says no to who asks too often. The quotas of a recipient are its own
// affair; that of the bank is ours, and 503 like everything else that is.
func (l *limits) refuse(v Levels) *fdxhttp.Refusal {
	wait := v.wait()
	switch {
	case wait == 0:
		return nil
	case v.Recipient.Wait > 0:
		return fdxhttp.TooMany("too many requests of this recipient", "limit_recipient", wait)
	case v.Consent.Wait > 0:
		return fdxhttp.TooMany("too many requests under this consent", "limit_consent", wait)
	}
	return overloaded("limit_bank", wait)
}

func overloaded(reason string, wait time.Duration) *fdxhttp.Refusal {
	return &fdxhttp.Refusal{Public: fdx.ErrMaintenance.WithDebug("too busy; see Retry-After"), Reason: reason, Wait: wait}
}

// busy answers when there is no place among the requests in flight.
func (g *Gateway) busy(w http.ResponseWriter, r *http.Request) {
	id, _ := fdxhttp.Interaction(r.Header)
	w.Header().Set(fdxhttp.InteractionHeader, id)
	refused := overloaded("too_many_in_flight", 0)
	log := web.Fields(r.Context())
	log.Interaction, log.Code, log.Result, log.Reason = id, refused.Public.Code, "refused", refused.Reason
	refused.Write(w, g.public+fdxhttp.MetadataPath)
}
