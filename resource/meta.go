package resource

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// description is an endpoint that tells about the API and gives no data of
// anybody. Any living access token opens it, a client's own too, whatever its
// scopes are. There is nothing to allow, to filter or to record.
type description struct {
	id   fdx.OperationID
	path string
	// query are the parameters that it reads, errors what it can answer with.
	query  []openapi.Parameter
	errors []*fdx.Error
	// body is the type of what answer returns.
	body   reflect.Type
	answer func(ctx context.Context, g *Gateway, q fdx.OperationsQuery) (any, *fdx.Error)
}

// getAvailability tells which operations can be used now and what is
// announced.
var getAvailability = description{
	id: fdx.GetAvailability, path: "/availability",
	query: availabilityParameters, errors: anyErrors, body: reflect.TypeFor[fdx.AvailabilityAnswer](),
	answer: func(ctx context.Context, g *Gateway, q fdx.OperationsQuery) (any, *fdx.Error) {
		var answer fdx.AvailabilityAnswer
		bank := g.available(ctx)
		for _, id := range g.operations(q.OperationID) {
			answer.Availability = append(answer.Availability, bank.of(id))
		}
		return answer, nil
	},
}

// getCapability tells what this API can do with this bank.
var getCapability = description{
	id: fdx.GetCapability, path: "/capability",
	query: capabilityParameters, errors: append(slices.Clip(anyErrors), fdx.ErrNotImplemented), body: reflect.TypeFor[fdx.Capability](),
	answer: func(ctx context.Context, g *Gateway, q fdx.OperationsQuery) (any, *fdx.Error) {
		if q.Version != "" && q.Version != fdx.V6 {
			return nil, fdx.ErrNotImplemented.WithDebug("the API is of FDX version " + string(fdx.V6))
		}
		answer := fdx.Capability{FDXVersions: []fdx.Version{fdx.V6}, MessageFormat: fdx.JSONFormat}
		var bank state
		if q.ResultType == fdx.Details {
			bank = g.available(ctx)
		}
		for _, id := range g.operations(q.OperationID) {
			op := fdx.Operation{ID: id, FDXVersions: answer.FDXVersions}
			if q.ResultType == fdx.Details {
				op.Availability = bank.of(id)
			}
			answer.Operations = append(answer.Operations, op)
		}
		return answer, nil
	},
}

func (d *description) about() about {
	return about{
		id: d.id, path: d.path, parameters: d.query, errors: d.errors,
		answers: []openapi.Answer{{Status: http.StatusOK, About: "What this API has.", Type: d.body}},
	}
}

// serve answers a request for a description.
func (d *description) serve(g *Gateway, w http.ResponseWriter, r *http.Request, _ target) {
	ctx, cancel := context.WithTimeout(r.Context(), deadline)
	defer cancel()
	id, idOK := fdxhttp.Interaction(r.Header)
	w.Header().Set(fdxhttp.InteractionHeader, id)
	log := web.Fields(ctx)
	log.Interaction = id

	who, refused := g.anybody(ctx, r, log)
	g.limits.tell(w.Header(), who.own, who.levels, nil)
	if who.Nonce != "" {
		w.Header().Set("DPoP-Nonce", who.Nonce)
	}
	var answer []byte
	if refused == nil {
		if answer, refused = d.describe(ctx, g, r, idOK); refused != nil {
			refused.Integer = who.integer
		}
	}
	if refused != nil {
		log.Code = refused.Public.Code
		log.Result, log.Reason, log.Cause = "refused", refused.Logged(), refused.Cause
		refused.Write(w, g.public+fdxhttp.MetadataPath)
		return
	}
	log.Result = "described"
	fdxhttp.WriteJSON(w, http.StatusOK, answer)
}

// visitor is whoever asks for a description.
type visitor struct {
	bearer.Presented
	integer bool // as token.Live.IntegerCodes
	own     int  // as token.Live.Quota
	levels  Levels
}

