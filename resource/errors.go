package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
)

// This file is the one place that turns what went wrong into what the client
// is told. Everything it does not know becomes a bare server error.

// refusal is a read that gives nothing.
type refusal struct {
	public *fdx.Error
	// challenge goes into WWW-Authenticate of a 401, and of a 403 for want
	// of a scope.
	challenge challenge
	// reason is for the log and the record: a code, nothing of the request.
	// Empty means the code of public.
	reason string
	// cause is private, for the log; nil for a plain no.
	cause error
	// storeDown: it is the store of records that could not be asked.
	storeDown bool
}

// retryAfter is how long a client should wait after a 503, in seconds.
const retryAfter = 2

// errBank: the provider broke its contract. Nothing of its answer leaves.
var errBank = fmt.Errorf("%w: outside the access", ErrWrongAnswer)

// denied is a no that needs no challenge.
func denied(e *fdx.Error) *refusal { return &refusal{public: e} }

// invalidToken is the one answer to a token that is malformed, unknown,
// expired, revoked or presented by the wrong client: whoever holds it cannot
// tell which (RFC 6750 section 3.1).
func invalidToken(s scheme, reason string) *refusal {
	return &refusal{
		public:    fdx.ErrAuthentication.WithDebug("the access token is not valid here; obtain a new one"),
		challenge: challenge{scheme: s, code: "invalid_token"},
		reason:    reason,
	}
}

// invalidProof is the answer to a DPoP proof that is missing, wrong or spent
// (RFC 9449 section 7.1).
func invalidProof(reason string) *refusal {
	return &refusal{
		public:    fdx.ErrAuthentication.WithDebug("the DPoP proof is not valid for this request; make a new one for each request"),
		challenge: challenge{scheme: schemeDPoP, code: dpop.Code},
		reason:    reason,
	}
}

// noCredentials is the answer to a request without a token.
func noCredentials(reason string) *refusal {
	return &refusal{
		public: fdx.ErrAuthentication.WithDebug("send the access token in the Authorization header, with scheme DPoP or with a client certificate"),
		reason: reason,
	}
}

// useNonce asks for a proof with our nonce (RFC 9449 section 9).
func useNonce() *refusal {
	return &refusal{
		public:    fdx.ErrAuthentication.WithDebug("repeat the request with the nonce from DPoP-Nonce in the proof"),
		challenge: challenge{scheme: schemeDPoP, code: "use_dpop_nonce"},
	}
}

// malformed is the answer to a request that cannot be read in one way only.
// debug is fixed text.
func malformed(debug string) *refusal { return denied(fdx.ErrInvalidInput.WithDebug(debug)) }

// storeDown is the answer when nothing is known because the truth or the
// gate cannot be asked.
func storeDown(cause error) *refusal {
	return &refusal{public: fdx.ErrMaintenance.WithDebug("try again later"), cause: cause, storeDown: true}
}

// fromDenial maps a denial of Allow.
func fromDenial(c Caller, d *Denial) *refusal {
	switch {
	case d.Ended:
		return invalidToken(c.scheme, "consent_ended")
	case d.Scope != "":
		return &refusal{public: d.Error, challenge: challenge{scheme: c.scheme, code: "insufficient_scope", scope: d.Scope}}
	}
	return denied(d.Error)
}

// fromProvider maps an error of the bank; missing is the answer to
// ErrNotFound, nil where that makes no sense.
func fromProvider(err error, missing *fdx.Error) *refusal {
	switch {
	case errors.Is(err, ErrNoAccount):
		return denied(fdx.ErrAccountNotFound)
	case errors.Is(err, ErrAccountLocked):
		return denied(fdx.ErrAccountLocked)
	case errors.Is(err, ErrAccountClosed):
		return denied(fdx.ErrAccountClosed)
	case errors.Is(err, ErrAccountType):
		return denied(fdx.ErrAccountTypeNotSupported)
	case errors.Is(err, ErrNotFound) && missing != nil:
		return denied(missing)
	case errors.Is(err, ErrNoStatements):
		return denied(fdx.ErrNoStatements)
	case errors.Is(err, ErrProcessing):
		return denied(fdx.ErrStatementProcessing)
	case errors.Is(err, ErrNotAcceptable):
		return denied(fdx.ErrNotAcceptable.WithDebug("the bank has the document in no form that Accept names"))
	case errors.Is(err, ErrNotOffered):
		return denied(fdx.ErrNotImplemented.WithDebug("the bank does not offer this operation; see /capability"))
	case errors.Is(err, ErrWrongAnswer), errors.Is(err, errTooLarge):
		return &refusal{public: fdx.ErrSubsystem, cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &refusal{public: fdx.ErrUpstreamTimeout.WithDebug("the bank did not answer in time; try again later"), cause: err}
	}
	return &refusal{public: fdx.ErrMaintenance.WithDebug("the bank cannot answer now; try again later"), cause: err}
}

// refuse writes the answer to a refused read.
func (g *Gateway) refuse(w http.ResponseWriter, r *refusal) {
	h := w.Header()
	switch {
	case r.public.Status == http.StatusUnauthorized, r.challenge.code == "insufficient_scope":
		g.challenge(h, r.challenge)
	case r.public.Status == http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	writeError(w, r.public)
}

// writeError writes an FDX error body.
func writeError(w http.ResponseWriter, e *fdx.Error) {
	body, err := json.Marshal(e)
	if err != nil {
		panic(err) // three strings
	}
	writeJSON(w, e.Status, body)
}

// writeJSON writes exactly these bytes.
func writeJSON(w http.ResponseWriter, status int, body []byte) { write(w, status, fdx.JSON, body) }

// write writes exactly these bytes.
func write(w http.ResponseWriter, status int, form fdx.ContentType, body []byte) {
	h := w.Header()
	h.Set("Content-Type", string(form))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that hung up cannot be told
}
