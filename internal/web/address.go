package web

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxForwarded bounds the entries of X-Forwarded-For that are looked at, from
// the end.
const maxForwarded = 10

// Client returns the address that a request came from. trusted are the
// proxies in front of this server: the address is the last one that is not
// theirs, of the connection and, before it, of X-Forwarded-For. Without them
// the header is worth nothing, since anybody can write it. It is the zero Addr
// when it cannot be known.
func Client(r *http.Request, trusted []netip.Prefix) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := from.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0 && within(at, trusted); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil || len(hops)-i > maxForwarded {
			break // the proxy itself is all that is known
		}
		at = next.Unmap()
	}
	return at.WithZone("")
}

func within(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
