package authz

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// The response modes of a pushed request.
const (
	modeQuery = "query"
	modeJWT   = "jwt" // JWT Secured Authorization Response Mode (JARM)
)

// responseLife is how long a signed response is good for; the code in it
// lives shorter.
const responseLife = 60 * time.Second

// defaultAlg signs for clients that registered no algorithm.
const defaultAlg = "ES256"

// response is what an app is told at the end of a journey: a code, or why
// there is none (RFC 6749 sections 4.1.2 and 4.1.2.1).
type response struct {
	code    token.Token
	refusal *Error // nil with a code; only its code and text are sent
}

// members are the parameters of the response, with state as it was sent and
// none when none was.
func (a response) members(p token.Pushed) map[string]string {
	m := map[string]string{"code": a.code.Reveal()}
	if a.refusal != nil {
		m = map[string]string{"error": a.refusal.Code, "error_description": a.refusal.Text}
	}
	if state := p.Params["state"]; state != "" {
		m["state"] = state
	}
	return m
}

// respond returns the address that brings a response to the app, in the mode
// that was pushed. iss says who answers (RFC 9207), in a signed response
// inside of it only (JARM section 2.4). The registered query of the redirect
// URI is kept.
func (s *Server) respond(ctx context.Context, client consent.Recipient, p token.Pushed, a response) (string, error) {
	query := url.Values{}
	switch p.Params["response_mode"] {
	case "", modeQuery:
		query.Set("iss", s.cfg.Issuer)
		for name, value := range a.members(p) {
			query.Set(name, value)
		}
	case modeJWT:
		claims := map[string]any{"iss": s.cfg.Issuer, "aud": string(client.ID), "exp": s.wholeSecond().Add(responseLife).Unix()}
		for name, value := range a.members(p) {
			claims[name] = value
		}
		signed, err := s.cfg.Keys.Sign(ctx, cmp.Or(client.Profile.ResponseAlg, defaultAlg), "", claims)
		if err != nil {
			return "", fmt.Errorf("sign authorization response: %w", err)
		}
		query.Set("response", signed)
	default:
		return "", errors.New("unknown response mode in a pushed request")
	}
	to := p.Params["redirect_uri"]
	if strings.Contains(to, "?") {
		return to + "&" + query.Encode(), nil
	}
	return to + "?" + query.Encode(), nil
}
