package browser

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What a walk through pages can fail on, apart from the network.
var (
	// ErrOutside means that a page or the caller sent the browser to an
	// origin outside Config.Home by other means than a redirect.
	ErrOutside = errors.New("outside the browser's home")
	// ErrElement means that the page has no such element, has it twice, or
	// has one that a person could not use that way.
	ErrElement = errors.New("element")
	// ErrBlocked means that Chromium would not have done it: the page's
	// Content-Security-Policy forbids the form's target, or a required
	// field is empty.
	ErrBlocked = errors.New("blocked by the browser")
)

const (
	// maxPage bounds one page, in bytes.
	maxPage = 4 << 20
	// maxRedirects is Chromium's own limit (net::ERR_TOO_MANY_REDIRECTS).
	maxRedirects = 20

	userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/142.0.0.0 Safari/537.36 headgate-conformance/1"
)

// Config says who the browser trusts and where it may go.
type Config struct {
	// Home lists the https URLs whose origins belong to the bank: its
	// issuer, its portal. Only the origin of each counts. A redirect to any
	// other origin ends the walk and is returned as Page.Left. Required.
	Home []string
	// TLS holds the roots to trust. The zero value means the system's.
	TLS *tls.Config
	// Transport carries the requests in the place of the browser's own; TLS
	// is then its affair. The zero value means one that follows TLS.
	Transport http.RoundTripper
	// Language is the Accept-Language header. The zero value means
	// "en-US,en;q=0.9".
	Language string
	// Now is the clock that cookies expire by. The zero value means
	// time.Now.
	Now func() time.Time
	// Codes returns the one-time code of the message that shows the
	// reference, as the person would read it elsewhere; Mailbox makes one. nil
	// is a person who gets no codes.
	Codes func(ctx context.Context, reference string) (string, error)
}

// Browser is one person's browser: one set of cookies. It is safe for
// concurrent use, as tabs are; a Page is not.
type Browser struct {
	home     []string // origins
	language string
	client   *http.Client
	jar      *jar
	codes    func(ctx context.Context, reference string) (string, error)
}

// New returns a browser with no cookies. It does no I/O.
func New(cfg Config) (*Browser, error) {
	if len(cfg.Home) == 0 {
		return nil, errors.New("browser: Config.Home is empty: name the issuer and the portal")
	}
	b := &Browser{
		language: cfg.Language,
		codes:    cfg.Codes,
		jar:      &jar{now: cfg.Now},
		client: &http.Client{
			Timeout: 30 * time.Second,
			Transport: &http.Transport{
				TLSClientConfig:   cfg.TLS.Clone(),
				ForceAttemptHTTP2: true,
				IdleConnTimeout:   30 * time.Second,
			},
			// navigate follows redirects itself, one checked hop at a time.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if cfg.Transport != nil {
		b.client.Transport = cfg.Transport
	}
	if b.language == "" {
		b.language = "en-US,en;q=0.9"
	}
	if b.jar.now == nil {
		b.jar.now = time.Now
	}
	for _, base := range cfg.Home {
		u, err := url.Parse(base)
		if err != nil {
			return nil, fmt.Errorf("browser: Config.Home: %w", err)
		}
		if u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("browser: Config.Home: %s is not an https URL", base)
		}
		b.home = append(b.home, Origin(u))
	}
	return b, nil
}

// Open loads a page as if its address had been typed: no referrer, and every
// cookie of the site is sent.
func (b *Browser) Open(ctx context.Context, rawURL string) (*Page, error) {
	return b.open(ctx, rawURL, "none")
}

// Arrive loads a page as if another site, or an app, had sent the person
// there: the request is cross-site, without a referrer, so SameSite=Strict
// cookies stay at home. This is how people reach an authorization endpoint.
func (b *Browser) Arrive(ctx context.Context, rawURL string) (*Page, error) {
	return b.open(ctx, rawURL, "cross-site")
}

func (b *Browser) open(ctx context.Context, rawURL, site string) (*Page, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("open page: %w", err)
	}
	return b.navigate(ctx, &navigation{method: http.MethodGet, url: u, site: site})
}

// Cookies returns the cookies held now, each with the attributes it was set
// with, sorted by name. Values are secrets: do not print them.
func (b *Browser) Cookies() []*http.Cookie { return b.jar.all() }

