package authz

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// idTokenLife is how long an ID token is good for: it is read once, on
// arrival.
const idTokenLife = 5 * time.Minute

// minSubjects is the least length of the secret behind subject identifiers,
// in bytes.
const minSubjects = 32

// asked is what a pushed request wants of the sign-in and wants to be told
// about it (OpenID Connect Core sections 3.1.2.1 and 5.5).
type asked struct {
	silent             bool // prompt=none: show no page
	openID             bool
	nonce              string
	authTime, acr, amr bool
	// plain: the app takes a password and no other context.
	plain bool
	// subject is the only person who may answer; empty for anybody.
	subject string
}

// askedOf reads what was asked. The parameters were checked when they were
// pushed; what cannot be read here is no request for less.
func askedOf(p token.Pushed) (asked, error) {
	_, aged := p.Params["max_age"]
	a := asked{
		silent: slices.Contains(strings.Fields(p.Params["prompt"]), "none"),
		openID: slices.Contains(strings.Fields(p.Params["scope"]), string(fdx.ScopeOpenID)),
		nonce:  p.Params["nonce"], authTime: aged, acr: p.Params["acr_values"] != "",
	}
	raw := p.Params["claims"]
	if raw == "" {
		return a, nil
	}
	c, err := parseClaims(raw)
	if err != nil {
		// Not the app's fault any more: it was accepted when it was pushed.
		return asked{}, fmt.Errorf("read claims of a pushed request: %v", err)
	}
	a.authTime, a.acr, a.subject = a.authTime || c.AuthTime, a.acr || c.ACRAsked, c.Subject
	a.amr = c.AMRAsked
	a.plain = c.ACREssential && len(c.ACR) > 0 && !slices.Contains(c.ACR, ACRTwoFactors)
	return a, nil
}

// identity returns what the ID token of an approved request will say, nil
// when openid was not asked for. Claims that nobody asked for stay out.
func (a asked) identity(by consent.Authorization) *engine.Identity {
	if !a.openID {
		return nil
	}
	id := &engine.Identity{Consumer: by.Consumer, Nonce: a.nonce}
	if a.authTime {
		id.AuthTime = by.AuthenticatedAt.Unix()
	}
	if a.acr {
		id.ACR = ACRPassword
		if by.SecondFactor != "" && !a.plain {
			id.ACR = ACRTwoFactors
		}
	}
	if a.amr {
		id.AMR = methods(by)
	}
	return id
}

// methods returns how the person proved who they are (RFC 8176). The bank's own
// sign-in keeps to itself what it asked for. A passkey takes a gesture that only
// its owner can make, so it is two factors by itself.
func methods(by consent.Authorization) string {
	key := by.FirstFactor == consent.FactorKey
	switch by.SecondFactor {
	case consent.FactorKey:
		if key {
			return "hwk mfa"
		}
		return "pwd hwk"
	case consent.FactorCode:
		if key {
			return "hwk otp mfa"
		}
		return "pwd otp"
	case consent.FactorBank:
		return ""
	}
	return "pwd"
}

// idTokenClaims are the claims of an ID token (OpenID Connect Core section 2).
type idTokenClaims struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	Audience  string `json:"aud"`
	ExpiresAt int64  `json:"exp"`
	IssuedAt  int64  `json:"iat"`
	AuthTime  int64  `json:"auth_time,omitempty"`
	Nonce     string `json:"nonce,omitempty"`
	ACR       string `json:"acr,omitempty"`
	// AMR is RFC 8176.
	AMR []string `json:"amr,omitempty"`
}

// idToken makes the ID token of a code. There is none on refresh: nobody has
// signed in again (OpenID Connect Core section 12.2 leaves it open).
func (s *Server) idToken(ctx context.Context, client consent.Recipient, id engine.Identity) (string, error) {
	now := s.wholeSecond()
	return s.cfg.Keys.Sign(ctx, cmp.Or(client.Profile.IDTokenAlg, defaultAlg), "", idTokenClaims{
		Issuer: s.cfg.Issuer, Subject: s.subject(client.ID, id.Consumer), Audience: string(client.ID),
		ExpiresAt: now.Add(idTokenLife).Unix(), IssuedAt: now.Unix(),
		AuthTime: id.AuthTime, Nonce: id.Nonce, ACR: id.ACR, AMR: strings.Fields(id.AMR),
	})
}

// subject returns the name under which a recipient knows a consumer, another
// one for each recipient, so that two of them cannot compare notes (OpenID
// Connect Core section 8.1, pairwise). The lengths keep two pairs of ids from
// reading as one text.
func (s *Server) subject(r consent.RecipientID, c consent.ConsumerID) string {
	mac := hmac.New(sha256.New, s.cfg.Subjects)
	for _, id := range []string{string(r), string(c)} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(id))))
		mac.Write([]byte(id))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
