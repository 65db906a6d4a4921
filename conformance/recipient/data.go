package recipient

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// ErrPaging means that a next page leads out of the data API or back to a
// page that was read already.
var ErrPaging = errors.New("the next page leads nowhere new")

// DataRequest reads one path below GatewayBase, such as /accounts, with the
// token and a proof that we hold its key. query may be nil.
func (c *Client) DataRequest(token Token, path string, query url.Values) (*Request, error) {
	address := c.cfg.GatewayBase + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return c.get(token, address)
}

// get reads an address of the data API.
func (c *Client) get(token Token, address string) (*Request, error) {
	r, err := c.withToken(http.MethodGet, address, token)
	if err != nil {
		return nil, err
	}
	r.Header.Set(interactionID, newUUID())
	return r, nil
}

// withToken is a request in the name of a token: with a proof of its key (RFC
// 9449 section 7), or with the certificate that it is bound to (RFC 8705
// section 3).
func (c *Client) withToken(method, address string, token Token) (*Request, error) {
	r := &Request{Method: method, URL: address, Header: http.Header{"Accept": {"application/json"}}}
	if token.Key == nil {
		r.Header.Set("Authorization", "Bearer "+string(token.AccessToken))
		if c.cfg.CertificateBound {
			r.Certificate = c.cfg.Certificate
		}
		return r, nil
	}
	r.Header.Set("Authorization", "DPoP "+string(token.AccessToken))
	r.Sign = func(r *Request, nonce string) error { return c.prove(r, token.Key, token.AccessToken, nonce) }
	if err := r.Sign(r, ""); err != nil {
		return nil, err
	}
	return r, nil
}

// AccountsRequest lists the accounts of the consent.
func (c *Client) AccountsRequest(token Token, query url.Values) (*Request, error) {
	return c.DataRequest(token, "/accounts", query)
}

// AccountRequest reads one account.
func (c *Client) AccountRequest(token Token, accountID string) (*Request, error) {
	return c.DataRequest(token, "/accounts/"+url.PathEscape(accountID), nil)
}

// TransactionsRequest lists the transactions of one account: startDate and
// endDate as YYYY-MM-DD, both or neither (then the last 7 days); limit;
// pageKey.
func (c *Client) TransactionsRequest(token Token, accountID string, query url.Values) (*Request, error) {
	return c.DataRequest(token, "/accounts/"+url.PathEscape(accountID)+"/transactions", query)
}

// Accounts lists the accounts of the consent. Any status is an answer: look
// at it, or call Refusal. It returns ErrNotEchoed together with the answer.
func (c *Client) Accounts(ctx context.Context, token Token, query url.Values) (*Response, error) {
	req, err := c.AccountsRequest(token, query)
	if err != nil {
		return nil, err
	}
	return c.Do(ctx, req)
}

// Account reads one account, as Accounts does.
func (c *Client) Account(ctx context.Context, token Token, accountID string) (*Response, error) {
	req, err := c.AccountRequest(token, accountID)
	if err != nil {
		return nil, err
	}
	return c.Do(ctx, req)
}

// Transactions reads one page of transactions, as Accounts does.
func (c *Client) Transactions(ctx context.Context, token Token, accountID string, query url.Values) (*Response, error) {
	req, err := c.TransactionsRequest(token, accountID, query)
	if err != nil {
		return nil, err
	}
	return c.Do(ctx, req)
}

// TransactionPages reads the transactions of one account page by page. It
// ends after the last page, after an answer that is not a 2xx, which it still
// yields, and after an error.
func (c *Client) TransactionPages(ctx context.Context, token Token, accountID string, query url.Values) iter.Seq2[*Response, error] {
	return func(yield func(*Response, error) bool) {
		req, err := c.TransactionsRequest(token, accountID, query)
		for seen := map[string]bool{}; err == nil; {
			seen[req.URL] = true
			page, failed := c.Do(ctx, req)
			if !yield(page, failed) || failed != nil || page.Status >= 300 {
				return
			}
			next, failed := c.nextPage(req.URL, page)
			switch {
			case failed != nil:
				err = failed
			case next == "":
				return
			case seen[next]:
				err = fmt.Errorf("%w: a page was read already", ErrPaging)
			default:
				req, err = c.get(token, next)
			}
		}
		yield(nil, err)
	}
}

// nextPage is the address of the page after this one, "" after the last. FDX
// says it twice: as a key to add to the same query, and as a link. The last
// page has neither.
func (c *Client) nextPage(current string, page *Response) (string, error) {
	var body struct {
		Page struct {
			NextPageKey string `json:"nextPageKey"`
		} `json:"page"`
		Links struct {
			Next struct {
				Href string `json:"href"`
			} `json:"next"`
		} `json:"links"`
	}
	if err := page.JSON(&body); err != nil {
		return "", err
	}
	u, err := url.Parse(current)
	if err != nil {
		return "", err
	}
	switch {
	case body.Page.NextPageKey != "":
		query := u.Query()
		query.Set("pageKey", body.Page.NextPageKey)
		u.RawQuery = query.Encode()
	case body.Links.Next.Href != "":
		// Our token goes along, so the link must not leave the data API.
		if u, err = u.Parse(body.Links.Next.Href); err != nil || !strings.HasPrefix(u.String(), c.cfg.GatewayBase+"/") {
			return "", fmt.Errorf("%w: the link is outside the data API", ErrPaging)
		}
	default:
		return "", nil
	}
	return u.String(), nil
}
