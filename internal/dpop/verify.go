package dpop

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"
	"time"
)

// Limits of a proof, in bytes.
const (
	MaxProofBytes = 8 << 10 // the whole header value
	MaxIDBytes    = 256     // jti and nonce
)

// Default limits of Config.
const (
	DefaultMaxAge   = 120 * time.Second
	DefaultMaxAhead = 30 * time.Second
	DefaultKeyCache = 4096
)

// Config is what New needs. The zero value is usable.
type Config struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// MaxAge is how far iat may lie in the past; 0 means DefaultMaxAge.
	MaxAge time.Duration
	// MaxAhead is how far iat and nbf may lie in the future; 0 means
	// DefaultMaxAhead. FAPI 2.0 Security Profile section 5.3.2.1 wants 10 s
	// accepted and over 60 s refused, so it is 10 s to 60 s.
	MaxAhead time.Duration
	// KeyCache is how many parsed keys are kept; 0 means DefaultKeyCache,
	// about 2 MiB when full.
	KeyCache int
}

// Verifier checks proofs. Safe for concurrent use.
type Verifier struct {
	now      func() time.Time
	maxAge   time.Duration
	maxAhead time.Duration
	keys     *keyCache
	scratch  sync.Pool // of *scratch
}

// Proof is what a verified proof says.
type Proof struct {
	// Thumbprint identifies the key that signed (RFC 7638, SHA-256, 43
	// characters of base64url). The caller compares it with the jkt that the
	// token or code is bound to.
	Thumbprint string
	// JTI is the client's name for this proof, 1 to MaxIDBytes bytes of
	// anything. Pass it to ReplayKey, not to a log.
	JTI string
	// IssuedAt is iat in whole seconds.
	IssuedAt time.Time
	// ReplayUntil is when the proof has become too old for Verify, by its
	// clock: a replay guard must remember it until then, and longer by what
	// the clocks of instances may differ.
	ReplayUntil time.Time
	// Nonce is the server's nonce it carries, "" when none.
	Nonce string
}

// New returns a Verifier.
func New(c Config) (*Verifier, error) {
	v := &Verifier{now: c.Now, maxAge: c.MaxAge, maxAhead: c.MaxAhead}
	if v.now == nil {
		v.now = time.Now
	}
	if v.maxAge == 0 {
		v.maxAge = DefaultMaxAge
	}
	if v.maxAhead == 0 {
		v.maxAhead = DefaultMaxAhead
	}
	if c.KeyCache == 0 {
		c.KeyCache = DefaultKeyCache
	}
	if v.maxAge < 0 || v.maxAhead < 10*time.Second || v.maxAhead > time.Minute || c.KeyCache < 0 {
		return nil, errors.New("dpop: MaxAge, MaxAhead or KeyCache is out of range")
	}
	v.keys = newKeyCache(c.KeyCache)
	v.scratch.New = func() any { return new(scratch) }
	return v, nil
}

// scratch is memory that one Verify uses and the next reuses.
type scratch struct {
	compact []byte // the proof as it came
	plain   []byte // its three parts, decoded
	scan    scanner
}

// Verify checks the values of the DPoP headers of a request, of which there
// must be exactly one (RFC 9449 section 4.3). method is the request's; url is
// the public URL of the endpoint as configured, never one made from the Host
// header; its query is ignored. accessToken is the token the request presents,
// for ath, and "" at an endpoint where none is presented. A nil error means
// that the holder of the key Proof.Thumbprint made the proof for this request;
// the caller still has to compare the key, spend the ReplayKey and check the
// nonce if it demands one. A refusal is always an *Error.
func (v *Verifier) Verify(header []string, method, url, accessToken string) (Proof, error) {
	s := v.scratch.Get().(*scratch)
	defer v.scratch.Put(s)
	proof, reason := v.verify(s, header, method, url, accessToken)
	if reason != "" {
		return Proof{}, &Error{Reason: reason}
	}
	return proof, nil
}

