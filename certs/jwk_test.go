package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
)

type object = map[string]any

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// publicJWK returns the members of a key, with more of them added.
func publicJWK(t testing.TB, key any, more object) object {
	t.Helper()
	var m object
	if err := json.Unmarshal(encode(t, jose.JSONWebKey{Key: key}), &m); err != nil {
		t.Fatal(err)
	}
	for name, value := range more {
		m[name] = value
	}
	return m
}

var rsaKeys = sync.OnceValue(func() map[int]*rsa.PrivateKey {
	keys := make(map[int]*rsa.PrivateKey)
	for _, bits := range []int{1024, 2047, 2048} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		keys[bits] = k
	}
	return keys
})

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParseJWKSRefuses(t *testing.T) {
	t.Parallel()
	p256 := publicJWK(t, ecKey(t, elliptic.P256()).Public(), nil)
	okp := publicJWK(t, edKey(t).Public(), nil)
	rsa2048 := publicJWK(t, rsaKeys()[2048].Public(), nil)
	with := func(m object, name string, value any) object {
		out := object{name: value}
		for n, v := range m {
			if n != name {
				out[n] = v
			}
		}
		if value == nil {
			delete(out, name)
		}
		return out
	}
	set := func(keys ...any) string { return string(encode(t, object{"keys": keys})) }
	twentyOne := make([]any, 21)
	for i := range twentyOne {
		twentyOne[i] = p256
	}
	tests := map[string]struct {
		data string
		want error
	}{
		"empty":                         {"", certs.ErrMalformedJWK},
		"not JSON":                      {"keys", certs.ErrMalformedJWK},
		"a bare array":                  {"[]", certs.ErrMalformedJWK},
		"no keys member":                {"{}", certs.ErrMalformedJWK},
		"Keys in another case":          {`{"Keys":[]}`, certs.ErrMalformedJWK},
		"keys null":                     {`{"keys":null}`, certs.ErrMalformedJWK},
		"keys an object":                {`{"keys":{}}`, certs.ErrMalformedJWK},
		"keys twice":                    {`{"keys":[],"keys":[]}`, certs.ErrMalformedJWK},
		"a member of a key twice":       {`{"keys":[{"kty":"EC","kty":"EC"}]}`, certs.ErrMalformedJWK},
		"a key that is null":            {set(nil), certs.ErrMalformedJWK},
		"a key that is text":            {set("x"), certs.ErrMalformedJWK},
		"a key without kty":             {set(with(p256, "kty", nil)), certs.ErrMalformedJWK},
		"21 keys":                       {set(twentyOne...), certs.ErrJWKSLimit},
		"over 64 KiB":                   {`{"keys":[]` + strings.Repeat(" ", 64<<10) + `}`, certs.ErrJWKSLimit},
		"a private EC key":              {set(publicJWK(t, ecKey(t, elliptic.P256()), nil)), certs.ErrPrivateJWK},
		"a private RSA key":             {set(publicJWK(t, rsaKeys()[2048], nil)), certs.ErrPrivateJWK},
		"a private Ed25519 key":         {set(publicJWK(t, edKey(t), nil)), certs.ErrPrivateJWK},
		"a private key behind others":   {set(p256, okp, publicJWK(t, edKey(t), nil)), certs.ErrPrivateJWK},
		"a private key for encryption":  {set(publicJWK(t, ecKey(t, elliptic.P384()), object{"use": "enc"})), certs.ErrPrivateJWK},
		"a symmetric key":               {set(object{"kty": "oct", "k": "AAAA"}), certs.ErrPrivateJWK},
		"a symmetric key without k":     {set(object{"kty": "oct"}), certs.ErrPrivateJWK},
		"private material of new kinds": {set(object{"kty": "AKP", "priv": "AAAA"}), certs.ErrPrivateJWK},
		"RSA of 1,024 bits":             {set(publicJWK(t, rsaKeys()[1024].Public(), nil)), certs.ErrWeakJWK},
		"RSA of 2,047 bits":             {set(publicJWK(t, rsaKeys()[2047].Public(), nil)), certs.ErrWeakJWK},
		"RSA of 4,104 bits":             {set(with(rsa2048, "n", base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 513)))), certs.ErrWeakJWK},
		"RSA with exponent 1":           {set(with(rsa2048, "e", "AQ")), certs.ErrMalformedJWK},
		"RSA with an even exponent":     {set(with(rsa2048, "e", "AQAA")), certs.ErrWeakJWK},
		"RSA with an exponent too long": {set(with(rsa2048, "e", "AQAAAAE")), certs.ErrWeakJWK},
		"RSA with an even modulus":      {set(with(rsa2048, "n", base64.RawURLEncoding.EncodeToString(append(bytes.Repeat([]byte{0xff}, 255), 0)))), certs.ErrWeakJWK},
		"RSA without n":                 {set(with(rsa2048, "n", nil)), certs.ErrMalformedJWK},
		"P-384":                         {set(publicJWK(t, ecKey(t, elliptic.P384()).Public(), nil)), certs.ErrUnsupportedJWK},
		"P-521":                         {set(publicJWK(t, ecKey(t, elliptic.P521()).Public(), nil)), certs.ErrUnsupportedJWK},
		"X25519 without use":            {set(with(okp, "crv", "X25519")), certs.ErrUnsupportedJWK},
		"EC without crv":                {set(with(p256, "crv", nil)), certs.ErrUnsupportedJWK},
		"EC off the curve":              {set(with(p256, "x", p256["y"])), certs.ErrMalformedJWK},
		"Ed25519 of small order":        {set(with(okp, "x", base64.RawURLEncoding.EncodeToString(make([]byte, 32)))), certs.ErrMalformedJWK},
	}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		tests["public key with "+name] = struct {
			data string
			want error
		}{set(with(rsa2048, name, "AAAA")), certs.ErrPrivateJWK}
	}
	for name, tt := range tests {
		got, err := certs.ParseJWKS([]byte(tt.data))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if len(got.Keys) != 0 {
			t.Errorf("%s: keys returned with the error", name)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\"\\'") {
			t.Errorf("%s: the error quotes something: %v", name, err)
		}
	}
}

