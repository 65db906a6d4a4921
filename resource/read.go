package resource

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/web"
)

// The time one read may take, from the first byte in. The bank's share ends
// early enough for the gate to decide and for the answer to leave before
// recipients give up at 3.5 s.
const (
	deadline       = 3300 * time.Millisecond
	bankDeadline   = 2800 * time.Millisecond
	recordDeadline = 150 * time.Millisecond // for the record of a refusal, on top
)

// maxBody is the most bytes of one answer. It is held in memory until the
// gate has released it.
const maxBody = 1 << 20

// errTooLarge: one record alone is larger than maxBody.
var errTooLarge = errors.New("resource: a single record is too large to answer with")

// operation is one data endpoint: what opens it, how it is asked of the bank
// and what its answer looks like. The steps around that are the same for all
// and live in read. T is what the bank is asked for.
type operation[T any] struct {
	// id is the FDX operationId.
	id string
	// any of these clusters opens it.
	any fdx.Clusters
	// parse reads path and query; it leaves Need.Any to its caller.
	parse func(account string, v url.Values, now time.Time) (question, *fdx.Error)
	// fetch asks the bank.
	fetch func(ctx context.Context, p Provider, a Access, page PageRequest) (Page[T], error)
	// filter clears what may not leave of one item. It returns false for an
	// item that is outside the access altogether.
	filter func(item *T, a Access) bool
	// account returns the account that an item belongs to.
	account func(item *T, a Access) fdx.AccountID
	// answer builds the body.
	answer func(items []T, page fdx.PageMetadata, links fdx.Links) any
	// none is the answer when there is nothing; nil answers with no items.
	none *fdx.Error
}

// question is one request, parsed.
type question struct {
	need  Need
	limit int
	// pageKey is as it was sent; after is the place that it stands for.
	pageKey, after string
	// filter is the canonical form of the parameters that choose records.
	filter string
	// kept are the parameters that the link to the next page repeats.
	kept url.Values
}

// effectiveStart tells a recipient that the look-back of the consent has
// shortened its window, and to which first day.
const effectiveStart = "x-fdx-effective-start"

// read answers one data request: authenticate, allow, fetch, filter, record
// and release, answer. There is no other way to data.
func read[T any](g *Gateway, op *operation[T], w http.ResponseWriter, r *http.Request, account string) {
	ctx, cancel := context.WithTimeout(r.Context(), deadline)
	defer cancel()
	x := exchange[T]{gateway: g, op: op, request: r, account: account}
	x.interaction, x.interactionOK = interaction(r.Header)
	w.Header().Set(interactionHeader, x.interaction)
	log := web.Fields(ctx)
	log.Interaction = x.interaction

	a, refused := x.run(ctx)
	log.Client, log.Grant = string(x.record.Recipient), string(x.record.Grant)
	if x.caller.nonce != "" {
		w.Header().Set("DPoP-Nonce", x.caller.nonce)
	}
	if refused != nil {
		log.Result, log.Reason, log.Cause = string(audit.Refused), refused.reason, refused.cause
		if log.Reason == "" {
			log.Reason = refused.public.Code
		}
		g.refuse(w, refused)
		return
	}
	log.Result = string(x.record.Outcome)
	if x.record.Outcome == audit.Clipped {
		w.Header().Set(effectiveStart, x.record.Window.Start.String())
	}
	writeJSON(w, http.StatusOK, a)
}

// exchange is one read on its way.
type exchange[T any] struct {
	gateway       *Gateway
	op            *operation[T]
	request       *http.Request
	account       string // from the path
	interaction   string
	interactionOK bool

	caller Caller
	record audit.Record // grows with every step
}

// run takes the steps and returns the bytes that may leave.
func (x *exchange[T]) run(ctx context.Context) ([]byte, *refusal) {
	var refused *refusal
	if x.caller, refused = x.gateway.authenticate(ctx, x.request); refused != nil {
		return nil, refused
	}
	x.open(ctx)
	body, refused := x.answer(ctx)
	if refused != nil {
		x.refused(ctx, refused)
		return nil, refused
	}
	return body, nil
}

// open starts the record of an authenticated read.
func (x *exchange[T]) open(ctx context.Context) {
	x.record = audit.Record{
		RequestID:   web.RequestID(ctx),
		Operation:   x.op.id,
		Interaction: x.interaction,
		Instance:    x.gateway.instance,
	}
	x.under()
}

// under notes the version of the grant that the read is decided by.
func (x *exchange[T]) under() {
	share := &x.caller.live.Share
	x.record.Recipient, x.record.Consumer = share.Recipient, share.Consumer
	x.record.Grant, x.record.Epoch = share.Grant, share.Epoch
}

// answer decides, fetches, and has the gate record and release. When the gate
// withholds, the snapshot may have been out of date: the truth is asked once
// and everything is decided anew.
func (x *exchange[T]) answer(ctx context.Context) ([]byte, *refusal) {
	g := x.gateway
	q, refused := x.question()
	if refused != nil {
		return nil, refused
	}
	bank, cancel := context.WithTimeout(ctx, bankDeadline)
	defer cancel()
	for again := false; ; again = true {
		body, refused := x.prepare(bank, q)
		if refused != nil {
			return nil, refused
		}
		verdict, err := g.gate.Release(ctx, Release{Record: x.record, Proof: x.caller.proof})
		switch {
		case err != nil:
			// The record may or may not be stored: what is unknown never
			// releases.
			return nil, storeDown(err)
		case verdict == Released:
			return body, nil
		case verdict == Replayed:
			return nil, invalidProof("proof_replayed")
		case again:
			return nil, invalidToken(x.caller.scheme, "withheld")
		}
		if x.caller.live, refused = g.truth(ctx, x.caller.live.Access.Hash, x.caller.scheme); refused == nil {
			refused = g.check(x.caller)
		}
		if refused != nil {
			return nil, refused
		}
		x.under()
	}
}

