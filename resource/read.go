package resource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/openapi"
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

// The most bytes of one answer, which is held in memory until the gate has
// released it: of JSON, and of a document.
const (
	maxBody     = 1 << 20
	maxDocument = 8 << 20
)

// errTooLarge: one record alone is larger than maxBody.
var errTooLarge = errors.New("resource: a single record is too large to answer with")

// operation is one data endpoint: what opens it, how it is asked of the bank
// and what its answer looks like. The steps around that are the same for all
// and live in read. T is what the bank is asked for.
type operation[T any] struct {
	// id names it in FDX.
	id fdx.OperationID
	// path is where it is, below /fdx/v6.
	path string
	// any of these clusters opens it.
	any fdx.Clusters
	// through are the clusters whose fields its answer can carry.
	through fdx.Clusters
	// holders: the CUSTOMER entry of a grant counts as well (Need.Holders).
	holders bool
	// entities are the names of what the answer holds, as fdx.Entities has
	// them, for the documentation; a document has none.
	entities []string
	// query are the parameters that parse reads.
	query []openapi.Parameter
	// more are the errors that it can answer with besides those of every read
	// of data, none and missing. What else the bank says is never passed on.
	more []*fdx.Error
	// parse reads path and query; it leaves Any and, unless the query narrows
	// it, Through to its caller.
	parse func(t target, v fdx.Query, now time.Time) (question, *fdx.Error)
	// forms are the content types of a document, the preferred one first;
	// nil means JSON.
	forms []fdx.ContentType
	// fetch asks the bank.
	fetch func(ctx context.Context, p Provider, a Access, q ask) (Page[T], error)
	// filter clears what may not leave of one item. What it keeps holds no
	// address but ours.
	filter func(item *T, a Access, links links) verdict
	// accounts returns the accounts of the access that a kept item tells of;
	// nil for an operation on a single account.
	accounts func(item *T) []fdx.AccountID
	// answer builds the body: a Document as it is, all else as JSON.
	answer func(items []T, page fdx.PageMetadata, links fdx.Links) any
	// partial reports whether an item says itself that parts of it are
	// missing; nil means never.
	partial func(item *T) bool
	// none is the answer when there is nothing; nil answers with no items.
	none *fdx.Error
	// missing is the answer when the bank has no such thing (ErrNotFound).
	missing *fdx.Error
}

// target is what the path names, unescaped and unchecked.
type target struct {
	account string
	// id is that of a thing that is no account, such as a statement.
	id string
}

// question is one request, parsed.
type question struct {
	need  Need
	limit int
	// pageKey is as it was sent; after is the place that it stands for.
	pageKey, after string
	// filter is the canonical form of the parameters that choose records.
	filter filter
	// query holds the parameters, and kept names those that the link to the
	// next page repeats, in order.
	query fdx.Query
	kept  []string
	// forms are the content types that the client takes, the one it likes
	// most first; empty for JSON.
	forms []fdx.ContentType
}

// ask is what the bank is asked besides the access.
type ask struct {
	page PageRequest
	// id is target.id. It was not checked: what cannot be an id is not found.
	id    string
	forms []fdx.ContentType
}

// verdict is what a filter says about one item.
type verdict int

// The verdicts of filters.
const (
	// outside: it is nothing that the access names. The bank is broken.
	outside verdict = iota
	// dropped: nothing of it may leave, which is no fault of the bank.
	dropped
	// kept: what is left of it may leave.
	kept
)

// effectiveStart tells a recipient that the look-back of the consent has
// shortened its window, and to which first day.
const effectiveStart = "x-fdx-effective-start"

// read answers one data request: authenticate, allow, fetch, filter, record
// and release, answer. There is no other way to data.
func read[T any](g *Gateway, op *operation[T], w http.ResponseWriter, r *http.Request, t target) {
	now := time.Now()
	ctx := r.Context()
	x := &exchange[T]{gateway: g, op: op, request: r, target: t}
	x.whole.Context, x.whole.at = ctx, now.Add(deadline)
	x.bank.Context, x.bank.at = ctx, now.Add(bankDeadline)
	defer x.whole.cancel()
	defer x.bank.cancel()
	x.interaction, x.interactionOK = fdxhttp.Interaction(r.Header)
	x.values[0] = x.interaction
	w.Header()[fdxhttp.InteractionHeader] = x.values[:1:1]
	log := web.Fields(ctx)
	log.Interaction = x.interaction

	a, refused := x.run()
	log.Client, log.Grant = string(x.record.Recipient), string(x.record.Grant)
	g.limits.tell(w.Header(), x.caller.live.Quota, x.caller.levels, x.values[3:])
	if x.caller.Nonce != "" {
		w.Header().Set("DPoP-Nonce", x.caller.Nonce)
	}
	if refused != nil {
		log.Code = refused.Public.Code
		log.Result, log.Reason, log.Cause = string(audit.Refused), refused.Logged(), refused.Cause
		refused.Write(w, g.public+fdxhttp.MetadataPath)
		return
	}
	log.Result = string(x.record.Outcome)
	if x.record.Outcome == audit.Clipped {
		w.Header().Set(effectiveStart, x.record.Window.Start.String())
	}
	fdxhttp.WriteIn(w, a.status, a.form, a.bytes, (*[2]string)(x.values[1:3]))
	g.buffers.give(a)
}