// verify checks what is cheap first and the signature last.
func (v *Verifier) verify(s *scratch, header []string, method, url, accessToken string) (Proof, Reason) {
	t, reason := s.split(header)
	if reason != "" {
		return Proof{}, reason
	}
	h, reason := s.joseHeader(t.header)
	if reason != "" {
		return Proof{}, reason
	}
	c, reason := s.claims(t.payload)
	if reason != "" {
		return Proof{}, reason
	}
	if reason := v.check(&c, method, url, accessToken); reason != "" {
		return Proof{}, reason
	}

	k := v.keys.get(h.jwk)
	known := k != nil
	if !known {
		if k, reason = parseKey(h.jwk); reason != "" {
			return Proof{}, reason
		}
	}
	// The key decides the algorithm; the header may only agree.
	if k.alg != string(h.alg) {
		return Proof{}, BadKey
	}
	if !k.verifies(t.input, t.signature) {
		return Proof{}, BadSig
	}
	if !known {
		v.keys.put(h.jwk, k)
	}

	issued := time.Unix(c.iat.at, 0)
	return Proof{
		Thumbprint: k.thumbprint,
		JTI:        string(c.jti),
		IssuedAt:   issued,
		// check accepts up to and including iat + maxAge.
		ReplayUntil: issued.Add(v.maxAge + time.Second),
		Nonce:       string(c.nonce.text),
	}, ""
}

// token is a split and decoded compact JWS.
type token struct {
	input     []byte // what is signed: the first two parts and the dot
	header    []byte
	payload   []byte
	signature []byte
}

// strict refuses encodings with bits that are not part of the value, so that a
// proof has one spelling. encoding/base64 skips line breaks even so.
var strict = base64.RawURLEncoding.Strict()

// split takes the one header value apart.
func (s *scratch) split(header []string) (token, Reason) {
	switch {
	case len(header) == 0:
		return token{}, Missing
	case len(header) > 1:
		return token{}, Multiple
	case header[0] == "":
		return token{}, Missing
	case len(header[0]) > MaxProofBytes:
		return token{}, TooLarge
	}
	s.compact = append(s.compact[:0], header[0]...)
	first := bytes.IndexByte(s.compact, '.')
	last := bytes.LastIndexByte(s.compact, '.')
	if first == last || bytes.IndexByte(s.compact[first+1:last], '.') >= 0 {
		return token{}, NotCompact
	}
	if bytes.IndexByte(s.compact, '\n') >= 0 || bytes.IndexByte(s.compact, '\r') >= 0 {
		return token{}, BadEncoding
	}

	// One buffer of sufficient size from the start: growing it would leave
	// the earlier parts behind.
	if cap(s.plain) < len(s.compact) {
		s.plain = make([]byte, 0, max(1024, len(s.compact)))
	}
	plain := s.plain[:0]
	var cut [4]int
	for i, part := range [...][]byte{s.compact[:first], s.compact[first+1 : last], s.compact[last+1:]} {
		var err error
		if plain, err = strict.AppendDecode(plain, part); err != nil {
			return token{}, BadEncoding
		}
		cut[i+1] = len(plain)
	}
	return token{
		input:     s.compact[:last],
		header:    plain[:cut[1]],
		payload:   plain[cut[1]:cut[2]],
		signature: plain[cut[2]:],
	}, ""
}

// joseHeader is the part of the JOSE header that counts.
type joseHeader struct {
	alg []byte
	jwk []byte // the object as it stands
}

// joseHeader reads and checks the JOSE header. Members we do not know are
// fine; kid, x5c, jku and their like are not even looked at, for the key is
// the jwk (RFC 9449 section 4.2).
func (s *scratch) joseHeader(data []byte) (joseHeader, Reason) {
	var h joseHeader
	var typ []byte
	var critical bool
	s.scan.document(data, func(name []byte) {
		switch string(name) {
		case "typ":
			typ, _ = s.scan.text()
		case "alg":
			h.alg, _ = s.scan.text()
		case "jwk":
			h.jwk = s.scan.raw()
		case "crit", "b64":
			// RFC 7515 section 4.1.11: we understand no extension, so any
			// crit refuses. RFC 7797 section 7: a JWT has no b64.
			critical = true
			s.scan.skip()
		default:
			s.scan.skip()
		}
	})
	switch {
	case s.scan.fault != "":
		return joseHeader{}, s.scan.fault
	case critical:
		return joseHeader{}, Critical
	case string(typ) != "dpop+jwt":
		return joseHeader{}, WrongType
	}
	switch string(h.alg) {
	case algPS256, algES256, algEdDSA:
	default:
		return joseHeader{}, WrongAlg
	}
	if h.jwk == nil {
		return joseHeader{}, NoKey
	}
	return h, ""
}