// question reads what the request asks, once the caller is known.
func (x *exchange[T]) question() (question, *refusal) {
	r := x.request
	if !x.interactionOK {
		return question{}, malformed("x-fapi-interaction-id is not a UUID")
	}
	present, ok := attended(r.Header)
	if !ok {
		return question{}, malformed("FDX-API-Actor-Type is neither USER nor BATCH")
	}
	x.record.Attended = present
	if !acceptsJSON(r.Header) {
		return question{}, denied(fdx.ErrNotAcceptable.WithDebug("answers are application/json"))
	}
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return question{}, malformed("the query is malformed")
	}
	q, invalid := x.op.parse(x.account, v, x.gateway.now())
	if invalid != nil {
		return question{}, denied(invalid)
	}
	q.need.Any = x.op.any
	if q.pageKey != "" {
		p, ok := x.gateway.keys.open(x.binding(q), q.pageKey)
		if !ok {
			return question{}, malformed("pageKey is not of this request or too old; start again without it")
		}
		q.after, q.need.Window = p.after, p.window
	}
	return q, nil
}

func (x *exchange[T]) binding(q question) binding {
	return binding{grant: x.record.Grant, operation: x.op.id, account: q.need.Account, filter: q.filter}
}

// prepare decides, fetches and encodes, and fills in the record. A page that
// is too large is asked for again with a lower limit.
func (x *exchange[T]) prepare(ctx context.Context, q question) ([]byte, *refusal) {
	live := &x.caller.live
	access, denial := Allow(live.Share, live.Access.Scopes, q.need, x.gateway.now())
	if denial != nil {
		return nil, fromDenial(x.caller, denial)
	}
	for limit := q.limit; ; limit /= 2 {
		if limit == 0 {
			return nil, fromProvider(errTooLarge)
		}
		page, err := x.fetch(ctx, access, PageRequest{After: q.after, Limit: limit})
		if err != nil {
			return nil, fromProvider(err)
		}
		if len(page.Items) == 0 && x.op.none != nil {
			return nil, denied(x.op.none)
		}
		meta, links := x.next(q, page.Next)
		// Encoded once: these bytes are hashed, recorded and sent.
		body, err := json.Marshal(x.op.answer(page.Items, meta, links))
		if err != nil {
			return nil, fromProvider(errors.Join(errBank, err))
		}
		if len(body) <= maxBody {
			x.describe(access, page.Items, body)
			return body, nil
		}
	}
}

// fetch asks the bank for one page and lets through what may leave. A bank
// that answers with anything outside the access is broken, and then nothing
// of its answer is trusted.
func (x *exchange[T]) fetch(ctx context.Context, a Access, p PageRequest) (Page[T], error) {
	page, err := x.op.fetch(ctx, x.gateway.provider, a, p)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(err, ctx.Err())
		}
		return Page[T]{}, err
	}
	if len(page.Items) > p.Limit || len(page.Next) > maxPlace {
		return Page[T]{}, errBank
	}
	for i := range page.Items {
		if !x.op.filter(&page.Items[i], a) {
			return Page[T]{}, errBank
		}
	}
	return page, nil
}

// next returns key and link of the page after this one; both zero on the last.
func (x *exchange[T]) next(q question, after string) (fdx.PageMetadata, fdx.Links) {
	if after == "" {
		return fdx.PageMetadata{}, fdx.Links{}
	}
	key := x.gateway.keys.seal(x.binding(q), place{after: after, window: q.need.Window})
	q.kept.Set("pageKey", key)
	return fdx.PageMetadata{NextPageKey: key},
		fdx.Links{Next: fdx.Link{Href: x.gateway.public + x.request.URL.EscapedPath() + "?" + q.kept.Encode()}}
}

// describe fills in the record of an answer.
func (x *exchange[T]) describe(a Access, items []T, body []byte) {
	r := &x.record
	r.Accounts, r.Clusters = nil, 0
	if len(items) == 0 {
		r.Accounts, r.Clusters = []fdx.AccountID{a.Account()}, a.clusters(a.Account())
	}
	for i := range items {
		id := x.op.account(&items[i], a)
		if n := len(r.Accounts); n == 0 || r.Accounts[n-1] != id {
			r.Accounts = append(r.Accounts, id)
			r.Clusters = r.Clusters.Union(a.clusters(id))
		}
	}
	r.Window = a.window
	r.Count, r.Bytes, r.BodyHash = len(items), len(body), sha256.Sum256(body)
	r.Outcome = audit.Given
	if a.clipped {
		r.Outcome = audit.Clipped
	}
}

// refused records that nothing was given, so that the consumer sees the
// attempt. It is best effort: a refusal that cannot be recorded is still one.
func (x *exchange[T]) refused(ctx context.Context, why *refusal) {
	x.record = audit.Record{
		RequestID: x.record.RequestID, Operation: x.record.Operation,
		Recipient: x.record.Recipient, Consumer: x.record.Consumer,
		Grant: x.record.Grant, Epoch: x.record.Epoch,
		Attended: x.record.Attended, Interaction: x.record.Interaction, Instance: x.record.Instance,
		Outcome: audit.Refused, Reason: why.public.Code,
	}
	if why.storeDown {
		return
	}
	// Detached: also for a client that has hung up meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordDeadline)
	defer cancel()
	_, _ = x.gateway.gate.Release(ctx, Release{Record: x.record})
}
