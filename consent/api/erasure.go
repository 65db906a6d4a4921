package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/erasure"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/token"
)

// Erasures keeps what apps were asked to erase. Implementations are safe for
// concurrent use; each method is one transaction.
type Erasures interface {
	// Open returns what a recipient was asked and has not answered, oldest
	// first, at most limit; nil when nothing.
	Open(ctx context.Context, who consent.RecipientID, limit int) ([]erasure.Request, error)

	// Answer writes down what a recipient did about a request. The same answer
	// again changes nothing and is fine; consent.ErrConflict for another one,
	// consent.ErrNotFound for a request that it was not asked.
	Answer(ctx context.Context, who consent.RecipientID, id consent.GrantID, a erasure.Answer, reason string) error
}

// maxErasures is how many open requests one answer lists. Whoever answers them
// finds the rest.
const maxErasures = 100

// erasureEndpoints returns the rows of what persons ask apps to erase. FDX has
// nothing for it.
func erasureEndpoints() []endpoint {
	return []endpoint{
		{
			id: fdx.ListErasureRequests, method: http.MethodGet, path: "/erasure-requests",
			about: "Lists what persons asked the caller to erase and it has not answered, oldest first, at most 100. An extension: FDX has no such thing.",
			scope: token.ScopeGrantQuery,
			given: given[fdx.ErasureRequestsAnswer]("The list, which may hold nothing."), within: shortly, serve: listErasures,
		},
		{
			id: fdx.AnswerErasureRequest, method: http.MethodPut, path: "/erasure-requests/:consentId",
			about: "Says what the caller did about a request; the person reads the outcome and the reason. The same answer again is answered alike, and 409 says that another one was given before: the first stands. A late answer still counts.",
			scope: token.ScopeGrantRevoke, body: reflect.TypeFor[fdx.ErasureReply](),
			given: openapi.Answer{Status: http.StatusNoContent, About: "The answer is written down."}, more: append(slices.Clip(unknown), fdx.ErrConflict),
			within: shortly, serve: answerErasure,
		},
	}
}

// listErasures answers listErasureRequests.
func listErasures(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal) {
	open, err := a.erasures.Open(ctx, c.who, maxErasures)
	if err != nil {
		return answer{}, failed(err)
	}
	var out fdx.ErasureRequestsAnswer
	for _, r := range open {
		if r.Recipient != c.who {
			continue // never another's, whatever the store says
		}
		out.ErasureRequests = append(out.ErasureRequests, fdx.ErasureRequest{
			ConsentID: fdx.ConsentID(r.Grant), RequestedTime: fdx.TimestampOf(r.AskedAt), DueTime: fdx.TimestampOf(r.AskedAt.Add(erasure.AnswerTime)),
		})
	}
	return answer{status: http.StatusOK, body: out}, nil
}

// answerErasure answers answerErasureRequest.
func answerErasure(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal) {
	reply, invalid := fdx.ParseErasureReply(c.body)
	if invalid != nil {
		return answer{}, fdxhttp.Denied(invalid)
	}
	outcome := map[fdx.ErasureOutcome]erasure.Answer{
		fdx.ErasureDone: erasure.Done, fdx.ErasurePartly: erasure.Partly, fdx.ErasureRefused: erasure.Refused,
	}[reply.Outcome]
	err := consent.ErrNotFound
	if isUUID(c.id) { // stores need not see anything else
		err = a.erasures.Answer(ctx, c.who, consent.GrantID(c.id), outcome, reply.Reason)
	}
	switch {
	case err == nil:
		return answer{status: http.StatusNoContent}, nil
	case errors.Is(err, consent.ErrNotFound):
		return answer{}, fdxhttp.Denied(fdx.ErrDataNotFound.WithDebug("nobody asked you to erase what you got under such a consent"))
	case errors.Is(err, consent.ErrConflict):
		return answer{}, fdxhttp.Denied(fdx.ErrConflict.WithDebug("you have answered before, and otherwise"))
	}
	return answer{}, failed(err)
}
