package fdxhttp

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/fdx"
)

// Acceptable returns those of the forms that the client takes (RFC 9110
// section 12.5.1), the ones it likes most first and otherwise in the order
// given. Without an Accept header it takes them all.
func Acceptable(h http.Header, forms []fdx.ContentType) []fdx.ContentType {
	ranges := h.Values("Accept")
	if len(ranges) == 0 {
		return forms
	}
	weights := make(map[fdx.ContentType]float64, len(forms))
	taken := make([]fdx.ContentType, 0, len(forms))
	for _, f := range forms {
		if weights[f] = weight(ranges, string(f)); weights[f] > 0 {
			taken = append(taken, f)
		}
	}
	slices.SortStableFunc(taken, func(a, b fdx.ContentType) int { return cmp.Compare(weights[b], weights[a]) })
	return taken
}

// AcceptsJSON refuses a client that does not take JSON.
func AcceptsJSON(h http.Header) *Refusal {
	if ranges := h["Accept"]; len(ranges) > 0 && weight(ranges, string(fdx.JSON)) == 0 {
		return Denied(fdx.ErrNotAcceptable.WithDebug("answers are application/json"))
	}
	return nil
}

// weight returns how much the client likes a content type, 0 for not at all.
// The most specific range decides, so that application/json;q=0, */* is a no
// to JSON. A range may have parameters such as a charset.
func weight(ranges []string, form string) float64 {
	kind, _, _ := strings.Cut(form, "/")
	best, liked := -1, 0.0
	for _, line := range ranges {
		for part := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(part, ";")
			rank := -1
			switch strings.ToLower(strings.TrimSpace(name)) {
			case form:
				rank = 2
			case kind + "/*":
				rank = 1
			case "*/*":
				rank = 0
			}
			if rank > best {
				best, liked = rank, quality(params)
			} else if rank == best && rank >= 0 {
				liked = max(liked, quality(params))
			}
		}
	}
	return liked
}

// quality returns the weight in the parameters of a range. One that is none
// counts as not sent.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && !math.IsNaN(q) {
			return max(0, min(q, 1))
		}
	}
	return 1
}