func TestParseJWKSAccepts(t *testing.T) {
	t.Parallel()
	p256 := publicJWK(t, ecKey(t, elliptic.P256()).Public(), object{"kid": "a", "use": "sig", "x5t": "", "unknown": object{"x": 1}})
	okp := publicJWK(t, edKey(t).Public(), object{"kid": "b", "alg": "EdDSA"})
	rsaKey := publicJWK(t, rsaKeys()[2048].Public(), nil)
	encryption := publicJWK(t, ecKey(t, elliptic.P384()).Public(), object{"kid": "c", "use": "enc"})
	novel := object{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}
	twenty := make([]any, 20)
	for i := range twenty {
		twenty[i] = p256
	}
	for name, tt := range map[string]struct {
		keys []any
		want int
	}{
		"none":                             {[]any{}, 0},
		"one of each":                      {[]any{p256, okp, rsaKey}, 3},
		"20 keys":                          {twenty, 20},
		"keys for encryption are left out": {[]any{encryption, p256}, 1},
		"new key types are left out":       {[]any{novel, okp, object{"kty": "XYZ"}}, 1},
	} {
		got, err := certs.ParseJWKS(encode(t, object{"keys": tt.keys, "more": 1}))
		if err != nil || len(got.Keys) != tt.want {
			t.Errorf("%s: %d keys, %v", name, len(got.Keys), err)
		}
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	pick := func(kid string, more object) object {
		if kid != "" {
			more["kid"] = kid
		}
		return more
	}
	named := func(key any, kid string, more object) object { return publicJWK(t, key, pick(kid, more)) }
	ecA, ecB, ed, rs := ecKey(t, elliptic.P256()).Public(), ecKey(t, elliptic.P256()).Public(), edKey(t).Public(), rsaKeys()[2048].Public()
	set, err := certs.ParseJWKS(encode(t, object{"keys": []any{
		named(ecA, "shared", object{}),                  // 0
		named(ed, "shared", object{}),                   // 1
		named(rs, "shared", object{"alg": "PS256"}),     // 2
		named(ecB, "own", object{"alg": "ES256"}),       // 3
		named(rs, "rs256", object{"alg": "RS256"}),      // 4
		named(ecB, "", object{}),                        // 5
		named(ecB, "enc", object{"use": "enc"}),         // left out
		named(ed, "own", object{"use": "sig"}),          // 6
		named(ecA, "odd", object{"alg": "ECDH-ES+A1K"}), // 7
	}}))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		kid, alg string
		want     []int
	}{
		"shared kid, ES256":             {"shared", "ES256", []int{0}},
		"shared kid, EdDSA":             {"shared", "EdDSA", []int{1}},
		"shared kid, PS256":             {"shared", "PS256", []int{2}},
		"own kid, ES256":                {"own", "ES256", []int{3}},
		"own kid, EdDSA":                {"own", "EdDSA", []int{6}},
		"own kid, PS256":                {"own", "PS256", nil},
		"key for RS256 under PS256":     {"rs256", "PS256", nil},
		"RS256 is never selected":       {"rs256", "RS256", nil},
		"key for another purpose":       {"odd", "ES256", nil},
		"key for encryption":            {"enc", "ES256", nil},
		"unknown kid":                   {"nobody", "ES256", nil},
		"kid is a prefix":               {"share", "ES256", nil},
		"no kid in the header, ES256":   {"", "ES256", []int{0, 3, 5}},
		"no kid in the header, PS256":   {"", "PS256", []int{2}},
		"none":                          {"shared", "none", nil},
		"alg missing":                   {"shared", "", nil},
		"alg HS256":                     {"shared", "HS256", nil},
		"alg ES384":                     {"shared", "ES384", nil},
		"alg in lower case":             {"shared", "es256", nil},
		"alg of the key's own odd name": {"odd", "ECDH-ES+A1K", nil},
	} {
		got := set.Select(tt.kid, tt.alg)
		if len(got) != len(tt.want) {
			t.Errorf("%s: %d keys, want %d", name, len(got), len(tt.want))
			continue
		}
		for i, k := range got {
			want := set.Keys[tt.want[i]]
			if k.KeyID != want.KeyID || fmt.Sprint(k.Key) != fmt.Sprint(want.Key) {
				t.Errorf("%s: key %d is not number %d of the set", name, i, tt.want[i])
			}
		}
	}
	if (certs.JWKS{}).Select("", "ES256") != nil {
		t.Error("the zero value selects something")
	}
}

