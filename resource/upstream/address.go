package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/fdx"
)

// errAddress: an id that cannot be put into an address.
var errAddress = errors.New("upstream: not an id that an address can hold")

// baseURL reads Config.Base.
func baseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("does not parse") // the error quotes it
	case u.Scheme != "https" || u.Host == "" || u.Opaque != "":
		return nil, errors.New("is not an https URL")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("has a user, a query or a fragment")
	}
	u.Path, u.RawPath = strings.TrimRight(u.EscapedPath(), "/"), ""
	return u, nil
}

// route is the address of an operation: fixed text with ids in between.
type route struct {
	origin      string // https and host
	path, query []piece
}

// piece is fixed text, or the name of an id.
type piece struct{ text, name string }

// newRoute reads a path template. needed are the ids without which the
// operation says nothing.
func newRoute(base *url.URL, template string, needed []string) (route, error) {
	if base == nil {
		return route{}, nil // a fault that was told
	}
	path, query, _ := strings.Cut(template, "?")
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(template, "#\\ ") {
		return route{}, errors.New("the path does not start with a slash, or holds a fragment, backslash or space")
	}
	r := route{origin: base.Scheme + "://" + base.Host}
	var err error
	if r.path, err = pieces(base.Path + path); err != nil {
		return route{}, err
	}
	if r.query, err = pieces(query); err != nil {
		return route{}, err
	}
	for _, name := range needed {
		if !r.names(name) {
			return route{}, fmt.Errorf("the path lacks {%s}", name)
		}
	}
	u, err := url.Parse(r.origin + join(r.path, func(string) string { return "x" }))
	if err != nil || slices.ContainsFunc(strings.Split(u.Path, "/"), func(s string) bool { return s == "." || s == ".." }) {
		return route{}, errors.New("the path is no path")
	}
	if _, err := url.ParseQuery(join(r.query, func(string) string { return "x" })); err != nil {
		return route{}, errors.New("the query is no query")
	}
	return r, nil
}

// names returns the ids that a template names.
func names(template string) []string {
	list, _ := pieces(template)
	var names []string
	for _, p := range list {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names
}

// last returns the last of the ids, which is of the thing itself.
func last(names []string) []string { return names[max(0, len(names)-1):] }

func pieces(template string) ([]piece, error) {
	var out []piece
	for template != "" {
		text, rest, found := strings.Cut(template, "{")
		if strings.Contains(text, "}") {
			return nil, errors.New("a brace is not closed or not opened")
		}
		if text != "" {
			out = append(out, piece{text: text})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, errors.New("a brace is not closed or not opened")
		}
		if !slices.Contains([]string{"consumerId", "accountId", "statementId", "imageId", "customerId", "rewardProgramId"}, name) {
			return nil, errors.New("a name in braces is none that there is")
		}
		out, template = append(out, piece{name: name}), after
	}
	return out, nil
}

func join(list []piece, value func(name string) string) string {
	var b strings.Builder
	for _, p := range list {
		if p.name == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(value(p.name))
		}
	}
	return b.String()
}

func (r route) names(name string) bool {
	is := func(p piece) bool { return p.name == name }
	return slices.ContainsFunc(r.path, is) || slices.ContainsFunc(r.query, is)
}

// address returns the URL for these ids and further parameters. Each id stays
// inside the one segment or value that the template gives it. One that no
// encoding keeps there, because it is a dot segment (RFC 3986 section 6.2.2.3
// takes %2E for a dot), and one with control characters, is errAddress.
func (r route) address(ids map[string]string, more url.Values) (*url.URL, error) {
	for _, p := range slices.Concat(r.path, r.query) {
		if p.name == "" {
			continue
		}
		// Every id is an FDX Identifier.
		if _, err := fdx.ParseAccountID(ids[p.name]); err != nil || ids[p.name] == "." || ids[p.name] == ".." {
			return nil, errAddress
		}
	}
	text := r.origin + join(r.path, func(name string) string { return url.PathEscape(ids[name]) })
	query := join(r.query, func(name string) string { return url.QueryEscape(ids[name]) })
	if len(more) > 0 {
		if query != "" {
			query += "&"
		}
		query += more.Encode()
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errAddress
	}
	u.RawQuery = query
	return u, nil
}
