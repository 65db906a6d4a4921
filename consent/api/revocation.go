package api

import (
	"cmp"
	"context"
	"net/http"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/web"
)

// revokeConsent answers revokeConsentGrant: once it has answered 204, or 409
// for a consent that ended before, no read that starts later gives data.
// Repeating it does no harm, so that an idempotency-key is not needed.
func revokeConsent(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal) {
	asked, invalid := fdx.ParseConsentRevocationRequest(c.body)
	if invalid != nil {
		return answer{}, fdxhttp.Denied(invalid)
	}
	stop := a.stop.StopByRecipient
	switch asked.Initiator {
	case fdx.DataRecipient:
	case fdx.Individual:
		stop = a.stop.StopForConsumer
	default:
		return answer{}, fdxhttp.Malformed("initiator must be DATA_RECIPIENT or INDIVIDUAL: you speak for yourself or for the person")
	}
	id, refused := named(c)
	if refused != nil {
		return answer{}, refused
	}
	g, err := stop(ctx, c.who, id, consent.Reason(asked.Reason))
	web.Fields(ctx).Grant = string(g.ID) // empty when it is not the caller's
	if err != nil {
		return answer{}, failed(err)
	}
	return answer{status: http.StatusNoContent}, nil
}

// getRevocations answers getConsentRevocation: how the consent ended, nothing
// while it is active.
func getRevocations(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal) {
	g, refused := a.held(ctx, c)
	if refused != nil {
		return answer{}, refused
	}
	events, err := a.grants.Events(ctx, g.ID)
	if err != nil {
		return answer{}, failed(err)
	}
	var out fdx.ConsentRevocationsAnswer
	for _, e := range events {
		if e.Kind == consent.EventRevoked {
			out.Revocations = append(out.Revocations, fdx.ConsentRevocation{
				Status: fdx.ConsentRevoked, Reason: reason(e.Reason), Initiator: fdx.PartyType(cmp.Or(e.Initiator, e.Actor)),
				UpdatedTime: fdx.TimestampOf(e.At),
			})
		}
	}
	if g.StatusAt(a.now()) == consent.StatusExpired {
		// Told by the grant, because it is over at that moment whether the
		// sweep has written the event or not. FDX has no name for time.
		out.Revocations = append(out.Revocations, fdx.ConsentRevocation{
			Status: fdx.ConsentExpired, Reason: fdx.BusinessRule, Initiator: fdx.DataProvider,
			UpdatedTime: fdx.TimestampOf(g.ExpiresAt),
		})
	}
	return answer{status: http.StatusOK, body: out}, nil
}

// reason returns the FDX reason: what no person did is a rule.
func reason(r consent.Reason) fdx.ConsentUpdateReason {
	if r == consent.ReasonUserAction {
		return fdx.UserAction
	}
	return fdx.BusinessRule
}
