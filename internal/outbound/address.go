package outbound

import (
	"net/netip"
	"slices"
)

// refused lists the networks inside 0.0.0.0/0 and 2000::/3 that are no public
// unicast: the IANA special-purpose registries (RFC 6890), and what reaches
// another address than it shows.
func refused() []netip.Prefix {
	list := []string{
		"0.0.0.0/8",        // this network
		"10.0.0.0/8",       // private
		"100.64.0.0/10",    // carrier-grade NAT, and one cloud's metadata service
		"127.0.0.0/8",      // loopback
		"168.63.129.16/32", // a cloud's host agent on a public-looking address
		"169.254.0.0/16",   // link-local, and most clouds' metadata services
		"172.16.0.0/12",    // private
		"192.0.0.0/24",     // protocol assignments
		"192.0.2.0/24",     // documentation
		"192.88.99.0/24",   // 6to4 relays, withdrawn
		"192.168.0.0/16",   // private
		"198.18.0.0/15",    // benchmarks
		"198.51.100.0/24",  // documentation
		"203.0.113.0/24",   // documentation
		"224.0.0.0/4",      // multicast
		"240.0.0.0/4",      // reserved, and broadcast
		"2001::/23",        // protocol assignments, with Teredo in them
		"2001:db8::/32",    // documentation
		"2002::/16",        // 6to4: an IPv4 address in disguise
		"3fff::/20",        // documentation
	}
	prefixes := make([]netip.Prefix, len(list))
	for i, p := range list {
		prefixes[i] = netip.MustParsePrefix(p)
	}
	return prefixes
}

// guard says which addresses may be connected to. Safe for concurrent use.
type guard struct {
	refused []netip.Prefix
	allowed []netip.Prefix // besides the public ones
	unicast netip.Prefix   // all that is assigned of IPv6 (RFC 4291 section 2.4)
}

func newGuard(allowed []netip.Prefix) guard {
	return guard{refused: refused(), allowed: allowed, unicast: netip.MustParsePrefix("2000::/3")}
}

// permits reports whether an address is public global unicast or expressly
// allowed. Whatever of IPv6 lies outside 2000::/3 is not, and with it NAT64
// (64:ff9b::/96), IPv4-compatible, unique local, link-local and multicast
// addresses. An IPv4-mapped address is judged as the IPv4 address it is.
func (g guard) permits(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	holds := func(p netip.Prefix) bool { return p.Contains(a) }
	if slices.ContainsFunc(g.allowed, holds) {
		return true
	}
	return (a.Is4() || g.unicast.Contains(a)) && !slices.ContainsFunc(g.refused, holds)
}
