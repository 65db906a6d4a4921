package authz

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// The bounds of request parameters. Longer values are refused at PAR, never
// cut (FAPI 2.0 Security Profile section 5.3.2.2-14).
const (
	maxState = 2000
	maxNonce = 500
	maxParam = 2000
)

// pushed are the authorization request parameters that are kept. Everything
// else is ignored, as RFC 6749 section 3.1 asks.
var pushedParams = []string{
	"response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"response_mode", "login_hint", "ui_locales", "dpop_jkt",
}

var (
	challengeForm  = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`) // base64url of SHA-256
	thumbprintForm = challengeForm
)

// checkPush is the FAPI 2.0 profile for a pushed request: a pure function of
// the form, who sent it and the key that a DPoP header proved ("" for none).
// It returns the parameters to keep, the shaped consent request and the key
// that the code will be bound to. The first fault wins.
func checkPush(r consent.Recipient, form url.Values, proven string) (map[string]string, consent.Request, string, error) {
	fail := func(code, text string) (map[string]string, consent.Request, string, error) {
		return nil, consent.Request{}, "", refuse(code, text)
	}
	switch {
	case form.Has("request_uri"):
		return fail(engine.InvalidRequest, "request_uri must not be pushed (RFC 9126 section 2.1)")
	case form.Has("request"):
		return fail("request_not_supported", "request objects are not supported")
	case form.Get("response_type") == "":
		return fail(engine.InvalidRequest, "response_type is missing")
	case form.Get("response_type") != "code":
		return fail(engine.UnsupportedResponseType, "response_type must be code")
	case form.Get("redirect_uri") == "":
		return fail(engine.InvalidRequest, "redirect_uri is missing")
	case !slices.Contains(r.RedirectURIs, form.Get("redirect_uri")):
		return fail(engine.InvalidRequest, "redirect_uri is not registered for this client, character by character")
	case form.Get("code_challenge") == "":
		return fail(engine.InvalidRequest, "code_challenge is missing (RFC 7636)")
	case form.Get("code_challenge_method") != "S256":
		return fail(engine.InvalidRequest, "code_challenge_method must be S256")
	case !challengeForm.MatchString(form.Get("code_challenge")):
		return fail(engine.InvalidRequest, "code_challenge must be a base64url SHA-256 value of 43 characters")
	case form.Has("response_mode") && form.Get("response_mode") != "query":
		return fail(engine.InvalidRequest, "response_mode must be query")
	case len(form.Get("state")) > maxState:
		return fail(engine.InvalidRequest, "state is longer than 2000 characters")
	case len(form.Get("nonce")) > maxNonce:
		return fail(engine.InvalidRequest, "nonce is longer than 500 characters")
	case form.Has("dpop_jkt") && !thumbprintForm.MatchString(form.Get("dpop_jkt")):
		return fail(engine.InvalidRequest, "dpop_jkt must be a base64url SHA-256 thumbprint of 43 characters")
	case form.Has("dpop_jkt") && proven != "" && form.Get("dpop_jkt") != proven:
		return fail(invalidProof, "dpop_jkt is not the key of the DPoP proof")
	}
	params := map[string]string{}
	for _, name := range pushedParams {
		if !form.Has(name) {
			continue
		}
		if v := form.Get(name); len(v) <= maxParam {
			params[name] = v
		} else {
			return fail(engine.InvalidRequest, name+" is too long")
		}
	}
	var asked consent.Asked
	for _, name := range strings.Fields(form.Get("scope")) {
		if name == "offline_access" {
			continue // refresh tokens come with every lasting grant
		}
		sc, err := fdx.ParseScope(name)
		if err != nil || slices.Contains(asked.Scopes, sc) {
			return fail(engine.InvalidScope, "scope has a value that is unknown or repeated")
		}
		asked.Scopes = append(asked.Scopes, sc)
	}
	if len(asked.Scopes) > 0 {
		params["scope"] = scopeText(asked.Scopes) // current names only
	}
	if form.Has("authorization_details") {
		if err := parseDetails(form.Get("authorization_details"), &asked); err != nil {
			return nil, consent.Request{}, "", err
		}
	}
	q, err := consent.Shape(r, asked)
	if err != nil {
		return nil, consent.Request{}, "", err
	}
	jkt := proven
	if jkt == "" {
		jkt = form.Get("dpop_jkt")
	}
	return params, q, jkt, nil
}
