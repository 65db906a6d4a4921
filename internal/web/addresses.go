package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Addresses finds the address of who sent a request, for counting. The zero
// value takes that of the connection. Safe for concurrent use.
type Addresses struct{ proxies []netip.Prefix }

// NewAddresses returns Addresses that believe what these networks say about
// whom they speak for, in X-Forwarded-For; each is an address range such as
// 10.0.0.0/8.
func NewAddresses(proxies []string) (*Addresses, error) {
	var a Addresses
	for _, text := range proxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no address range", text)
		}
		a.proxies = append(a.proxies, p.Masked())
	}
	return &a, nil
}

// Of returns the address of who sent r: the last one on the way that is not a
// proxy of ours, because anybody can write the ones before it. Of an IPv6
// address it is the network of 64 bits, which one client has to itself. It is
// the zero Addr when there is none.
func (a *Addresses) Of(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // a socket without addresses has none
	last := peer.Addr().Unmap().WithZone("")
	way := r.Header.Values("X-Forwarded-For")
	for i := len(way) - 1; i >= 0 && a.trusts(last); i-- {
		for rest := way[i]; rest != "" && a.trusts(last); {
			cut := strings.LastIndexByte(rest, ',')
			next, err := netip.ParseAddr(strings.TrimSpace(rest[cut+1:]))
			if err != nil {
				return network(last) // whoever wrote that is as far as we can see
			}
			last, rest = next.Unmap().WithZone(""), rest[:max(0, cut)]
		}
	}
	return network(last)
}

func (a *Addresses) trusts(addr netip.Addr) bool {
	for _, p := range a.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func network(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
