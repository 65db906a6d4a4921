package openapi

import (
	"reflect"
	"strings"

	"github.com/headgate/headgate/fdx"
)

// PathParameter returns a parameter that is parsed into a T.
func PathParameter[T any](name, about string) Parameter {
	return Parameter{Name: name, In: Path, About: about, Required: true, Type: reflect.TypeFor[T]()}
}

// QueryParameter returns an optional parameter that is parsed into a T; limits
// may be nil.
func QueryParameter[T any](name, about string, limits Schema) Parameter {
	return Parameter{Name: name, In: Query, About: about, Type: reflect.TypeFor[T](), Limits: limits}
}

// PageParameters returns what fdx.ParsePageQuery reads, with what the pageKey
// of this list is. The caller owns the list.
func PageParameters(pageKey string) []Parameter {
	older := QueryParameter[string]("offset", "The older name of pageKey.", Schema{"minLength": 1, "maxLength": fdx.MaxPageKeyLength})
	older.Deprecated = true
	return []Parameter{
		QueryParameter[int]("limit", "The most records of a page.", Schema{"minimum": 1, "maximum": fdx.MaxLimit, "default": fdx.DefaultLimit}),
		QueryParameter[string]("pageKey", pageKey, Schema{"minLength": 1, "maxLength": fdx.MaxPageKeyLength}),
		older,
	}
}

// SealedPageKey says what the pageKey of most lists is (fdxhttp.PageKeys).
const SealedPageKey = "The key of the page, from page.nextPageKey of the page before; it opens the same request only, for 24 hours."

// Route returns the path of a route such as /accounts/:accountId in the form
// of the document, /accounts/{accountId}, and the parameters in it, which are
// among known by name.
func Route(route string, known map[string]Parameter) (path string, in []Parameter) {
	for part := range strings.SplitSeq(strings.TrimPrefix(route, "/"), "/") {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			in = append(in, known[name])
			part = "{" + name + "}"
		}
		path += "/" + part
	}
	return path, in
}
