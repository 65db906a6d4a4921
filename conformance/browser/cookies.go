package browser

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxCookieAge is the longest life that Chromium gives a cookie, in seconds:
// 400 days.
const maxCookieAge = 400 * 24 * 60 * 60

// jar keeps cookies by the rules of RFC 6265bis that net/http/cookiejar
// leaves out: name prefixes and SameSite. It is safe for concurrent use.
type jar struct {
	now func() time.Time

	mu      sync.Mutex
	cookies []*stored // guarded by mu
}

// stored is a cookie with what the browser adds to it.
type stored struct {
	http.Cookie
	host     string // that set it, or its Domain
	hostOnly bool   // no Domain attribute: sent to host alone
	expires  time.Time
}

// store takes the Set-Cookie headers of an answer. It returns one line, fit
// for a developer, for each cookie that Chromium would refuse.
func (j *jar) store(u *url.URL, resp *http.Response) (refused []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range resp.Cookies() {
		s := &stored{Cookie: *c, host: strings.ToLower(u.Hostname()), hostOnly: true}
		if why := s.refuse(); why != "" {
			refused = append(refused, fmt.Sprintf("cookie %s refused: %s", c.Name, why))
			continue
		}
		if !strings.HasPrefix(s.Path, "/") {
			s.Path = defaultPath(u)
		}
		switch {
		case c.MaxAge < 0:
			s.expires = j.now()
		case c.MaxAge > 0:
			s.expires = j.now().Add(time.Duration(min(c.MaxAge, maxCookieAge)) * time.Second)
		default:
			s.expires = c.Expires
		}
		j.cookies = slices.DeleteFunc(j.cookies, func(old *stored) bool {
			return old.Name == s.Name && old.host == s.host && old.hostOnly == s.hostOnly && old.Path == s.Path
		})
		if !s.expired(j.now()) {
			j.cookies = append(j.cookies, s)
		}
	}
	return refused
}

// refuse says why a browser would not keep the cookie, "" when it would. It
// also settles the cookie's domain. Pages are always https here, so Secure
// itself can never be at fault, only missing.
func (s *stored) refuse() string {
	name := strings.ToLower(s.Name)
	if strings.HasPrefix(name, "__secure-") && !s.Secure {
		return "the __Secure- prefix needs Secure"
	}
	if strings.HasPrefix(name, "__host-") && (!s.Secure || s.Domain != "" || s.Path != "/") {
		return "the __Host- prefix needs Secure, Path=/ and no Domain"
	}
	if s.SameSite == http.SameSiteNoneMode && !s.Secure {
		return "SameSite=None needs Secure"
	}
	if domain := strings.ToLower(strings.TrimPrefix(s.Domain, ".")); domain != "" && domain != s.host {
		if !within(s.host, domain) {
			return "its Domain is not the host that set it, nor a parent of it"
		}
		s.host, s.hostOnly = domain, false
	} else if domain != "" && net.ParseIP(domain) == nil {
		s.hostOnly = false
	}
	return ""
}

// header is the Cookie header for a request, "" for none. A Strict cookie
// goes with same-site requests only; a Lax one, which is also what no
// SameSite attribute means, with a cross-site navigation too if it is a GET.
func (j *jar) header(u *url.URL, method string, sameSite bool) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var match []*stored
	for _, s := range j.cookies {
		switch {
		case s.expired(j.now()), !s.matches(u):
		case sameSite, s.SameSite == http.SameSiteNoneMode:
			match = append(match, s)
		case s.SameSite != http.SameSiteStrictMode && method == http.MethodGet:
			match = append(match, s)
		}
	}
	// The longer path first, then the older cookie (RFC 6265 section 5.4).
	slices.SortStableFunc(match, func(a, b *stored) int { return len(b.Path) - len(a.Path) })
	pairs := make([]string, len(match))
	for i, s := range match {
		pairs[i] = s.Name + "=" + s.Value
	}
	return strings.Join(pairs, "; ")
}

func (j *jar) all() []*http.Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []*http.Cookie
	for _, s := range j.cookies {
		if !s.expired(j.now()) {
			c := s.Cookie
			list = append(list, &c)
		}
	}
	slices.SortStableFunc(list, func(a, b *http.Cookie) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (s *stored) expired(now time.Time) bool { return !s.expires.IsZero() && !s.expires.After(now) }

func (s *stored) matches(u *url.URL) bool {
	host, path := strings.ToLower(u.Hostname()), u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return (host == s.host || !s.hostOnly && within(host, s.host)) &&
		(path == s.Path || strings.HasPrefix(path, strings.TrimSuffix(s.Path, "/")+"/"))
}

// defaultPath is the path of a cookie without a Path attribute: the folder
// of the page that set it (RFC 6265 section 5.1.4).
func defaultPath(u *url.URL) string {
	path := u.EscapedPath()
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}
