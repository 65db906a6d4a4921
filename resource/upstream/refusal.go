package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
)

// errNothing: the bank has nothing of what was asked for: an empty list.
var errNothing = errors.New("upstream: nothing there")

// refusal returns what a status of 400 and more means, with the code of the
// body where there is one.
func (p *Provider) refusal(op fdx.OperationID, res *http.Response, isJSON bool, body []byte) error {
	code := ""
	if isJSON {
		code = p.errorCode(body)
	}
	for _, own := range []string{code, strconv.Itoa(res.StatusCode)} {
		if known, ok := p.codes[own]; ok && own != "" {
			code = known
			break
		}
	}
	why := func(err error) error { return fmt.Errorf("%w: the bank answered %d", err, res.StatusCode) }
	switch status := res.StatusCode; {
	case status == http.StatusNotImplemented:
		return why(resource.ErrNotOffered)
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return &fault{err: why(resource.ErrUnavailable), passing: true, after: retryAfter(res.Header)}
	case status >= 500:
		return &fault{err: why(resource.ErrUnavailable)}
	case status == http.StatusUnauthorized, status == http.StatusTooManyRequests:
		// Whatever the body says, it is about us and not about the data.
		return why(resource.ErrUnavailable)
	}
	if err := meaning(code); err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return missing(op)
	case http.StatusNotAcceptable:
		return resource.ErrNotAcceptable
	case http.StatusUnprocessableEntity:
		return resource.ErrAccountType
	}
	return why(resource.ErrUnavailable)
}

// meaning returns what an FDX error code means, nil for one that decides
// nothing.
func meaning(code string) error {
	switch code {
	case "701":
		return resource.ErrNoAccount
	case "704":
		return resource.ErrAccountType
	case "705":
		return resource.ErrAccountClosed
	case "706":
		return resource.ErrAccountLocked
	case "601", "1101", "1103", "1104":
		return resource.ErrNotFound
	case "901", "1102", "1107":
		return errNothing
	case "1106":
		return resource.ErrNotOffered
	case "1108":
		return resource.ErrNoStatements
	case "1203":
		return resource.ErrNotAcceptable
	case "1300":
		return resource.ErrProcessing
	}
	return nil
}

// missing returns what a bare 404 means.
func missing(op fdx.OperationID) error {
	switch op {
	case fdx.GetAccountStatement, fdx.GetAccountTransactionImages, fdx.GetTermsAndConditions,
		fdx.GetCustomer, fdx.GetRewardProgram, fdx.GetRewardProgramCategories:
		return resource.ErrNotFound
	case fdx.SearchForAccounts, fdx.SearchRewardPrograms, fdx.GetCustomers, fdx.GetAvailability:
		return errNothing
	}
	return resource.ErrNoAccount
}

// errorCode returns the code in the body of a refusal, "" when there is none.
// Some banks that speak FDX send it as a number.
func (p *Provider) errorCode(body []byte) string {
	path := "code"
	if p.mapped != nil {
		path = p.mapped.Code
	}
	t, err := tree(body)
	if err != nil || path == "" {
		return ""
	}
	v, _ := t.Value(path)
	code, _ := text(v)
	return code
}

// retryAfter reads Retry-After (RFC 9110 section 10.2.3), 0 when there is none
// that can be read.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 16); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
