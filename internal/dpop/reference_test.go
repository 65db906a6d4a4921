package dpop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
)

// verdict is what the reference implementation says.
type verdict int

const (
	refuse verdict = iota
	accept
	// abstain: go-jose refused to parse a header for a member that a proof may
	// hold and we do not look at, such as a kid that is a number.
	abstain
)

// reference is RFC 9449 section 4.3 once more, on go-jose, encoding/json and
// net/url and with no thought of speed. It shares nothing with the product but
// certs.StrictJSON, which the product does not call for header and claims.
func reference(header []string, method, configured, token string) (verdict, Proof) {
	if len(header) != 1 || len(header[0]) > MaxProofBytes {
		return refuse, Proof{}
	}
	parts := strings.Split(header[0], ".")
	if len(parts) != 3 {
		return refuse, Proof{}
	}
	var plain [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodeToString(b) != part {
			return refuse, Proof{}
		}
		plain[i] = b
	}
	var head, body map[string]any
	for i, into := range []*map[string]any{&head, &body} {
		if certs.StrictJSON(plain[i]) != nil {
			return refuse, Proof{}
		}
		d := json.NewDecoder(bytes.NewReader(plain[i]))
		d.UseNumber()
		if d.Decode(into) != nil || countMembers(*into) > maxMembers {
			return refuse, Proof{}
		}
	}

	if head["typ"] != "dpop+jwt" || has(head, "crit") || has(head, "b64") {
		return refuse, Proof{}
	}
	jwk, ok := head["jwk"].(map[string]any)
	if !ok {
		return refuse, Proof{}
	}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if has(jwk, name) {
			return refuse, Proof{}
		}
	}
	jws, err := jose.ParseSignedCompact(header[0], []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		for name := range head {
			if name != "typ" && name != "alg" && name != "jwk" {
				return abstain, Proof{}
			}
		}
		return refuse, Proof{}
	}
	key := jws.Signatures[0].Header.JSONWebKey
	var alg string
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return refuse, Proof{}
		}
		alg = "PS256"
	case *ecdsa.PublicKey:
		if k.Curve.Params().Name != "P-256" {
			return refuse, Proof{}
		}
		alg = "ES256"
	case ed25519.PublicKey:
		alg = "EdDSA"
	}
	if head["alg"] != alg {
		return refuse, Proof{}
	}
	if _, err := jws.Verify(key); err != nil {
		return refuse, Proof{}
	}

	jti, _ := body["jti"].(string)
	htu, _ := body["htu"].(string)
	if jti == "" || len(jti) > MaxIDBytes || body["htm"] != method || !sameURLReference(htu, configured) {
		return refuse, Proof{}
	}
	now := float64(testNow.UnixNano()) / 1e9
	iat, ok := referenceTime(body["iat"])
	if !ok || iat < now-120 || iat > now+30 {
		return refuse, Proof{}
	}
	if has(body, "nbf") {
		if nbf, ok := referenceTime(body["nbf"]); !ok || nbf > now+30 {
			return refuse, Proof{}
		}
	}
	if has(body, "exp") {
		if exp, ok := referenceTime(body["exp"]); !ok || exp <= now {
			return refuse, Proof{}
		}
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		if body["ath"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
			return refuse, Proof{}
		}
	}
	nonce, _ := body["nonce"].(string)
	if has(body, "nonce") && (nonce == "" || len(nonce) > MaxIDBytes) {
		return refuse, Proof{}
	}
	thumbprint, err := certs.Thumbprint(*key)
	if err != nil {
		return refuse, Proof{}
	}
	return accept, Proof{Thumbprint: thumbprint, JTI: jti, Nonce: nonce}
}

func has(m map[string]any, name string) bool { _, ok := m[name]; return ok }

func countMembers(v any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		n = len(v)
		for _, inner := range v {
			n += countMembers(inner)
		}
	case []any:
		for _, inner := range v {
			n += countMembers(inner)
		}
	}
	return n
}

func referenceTime(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	return math.Floor(f), err == nil && math.Abs(f) < 1e12
}

var encodedByte = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// sameURLReference compares two URLs by their normal forms.
func sameURLReference(a, b string) bool {
	normal := func(s string) string {
		s, _, _ = strings.Cut(s, "#")
		s, _, _ = strings.Cut(s, "?")
		if !strings.Contains(s, "://") {
			return ""
		}
		u, err := url.Parse(s)
		if err != nil || u.User != nil || u.Hostname() == "" || u.Opaque != "" {
			return ""
		}
		host := asciiLower(u.Hostname())
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if p := u.Port(); p != "" && !(u.Scheme == "https" && p == "443") && !(u.Scheme == "http" && p == "80") {
			host += ":" + p
		}
		// What was written, since net/url decodes and encodes to its own taste.
		path := s[strings.Index(s, "://")+3:]
		if i := strings.IndexByte(path, '/'); i >= 0 {
			path = path[i:]
		} else {
			path = "/"
		}
		path = encodedByte.ReplaceAllStringFunc(path, func(e string) string {
			if c, _ := strconv.ParseUint(e[1:], 16, 8); strings.ContainsRune(
				"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", rune(c)) {
				return string(rune(c))
			}
			return strings.ToUpper(e)
		})
		return u.Scheme + "://" + host + path
	}
	n := normal(a)
	return (strings.HasPrefix(n, "https://") || strings.HasPrefix(n, "http://")) && n == normal(b)
}

