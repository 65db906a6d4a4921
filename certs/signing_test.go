package certs_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
)

// rotator returns the Rotator of a provider, defaults apart from its config.
func rotator(t *testing.T, c certs.RotatorConfig) *certs.Rotator {
	t.Helper()
	r, err := certs.NewRotator(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verified checks a signature as a recipient would, with the published keys.
func verified(t *testing.T, published []byte, token string) (jose.Header, []byte, bool) {
	t.Helper()
	set, err := certs.ParseJWKS(published)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.PS256, jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	header := jws.Signatures[0].Protected
	for _, k := range set.Select(header.KeyID, header.Algorithm) {
		if payload, err := jws.Verify(k); err == nil {
			return header, payload, true
		}
	}
	return header, nil, false
}

func TestSign(t *testing.T) {
	t.Parallel()
	keys := rotator(t, certs.RotatorConfig{Provider: certs.NewKeyFile(generated(t, "ES256", "PS256", "EdDSA"))})
	others := rotator(t, certs.RotatorConfig{Provider: certs.NewKeyFile(generated(t, "ES256", "PS256", "EdDSA"))})
	if !slices.Equal(keys.Algorithms(), []string{"ES256", "EdDSA", "PS256"}) {
		t.Errorf("algorithms %v", keys.Algorithms())
	}
	for _, alg := range keys.Algorithms() {
		token, err := keys.Sign(t.Context(), alg, "token-introspection+jwt", map[string]any{"iss": "https://as.example", "n": 1})
		if err != nil {
			t.Fatal(err)
		}
		header, payload, ok := verified(t, keys.Public(), token)
		if !ok || header.KeyID == "" || header.Algorithm != alg || header.ExtraHeaders[jose.HeaderType] != "token-introspection+jwt" || header.JSONWebKey != nil {
			t.Errorf("%s: verified %v, header %+v", alg, ok, header)
		}
		if string(payload) != `{"iss":"https://as.example","n":1}` {
			t.Errorf("%s: payload %s", alg, payload)
		}
		if _, _, ok := verified(t, others.Public(), token); ok {
			t.Errorf("%s: verified with another server's keys", alg)
		}
		bare, err := keys.Sign(t.Context(), alg, "", struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		if header, _, ok := verified(t, keys.Public(), bare); !ok || len(header.ExtraHeaders) != 0 {
			t.Errorf("%s: verified %v, header %+v", alg, ok, header)
		}
	}
}

// RFC 7518 section 3.5. Go verifies any length, others do not.
func TestPS256SaltIsAsLongAsTheHash(t *testing.T) {
	t.Parallel()
	keys := rotator(t, certs.RotatorConfig{Provider: certs.NewKeyFile(generated(t, "PS256"))})
	token, err := keys.Sign(t.Context(), "PS256", "JWT", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := certs.ParseJWKS(keys.Public())
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.PS256})
	if err != nil {
		t.Fatal(err)
	}
	public := set.Select(jws.Signatures[0].Protected.KeyID, "PS256")[0].Key.(*rsa.PublicKey)
	digest := sha256.Sum256([]byte(token[:strings.LastIndex(token, ".")]))
	if err := rsa.VerifyPSS(public, crypto.SHA256, digest[:], jws.Signatures[0].Signature, &rsa.PSSOptions{SaltLength: sha256.Size}); err != nil {
		t.Error(err)
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	keys := rotator(t, certs.RotatorConfig{Provider: certs.NewKeyFile(generated(t))})
	for name, claims := range map[string]any{
		"nil": nil, "array": []int{1}, "text": "x", "number": 1, "what JSON cannot hold": func() {},
	} {
		if token, err := keys.Sign(t.Context(), "ES256", "JWT", claims); err == nil || token != "" {
			t.Errorf("%s: signed", name)
		}
	}
	for _, alg := range []string{"", "none", "HS256", "RS256", "PS256", "EdDSA", "es256"} {
		if token, err := keys.Sign(t.Context(), alg, "JWT", struct{}{}); !errors.Is(err, certs.ErrNoKey) || token != "" {
			t.Errorf("%s: %v", alg, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keys.Sign(ctx, "ES256", "JWT", struct{}{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSignConcurrently(t *testing.T) {
	t.Parallel()
	keys := rotator(t, certs.RotatorConfig{Provider: certs.NewKeyFile(generated(t))})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if _, err := keys.Sign(context.Background(), "ES256", "JWT", struct{}{}); err != nil {
					t.Error(err)
				}
				keys.Public()[0] = 'x' // a caller's copy
			}
		})
	}
	wg.Wait()
	if keys.Public()[0] != '{' {
		t.Error("a caller could change the published document")
	}
}

func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	path := generated(t, "ES256", "PS256", "EdDSA")
	keys := rotator(t, certs.RotatorConfig{Provider: certs.NewKeyFile(path)})
	var published struct{ Keys []map[string]any }
	if err := json.Unmarshal(keys.Public(), &published); err != nil {
		t.Fatal(err)
	}
	if len(published.Keys) != 6 {
		t.Fatalf("%d keys published, want a current and a next one of each algorithm", len(published.Keys))
	}
	allowed := []string{"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}
	seen := make(map[any]bool)
	for _, k := range published.Keys {
		if k["use"] != "sig" || k["alg"] == nil || k["kid"] == "" || seen[k["kid"]] {
			t.Errorf("published %v", k)
		}
		seen[k["kid"]] = true
		for name := range k {
			if !slices.Contains(allowed, name) {
				t.Errorf("published with %s", name)
			}
		}
	}
	// What is secret in the file must not be in the document in any form.
	var file struct{ Keys []map[string]any }
	if err := json.Unmarshal(content(t, path), &file); err != nil {
		t.Fatal(err)
	}
	secrets := 0
	for _, k := range file.Keys {
		for _, name := range []string{"d", "p", "q", "dp", "dq", "qi"} {
			if v, ok := k[name].(string); ok {
				secrets++
				if strings.Contains(string(keys.Public()), v) {
					t.Errorf("%s of a private key is published", name)
				}
			}
		}
	}
	if secrets != 2+2+2*6 {
		t.Errorf("%d private values in the file", secrets)
	}
}

func BenchmarkSign(b *testing.B) {
	path := generated(b, "ES256", "EdDSA")
	keys, err := certs.LoadSigningKeys(path)
	if err != nil {
		b.Fatal(err)
	}
	for _, alg := range keys.Algorithms() {
		b.Run(alg, func(b *testing.B) {
			for b.Loop() {
				if _, err := keys.Sign(b.Context(), alg, "JWT", struct{}{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestSignDetached(t *testing.T) {
	t.Parallel()
	keys := rotator(t, certs.RotatorConfig{Provider: certs.NewKeyFile(generated(t, "ES256", "PS256", "EdDSA"))})
	const content = `{"a": 1}` + "\n"
	for _, alg := range keys.Algorithms() {
		token, err := keys.SignDetached(t.Context(), alg, "thing+jws", map[string]any{"jti": "1", "iat": 5}, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		head, signature, detached := strings.Cut(token, "..")
		if !detached {
			t.Fatalf("%s: the content is in %s", alg, token)
		}
		whole := func(content string) string {
			return head + "." + base64.RawURLEncoding.EncodeToString([]byte(content)) + "." + signature
		}
		header, payload, ok := verified(t, keys.Public(), whole(content))
		if !ok || string(payload) != content || header.Algorithm != alg || header.ExtraHeaders["typ"] != "thing+jws" ||
			header.ExtraHeaders["jti"] != "1" || header.ExtraHeaders["iat"] != 5.0 {
			t.Errorf("%s: %v %q %+v", alg, ok, payload, header)
		}
		for _, other := range []string{"", content[:len(content)-1], content + " ", strings.Replace(content, "1", "2", 1)} {
			if _, _, ok := verified(t, keys.Public(), whole(other)); ok {
				t.Errorf("%s: verifies %q", alg, other)
			}
		}
	}
	if _, err := keys.SignDetached(t.Context(), "RS256", "", nil, nil); !errors.Is(err, certs.ErrNoKey) {
		t.Errorf("got %v, want ErrNoKey", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keys.SignDetached(over, "ES256", "", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
}
