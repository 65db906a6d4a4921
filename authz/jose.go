package authz

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
)

// signingAlgs are the algorithms of FAPI 2.0 section 5.4.1.
var signingAlgs = []string{"PS256", "ES256", "EdDSA"}

// maxAhead is how far the clock that wrote iat and nbf may be ahead: some
// seconds must pass, a minute must not (FAPI 2.0 section 5.3.2.1-13).
const maxAhead = 30 * time.Second

// unverified is a JWT that has been parsed and believed in nothing yet.
type unverified struct {
	jws *jose.JSONWebSignature
	typ string
	// claims is strict JSON, an object.
	claims []byte
}

// parseJWT reads a compact JWS of at most so many bytes, signed with one of
// our algorithms. Keys that a header carries or points to (jwk, jku, x5u,
// x5c) are never looked at. The error says in ASCII what is wrong, with
// nothing of the text.
func parseJWT(raw string, most int) (unverified, error) {
	switch {
	case len(raw) > most:
		return unverified{}, errors.New("is too large")
	case strings.Count(raw, ".") != 2:
		return unverified{}, errors.New("is not a compact JWS")
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil || len(jws.Signatures) != 1 {
		return unverified{}, errors.New("is not signed with PS256, ES256 or EdDSA")
	}
	typ, err := strictHeader(raw)
	if err != nil {
		return unverified{}, err
	}
	claims := jws.UnsafePayloadWithoutVerification()
	if certs.StrictJSON(claims) != nil {
		return unverified{}, errors.New("has claims that are not strict JSON")
	}
	return unverified{jws: jws, typ: typ, claims: claims}, nil
}

// strictHeader checks the protected header once more as text, and returns its
// typ: no member twice, and none that go-jose understands but our JWTs must
// not carry (RFC 7515 section 4.1.11; b64 is RFC 7797).
func strictHeader(raw string) (typ string, err error) {
	head, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || certs.StrictJSON(text) != nil {
		return "", errors.New("has a header that is not strict JSON")
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(text, &m) != nil {
		return "", errors.New("has a header that is not an object")
	}
	for _, name := range []string{"crit", "b64"} {
		if _, ok := m[name]; ok {
			return "", errors.New("has a header with a critical extension")
		}
	}
	if member, ok := m["typ"]; ok && json.Unmarshal(member, &typ) != nil {
		return "", errors.New("has a typ that is not text")
	}
	return typ, nil
}

func (u unverified) alg() string { return u.jws.Signatures[0].Header.Algorithm }

// verify reports whether one of the keys that the header allows made the
// signature.
func (u unverified) verify(keys certs.JWKS) bool {
	for _, k := range keys.Select(u.jws.Signatures[0].Header.KeyID, u.alg()) {
		if _, err := u.jws.Verify(k.Key); err == nil {
			return true
		}
	}
	return false
}

// numericDate reads a JWT NumericDate; false when it is no time that an
// honest clock shows.
func numericDate(f float64) (time.Time, bool) {
	if !(f > 0 && f < 1<<40) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(f * 1e3)), true
}

// onceKey is what makes a JWT of that kind unique: who issued it and its jti,
// length-framed so that no two pairs meet.
func onceKey(kind, issuer, jti string) [32]byte {
	h := sha256.New()
	h.Write([]byte(kind))
	for _, part := range []string{issuer, jti} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return [32]byte(h.Sum(nil))
}