// asciiLower works on bytes: as runes, all that is no UTF-8 would be alike.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// compare fails the test when Verify and the reference disagree.
func compare(t *testing.T, v *Verifier, header []string, token string) (accepted bool) {
	t.Helper()
	got, err := v.Verify(header, testMethod, testURL, token)
	want, proof := reference(header, testMethod, testURL, token)
	if want == abstain {
		return err == nil
	}
	if (err == nil) != (want == accept) {
		t.Fatalf("Verify says %v, the reference %v, of %s", err, want, describe(header))
	}
	if err == nil && (got.Thumbprint != proof.Thumbprint || got.JTI != proof.JTI || got.Nonce != proof.Nonce) {
		t.Fatalf("Verify says %+v, the reference %+v, of %s", got, proof, describe(header))
	}
	return err == nil
}

func describe(header []string) string {
	var b strings.Builder
	for _, h := range header {
		for _, part := range strings.Split(h, ".") {
			if plain, err := base64.RawURLEncoding.DecodeString(part); err == nil && len(plain) > 0 && plain[0] == '{' {
				part = string(plain)
			}
			b.WriteString("\n  " + part)
		}
	}
	return b.String()
}

// TestAgreesWithGoJOSE makes random proofs, most of them slightly wrong, and
// wants the verdict of the reference for each.
func TestAgreesWithGoJOSE(t *testing.T) {
	t.Parallel()
	const rounds = 2000
	seed := uint64(testNow.UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	keys := []holder{newEd(t), newEd(t), newEd(t), newEC(t), newRSA(t)}
	v := newVerifier(t)
	accepted := 0
	for range rounds {
		h := pick(random, keys)
		header, body := h.header(nil), goodClaims(nil)
		for range random.IntN(3) {
			mutateObject(random, pick(random, []object{header, body}), h)
		}
		rawHeader, rawBody := encode(t, header), encode(t, body)
		if random.IntN(6) == 0 {
			rawBody = mutateBytes(random, rawBody)
		}
		if random.IntN(6) == 0 {
			rawHeader = mutateBytes(random, rawHeader)
		}
		proof := h.raw(t, rawHeader, rawBody)
		if random.IntN(8) == 0 {
			proof = string(mutateBytes(random, []byte(proof)))
		}
		token := pick(random, []string{testToken, testToken, testToken, "", "another"})
		if compare(t, v, []string{proof}, token) {
			accepted++
		}
	}
	// Random input that is always refused would prove nothing.
	if accepted < rounds/10 || accepted > rounds*9/10 {
		t.Errorf("%d of %d accepted: the generator is out of balance", accepted, rounds)
	}
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// mutateObject changes one member to something odd, within the language.
func mutateObject(random *rand.Rand, m object, h holder) {
	at := testNow.Unix()
	names := []string{"typ", "alg", "jwk", "crit", "jti", "htm", "htu", "iat", "nbf", "exp", "ath", "nonce", "x", "kid", "b64"}
	values := []any{
		nil, "", "x", 0, -1, 1.5, true, []any{}, object{}, object{"a": object{"b": []any{1}}},
		jsonNumber("null"), jsonNumber("1e999"), jsonNumber("-0"), jsonNumber(`"\ud83d\ude00"`), jsonNumber(`"\ud83d"`),
		"dpop+jwt", "PS256", "ES256", "EdDSA", "RS256", "none", testMethod, "GET", testURL, testURL + "?q", "HTTPS://SERVER.example.com:443/token",
		at, at - 119, at - 120, at - 121, at + 29, at + 30, at + 31, float64(at) + 0.75, jsonNumber("1.7723664e9"),
		ath(testToken), ath("another"), strings.Repeat("j", 256), strings.Repeat("j", 257),
		h.jwk, changed(h.jwk, object{"d": "AA"}), changed(h.jwk, object{"kid": "k", "use": "enc"}),
		changed(h.jwk, object{"x": nil}), changed(h.jwk, object{"e": "AQAB"}), changed(h.jwk, object{"crv": "P-384"}),
		changed(h.jwk, object{"n": "AA"}), changed(h.jwk, object{"kty": "EC"}), changed(h.jwk, object{"d": jsonNumber("null")}),
	}
	m[pick(random, names)] = pick(random, values)
	for name, value := range m {
		if value == nil {
			delete(m, name)
		}
	}
}

// mutateBytes breaks the language: a byte changed, removed, doubled or a part
// repeated.
func mutateBytes(random *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	i := random.IntN(len(b))
	j := i + random.IntN(len(b)-i)
	switch random.IntN(5) {
	case 0:
		b[i] ^= 1 << random.IntN(8)
	case 1:
		b = slices.Delete(b, i, i+1)
	case 2:
		b = slices.Insert(b, i, pick(random, []byte("{}[]\",:\\ \n\x00\xff0.e")))
	case 3:
		b = slices.Insert(b, j, b[i:j]...)
	case 4:
		b = b[:j]
	}
	return b
}

// fuzzKey signs what the fuzzer makes up; its seed is fixed, so that a found
// input stays one.
func fuzzKey() holder {
	k := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return holder{"EdDSA", k, object{"kty": "OKP", "crv": "Ed25519", "x": b64(k.Public().(ed25519.PublicKey))}}
}

// FuzzSignedDocuments gives any header and claims a valid signature, so that
// the verdict depends on how they are read, and compares with the reference.
func FuzzSignedDocuments(f *testing.F) {
	h := fuzzKey()
	header, body := encode(f, h.header(nil)), encode(f, goodClaims(nil))
	f.Add(header, body)
	f.Add(encode(f, h.header(object{"kid": "k", "x5c": []any{}})), encode(f, goodClaims(object{"nonce": "n", "exp": testNow.Unix() + 9, "nbf": 0})))
	f.Add(header, []byte(`{"jti":"\ud83d\ude00","htm":"POST","htu":"https:\/\/SERVER.example.com:443/%74oken?q#f","iat":1.7723664005e9,"ath":"`+ath(testToken)+`"}`))
	f.Add(header, []byte(`{"jti":"a","\u006ati":"b"}`))
	f.Add([]byte(`{"typ":"dpop+jwt","alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"","d":null}}`), body)
	v, err := New(Config{Now: clock})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header, body []byte) {
		compare(t, v, []string{h.raw(t, header, body)}, testToken)
	})
}