// RFC 7638 section 3.1 and RFC 8037 appendix A.3.
func TestThumbprintOfTheRFCs(t *testing.T) {
	t.Parallel()
	for want, jwk := range map[string]string{
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs": `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`,
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k": `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
	} {
		key, err := certs.ParsePublicJWK([]byte(jwk))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := certs.Thumbprint(key); err != nil || got != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

func TestThumbprint(t *testing.T) {
	t.Parallel()
	private := ecKey(t, elliptic.P256())
	a, errA := certs.Thumbprint(jose.JSONWebKey{Key: private})
	b, errB := certs.Thumbprint(jose.JSONWebKey{Key: private.Public(), KeyID: "kid", Use: "sig"})
	if errA != nil || errB != nil || a != b || len(a) != 43 {
		t.Errorf("private %s %v, public %s %v", a, errA, b, errB)
	}
	for name, key := range map[string]any{"symmetric": []byte("secret"), "none": nil} {
		if _, err := certs.Thumbprint(jose.JSONWebKey{Key: key}); !errors.Is(err, certs.ErrUnsupportedJWK) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParsePublicJWKIsStrict(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		data string
		want error
	}{
		"empty":            {"", certs.ErrMalformedJWK},
		"null":             {"null", certs.ErrMalformedJWK},
		"a set":            {`{"keys":[]}`, certs.ErrMalformedJWK},
		"duplicate member": {`{"kty":"EC","kty":"EC"}`, certs.ErrMalformedJWK},
		"unknown kty":      {`{"kty":"AKP"}`, certs.ErrUnsupportedJWK},
		"symmetric":        {`{"kty":"oct"}`, certs.ErrPrivateJWK},
	} {
		if _, err := certs.ParsePublicJWK([]byte(tt.data)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAlgorithm(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		key  any
		want string
	}{
		"RSA":         {rsaKeys()[2048].Public(), "PS256"},
		"P-256":       {ecKey(t, elliptic.P256()).Public(), "ES256"},
		"Ed25519":     {edKey(t).Public(), "EdDSA"},
		"P-384":       {ecKey(t, elliptic.P384()).Public(), ""},
		"private key": {edKey(t), ""},
		"symmetric":   {[]byte("x"), ""},
		"nothing":     {nil, ""},
	} {
		if got := certs.Algorithm(jose.JSONWebKey{Key: tt.key}); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestCertificateThumbprint(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	a, b := clientCert(t, ca, "a"), clientCert(t, ca, "b")
	sum := sha256.Sum256(a.Certificate[0])
	if got := certs.CertificateThumbprint(a.Leaf); got != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Errorf("got %s", got)
	}
	if certs.CertificateThumbprint(a.Leaf) == certs.CertificateThumbprint(b.Leaf) {
		t.Error("two certificates have one thumbprint")
	}
}

// FuzzParseJWKS: whatever is accepted is public, strong enough and of a kind
// that we verify.
func FuzzParseJWKS(f *testing.F) {
	p256, okp := publicJWK(f, ecKey(f, elliptic.P256()).Public(), object{"kid": "a"}), publicJWK(f, edKey(f).Public(), nil)
	f.Add(encode(f, object{"keys": []any{p256, okp}}))
	f.Add(encode(f, object{"keys": []any{publicJWK(f, rsaKeys()[2048].Public(), nil)}}))
	f.Add(encode(f, object{"keys": []any{publicJWK(f, edKey(f), nil)}}))
	f.Add([]byte(`{"keys":[{"kty":"AKP"},{"kty":"EC","use":"enc"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := certs.ParseJWKS(data)
		if err != nil {
			return
		}
		if len(set.Keys) > certs.MaxJWKSKeys || len(data) > certs.MaxJWKSBytes {
			t.Fatal("limit exceeded")
		}
		for _, k := range set.Keys {
			if certs.Algorithm(k) == "" || !k.IsPublic() || !k.Valid() || k.Use != "" && k.Use != "sig" {
				t.Fatalf("accepted %#v", k.Key)
			}
			if r, ok := k.Key.(*rsa.PublicKey); ok && (r.N.BitLen() < 2048 || r.N.BitLen() > 4096) {
				t.Fatalf("accepted RSA of %d bits", r.N.BitLen())
			}
			if _, err := certs.Thumbprint(k); err != nil {
				t.Fatal(err)
			}
		}
	})
}
