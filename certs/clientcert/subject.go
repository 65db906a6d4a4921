package clientcert

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// The client metadata that name a certificate's subject (RFC 8705 section
// 2.1.2). A client registers exactly one of them.
const (
	SubjectDN = "tls_client_auth_subject_dn" // distinguished name, RFC 4514
	SANDNS    = "tls_client_auth_san_dns"    // dNSName
	SANURI    = "tls_client_auth_san_uri"    // uniformResourceIdentifier
	SANIP     = "tls_client_auth_san_ip"     // iPAddress
	SANEmail  = "tls_client_auth_san_email"  // rfc822Name
)

// MaxSubject is the length of the longest registered subject, in bytes.
const MaxSubject = 1024

// ErrSubject: what was registered cannot name a subject. It says why in plain
// words and quotes nothing.
var ErrSubject = errors.New("clientcert: unusable subject")

// Subject is what a client registered about the subject of its certificate. One
// that ParseSubject refuses, such as the zero value, matches no certificate.
type Subject struct {
	Member string // one of the five names
	Value  string // as it was registered
}

// ParseSubject checks what a client registers: member is one of the five names,
// and value is
//   - a distinguished name as RFC 4514 writes it: the most specific part first,
//     no spaces around separators, no quotation marks. Attribute types that are
//     not well known are written in digits with the value in hexadecimal:
//     1.2.3.4=#0C0161.
//   - a host name in its ASCII form, without wildcard or final dot
//   - an absolute URI
//   - an IPv4 or IPv6 address, without zone
//   - an email address in ASCII with an unquoted local part
//
// The error is ErrSubject.
func ParseSubject(member, value string) (Subject, error) {
	if len(value) > MaxSubject {
		return Subject{}, fault("longer than 1024 bytes")
	}
	var err error
	switch member {
	case SubjectDN:
		_, err = parseDN(value)
	case SANDNS:
		if !hostname(value) {
			err = fault("not a host name")
		}
	case SANURI:
		if u, e := url.Parse(value); e != nil || !u.IsAbs() || !printable(value) {
			err = fault("not an absolute URI")
		}
	case SANIP:
		if a, e := netip.ParseAddr(value); e != nil || a.Zone() != "" {
			err = fault("not an IP address")
		}
	case SANEmail:
		local, domain, _ := cutEmail(value)
		if !localPart(local) || !hostname(domain) {
			err = fault("not an email address")
		}
	default:
		err = fault("not a member that names a subject")
	}
	if err != nil {
		return Subject{}, err
	}
	return Subject{Member: member, Value: value}, nil
}

// fault is an ErrSubject with a reason.
func fault(reason string) error { return fmt.Errorf("%w: %s", ErrSubject, reason) }

// matches compares a subject with a certificate, whether that is verified or
// not: Peer.Is is the one to call. Host names and the domain of an email
// address are compared without letter case, everything else of a subject
// alternative name byte by byte. A wildcard in the certificate matches nothing.
func (s Subject) matches(cert *x509.Certificate) bool {
	if s == (Subject{}) {
		return false // as below, without the words
	}
	if _, err := ParseSubject(s.Member, s.Value); err != nil {
		return false
	}
	switch s.Member {
	case SubjectDN:
		registered, err := parseDN(s.Value)
		presented, malformed := decodeDN(cert.RawSubject)
		return err == nil && malformed == nil && registered.equal(presented)
	case SANDNS:
		return slices.ContainsFunc(alternativeNames(cert, tagDNS), func(name []byte) bool {
			return strings.EqualFold(string(name), s.Value)
		})
	case SANURI:
		return slices.ContainsFunc(alternativeNames(cert, tagURI), func(name []byte) bool {
			return string(name) == s.Value
		})
	case SANIP:
		registered, err := netip.ParseAddr(s.Value)
		if err != nil {
			return false
		}
		return slices.ContainsFunc(alternativeNames(cert, tagIP), func(name []byte) bool {
			presented, ok := netip.AddrFromSlice(name)
			return ok && presented == registered
		})
	case SANEmail:
		local, domain, _ := cutEmail(s.Value)
		return slices.ContainsFunc(alternativeNames(cert, tagEmail), func(name []byte) bool {
			l, d, ok := cutEmail(string(name))
			return ok && l == local && strings.EqualFold(d, domain)
		})
	}
	return false
}

// Tags of GeneralName (RFC 5280 section 4.2.1.6).
const (
	tagEmail = 1
	tagDNS   = 2
	tagURI   = 6
	tagIP    = 7
)

// alternativeNames returns the subject alternative names of one kind, as they
// are in the certificate: crypto/x509 would return URIs normalised.
func alternativeNames(cert *x509.Certificate, tag int) [][]byte {
	var found [][]byte
	for _, e := range cert.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return nil
		}
		for _, n := range names {
			if n.Class == asn1.ClassContextSpecific && n.Tag == tag && !n.IsCompound {
				found = append(found, n.Bytes)
			}
		}
	}
	return found
}

// hostname reports whether a name is a host name in its ASCII form (RFC 1123
// section 2.1) and cannot be taken for an IPv4 address.
func hostname(name string) bool {
	if len(name) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool { return !letter(r) && !digit(r) && r != '-' }) {
			return false
		}
		last = label
	}
	return strings.ContainsFunc(last, func(r rune) bool { return !digit(r) })
}

// cutEmail splits an email address before its domain.
func cutEmail(address string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "", "", false
	}
	return address[:at], address[at+1:], true
}

// localPart reports whether s is a dot-string (RFC 5321 section 4.1.2).
func localPart(s string) bool {
	if len(s) > 64 {
		return false
	}
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool {
			return !letter(r) && !digit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
		}) {
			return false
		}
	}
	return true
}

// printable reports whether s is ASCII without spaces and control characters.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
func digit(r rune) bool  { return r >= '0' && r <= '9' }