// navigation is one trip from a click to the page that ends it, redirects
// included.
type navigation struct {
	method string
	url    *url.URL
	form   url.Values // body of a POST
	// from is the page that was clicked on; nil when the person came from
	// elsewhere, and then site says from where.
	from *Page
	// site is Sec-Fetch-Site so far. It only ever gets worse on a redirect.
	site string
	// isForm is set when a form was submitted: then form-action applies.
	isForm bool
	// header replaces headers of the first request; an empty list removes.
	header http.Header
}

func (b *Browser) navigate(ctx context.Context, n *navigation) (*Page, error) {
	if !b.atHome(n.url) {
		return nil, fmt.Errorf("%w: %s", ErrOutside, withoutQuery(n.url))
	}
	page := &Page{} // the latest answer; a redirect away keeps its status
	policy := ""
	if n.from != nil {
		policy = n.from.referrerPolicy()
	}
	for range maxRedirects + 1 {
		if n.isForm && !formActionAllows(n.from.Header.Values("Content-Security-Policy"), n.from.URL, n.url) {
			return nil, fmt.Errorf("%w: the Content-Security-Policy of %s has a form-action that forbids %s",
				ErrBlocked, withoutQuery(n.from.URL), withoutQuery(n.url))
		}
		if !b.atHome(n.url) {
			page.Left = n.url
			return page, nil
		}
		blocked := page.Blocked
		resp, err := b.fetch(ctx, n, policy)
		if err != nil {
			return nil, err
		}
		page, err = readPage(n.url, resp)
		if err != nil {
			return nil, err
		}
		page.Blocked = append(blocked, b.jar.store(n.url, resp)...)
		if p := page.Header.Get("Referrer-Policy"); p != "" {
			policy = lastKnownPolicy(p, policy)
		}

		location := page.Header.Get("Location")
		if !isRedirect(page.Status) || location == "" {
			return page, page.parse()
		}
		next, err := n.url.Parse(location)
		if err != nil {
			return nil, fmt.Errorf("follow redirect of %s: %w", withoutQuery(n.url), err)
		}
		n.url, n.header = next, nil
		if page.Status != http.StatusTemporaryRedirect && page.Status != http.StatusPermanentRedirect {
			n.method, n.form = http.MethodGet, nil
		}
	}
	return nil, fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, withoutQuery(n.url))
}

// fetch sends one request of a navigation with the headers that Chromium
// sends with it.
func (b *Browser) fetch(ctx context.Context, n *navigation, policy string) (*http.Response, error) {
	var body io.Reader
	if n.method == http.MethodPost {
		body = strings.NewReader(n.form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, n.method, n.url.String(), body)
	if err != nil {
		return nil, fmt.Errorf("open page: %w", err)
	}
	h := req.Header
	h.Set("User-Agent", userAgent)
	h.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	h.Set("Accept-Language", b.language)
	h.Set("Upgrade-Insecure-Requests", "1")
	if n.from != nil {
		n.site = worse(n.site, siteRelation(n.from.URL, n.url))
		if referer := referrer(policy, n.from.URL, n.url); referer != "" {
			h.Set("Referer", referer)
		}
	}
	h.Set("Sec-Fetch-Site", n.site)
	h.Set("Sec-Fetch-Mode", "navigate")
	h.Set("Sec-Fetch-Dest", "document")
	h.Set("Sec-Fetch-User", "?1")
	if n.method == http.MethodPost {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		h.Set("Origin", postOrigin(policy, n.from.URL, n.url))
	}
	sameSite := n.site == "none" || n.from != nil && siteRelation(n.from.URL, n.url) != "cross-site"
	if cookies := b.jar.header(n.url, n.method, sameSite); cookies != "" {
		h.Set("Cookie", cookies)
	}
	for name, values := range n.header {
		h.Del(name)
		if len(values) > 0 {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
	resp, err := b.client.Do(req)
	if err != nil {
		// The transport's own error quotes the whole URL; only its cause may
		// be shown.
		if cause := errors.Unwrap(err); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("%s %s: %w", n.method, withoutQuery(n.url), err)
	}
	return resp, nil
}

func (b *Browser) atHome(u *url.URL) bool { return slices.Contains(b.home, Origin(u)) }

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// withoutQuery is how a URL appears in an error: its query may hold a code,
// a request_uri or a token.
func withoutQuery(u *url.URL) string {
	c := *u
	c.RawQuery, c.Fragment, c.RawFragment, c.User = "", "", "", nil
	return c.String()
}