// anybody authenticates whoever holds a living access token of any kind.
func (g *Gateway) anybody(ctx context.Context, r *http.Request, log *web.LogFields) (visitor, *fdxhttp.Refusal) {
	kinds := []token.Kind{token.KindAccess}
	if g.clients != nil {
		kinds = append(kinds, token.KindClient)
	}
	p, refused := g.present(r, kinds...)
	if refused != nil {
		return visitor{Presented: p}, refused
	}
	if p.Kind == token.KindClient {
		from, refused := g.limits.Strangers.Look(r, false, g.now())
		if refused != nil {
			return visitor{Presented: p}, refused
		}
		who, no := g.clients.Client(ctx, p, "")
		if no != nil {
			if no.Reason == bearer.UnknownToken {
				from.Unknown()
			}
			return visitor{Presented: p}, fdxhttp.Unauthenticated(p.Scheme, "", no)
		}
		log.Client = string(who.Recipient)
		v := visitor{p, who.IntegerCodes, who.Quota, g.limits.client(who.Recipient, who.Quota, g.now())}
		return v, v.limited(g)
	}
	caller, refused := g.known(ctx, r, Caller{Presented: p})
	log.Client, log.Grant = string(caller.live.Share.Recipient), string(caller.live.Share.Grant)
	v := visitor{p, caller.live.IntegerCodes, caller.live.Quota, caller.levels}
	if refused == nil {
		refused = v.limited(g)
	}
	return v, refused
}

// limited says no to who asks too often.
func (v visitor) limited(g *Gateway) *fdxhttp.Refusal {
	refused := g.limits.refuse(v.levels)
	if refused != nil {
		refused.Integer = v.integer
	}
	return refused
}

func (d *description) describe(ctx context.Context, g *Gateway, r *http.Request, idOK bool) ([]byte, *fdxhttp.Refusal) {
	if !idOK {
		return nil, fdxhttp.Malformed("x-fapi-interaction-id is not a UUID")
	}
	if refused := fdxhttp.AcceptsJSON(r.Header); refused != nil {
		return nil, refused
	}
	v, err := fdx.Query(nil).Parse(r.URL.RawQuery)
	if err != nil {
		return nil, fdxhttp.Malformed("the query is malformed")
	}
	q, invalid := fdx.ParseOperationsQuery(v)
	if invalid != nil {
		return nil, fdxhttp.Denied(invalid)
	}
	answer, no := d.answer(ctx, g, q)
	if no != nil {
		return nil, fdxhttp.Denied(no)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, fromProvider(errBank, nil)
	}
	return body, nil
}

// operations returns what the gateway has and the bank offers, in the order of
// the table, and what is served beside; only the given one, if one is given.
func (g *Gateway) operations(only fdx.OperationID) []fdx.OperationID {
	offered := g.provider.Operations()
	var list []fdx.OperationID
	for _, e := range g.endpoints {
		a := e.about()
		if a.id == fdx.GetCertificationMetrics && g.meter == nil {
			continue
		}
		if only != "" && a.id != only || !a.any.Empty() && !slices.Contains(offered, a.id) {
			continue
		}
		list = append(list, a.id)
	}
	for _, id := range g.beside {
		if only == "" || id == only {
			list = append(list, id)
		}
	}
	return list
}

// state is the availability of the bank behind the operations.
type state struct {
	bank   fdx.Availability
	beside []fdx.OperationID // they do without the bank
}

// available asks the bank how it is. One that cannot say is down.
func (g *Gateway) available(ctx context.Context) state {
	ctx, cancel := context.WithTimeout(ctx, bankDeadline)
	defer cancel()
	a, err := g.provider.Availability(ctx)
	if err != nil || a.Status == "" {
		a = fdx.Availability{Status: fdx.Down}
	}
	return state{a, g.beside}
}

// of returns the availability of an operation: the bank's, unless it answers
// without the bank.
func (s state) of(id fdx.OperationID) fdx.Availability {
	a := s.bank
	if id == fdx.GetAvailability || id == fdx.GetCapability || id == fdx.GetCertificationMetrics || slices.Contains(s.beside, id) {
		a = fdx.Availability{Status: fdx.Alive}
	}
	a.OperationID = id
	return a
}
