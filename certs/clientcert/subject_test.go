package clientcert_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/clientcert"
)

// Object identifiers of the names that the tests are made of.
var (
	oidCN    = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidC     = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidO     = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOU    = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidOrgID = asn1.ObjectIdentifier{2, 5, 4, 97}
	oidUID   = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	oidDC    = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	oidEmail = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	oidOwn   = asn1.ObjectIdentifier{1, 2, 3, 4}
)

// av is an attribute. A string value becomes UTF8String, or PrintableString
// where it can be one.
func av(oid asn1.ObjectIdentifier, value any) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oid, Value: value}
}

// tagged is a value of another string type.
func tagged(tag int, value string) asn1.RawValue {
	return asn1.RawValue{Tag: tag, Bytes: []byte(value)}
}

// name is a DER name of parts with one attribute each, most general first.
func name(t testing.TB, parts ...any) []byte {
	t.Helper()
	var sequence pkix.RDNSequence
	for _, p := range parts {
		switch p := p.(type) {
		case pkix.AttributeTypeAndValue:
			sequence = append(sequence, pkix.RelativeDistinguishedNameSET{p})
		case pkix.RelativeDistinguishedNameSET:
			sequence = append(sequence, p)
		}
	}
	der, err := asn1.Marshal(sequence)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestDistinguishedNames(t *testing.T) {
	t.Parallel()
	set := func(a ...pkix.AttributeTypeAndValue) pkix.RelativeDistinguishedNameSET { return a }
	app := name(t, av(oidC, "US"), av(oidO, "Acme, Inc."), av(oidCN, "app"))
	for _, tc := range []struct {
		name  string
		der   []byte
		value string
		want  bool
	}{
		{"most specific first", app, `CN=app,O=Acme\, Inc.,C=US`, true},
		{"the order of the certificate", app, `C=US,O=Acme\, Inc.,CN=app`, false},
		{"two parts swapped", app, `O=Acme\, Inc.,CN=app,C=US`, false},
		{"types in lower case", app, `cn=app,o=Acme\, Inc.,c=US`, true},
		{"types by their long names", app, `commonName=app,organizationName=Acme\, Inc.,countryName=US`, true},
		{"types in digits", app, `2.5.4.3=app,2.5.4.10=Acme\, Inc.,2.5.4.6=US`, true},
		{"a comma as hex", app, `CN=app,O=Acme\2C Inc.,C=US`, true},
		{"a comma as lower-case hex", app, `CN=app,O=Acme\2c Inc.,C=US`, true},
		{"needless escapes", app, `CN=\61pp,O=Acme\,\ Inc.,C=\55\53`, true},
		{"a value in DER", app, `CN=app,O=Acme\, Inc.,C=#13025553`, true},
		{"a value in DER of another string type", app, `CN=app,O=Acme\, Inc.,C=#0C025553`, true},
		{"a value in DER of another value", app, `CN=app,O=Acme\, Inc.,C=#13025554`, false},
		{"other letter case", app, `CN=APP,O=ACME\, INC.,C=us`, true},
		{"more white space within", app, `CN=app,O=Acme\,   Inc.,C=US`, true},
		{"white space at the ends", app, `CN=\ app\20,O=Acme\, Inc.,C=US`, true},
		{"no white space within", app, `CN=app,O=Acme\,Inc.,C=US`, false},
		{"another value", app, `CN=app2,O=Acme\, Inc.,C=US`, false},
		{"the start of a value", app, `CN=ap,O=Acme\, Inc.,C=US`, false},
		{"a part less, specific", app, `O=Acme\, Inc.,C=US`, false},
		{"a part less, general", app, `CN=app,O=Acme\, Inc.`, false},
		{"a part more", app, `CN=app,O=Acme\, Inc.,C=US,DC=com`, false},
		{"a part doubled", app, `CN=app,CN=app,O=Acme\, Inc.,C=US`, false},
		{"another type", app, `OU=app,O=Acme\, Inc.,C=US`, false},
		{"parts made one", app, `CN=app+O=Acme\, Inc.,C=US`, false},

		{"a value that looks like two parts", name(t, av(oidCN, "a,O=b")), `CN=a,O=b`, false},
		{"the same, escaped", name(t, av(oidCN, "a,O=b")), `CN=a\,O=b`, true},
		{"the two parts that it looks like", name(t, av(oidO, "b"), av(oidCN, "a")), `CN=a\,O=b`, false},
		{"everything that is escaped", name(t, av(oidCN, `# "+,;<>\=x `)), `CN=\#\20\"\+\,\;\<\>\\\=x\ `, true},
		{"an equals sign unescaped", name(t, av(oidCN, "a=b")), `CN=a=b`, true},
		{"a number sign within", name(t, av(oidCN, "a#b")), `CN=a#b`, true},
		{"beyond ASCII", name(t, av(oidCN, "Zürich")), `CN=zÜrich`, true},
		{"beyond ASCII as hex", name(t, av(oidCN, "Zürich")), `CN=Z\C3\BCrich`, true},
		{"letters that only look alike", name(t, av(oidCN, "аpp")), `CN=app`, false},
		{"sharp s", name(t, av(oidCN, "straße")), `CN=STRASSE`, false},

		{"several attributes in one part", name(t, set(av(oidCN, "app"), av(oidUID, "7")), av(oidO, "x")), `O=x,CN=app+UID=7`, true},
		{"they have no order", name(t, set(av(oidCN, "app"), av(oidUID, "7"))), `UID=7+CN=app`, true},
		{"one of them", name(t, set(av(oidCN, "app"), av(oidUID, "7"))), `CN=app`, false},
		{"two parts for one", name(t, set(av(oidCN, "app"), av(oidUID, "7"))), `CN=app,UID=7`, false},

		{"PrintableString", name(t, av(oidCN, tagged(asn1.TagPrintableString, "app"))), `CN=app`, true},
		{"UTF8String", name(t, av(oidCN, tagged(asn1.TagUTF8String, "app"))), `CN=app`, true},
		{"IA5String", name(t, av(oidDC, tagged(asn1.TagIA5String, "example"))), `DC=Example`, true},
		{"NumericString", name(t, av(oidOU, tagged(asn1.TagNumericString, "42"))), `OU=42`, true},
		{"TeletexString", name(t, av(oidCN, tagged(asn1.TagT61String, "app"))), `CN=app`, true},
		{"TeletexString beyond ASCII", name(t, av(oidCN, tagged(asn1.TagT61String, "Z\xFCrich"))), `CN=Zürich`, false},
		{"BMPString", name(t, av(oidCN, tagged(asn1.TagBMPString, "\x00a\x00p\x00p"))), `CN=app`, true},
		{"BMPString of half a character", name(t, av(oidCN, tagged(asn1.TagBMPString, "\x00a\x00p\x00p\x00"))), `CN=app`, false},
		{"UTF8String with NUL", name(t, av(oidCN, tagged(asn1.TagUTF8String, "app\x00"))), `CN=app`, false},
		{"UTF8String that is none", name(t, av(oidCN, tagged(asn1.TagUTF8String, "app\xFF"))), `CN=app`, false},
		{"a number", name(t, av(oidCN, 7)), `CN=7`, false},
		{"a number in DER", name(t, av(oidCN, 7)), `CN=#020107`, true},

		{"of eIDAS", name(t, av(oidC, "DE"), av(oidOrgID, "PSDDE-BAFIN-123")), `organizationIdentifier=PSDDE-BAFIN-123,C=DE`, true},
		{"an email address", name(t, av(oidEmail, tagged(asn1.TagIA5String, "a@b.example"))), `emailAddress=A@b.example`, true},
		{"an unknown type in DER", name(t, av(oidOwn, tagged(asn1.TagUTF8String, "a"))), `1.2.3.4=#0c0161`, true},
		{"an unknown type in other letter case", name(t, av(oidOwn, tagged(asn1.TagUTF8String, "a"))), `1.2.3.4=#0C0141`, false},
		{"an unknown type of another string type", name(t, av(oidOwn, tagged(asn1.TagUTF8String, "a"))), `1.2.3.4=#130161`, false},

		{"no name", name(t), `CN=app`, false},
		{"broken DER", []byte{0x30, 1, 0}, `CN=app`, false},
		{"a byte behind", append(name(t, av(oidCN, "app")), 0), `CN=app`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := clientcert.ParseSubject(clientcert.SubjectDN, tc.value)
			if err != nil {
				t.Fatal(err)
			}
			p := clientcert.Peer{Certificate: &x509.Certificate{RawSubject: tc.der}, Verified: true}
			if p.Is(s) != tc.want {
				t.Errorf("got %v", !tc.want)
			}
		})
	}
}

