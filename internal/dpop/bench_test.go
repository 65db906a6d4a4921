package dpop

import (
	"crypto"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// BenchmarkVerify compares, for each algorithm, a proof of a known key, of a
// key that is not kept, and the bare signature, with go-jose.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"ES256", "PS256", "EdDSA"} {
		h := holders(b)[alg]
		header := []string{h.mint(b, nil, nil)}
		b.Run(alg+"/known", func(b *testing.B) {
			v := newVerifier(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(header, testMethod, testURL, testToken); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(alg+"/new", func(b *testing.B) {
			v, err := New(Config{Now: clock, KeyCache: cacheShards})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				v.keys.forget()
				if _, err := v.Verify(header, testMethod, testURL, testToken); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(alg+"/signature", func(b *testing.B) {
			var s scratch
			t, _ := s.split(header)
			head, _ := s.joseHeader(t.header)
			k, reason := parseKey(head.jwk)
			if reason != "" {
				b.Fatal(reason)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !k.verifies(t.input, t.signature) {
					b.Fatal("does not verify")
				}
			}
		})
		b.Run(alg+"/go-jose", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !withGoJOSE(header[0]) {
					b.Fatal("refused")
				}
			}
		})
	}
}

// withGoJOSE is the short way to check a proof with the library alone. It leaves
// out what the library does not offer: duplicates, depth, strict base64url and
// the comparison of URLs.
func withGoJOSE(proof string) bool {
	jws, err := jose.ParseSignedCompact(proof, []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		return false
	}
	header := jws.Signatures[0].Protected
	payload, err := jws.Verify(header.JSONWebKey)
	if err != nil {
		return false
	}
	var c struct {
		JTI string `json:"jti"`
		HTM string `json:"htm"`
		HTU string `json:"htu"`
		IAT int64  `json:"iat"`
		ATH string `json:"ath"`
	}
	if json.Unmarshal(payload, &c) != nil {
		return false
	}
	thumbprint, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
	return err == nil && len(thumbprint) == 32 && header.ExtraHeaders[jose.HeaderType] == "dpop+jwt" &&
		c.HTM == testMethod && c.HTU == testURL && c.IAT == testNow.Unix() && c.ATH == ath(testToken) && c.JTI != ""
}

// forget empties the cache.
func (c *keyCache) forget() {
	for i := range c.shards {
		clear(c.shards[i].byID)
		clear(c.shards[i].ring)
		c.shards[i].hand = 0
	}
}

// BenchmarkRefuse shows what garbage costs: the worst documents that fit.
func BenchmarkRefuse(b *testing.B) {
	h := newEd(b)
	for name, proof := range map[string]string{
		"stale":        h.mint(b, nil, object{"iat": testNow.Unix() - 3600}),
		"many members": h.mint(b, nil, object{"d": jsonNumber("{" + manyMembers(450) + "}"), "jti": nil}),
		"wide array":   h.mint(b, nil, object{"d": make([]int, 2500), "jti": nil}),
		"long string":  h.mint(b, nil, object{"d": fmt.Sprintf("%05000d", 0), "jti": nil}),
	} {
		if len(proof) > MaxProofBytes {
			b.Fatalf("%s: %d bytes", name, len(proof))
		}
		b.Run(name, func(b *testing.B) {
			v := newVerifier(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify([]string{proof}, testMethod, testURL, testToken); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

func BenchmarkNonce(b *testing.B) {
	now := time.Now()
	n := newNonces(b, &now, keyA)
	nonce := n.Issue()
	for b.Loop() {
		if _, ok := n.Check(nonce); !ok {
			b.Fatal("refused")
		}
	}
}
