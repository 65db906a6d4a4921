package authz

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
)

// guarded are the members that somebody has to approve: what consumers are
// shown, where they are sent back to, the keys, and the ceilings. Everything
// else is the client's own affair. benefit is not one of them: nobody is shown
// it before the operator approved its very words, and a registration need not
// wait for that.
var guarded = []string{
	"client_name", "client_uri", "logo_uri", "registry_references", "intermediaries",
	"redirect_uris", "grant_types", "jwks", "jwks_uri",
	"tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri", "tls_client_auth_san_ip", "tls_client_auth_san_email",
	"scope", "purposes", "duration_type", "duration_period", "lookback_period",
}

// vouched returns what the registration would be if the client had said
// nothing of its own in the guarded members, and whether that is a
// registration at all.
func vouched(asked, claims members) (consent.Recipient, bool) {
	free := maps.Clone(asked)
	for _, name := range guarded {
		delete(free, name)
	}
	m, err := decodeMetadata(overlaid(free, claims), false)
	if err != nil {
		return consent.Recipient{}, false
	}
	r, faults := m.recipient()
	return r, faults == nil
}

// within reports whether asked stays inside of what was approved, so that
// nobody has to look at it again: the same face and the same or fewer keys,
// addresses, scopes, purposes and days.
func within(asked, approved consent.Recipient) bool {
	switch {
	case asked.Party() != approved.Party():
		return false
	case asked.AuthMethod == consent.TLSClientAuth && asked.CertSubject != approved.CertSubject:
		return false
	case asked.JWKSURI != "" && asked.JWKSURI != approved.JWKSURI:
		return false
	case approved.Profile.SignedRequests && !asked.Profile.SignedRequests:
		return false
	case asked.MaxDays > approved.MaxDays || asked.LookbackDays > approved.LookbackDays:
		return false
	}
	return subset(thumbprints(asked), thumbprints(approved)) &&
		subset(asked.RedirectURIs, approved.RedirectURIs) &&
		subset(asked.Scopes, approved.Scopes) &&
		subset(asked.Durations, approved.Durations) &&
		subset(asked.Profile.GrantTypes, approved.Profile.GrantTypes) &&
		!slices.ContainsFunc(asked.Purposes, func(p consent.Purpose) bool {
			q, ok := approved.Purpose(p.Code)
			return !ok || p.Label != q.Label || p.Clusters.Intersect(q.Clusters) != p.Clusters
		})
}

func subset[T comparable](part, whole []T) bool {
	return !slices.ContainsFunc(part, func(v T) bool { return !slices.Contains(whole, v) })
}

// thumbprints names the keys that are registered by value. Keys were parsed
// when they were registered; what cannot be named is like no other.
func thumbprints(r consent.Recipient) []string {
	if len(r.JWKS) == 0 {
		return nil
	}
	set, err := certs.ParseJWKS(r.JWKS)
	if err != nil {
		return []string{string(r.JWKS)}
	}
	var names []string
	for _, k := range set.Keys {
		name, err := certs.Thumbprint(k)
		if err != nil {
			name = string(r.JWKS)
		}
		names = append(names, name)
	}
	return names
}

// sameMiddle reports whether a record names the intermediaries that another
// one does, or none.
func sameMiddle(record, approved json.RawMessage) bool {
	type middle struct {
		List []intermediary `json:"intermediaries"`
	}
	var a, b middle
	if json.Unmarshal(record, &a) != nil || json.Unmarshal(approved, &b) != nil {
		return false
	}
	return len(a.List) == 0 || reflect.DeepEqual(a, b)
}
