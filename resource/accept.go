package resource

import (
	"net/http"
	"strconv"
	"strings"
)

// acceptsJSON reports whether the client takes application/json (RFC 9110
// section 12.5.1). It may add parameters such as a charset, and may send a
// list in which only */* fits.
func acceptsJSON(h http.Header) bool {
	ranges := h.Values("Accept")
	if len(ranges) == 0 {
		return true
	}
	// The most specific range decides, so that application/json;q=0, */*
	// is a no.
	best, accepted := -1, false
	for _, line := range ranges {
		for part := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(part, ";")
			rank := -1
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "application/json":
				rank = 2
			case "application/*":
				rank = 1
			case "*/*":
				rank = 0
			}
			if rank > best {
				best, accepted = rank, wanted(params)
			} else if rank == best && rank >= 0 {
				accepted = accepted || wanted(params)
			}
		}
	}
	return accepted
}

// wanted reports whether the parameters of a range leave its weight above
// zero. A weight that is none counts as not sent.
func wanted(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && q <= 0 {
			return false
		}
	}
	return true
}
