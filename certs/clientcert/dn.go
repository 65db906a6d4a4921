package clientcert

import (
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// dn is a distinguished name, most general part first as in a certificate. A
// part is a set of attributes, here sorted. An attribute is its type in digits
// and its value, in a form that is equal exactly when the attributes are.
type dn [][]string

func (d dn) equal(other dn) bool {
	return slices.EqualFunc(d, other, slices.Equal[[]string])
}

// attributeTypes are the well-known attribute types: those of RFC 4514 section 3
// and those that client certificates in open finance carry besides. All of them
// hold text that is compared without letter case (RFC 4519 section 2).
func attributeTypes() [][3]string {
	return [][3]string{
		{"2.5.4.3", "CN", "commonName"},
		{"2.5.4.5", "serialNumber"},
		{"2.5.4.6", "C", "countryName"},
		{"2.5.4.7", "L", "localityName"},
		{"2.5.4.8", "ST", "stateOrProvinceName"},
		{"2.5.4.9", "STREET", "streetAddress"},
		{"2.5.4.10", "O", "organizationName"},
		{"2.5.4.11", "OU", "organizationalUnitName"},
		{"2.5.4.15", "businessCategory"},
		{"2.5.4.17", "postalCode"},
		{"2.5.4.97", "organizationIdentifier"},
		{"0.9.2342.19200300.100.1.1", "UID", "userId"},
		{"0.9.2342.19200300.100.1.25", "DC", "domainComponent"},
		{"1.2.840.113549.1.9.1", "emailAddress"},
		{"1.3.6.1.4.1.311.60.2.1.3", "jurisdictionCountryName"},
	}
}

// attributeType returns the object identifier of a well-known attribute type,
// in digits; "" for every other.
func attributeType(name string) (oid string) {
	for _, t := range attributeTypes() {
		if strings.EqualFold(name, t[1]) || t[2] != "" && strings.EqualFold(name, t[2]) {
			return t[0]
		}
	}
	return ""
}

// textual reports whether values of an attribute type are compared as text.
func textual(oid string) bool {
	return slices.ContainsFunc(attributeTypes(), func(t [3]string) bool { return t[0] == oid })
}

// textAttribute is an attribute with a value compared as text.
func textAttribute(oid, value string) string { return oid + "=" + prepare(value) }

// derAttribute is an attribute with a value in DER: text where it is text,
// otherwise compared byte by byte.
func derAttribute(oid string, value asn1.RawValue) string {
	if s, ok := text(value); ok && textual(oid) {
		return textAttribute(oid, s)
	}
	return oid + "#" + hex.EncodeToString(value.FullBytes)
}

// prepare brings text into the form in which caseIgnoreMatch compares it (RFC
// 4517 section 4.2.11): letter case folded, white space at the ends removed and
// within reduced to one space. Characters that Unicode can write in two ways
// stay two (RFC 4518 section 2.3 would unite them): that only ever refuses.
func prepare(s string) string {
	return strings.Map(func(r rune) rune {
		// One of all that differ in case alone: the lowest.
		low := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			low = min(low, f)
		}
		return low
	}, strings.Join(strings.Fields(s), " "))
}

// text decodes the string types of X.520 names. A value that is none of them,
// is not well formed or holds NUL is not text.
func text(v asn1.RawValue) (s string, ok bool) {
	if v.Class != asn1.ClassUniversal || v.IsCompound {
		return "", false
	}
	switch v.Tag {
	case asn1.TagUTF8String:
		s = string(v.Bytes)
	case asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString, asn1.TagT61String, 26: // VisibleString
		// Of TeletexString only what is ASCII as well: beyond it nobody agrees.
		if slices.ContainsFunc(v.Bytes, func(b byte) bool { return b >= utf8.RuneSelf }) {
			return "", false
		}
		s = string(v.Bytes)
	case asn1.TagBMPString:
		if len(v.Bytes)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(v.Bytes[2*i:])
		}
		s = string(utf16.Decode(units))
	default:
		return "", false
	}
	return s, utf8.ValidString(s) && !strings.ContainsAny(s, "\x00\uFFFD")
}

// Types for encoding/asn1, which takes a slice whose type name ends in SET for
// a SET.
type (
	derAttributeValue struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	relativeNameSET []derAttributeValue
)