func TestAlternativeNames(t *testing.T) {
	t.Parallel()
	ca, _ := authority(t, "CA")
	uri := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	// Upper case in the scheme, which net/url would not keep.
	raw, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte("HTTPS://app.example/A%41")}})
	if err != nil {
		t.Fatal(err)
	}
	cert := issue(t, ca, x509.Certificate{
		Subject:        pkix.Name{CommonName: "cn.example"},
		DNSNames:       []string{"other.example", "App.Example", "*.wild.example"},
		URIs:           []*url.URL{uri("https://app.example/a"), uri("urn:a:b")},
		IPAddresses:    []net.IP{net.IPv4(192, 0, 2, 7), net.ParseIP("2001:db8::7")},
		EmailAddresses: []string{"Ops@App.Example"},
	}).cert
	rawURI := issue(t, ca, x509.Certificate{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: raw}}}).cert
	for _, tc := range []struct {
		member, value string
		cert          *x509.Certificate
		want          bool
	}{
		{clientcert.SANDNS, "other.example", cert, true},
		{clientcert.SANDNS, "APP.example", cert, true},
		{clientcert.SANDNS, "example", cert, false},
		{clientcert.SANDNS, "x.app.example", cert, false},
		{clientcert.SANDNS, "x.wild.example", cert, false},
		{clientcert.SANDNS, "wild.example", cert, false},
		{clientcert.SANDNS, "cn.example", cert, false},
		{clientcert.SANDNS, "app.example", rawURI, false},
		{clientcert.SANURI, "https://app.example/a", cert, true},
		{clientcert.SANURI, "urn:a:b", cert, true},
		{clientcert.SANURI, "https://app.example/A", cert, false},
		{clientcert.SANURI, "HTTPS://app.example/a", cert, false},
		{clientcert.SANURI, "https://app.example/", cert, false},
		{clientcert.SANURI, "https://app.example/a/b", cert, false},
		{clientcert.SANURI, "HTTPS://app.example/A%41", rawURI, true},
		{clientcert.SANURI, "https://app.example/A%41", rawURI, false},
		{clientcert.SANURI, "HTTPS://app.example/AA", rawURI, false},
		{clientcert.SANIP, "192.0.2.7", cert, true},
		{clientcert.SANIP, "192.0.2.8", cert, false},
		{clientcert.SANIP, "2001:db8::7", cert, true},
		{clientcert.SANIP, "2001:0DB8:0:0::0007", cert, true},
		{clientcert.SANIP, "2001:db8::8", cert, false},
		{clientcert.SANIP, "::ffff:192.0.2.7", cert, false},
		{clientcert.SANEmail, "Ops@app.example", cert, true},
		{clientcert.SANEmail, "ops@App.Example", cert, false},
		{clientcert.SANEmail, "Ops@example", cert, false},
		{clientcert.SANEmail, "Ops@x.app.example", cert, false},
		{clientcert.SubjectDN, "CN=cn.example", cert, true},
		{clientcert.SubjectDN, "CN=app.example", cert, false},
	} {
		t.Run(tc.member+" "+tc.value, func(t *testing.T) {
			t.Parallel()
			s, err := clientcert.ParseSubject(tc.member, tc.value)
			if err != nil {
				t.Fatal(err)
			}
			if got := (clientcert.Peer{Certificate: tc.cert, Verified: true}).Is(s); got != tc.want {
				t.Errorf("got %v", got)
			}
			if (clientcert.Peer{Certificate: tc.cert}).Is(s) {
				t.Error("a certificate that is not verified has a name")
			}
		})
	}
}