// exchange is one read on its way. All that it needs room for is in this one
// piece of memory.
type exchange[T any] struct {
	// The contexts of the whole read, and of what the bank is asked. They are
	// kept here because they are made of this memory.
	whole, bank until

	gateway       *Gateway
	op            *operation[T]
	request       *http.Request
	target        target
	interaction   string
	interactionOK bool

	caller Caller
	asked  bool         // the bank was asked
	record audit.Record // grows with every step

	values  [4]string        // of headers: interaction, type, length and levels
	account [1]fdx.AccountID // room for the one of the record
	query   [8]fdx.Parameter // room for those of most queries
}

// body is an answer with data.
type body struct {
	status int
	form   fdx.ContentType
	bytes  []byte
	// buffer holds bytes while they are needed; nil for a document.
	buffer *bytes.Buffer
}

// buffers are kept from answer to answer, so that a page costs no more memory
// than its records.
type buffers struct{ pool sync.Pool }

// take returns an empty buffer.
func (p *buffers) take() *bytes.Buffer {
	if b, ok := p.pool.Get().(*bytes.Buffer); ok {
		b.Reset()
		return b
	}
	return new(bytes.Buffer)
}

// give takes back the buffer of a body, whose bytes must not be used any more.
// A body that is never given back costs a buffer and no more.
func (p *buffers) give(b body) {
	if b.buffer != nil && b.buffer.Cap() <= 2*maxBody {
		p.pool.Put(b.buffer)
	}
}

// run takes the steps and returns what may leave.
func (x *exchange[T]) run() (body, *fdxhttp.Refusal) {
	var refused *fdxhttp.Refusal
	if x.caller, refused = x.gateway.authenticate(&x.whole, x.request); refused != nil {
		return body{}, refused
	}
	x.open()
	integer := x.caller.live.IntegerCodes
	if refused = x.gateway.limits.refuse(x.caller.levels); refused != nil {
		// Not recorded: it says nothing about the consent, and a record for
		// each would cost what the limit is there to save, and bury what the
		// consumer should see.
		refused.Integer = integer
		return body{}, refused
	}
	b, refused := x.answer()
	if refused != nil {
		refused.Integer = integer
		x.refused(refused)
		return body{}, refused
	}
	return b, nil
}

