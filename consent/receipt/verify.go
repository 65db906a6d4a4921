package receipt

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
)

// Type is the typ of a receipt's header: nothing else that we sign can pass
// for a receipt, nor a receipt for anything else (RFC 8725 section 3.11).
const Type = "consent-receipt+jws"

// MaxBytes bounds a receipt that is handed in, in bytes.
const MaxBytes = 64 << 10

// The ways in which a receipt fails a check. They hold nothing of the input.
var (
	// ErrForm: not a receipt at all, or written in another way than ours.
	ErrForm = errors.New("receipt: not a receipt")
	// ErrKey: signed with a key that is not in the set.
	ErrKey = errors.New("receipt: signed with a key that is not known")
	// ErrSignature: the signature does not belong to the text.
	ErrSignature = errors.New("receipt: the signature does not hold")
)

// Find returns the receipt in what a person hands in: its compact form, or
// the document that the portal offers, whose member "jws" holds it. Space
// around either and line breaks within the compact form, as mail programs
// make them, are taken away. ErrForm when there is none, or when it is larger
// than MaxBytes.
func Find(data []byte) (string, error) {
	if len(data) > MaxBytes {
		return "", ErrForm
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	text := string(data)
	if bytes.HasPrefix(data, []byte("{")) {
		var document struct {
			JWS string `json:"jws"`
		}
		if certs.StrictJSON(data) != nil || json.Unmarshal(data, &document) != nil {
			return "", ErrForm
		}
		text = document.JWS
	}
	text = strings.Join(strings.Fields(text), "")
	if strings.Count(text, ".") != 2 {
		return "", ErrForm
	}
	return text, nil
}

// Verify checks a receipt in compact form and returns what it says. Its
// errors are ErrForm, ErrKey and ErrSignature; with ErrKey it returns what
// the receipt claims to say, which nobody vouches for.
func Verify(keys Keys, jws string) (Receipt, error) {
	if len(jws) > MaxBytes {
		return Receipt{}, ErrForm
	}
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return Receipt{}, ErrForm
	}
	header, ok := segment(parts[0])
	payload, ok2 := segment(parts[1])
	_, ok3 := segment(parts[2])
	if !ok || !ok2 || !ok3 {
		return Receipt{}, ErrForm
	}
	// Exactly the members that certs.Rotator.Sign writes. No crit, no key of
	// its own and no address of one.
	var h map[string]string
	if certs.StrictJSON(header) != nil || json.Unmarshal(header, &h) != nil || len(h) != 3 || h["typ"] != Type || h["kid"] == "" {
		return Receipt{}, ErrForm
	}
	var r Receipt
	if certs.StrictJSON(payload) != nil || json.Unmarshal(payload, &r) != nil || r.Format != Format {
		return Receipt{}, ErrForm
	}
	if id, ok := ParseID(r.ID); !ok || id.Grant != r.Consent.ID || id.Epoch != r.Consent.Version {
		return Receipt{}, ErrForm
	}
	key, known := keys.find(h["kid"], h["alg"])
	if !known {
		return r, ErrKey
	}
	signed, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(h["alg"])})
	if err != nil {
		return Receipt{}, ErrForm
	}
	if _, err := signed.Verify(key.Key); err != nil {
		return Receipt{}, ErrSignature
	}
	return r, nil
}

// segment reads one part of a compact JWS. Bits that the encoding leaves
// unused must be zero, so that no letter can be changed unseen.
func segment(s string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil && len(b) > 0 && !strings.ContainsAny(s, "\r\n")
}

// Code returns the short code of a receipt, such as K7QF-2ZDM-XR4A, by which
// people compare two copies. 60 bits of its hash: it shows a mistake, the
// signature shows a forgery.
func Code(jws string) string {
	sum := sha256.Sum256([]byte(jws))
	s := base32.StdEncoding.EncodeToString(sum[:])
	return s[:4] + "-" + s[4:8] + "-" + s[8:12]
}