func TestNothingMatchesNothing(t *testing.T) {
	t.Parallel()
	cert := issue(t, nil, x509.Certificate{DNSNames: []string{"*.example"}}).cert // and no subject
	for _, p := range []clientcert.Peer{{}, {Verified: true}, {Certificate: cert, Verified: true}} {
		for _, s := range []clientcert.Subject{
			{}, {Member: clientcert.SubjectDN}, {Member: clientcert.SANDNS}, {Member: clientcert.SANURI},
			{Member: clientcert.SANIP}, {Member: clientcert.SANEmail}, {Member: "subject_dn", Value: "CN=a"},
			{Member: clientcert.SANDNS, Value: "*.example"}, // not through ParseSubject
		} {
			if p.Is(s) {
				t.Errorf("%+v matches", s)
			}
		}
	}
}

func TestSubjectsThatAreRefused(t *testing.T) {
	t.Parallel()
	const dn, dns, uri, ip, email = clientcert.SubjectDN, clientcert.SANDNS, clientcert.SANURI, clientcert.SANIP, clientcert.SANEmail
	for _, tc := range []struct{ name, member, value string }{
		{"no member", "", "CN=a"},
		{"another member", "client_id", "CN=a"},
		{"a member in capitals", strings.ToUpper(dn), "CN=a"},

		{"empty", dn, ""},
		{"no attribute", dn, "app"},
		{"no type", dn, "=app"},
		{"an empty value", dn, "CN="},
		{"an empty value among others", dn, "CN=,O=x"},
		{"a blank value", dn, `CN=\ \20`},
		{"an empty part", dn, "CN=a,,O=x"},
		{"a comma before", dn, ",CN=a"},
		{"a comma behind", dn, "CN=a,"},
		{"a plus before", dn, "+CN=a"},
		{"a plus behind", dn, "CN=a+"},
		{"a type twice in a part", dn, "CN=a+CN=b"},
		{"a type twice in a part under two names", dn, "CN=a+2.5.4.3=b"},
		{"an unknown type", dn, "FOO=a"},
		{"an unknown type in digits with text", dn, "1.2.3.4=a"},
		{"one number", dn, "2=#0c0161"},
		{"a leading zero", dn, "2.05.4.3=a"},
		{"a number with a sign", dn, "2.+5.4.3=a"},
		{"two dots", dn, "2..5=#0c0161"},
		{"a final dot", dn, "2.5.4.3.=a"},
		{"OID before the digits", dn, "OID.2.5.4.3=a"},
		{"a space before the equals sign", dn, "CN =a"},
		{"a space behind the equals sign", dn, "CN= a"},
		{"a space before the comma", dn, "CN=a ,O=x"},
		{"a space behind the comma", dn, "CN=a, O=x"},
		{"a space at the start", dn, " CN=a"},
		{"a space at the end", dn, "CN=a "},
		{"a space after an escaped one", dn, `CN=a\  `},
		{"quotation marks", dn, `CN="a"`},
		{"a quotation mark within", dn, `CN=a"b`},
		{"a semicolon", dn, "CN=a;O=x"},
		{"slashes", dn, "/C=US/CN=a"},
		{"angle brackets", dn, "CN=<a>"},
		{"half an escape", dn, `CN=a\`},
		{"half a hex escape", dn, `CN=a\4`},
		{"an escape of what needs none", dn, `CN=\zz`},
		{"NUL", dn, "CN=a\x00"},
		{"NUL escaped", dn, `CN=a\00`},
		{"no UTF-8", dn, "CN=\xFF"},
		{"no UTF-8 escaped", dn, `CN=\FF`},
		{"UTF-8 cut short by a separator", dn, `CN=\C3,O=\BC`},
		{"the replacement character", dn, "CN=\uFFFD"},
		{"a number sign alone", dn, "CN=#"},
		{"hex with an odd digit", dn, "CN=#0c016"},
		{"hex that is none", dn, "CN=#zz"},
		{"hex and text", dn, "CN=#0c0161 x"},
		{"hex that ends early", dn, "CN=#0c0261"},
		{"hex that goes on", dn, "CN=#0c016161"},
		{"too long", dn, "CN=" + strings.Repeat("a", clientcert.MaxSubject)},

		{"empty", dns, ""},
		{"a wildcard", dns, "*.app.example"},
		{"a final dot", dns, "app.example."},
		{"an empty label", dns, "app..example"},
		{"a hyphen in front", dns, "-app.example"},
		{"a hyphen behind", dns, "app-.example"},
		{"an underscore", dns, "a_b.example"},
		{"beyond ASCII", dns, "zürich.example"},
		{"the Kelvin sign", dns, "\u212A.example"},
		{"a port", dns, "app.example:443"},
		{"an address", dns, "192.0.2.7"},
		{"a long label", dns, strings.Repeat("a", 64) + ".example"},
		{"a long name", dns, strings.Repeat("a.", 126) + "ab"},

		{"empty", uri, ""},
		{"relative", uri, "/app"},
		{"no scheme", uri, "//app.example/a"},
		{"a space", uri, "https://app.example/a b"},
		{"a line break", uri, "https://app.example/\n"},
		{"beyond ASCII", uri, "https://app.example/ü"},
		{"not a URI", uri, "https://[app"},

		{"empty", ip, ""},
		{"a name", ip, "app.example"},
		{"three numbers", ip, "192.0.2"},
		{"a leading zero", ip, "192.0.2.007"},
		{"a zone", ip, "fe80::1%eth0"},
		{"a network", ip, "192.0.2.0/24"},
		{"brackets", ip, "[2001:db8::7]"},

		{"empty", email, ""},
		{"no at sign", email, "ops.app.example"},
		{"no local part", email, "@app.example"},
		{"no domain", email, "ops@"},
		{"two at signs", email, "a@b@app.example"},
		{"a display name", email, "Ops <ops@app.example>"},
		{"quoted", email, `"o ps"@app.example`},
		{"two dots", email, "o..ps@app.example"},
		{"a literal domain", email, "ops@[192.0.2.7]"},
		{"beyond ASCII", email, "öps@app.example"},
		{"a long local part", email, strings.Repeat("a", 65) + "@app.example"},
	} {
		t.Run(tc.member+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := clientcert.ParseSubject(tc.member, tc.value)
			if !errors.Is(err, clientcert.ErrSubject) || s != (clientcert.Subject{}) {
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
}

func TestRegisteredKeys(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := func(key crypto.Signer) *x509.Certificate { return issueFor(t, nil, named("app"), key).cert }
	// A set as it would be registered.
	set := func(keys ...jose.JSONWebKey) certs.JWKS {
		t.Helper()
		document, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		set, err := certs.ParseJWKS(document)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	bare := func(key crypto.Signer) jose.JSONWebKey { return jose.JSONWebKey{Key: key.Public()} }
	registered := cert(curve)
	withCert := jose.JSONWebKey{Key: curve.Public(), Certificates: []*x509.Certificate{registered}}
	ca, _ := authority(t, "CA")
	leaf := issue(t, ca, named("app"))
	withChain := jose.JSONWebKey{Key: leaf.key.Public(), Certificates: []*x509.Certificate{leaf.cert, ca.cert}}
	for _, tc := range []struct {
		name string
		cert *x509.Certificate
		set  certs.JWKS
		now  time.Time
		want bool
	}{
		{"ECDSA", cert(curve), set(bare(curve)), noon, true},
		{"RSA", cert(long), set(bare(long)), noon, true},
		{"Ed25519", cert(edwards), set(bare(edwards)), noon, true},
		{"the last of several", cert(edwards), set(bare(long), bare(curve), bare(edwards)), noon, true},
		{"none of several", cert(edwards), set(bare(long), bare(curve)), noon, false},
		{"the same name with another key", issue(t, nil, named("app")).cert, set(bare(curve)), noon, false},
		{"issued by an authority", leaf.cert, set(bare(leaf.key)), noon, true},
		{"signed by the registered key", leaf.cert, set(bare(ca.key)), noon, false},
		{"an empty set", cert(curve), certs.JWKS{}, noon, false},
		{"no certificate", nil, set(bare(curve)), noon, false},
		{"expired", cert(curve), set(bare(curve)), noon.Add(time.Hour + 1), false},
		{"not yet valid", cert(curve), set(bare(curve)), noon.Add(-time.Hour - 1), false},
		{"the registered certificate", registered, set(withCert), noon, true},
		{"another certificate of its key", cert(curve), set(withCert), noon, false},
		{"another certificate of its key, registered bare too", cert(curve), set(withCert, bare(curve)), noon, true},
		{"the registered certificate, expired", registered, set(withCert), noon.Add(2 * time.Hour), false},
		{"the registered certificate with its chain", leaf.cert, set(withChain), noon, true},
		{"the authority in that chain", ca.cert, set(withChain), noon, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, verified := range []bool{false, true} {
				if got := (clientcert.Peer{Certificate: tc.cert, Verified: verified}).In(tc.set, tc.now); got != tc.want {
					t.Errorf("verified %v: got %v", verified, got)
				}
			}
		})
	}
}

func FuzzParseSubject(f *testing.F) {
	cert := issue(f, nil, x509.Certificate{
		Subject:        pkix.Name{CommonName: "app", Organization: []string{"x"}},
		DNSNames:       []string{"app.example"},
		EmailAddresses: []string{"a@app.example"},
		IPAddresses:    []net.IP{net.IPv4(192, 0, 2, 7)},
	}).cert
	members := []string{clientcert.SubjectDN, clientcert.SANDNS, clientcert.SANURI, clientcert.SANIP, clientcert.SANEmail}
	for _, seed := range []string{
		`CN=app,O=x`, `CN=a\,b\2C+UID=7,1.2.3.4=#0c0161`, `CN=#1303617070`, `CN=\`, "app.example", "urn:a:b", "::1", "a@b.example",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, member := range members {
			s, err := clientcert.ParseSubject(member, value)
			if (err == nil) != (s == clientcert.Subject{Member: member, Value: value}) || (err != nil) != errors.Is(err, clientcert.ErrSubject) {
				t.Fatalf("%s: got %+v, %v", member, s, err)
			}
			matches := (clientcert.Peer{Certificate: cert, Verified: true}).Is(s)
			if matches && err != nil {
				t.Errorf("%s: refused, and matches", member)
			}
			if (clientcert.Peer{Certificate: cert}).Is(s) {
				t.Errorf("%s: matches unverified", member)
			}
		}
	})
}