// FuzzProof takes any header value.
func FuzzProof(f *testing.F) {
	for _, h := range []holder{newEC(f), newRSA(f), fuzzKey()} {
		f.Add(h.mint(f, nil, nil))
	}
	f.Add("..")
	f.Add("e30.e30.")
	v, err := New(Config{Now: clock})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, proof string) {
		compare(t, v, []string{proof}, testToken)
	})
}

// FuzzScanner compares the scanner with certs.StrictJSON, and the values it
// takes with those of encoding/json.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : [ ] } `, `{"a":1,"a":2}`, `{"a":{"b":1},"b":{"b":1}}`, `{"\ud800":1,"\udfff":2}`, `{"a":"\u00e9\n\/\\"}`,
		`{"a":-0.0e+1}`, `{"a":-1.5}`, `{"a":[],"b":{},"c":[[],[]],"d":[],"e":[],"f":{},"g":[],"h":[]}`, "{\"a\":\"\\n\x1f\"}", `{"a":01}`, `{"a":[1,]}`, `{"a":tru}`, `[]`, `"a"`, ``, `{"a":[[[[[[[0]]]]]]]}`, `{"a":[[[[[[[[0]]]]]]]]}`,
		"{\"\xff\":0}", `{"a":"\ud83d\ude00\ud83d"}`, `{"a":"\ud83d\u0041"}`, `{"a":1772366400}`, `{"a":"` + "\x1f" + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s scanner
		texts, times := map[string]string{}, map[string]int64{}
		s.document(data, func(name []byte) {
			if c := s.peek(); c == '"' {
				text, _ := s.text()
				texts[string(name)] = string(text)
			} else if at, ok := s.seconds(); ok {
				times[string(name)] = at
			}
		})
		strictErr := certs.StrictJSON(data)
		if s.fault == TooMany {
			return
		}
		if (s.fault == "") != (strictErr == nil) {
			t.Fatalf("scanner says %s, StrictJSON says %v", s.fault, strictErr)
		}
		if s.fault != "" {
			return
		}
		var want map[string]any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			switch value := value.(type) {
			case string:
				if texts[name] != value {
					t.Fatalf("text %s, want %s", texts[name], value)
				}
			case json.Number:
				at, ok := times[name]
				if f, valid := referenceTime(value); ok != valid || ok && float64(at) != f {
					t.Fatalf("time %d %v, want %v %v", at, ok, f, valid)
				}
			}
		}
	})
}

// FuzzURL compares with net/url.
func FuzzURL(f *testing.F) {
	for _, pair := range [][2]string{
		{testURL, testURL}, {"HTTPS://h", "https://h:443/"}, {"http://h:80/?a", "http://h/#b"}, {"https://[::1]:443/a", "https://[::1]/a"},
		{"https://h/%2f", "https://h/%2F"}, {"https://h/%2F", "https://h//"}, {"https://h/%7E", "https://h/~"}, {"https://\u212a/", "https://k/"},
		{"https://a@h/", "https://h/"}, {"https://h:/", "https://h/"}, {"https://h/%", "https://h/%"}, {"https:///a", "https:///a"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, htu, configured string) {
		u, err := url.Parse(configured)
		if err != nil || u.User != nil || u.Hostname() == "" || !slices.Contains([]string{"https", "http"}, u.Scheme) {
			return // not what an operator may configure
		}
		if got, want := sameURL([]byte(htu), configured), sameURLReference(htu, configured); got != want {
			t.Fatalf("sameURL = %v, net/url says %v", got, want)
		}
	})
}