// open starts the record of an authenticated read.
func (x *exchange[T]) open() {
	x.record = audit.Record{
		RequestID:   web.RequestID(x.request.Context()),
		Operation:   string(x.op.id),
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
// and everything is decided anew. So it is when the bank has refused: that
// tells something of its customer, and there is no gate before it.
func (x *exchange[T]) answer() (body, *fdxhttp.Refusal) {
	g := x.gateway
	q, refused := x.question()
	if refused != nil {
		return body{}, refused
	}
	for again := false; ; again = true {
		b, told := x.prepare(q)
		if told == nil {
			waiting, done := g.watch.Begin(&x.whole, "gate")
			verdict, err := g.gate.Release(waiting, Release{
				Record: x.record, TokenExpires: x.caller.live.Access.ExpiresAt, Proof: x.caller.Proof,
			})
			done()
			if err == nil && verdict == Released {
				return b, nil
			}
			g.buffers.give(b)
			switch {
			case err != nil:
				// The record may or may not be stored: what is unknown never
				// releases.
				return body{}, fdxhttp.StoreDown(err)
			case verdict == Replayed:
				return body{}, fdxhttp.InvalidProof("proof_replayed")
			case again:
				return body{}, fdxhttp.InvalidToken(x.caller.Scheme, "withheld")
			}
		} else if !x.asked || !x.caller.cached || told.Public.Status >= http.StatusInternalServerError {
			return body{}, told
		}
		epoch := x.caller.live.Share.Epoch
		if x.caller.live, refused = g.truth(&x.whole, x.caller.live.Access.Hash, x.caller.Scheme); refused == nil {
			refused = g.check(x.caller)
		}
		if refused != nil {
			return body{}, refused
		}
		x.caller.cached = false
		if told != nil && x.caller.live.Share.Epoch == epoch {
			return body{}, told
		}
		x.under()
	}
}

// question reads what the request asks, once the caller is known.
func (x *exchange[T]) question() (question, *fdxhttp.Refusal) {
	r := x.request
	if !x.interactionOK {
		return question{}, fdxhttp.Malformed("x-fapi-interaction-id is not a UUID")
	}
	present, ok := attended(r.Header)
	if !ok {
		return question{}, fdxhttp.Malformed("FDX-API-Actor-Type is neither USER nor BATCH")
	}
	x.record.Attended = present
	forms, refused := x.op.negotiate(r.Header)
	if refused != nil {
		return question{}, refused
	}
	v, err := fdx.Query(x.query[:0]).Parse(r.URL.RawQuery)
	if err != nil {
		return question{}, fdxhttp.Malformed("the query is malformed")
	}
	q, invalid := x.op.parse(x.target, v, x.caller.live.At)
	if invalid != nil {
		return question{}, fdxhttp.Denied(invalid)
	}
	q.forms = forms
	q.need.Any, q.need.Holders = x.op.any, x.op.holders
	if q.need.Through.Empty() {
		q.need.Through = x.op.through
	}
	if q.pageKey != "" {
		p, ok := x.gateway.keys.open(x.binding(q), q.pageKey)
		if !ok {
			return question{}, fdxhttp.Malformed("pageKey is not of this request or too old; start again without it")
		}
		q.after, q.need.Window = p.after, p.window
	}
	return q, nil
}

// negotiate returns the forms of a document that the client takes, nothing for
// an operation that answers JSON.
func (op *operation[T]) negotiate(h http.Header) ([]fdx.ContentType, *fdxhttp.Refusal) {
	if op.forms == nil {
		return nil, fdxhttp.AcceptsJSON(h)
	}
	forms := fdxhttp.Acceptable(h, op.forms)
	if len(forms) == 0 {
		return nil, fdxhttp.Denied(fdx.ErrNotAcceptable.WithDebug("Accept names no form of this document"))
	}
	return forms, nil
}

func (x *exchange[T]) binding(q question) binding {
	return binding{grant: x.record.Grant, operation: string(x.op.id), account: q.need.Account, filter: q.filter}
}

// prepare decides, fetches and encodes, and fills in the record. A page that
// is too large is asked for again with a lower limit.
func (x *exchange[T]) prepare(q question) (body, *fdxhttp.Refusal) {
	live := &x.caller.live
	access, denial := Allow(live.Share, live.Access.Scopes, q.need, live.At)
	if denial != nil {
		return body{}, fromDenial(x.caller, denial)
	}
	for limit := q.limit; ; limit /= 2 {
		if limit == 0 {
			return body{}, fromProvider(errTooLarge, nil)
		}
		page, err := x.fetch(access, ask{page: PageRequest{After: q.after, Limit: limit}, id: x.target.id, forms: q.forms})
		if err != nil {
			return body{}, x.op.failed(err)
		}
		if len(page.Items) == 0 && x.op.none != nil {
			return body{}, fdxhttp.Denied(x.op.none)
		}
		meta, links := x.next(q, page.Next)
		b, most, err := x.gateway.buffers.encode(x.op.answer(page.Items, meta, links), q.forms)
		if err != nil {
			return body{}, fromProvider(errors.Join(errBank, err), nil)
		}
		if len(b.bytes) > most {
			x.gateway.buffers.give(b)
			continue
		}
		b.status = http.StatusOK
		if x.op.partial != nil && slices.ContainsFunc(page.Items, func(item T) bool { return x.op.partial(&item) }) {
			b.status = http.StatusPartialContent
		}
		x.describe(access, q, page.Items, b.bytes)
		return b, nil
	}
}

// encode returns the bytes of an answer and how many there may be. Made once:
// these bytes are hashed, recorded and sent.
func (p *buffers) encode(answer any, forms []fdx.ContentType) (body, int, error) {
	if d, ok := answer.(Document); ok {
		if !slices.Contains(forms, d.Type) {
			return body{}, 0, errBank
		}
		return body{form: d.Type, bytes: d.Body}, maxDocument, nil
	}
	b := body{form: fdx.JSON, buffer: p.take()}
	var err error
	if long, ok := answer.(interface{ WriteJSON(*bytes.Buffer) error }); ok {
		err = long.WriteJSON(b.buffer)
	} else {
		err = json.NewEncoder(b.buffer).Encode(answer)
	}
	b.bytes = bytes.TrimSuffix(b.buffer.Bytes(), []byte("\n"))
	return b, maxBody, err
}

// fetch asks the bank for one page and lets through what may leave. A bank
// that answers with anything outside the access is broken, and then nothing
// of its answer is trusted.
func (x *exchange[T]) fetch(a Access, q ask) (Page[T], error) {
	x.asked = true
	asking, done := x.gateway.watch.Begin(&x.bank, "bank")
	page, err := x.op.fetch(asking, x.gateway.provider, a, q)
	done()
	if err != nil {
		if over := x.bank.Err(); over != nil {
			err = errors.Join(err, over)
		}
		return Page[T]{}, err
	}
	if len(page.Items) > q.page.Limit || len(page.Next) > maxPlace {
		return Page[T]{}, errBank
	}
	left := page.Items[:0]
	for i := range page.Items {
		switch x.op.filter(&page.Items[i], a, x.gateway.links) {
		case kept:
			left = append(left, page.Items[i])
		case dropped:
		default:
			return Page[T]{}, errBank
		}
	}
	page.Items = left
	return page, nil
}

// next returns key and link of the page after this one; both zero on the last.
func (x *exchange[T]) next(q question, after string) (fdx.PageMetadata, fdx.Links) {
	if after == "" {
		return fdx.PageMetadata{}, fdx.Links{}
	}
	var space [1024]byte
	href := append(append(append(space[:0], x.gateway.public...), x.request.URL.EscapedPath()...), '?')
	for _, name := range q.kept {
		if value, ok := q.query.Get(name); ok {
			href = append(append(append(append(href, name...), '='), url.QueryEscape(value)...), '&')
		}
	}
	href = append(href, "pageKey="...)
	start := len(href)
	href = x.gateway.keys.seal(href, x.binding(q), place{after: after, window: q.need.Window}) // which needs no escapes
	text := string(href)
	return fdx.PageMetadata{NextPageKey: text[start:]}, fdx.Links{Next: fdx.Link{Href: text}}
}

// describe fills in the record of an answer.
func (x *exchange[T]) describe(a Access, q question, items []T, body []byte) {
	r := &x.record
	r.Accounts, r.Clusters = x.account[:0], 0
	add := func(id fdx.AccountID) {
		if n := len(r.Accounts); n == 0 || r.Accounts[n-1] != id && !slices.Contains(r.Accounts, id) {
			r.Accounts = append(r.Accounts, id)
			r.Clusters = r.Clusters.Union(a.clusters(id))
		}
	}
	if x.op.accounts != nil {
		for i := range items {
			for _, id := range x.op.accounts(&items[i]) {
				add(id)
			}
		}
	}
	if len(r.Accounts) == 0 {
		// Of a single account, or of all of them that there is nothing.
		for i := range a.accounts {
			add(a.accounts[i].ID)
		}
	}
	if !q.need.Lookback {
		r.Window = a.window
	}
	r.Count, r.Bytes, r.BodyHash = len(items), len(body), sha256.Sum256(body)
	r.Outcome = audit.Given
	if a.clipped {
		r.Outcome = audit.Clipped
	}
}

// refused records that nothing was given, so that the consumer sees the
// attempt. It is best effort: a refusal that cannot be recorded is still one,
// and is counted.
func (x *exchange[T]) refused(why *fdxhttp.Refusal) {
	x.record = audit.Record{
		RequestID: x.record.RequestID, Operation: x.record.Operation,
		Recipient: x.record.Recipient, Consumer: x.record.Consumer,
		Grant: x.record.Grant, Epoch: x.record.Epoch,
		Attended: x.record.Attended, Interaction: x.record.Interaction, Instance: x.record.Instance,
		Outcome: audit.Refused, Reason: why.Public.Code,
	}
	switch rest := consent.Rest(why.Reason); rest {
	case consent.RestPaused, consent.RestHeld:
		// Code 403 says less than the consumer, who did that, has to see.
		x.record.Reason = why.Reason
	}
	if why.StoreDown {
		return
	}
	// Detached: also for a client that has hung up meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.request.Context()), recordDeadline)
	defer cancel()
	if _, err := x.gateway.gate.Release(ctx, Release{Record: x.record}); err != nil {
		x.gateway.unrecorded()
		if why.Cause == nil {
			why.Cause = fmt.Errorf("record of the refusal: %w", err)
		}
	}
}
