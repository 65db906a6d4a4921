package authz

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
)

// The bounds of request parameters. Longer values are refused at PAR, never
// cut (FAPI 2.0 Security Profile section 5.3.2.2-14).
const (
	maxState     = 2000
	maxNonce     = 500
	maxLoginHint = 256
	maxParam     = 2000 // all others but claims and authorization_details
)

// pushed are the authorization request parameters that are kept. Everything
// else is ignored, as RFC 6749 section 3.1 asks.
var pushedParams = []string{
	"response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"response_mode", "prompt", "max_age", "acr_values", "claims", "login_hint", "ui_locales", "dpop_jkt",
	"grant_management_action", "grant_id",
}

var (
	challengeForm  = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`) // base64url of SHA-256
	thumbprintForm = challengeForm
	maxAgeForm     = regexp.MustCompile(`^[0-9]{1,10}$`) // seconds
)

// prompts are the values of prompt (OpenID Connect Core section 3.1.2.1).
var prompts = []string{"none", "login", "consent", "select_account"}

// responseMode returns the effective mode of a request: the one it names, or
// else the first that the client registered. It is false for a mode that the
// client may not use.
func responseMode(r consent.Recipient, form url.Values) (string, bool) {
	modes := r.Profile.ResponseModes
	if len(modes) == 0 {
		modes = []string{modeQuery}
	}
	mode := modes[0]
	if form.Has("response_mode") {
		mode = form.Get("response_mode")
	}
	if mode == "query.jwt" { // what jwt means for response_type code
		mode = modeJWT
	}
	return mode, slices.Contains(modes, mode)
}

// promptable reports whether prompt holds known values, none of them alone.
func promptable(prompt string) bool {
	values := strings.Fields(prompt)
	return !slices.ContainsFunc(values, func(v string) bool { return !slices.Contains(prompts, v) }) &&
		(len(values) <= 1 || !slices.Contains(values, "none"))
}

// checkPush is the FAPI 2.0 profile for a pushed request: a pure function of
// its parameters, who sent it and the key that a DPoP header proved ("" for
// none). id_token_hint is not looked at: who it names must log in all the
// same. It returns the parameters to keep, the shaped consent request and the
// key that the code will be bound to. The first fault wins.
func checkPush(r consent.Recipient, form url.Values, proven string) (map[string]string, consent.Request, string, error) {
	fail := func(code, text string) (map[string]string, consent.Request, string, error) {
		return nil, consent.Request{}, "", refuse(code, text)
	}
	mode, mayUse := responseMode(r, form)
	switch {
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
	case !mayUse:
		return fail(engine.InvalidRequest, "response_mode must be one that this client registered: query or jwt")
	case !utf8.ValidString(form.Get("state")) || !utf8.ValidString(form.Get("nonce")):
		return fail(engine.InvalidRequest, "state and nonce must be UTF-8, so that a JWT can carry them")
	case len(form.Get("state")) > maxState:
		return fail(engine.InvalidRequest, "state is longer than 2000 characters")
	case len(form.Get("nonce")) > maxNonce:
		return fail(engine.InvalidRequest, "nonce is longer than 500 characters")
	case len(form.Get("login_hint")) > maxLoginHint:
		return fail(engine.InvalidRequest, "login_hint is longer than 256 characters")
	case !promptable(form.Get("prompt")):
		return fail(engine.InvalidRequest, "prompt must be none alone, or of login, consent and select_account")
	case form.Get("max_age") != "" && !maxAgeForm.MatchString(form.Get("max_age")):
		return fail(engine.InvalidRequest, "max_age must be a number of seconds, at most 10 digits")
	case form.Has("dpop_jkt") && !r.DPoPBound:
		return fail(engine.InvalidRequest, "this client is registered for certificate-bound tokens: send no dpop_jkt")
	case form.Has("dpop_jkt") && !thumbprintForm.MatchString(form.Get("dpop_jkt")):
		return fail(engine.InvalidRequest, "dpop_jkt must be a base64url SHA-256 thumbprint of 43 characters")
	case form.Has("dpop_jkt") && proven != "" && form.Get("dpop_jkt") != proven:
		return fail(dpop.Code, "dpop_jkt is not the key of the DPoP proof")
	}
	if text := form.Get("claims"); text != "" {
		claims, err := parseClaims(text)
		if err != nil {
			return nil, consent.Request{}, "", err
		}
		if !claims.met() {
			return fail("unmet_authentication_requirements", "no login here gives an acr that claims demands")
		}
	}
	params := map[string]string{}
	for _, name := range pushedParams {
		switch v := form.Get(name); {
		case v == "": // as if it were not there (RFC 6749 section 3.1)
		case len(v) <= maxParam || name == "claims":
			params[name] = v
		default:
			return fail(engine.InvalidRequest, name+" is too long")
		}
	}
	params["response_mode"] = mode
	asked, err := askedScopes(r, params)
	if err != nil {
		return nil, consent.Request{}, "", err
	}
	if form.Has("authorization_details") {
		if types := r.Profile.DetailsTypes; len(types) > 0 && !slices.Contains(types, DetailsType) {
			return fail("invalid_authorization_details", "this client registered no authorization_details of type "+DetailsType)
		}
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

// askedScopes reads scope, which may come in any order, and leaves in params
// what later steps need of it: current names, and openid, which asks for an ID
// token and for no data.
func askedScopes(r consent.Recipient, params map[string]string) (consent.Asked, error) {
	var asked consent.Asked
	var kept []fdx.Scope
	for _, name := range strings.Fields(params["scope"]) {
		sc, err := fdx.ParseScope(name)
		switch {
		case sc == fdx.ScopeOfflineAccess:
			continue // refresh tokens come with every lasting grant
		case err != nil || slices.Contains(kept, sc):
			return asked, refuse(engine.InvalidScope, "scope has a value that is unknown or repeated")
		case sc != fdx.ScopeOpenID:
			asked.Scopes = append(asked.Scopes, sc)
		case !slices.Contains(r.Scopes, sc):
			return asked, refuse(engine.InvalidScope, "openid is not in the registration of this client")
		}
		kept = append(kept, sc)
	}
	delete(params, "scope")
	if len(kept) > 0 {
		params["scope"] = scopeText(kept)
	}
	return asked, nil
}
