package fdxhttp

import (
	"net/http"
	"strconv"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/web"
)

// Refusal is an answer that gives nothing.
type Refusal struct {
	Public *fdx.Error
	// Challenge goes into WWW-Authenticate of a 401, and of a 403 for want
	// of a scope.
	Challenge bearer.Challenge
	// Reason is for the log and the record: a code, nothing of the request.
	// Empty means the code of Public.
	Reason string
	// Cause is private, for the log; nil for a plain no.
	Cause error
	// StoreDown: a store of ours could not be asked.
	StoreDown bool
	// Wait is when to come back, in Retry-After; 0 tells what is usual for a
	// 503 and nothing with any other status.
	Wait time.Duration
	// Integer: the caller is known, and is registered for error codes that
	// are integers.
	Integer bool
}

// retryAfter is how long a client should wait after a 503.
const retryAfter = 2 * time.Second

// Denied is a no that needs no challenge.
func Denied(e *fdx.Error) *Refusal { return &Refusal{Public: e} }

// Malformed is the answer to a request that cannot be read in one way only.
// debug is fixed text.
func Malformed(debug string) *Refusal { return Denied(fdx.ErrInvalidInput.WithDebug(debug)) }

// StoreDown is the answer when nothing is known because a store of ours cannot
// be asked.
func StoreDown(cause error) *Refusal {
	return &Refusal{Public: fdx.ErrMaintenance.WithDebug("try again later"), Reason: "store_unavailable", Cause: cause, StoreDown: true}
}

// InvalidToken is the one answer to a token that is malformed, unknown,
// expired, revoked or presented by the wrong client: whoever holds it cannot
// tell which (RFC 6750 section 3.1).
func InvalidToken(s bearer.Scheme, reason string) *Refusal {
	return &Refusal{
		Public:    fdx.ErrAuthentication.WithDebug("the access token is not valid here; obtain a new one"),
		Challenge: bearer.Challenge{Scheme: s, Code: "invalid_token"},
		Reason:    reason,
	}
}

// InvalidProof is the answer to a DPoP proof that is missing, wrong or spent
// (RFC 9449 section 7.1).
func InvalidProof(reason string) *Refusal {
	return &Refusal{
		Public:    fdx.ErrAuthentication.WithDebug("the DPoP proof is not valid for this request; make a new one for each request"),
		Challenge: bearer.Challenge{Scheme: bearer.DPoP, Code: dpop.Code},
		Reason:    reason,
	}
}

// InsufficientScope is the answer to a token that lacks a scope (RFC 6750
// section 3.1).
func InsufficientScope(s bearer.Scheme, scope string, public *fdx.Error) *Refusal {
	return &Refusal{Public: public, Challenge: bearer.Challenge{Scheme: s, Code: insufficientScope, Scope: scope}}
}

const insufficientScope = "insufficient_scope"

// Unauthenticated words what is wrong with what a request presents, at an
// endpoint that needs the scope, if any.
func Unauthenticated(s bearer.Scheme, scope string, e *bearer.Error) *Refusal {
	switch e.Fault {
	case bearer.TokenInQuery:
		return Malformed("the access token goes into the Authorization header")
	case bearer.RepeatedHeader:
		return Malformed("there must be one Authorization header")
	case bearer.NoCredentials:
		return &Refusal{
			Public: fdx.ErrAuthentication.WithDebug("send the access token in the Authorization header, with scheme DPoP or with a client certificate"),
			Reason: e.Reason,
		}
	case bearer.InvalidToken:
		return InvalidToken(s, e.Reason)
	case bearer.InvalidProof:
		return InvalidProof(e.Reason)
	case bearer.UseNonce:
		return &Refusal{
			Public:    fdx.ErrAuthentication.WithDebug("repeat the request with the nonce from DPoP-Nonce in the proof"),
			Challenge: bearer.Challenge{Scheme: bearer.DPoP, Code: "use_dpop_nonce"},
		}
	case bearer.InsufficientScope:
		return InsufficientScope(s, scope, fdx.ErrForbidden.WithDebug("the access token lacks the scope of this operation"))
	}
	return StoreDown(e)
}

// Write answers with the refusal. metadata is the address of the metadata of
// the protected resource (RFC 9728), for the challenge.
func (r *Refusal) Write(w http.ResponseWriter, metadata string) {
	switch {
	case r.Public.Status == http.StatusUnauthorized, r.Challenge.Code == insufficientScope:
		c := r.Challenge
		c.Metadata = metadata
		c.Set(w.Header())
	case r.Wait > 0:
		limit.SetRetry(w.Header(), r.Wait)
	case r.Public.Status == http.StatusServiceUnavailable:
		limit.SetRetry(w.Header(), retryAfter)
	}
	writeError(w, r.Public, r.Integer)
}

// Logged returns the reason for the log line.
func (r *Refusal) Logged() string {
	if r.Reason == "" {
		return r.Public.Code
	}
	return r.Reason
}

// Always returns a handler that gives everybody the same error.
func Always(e *fdx.Error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		web.Fields(r.Context()).Code = e.Code
		id, _ := Interaction(r.Header)
		w.Header().Set(InteractionHeader, id)
		writeError(w, e, false)
	}
}

// ErrNoRoute answers a path that nothing is at.
var ErrNoRoute = fdx.ErrDataNotFound.WithDebug("no such resource")

// writeError writes an FDX error body.
func writeError(w http.ResponseWriter, e *fdx.Error, integer bool) {
	body, err := e.Body(integer)
	if err != nil {
		panic(err) // three strings
	}
	WriteJSON(w, e.Status, body)
}

// WriteJSON writes exactly these bytes.
func WriteJSON(w http.ResponseWriter, status int, body []byte) { Write(w, status, fdx.JSON, body) }

// Write writes exactly these bytes.
func Write(w http.ResponseWriter, status int, form fdx.ContentType, body []byte) {
	WriteIn(w, status, form, body, new([2]string))
}

// WriteIn is Write for who has memory for the values of two headers, which is
// no longer theirs.
func WriteIn(w http.ResponseWriter, status int, form fdx.ContentType, body []byte, values *[2]string) {
	h := w.Header()
	values[0], values[1] = string(form), strconv.Itoa(len(body))
	h["Content-Type"], h["Content-Length"] = values[:1:1], values[1:]
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that hung up cannot be told
}
