package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// The flags of authenticator data (section 6.1).
const (
	Present  = 1 << 0
	Verified = 1 << 2
	Eligible = 1 << 3 // for backup
	BackedUp = 1 << 4
	attested = 1 << 6
)

// Device is an authenticator with one passkey, and the browser before it. Its
// fields are what it says, so that a test can have it say something else. It
// is not safe for concurrent use.
type Device struct {
	Origin string
	// Flags are set in every answer.
	Flags byte
	// Count is the count of uses; Step is added to it before each.
	Count, Step uint32
	// Client changes the client data before they are signed; nil leaves them.
	Client func(map[string]any)
	// Party is the relying party that is signed for; empty is that of the
	// options.
	Party string

	ID     []byte
	Handle []byte
	key    *ecdsa.PrivateKey
}

// New returns a device in a browser that shows a page of this origin. It
// verifies its user and counts its uses.
func New(origin string) *Device {
	return &Device{Origin: origin, Flags: Present | Verified, Step: 1}
}

// Copy returns a device with the same passkey.
func (d *Device) Copy() *Device {
	c := *d
	return &c
}

type options struct {
	Challenge string                       `json:"challenge"`
	RPID      string                       `json:"rpId"`
	RP        struct{ ID string }          `json:"rp"`
	User      struct{ ID string }          `json:"user"`
	Exclude   []struct{ ID string }        `json:"excludeCredentials"`
	Selection struct{ ResidentKey string } `json:"authenticatorSelection"`
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (d *Device) client(kind, challenge string) []byte {
	c := map[string]any{"type": kind, "challenge": challenge, "origin": d.Origin, "crossOrigin": false}
	if d.Client != nil {
		d.Client(c)
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return b
}

// data returns authenticator data for a relying party.
func (d *Device) data(party string, more byte) []byte {
	if d.Party != "" {
		party = d.Party
	}
	d.Count += d.Step
	sum := sha256.Sum256([]byte(party))
	return binary.BigEndian.AppendUint32(append(sum[:], d.Flags|more), d.Count)
}

// Create makes a passkey for creation options and returns the answer (section
// 5.1.3, toJSON).
func (d *Device) Create(raw []byte) (string, error) {
	var o options
	if err := json.Unmarshal(raw, &o); err != nil {
		return "", err
	}
	for _, e := range o.Exclude {
		if e.ID == text(d.ID) {
			return "", fmt.Errorf("the device has a passkey already")
		}
	}
	var err error
	if d.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return "", err
	}
	d.ID = make([]byte, 20)
	rand.Read(d.ID)
	if d.Handle, err = base64.RawURLEncoding.DecodeString(o.User.ID); err != nil {
		return "", err
	}
	public, err := d.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return "", err
	}
	// COSE_Key: kty EC2, alg ES256, crv P-256 (RFC 9053 section 7.1.1).
	key := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21}
	key = append(append(key, bytes(public[1:33])...), 0x22)
	key = append(key, bytes(public[33:])...)
	data := append(d.data(o.RP.ID, attested), make([]byte, 16)...) // no AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(d.ID)))
	data = append(append(data, d.ID...), key...)
	object := []byte{0xa3}
	object = append(append(object, word("fmt")...), word("none")...)
	object = append(append(object, word("attStmt")...), 0xa0)
	object = append(append(object, word("authData")...), bytes(data)...)
	client := d.client("webauthn.create", o.Challenge)
	return d.answer(map[string]any{
		"clientDataJSON": text(client), "attestationObject": text(object), "transports": []string{"internal", "made up"},
	})
}

// Get answers request options (section 5.1.4, toJSON).
func (d *Device) Get(raw []byte) (string, error) {
	var o options
	if err := json.Unmarshal(raw, &o); err != nil {
		return "", err
	}
	data, client := d.data(o.RPID, 0), d.client("webauthn.get", o.Challenge)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), sum[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, digest[:])
	if err != nil {
		return "", err
	}
	return d.answer(map[string]any{
		"clientDataJSON": text(client), "authenticatorData": text(data), "signature": text(signature), "userHandle": text(d.Handle),
	})
}

func (d *Device) answer(response map[string]any) (string, error) {
	b, err := json.Marshal(map[string]any{
		"id": text(d.ID), "rawId": text(d.ID), "type": "public-key", "response": response,
		"authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{},
	})
	return string(b), err
}

// bytes and word are CBOR of major types 2 and 3 (RFC 8949 section 3.1).
func bytes(b []byte) []byte { return append(head(0x40, len(b)), b...) }
func word(s string) []byte  { return append(head(0x60, len(s)), s...) }

func head(kind byte, n int) []byte {
	switch {
	case n < 24:
		return []byte{kind | byte(n)}
	case n < 256:
		return []byte{kind | 24, byte(n)}
	}
	return binary.BigEndian.AppendUint16([]byte{kind | 25}, uint16(n))
}