// instant and word are claims that may be missing or of the wrong type.
type instant struct {
	at          int64 // seconds since 1970
	present, ok bool
}

type word struct {
	text        []byte
	present, ok bool
}

// claims are the claims of RFC 9449 section 4.2, and the two of RFC 7519 that
// limit when a JWT may be used.
type claims struct {
	jti, htm, htu, ath []byte // nil when missing or not a string
	iat, nbf, exp      instant
	nonce              word
}

// claims reads the claims. Those we do not know are fine.
func (s *scratch) claims(data []byte) (claims, Reason) {
	var c claims
	s.scan.document(data, func(name []byte) {
		switch string(name) {
		case "jti":
			c.jti, _ = s.scan.text()
		case "htm":
			c.htm, _ = s.scan.text()
		case "htu":
			c.htu, _ = s.scan.text()
		case "ath":
			c.ath, _ = s.scan.text()
		case "nonce":
			c.nonce.present = true
			c.nonce.text, c.nonce.ok = s.scan.text()
		case "iat":
			c.iat = s.instant()
		case "nbf":
			c.nbf = s.instant()
		case "exp":
			c.exp = s.instant()
		default:
			s.scan.skip()
		}
	})
	return c, s.scan.fault
}

func (s *scratch) instant() instant {
	at, ok := s.scan.seconds()
	return instant{at: at, present: true, ok: ok}
}

// check compares the claims with the request.
func (v *Verifier) check(c *claims, method, url, accessToken string) Reason {
	switch {
	case len(c.jti) == 0 || len(c.jti) > MaxIDBytes:
		return NoID
	case method == "" || string(c.htm) != method: // RFC 9110: methods are case-sensitive
		return WrongMethod
	case c.htu == nil || !sameURL(c.htu, url):
		return WrongURL
	case !c.iat.ok, c.nbf.present && !c.nbf.ok, c.exp.present && !c.exp.ok:
		return WrongTime
	}
	now := v.now()
	switch iat := time.Unix(c.iat.at, 0); {
	case iat.Before(now.Add(-v.maxAge)):
		return Stale
	case iat.After(now.Add(v.maxAhead)):
		return Future
	case c.nbf.present && time.Unix(c.nbf.at, 0).After(now.Add(v.maxAhead)):
		return Future
	case c.exp.present && !now.Before(time.Unix(c.exp.at, 0)): // RFC 7519 section 4.1.4
		return Expired
	}
	if accessToken != "" && !sameToken(c.ath, accessToken) {
		return WrongToken
	}
	if c.nonce.present && (!c.nonce.ok || len(c.nonce.text) == 0 || len(c.nonce.text) > MaxIDBytes) {
		return WrongNonce
	}
	return ""
}

// sameToken reports whether ath is the hash of the token (RFC 9449 section
// 4.2).
func sameToken(ath []byte, accessToken string) bool {
	sum := sha256.Sum256([]byte(accessToken))
	var want [43]byte
	base64.RawURLEncoding.Encode(want[:], sum[:])
	return subtle.ConstantTimeCompare(ath, want[:]) == 1
}

// ReplayKey names a proof for a replay guard: proofs have equal keys exactly
// when they have the same signing key and jti, whatever the bytes of the jti.
// It is SHA-256 over a label and the two values, each with its length in front
// as four bytes, big-endian.
func ReplayKey(p Proof) [sha256.Size]byte {
	const label = "headgate dpop proof"
	buf := make([]byte, 0, len(label)+4+43+4+MaxIDBytes)
	buf = append(buf, label...)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(p.Thumbprint)))
	buf = append(buf, p.Thumbprint...)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(p.JTI)))
	buf = append(buf, p.JTI...)
	return sha256.Sum256(buf)
}
