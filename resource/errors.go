package resource

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
)

// This file turns what the gateway decided and what the bank answered into
// what the client is told. Everything it does not know becomes a bare server
// error.

// errBank: the provider broke its contract. Nothing of its answer leaves.
var errBank = fmt.Errorf("%w: outside the access", ErrWrongAnswer)

// errUndeclared: the provider returned an error that its contract does not
// have for the method.
var errUndeclared = errors.New("resource: provider returned an error of another operation")

// fromDenial maps a denial of Allow.
func fromDenial(c Caller, d *Denial) *fdxhttp.Refusal {
	switch {
	case d.Ended:
		return fdxhttp.InvalidToken(c.Scheme, "consent_ended")
	case d.Rest != "":
		return &fdxhttp.Refusal{Public: d.Error, Reason: string(d.Rest)}
	case d.Scope != "":
		return fdxhttp.InsufficientScope(c.Scheme, string(d.Scope), d.Error)
	}
	return fdxhttp.Denied(d.Error)
}

// fromProvider maps an error of the bank; missing is the answer to
// ErrNotFound, nil where that makes no sense.
func fromProvider(err error, missing *fdx.Error) *fdxhttp.Refusal {
	switch {
	case errors.Is(err, ErrNoAccount):
		return fdxhttp.Denied(fdx.ErrAccountNotFound)
	case errors.Is(err, ErrAccountLocked):
		return fdxhttp.Denied(fdx.ErrAccountLocked)
	case errors.Is(err, ErrAccountClosed):
		return fdxhttp.Denied(fdx.ErrAccountClosed)
	case errors.Is(err, ErrAccountType):
		return fdxhttp.Denied(fdx.ErrAccountTypeNotSupported)
	case errors.Is(err, ErrNotFound) && missing != nil:
		return fdxhttp.Denied(missing)
	case errors.Is(err, ErrNoStatements):
		return fdxhttp.Denied(fdx.ErrNoStatements)
	case errors.Is(err, ErrProcessing):
		return fdxhttp.Denied(fdx.ErrStatementProcessing)
	case errors.Is(err, ErrNotAcceptable):
		return fdxhttp.Denied(fdx.ErrNotAcceptable.WithDebug("the bank has the document in no form that Accept names"))
	case errors.Is(err, ErrNotOffered):
		return fdxhttp.Denied(fdx.ErrNotImplemented.WithDebug("the bank does not offer this operation; see /capability"))
	case errors.Is(err, ErrWrongAnswer), errors.Is(err, errTooLarge):
		return &fdxhttp.Refusal{Public: fdx.ErrSubsystem, Reason: "bank_broken", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &fdxhttp.Refusal{Public: fdx.ErrUpstreamTimeout.WithDebug("the bank did not answer in time; try again later"), Reason: "bank_timeout", Cause: err}
	}
	return &fdxhttp.Refusal{Public: fdx.ErrMaintenance.WithDebug("the bank cannot answer now; try again later"), Reason: "bank_unavailable", Cause: err}
}