// FuzzDistinguishedName compares with the standard library, which writes RFC
// 4514 but does not read it: what it writes of a name matches this name, and no
// other one.
func FuzzDistinguishedName(f *testing.F) {
	f.Add("app", "Acme, Inc.", "7")
	f.Add(` #a"+,;<>\=b `, "#", "\\")
	f.Add("CN=a,O=b", "Zürich", "K")
	f.Fuzz(func(t *testing.T, cn, o, uid string) {
		for _, s := range []string{cn, o, uid} {
			if strings.TrimSpace(s) == "" || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\uFFFD") {
				t.Skip() // refused by name
			}
		}
		sequence := pkix.RDNSequence{{av(oidO, o)}, {av(oidCN, cn), av(oidUID, uid)}}
		s, err := clientcert.ParseSubject(clientcert.SubjectDN, sequence.String())
		if err != nil && len(sequence.String()) <= clientcert.MaxSubject {
			t.Fatalf("%q: %v", sequence, err)
		} else if err != nil {
			t.Skip()
		}
		is := func(der []byte) bool {
			return clientcert.Peer{Certificate: &x509.Certificate{RawSubject: der}, Verified: true}.Is(s)
		}
		if !is(name(t, sequence[0][0], sequence[1])) {
			t.Errorf("%q does not match itself", sequence)
		}
		for _, other := range [][]byte{
			name(t, sequence[1], sequence[0][0]),
			name(t, sequence[0][0], av(oidCN, cn), av(oidUID, uid)),
			name(t, av(oidO, o+"x"), sequence[1]),
			name(t, sequence[1]),
		} {
			if is(other) {
				t.Errorf("%q matches another name", sequence)
			}
		}
	})
}