// decodeDN reads the Name of a certificate (RFC 5280 section 4.1.2.4).
func decodeDN(der []byte) (dn, error) {
	var sequence []relativeNameSET
	if rest, err := asn1.Unmarshal(der, &sequence); err != nil || len(rest) > 0 {
		return nil, errors.New("clientcert: malformed name")
	}
	name := make(dn, len(sequence))
	for i, set := range sequence {
		for _, a := range set {
			name[i] = append(name[i], derAttribute(a.Type.String(), a.Value))
		}
		slices.Sort(name[i])
	}
	return name, nil
}

// parseDN reads a distinguished name as RFC 4514 section 3 writes it, and
// nothing but that: tools that print other forms often print the parts in the
// other order too, which could never match. The error is ErrSubject.
func parseDN(s string) (dn, error) {
	if s == "" {
		return nil, fault("an empty name")
	}
	if !utf8.ValidString(s) {
		return nil, fault("not UTF-8")
	}
	var (
		name  dn
		part  []string
		types []string // in this part
	)
	for {
		oid, attribute, rest, err := parseAttribute(s)
		if err != nil {
			return nil, err
		}
		if slices.Contains(types, oid) {
			return nil, fault("an attribute type occurs twice in one part") // X.501 section 9.3
		}
		part, types = append(part, attribute), append(types, oid)
		if strings.HasPrefix(rest, "+") {
			s = rest[1:]
			continue
		}
		slices.Sort(part)
		name = append(name, part)
		part, types = nil, nil
		if rest == "" {
			break
		}
		s = rest[1:] // a comma
	}
	slices.Reverse(name)
	return name, nil
}

// parseAttribute reads type=value at the start of s. rest is empty or starts
// with the separator.
func parseAttribute(s string) (oid, attribute, rest string, err error) {
	kind, rest, ok := strings.Cut(s, "=")
	if !ok {
		return "", "", "", fault("an attribute without =")
	}
	if oid = kind; !numeric(kind) {
		if oid = attributeType(kind); oid == "" {
			return "", "", "", fault("an attribute type that is not known: write it in digits")
		}
	}
	if strings.HasPrefix(rest, "#") {
		end := strings.IndexAny(rest, ",+")
		if end < 0 {
			end = len(rest)
		}
		der, err := hex.DecodeString(rest[1:end])
		if err != nil {
			return "", "", "", fault("a value that is not hexadecimal")
		}
		var value asn1.RawValue
		if left, err := asn1.Unmarshal(der, &value); err != nil || len(left) > 0 {
			return "", "", "", fault("a hexadecimal value that is not DER")
		}
		return oid, derAttribute(oid, value), rest[end:], nil
	}
	if !textual(oid) {
		return "", "", "", fault("a value of this attribute type has to be hexadecimal")
	}
	value, rest, err := parseString(rest)
	if err != nil {
		return "", "", "", err
	}
	return oid, textAttribute(oid, value), rest, nil
}

// parseString reads an attribute value up to a separator or the end, and
// resolves its escapes.
func parseString(s string) (value, rest string, err error) {
	var b strings.Builder
	i, escaped := 0, false // escaped: the last character was
	for ; i < len(s) && s[i] != ',' && s[i] != '+'; i++ {
		c := s[i]
		escaped = c == '\\'
		switch {
		case c == 0, strings.IndexByte(`";<>`, c) >= 0:
			return "", "", fault("a character that has to be escaped")
		case c == ' ' && b.Len() == 0:
			return "", "", fault("a space before a value")
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(s) && strings.IndexByte(`\"+,;<> #=`, s[i+1]) >= 0:
			b.WriteByte(s[i+1])
			i++
		case i+2 < len(s):
			octet, err := hex.DecodeString(s[i+1 : i+3])
			if err != nil {
				return "", "", fault("a malformed escape")
			}
			b.Write(octet)
			i += 2
		default:
			return "", "", fault("a malformed escape")
		}
	}
	value = b.String()
	switch {
	case strings.TrimSpace(value) == "":
		return "", "", fault("an empty value") // it names nobody
	case i > 0 && s[i-1] == ' ' && !escaped:
		return "", "", fault("a space after a value")
	case !utf8.ValidString(value), strings.ContainsAny(value, "\x00\uFFFD"):
		return "", "", fault("a value that is not text")
	}
	return value, s[i:], nil
}

// numeric reports whether s is an object identifier in digits (RFC 4512 section
// 1.4).
func numeric(s string) bool {
	arcs := strings.Split(s, ".")
	for _, arc := range arcs {
		n, err := strconv.ParseUint(arc, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != arc {
			return false
		}
	}
	return len(arcs) > 1
}
