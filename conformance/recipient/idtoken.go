package recipient

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Identity is what an ID token says of the consumer.
type Identity struct {
	// Subject is the consumer's name between this server and us.
	Subject string
	// IssuedAt is when the server said so.
	IssuedAt time.Time
	// AuthTime is when the consumer signed in; zero when it is not said.
	AuthTime time.Time
}

// ReadIDToken checks the ID token of a token answer (OpenID Connect Core
// section 3.1.3.7): signature, iss, aud, azp, exp, iat, at_hash, the nonce of
// the attempt, and auth_time when the attempt has a MaxAge. The attempt is nil
// for the ID token of a refresh, whose nonce may be there or not. It returns
// ErrJWT.
func (c *Client) ReadIDToken(ctx context.Context, token Token, a *Attempt) (Identity, error) {
	got, err := c.verify(ctx, string(token.IDToken), "")
	if err != nil {
		return Identity{}, err
	}
	if err := c.alive(got); err != nil {
		return Identity{}, err
	}
	var who Identity
	var issued, signedIn bool
	who.Subject = got.text("sub")
	who.IssuedAt, issued = got.time("iat")
	who.AuthTime, signedIn = got.time("auth_time")
	var aud []string
	_ = json.Unmarshal(got["aud"], &aud) // nil for a string, which is one
	switch {
	case who.Subject == "":
		return Identity{}, fmt.Errorf("%w: the ID token has no sub", ErrJWT)
	case !issued:
		return Identity{}, fmt.Errorf("%w: the ID token has no iat", ErrJWT)
	case (len(aud) > 1 || got["azp"] != nil) && got.text("azp") != c.cfg.ClientID:
		return Identity{}, fmt.Errorf("%w: the ID token was made for another client (azp)", ErrJWT)
	case got["at_hash"] != nil && got.text("at_hash") != halfHash(token.IDToken, token.AccessToken):
		return Identity{}, fmt.Errorf("%w: the ID token belongs to another access token (at_hash)", ErrJWT)
	case a != nil && got.text("nonce") != a.Nonce:
		return Identity{}, fmt.Errorf("%w: the ID token belongs to another attempt (nonce)", ErrJWT)
	case a != nil && a.MaxAge > 0 && (!signedIn || c.cfg.Now().After(who.AuthTime.Add(time.Duration(a.MaxAge)*time.Second+maxSkew))):
		return Identity{}, fmt.Errorf("%w: the consumer signed in longer ago than was asked for, or at a time that is not said", ErrJWT)
	}
	return who, nil
}

// halfHash is the left half of the access token's hash, by the hash of the
// algorithm that signed the ID token (OpenID Connect Core section 3.1.3.6;
// Ed25519 uses SHA-512).
func halfHash(idToken, accessToken Secret) string {
	var sum []byte
	if jws, err := jose.ParseSignedCompact(string(idToken), allowedAlgs); err == nil && jws.Signatures[0].Protected.Algorithm == string(jose.EdDSA) {
		long := sha512.Sum512([]byte(accessToken))
		sum = long[:]
	} else {
		short := sha256.Sum256([]byte(accessToken))
		sum = short[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
