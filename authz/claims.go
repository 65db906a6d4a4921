package authz

import (
	"bytes"
	"encoding/json"
	"slices"

	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/certs"
)

// The authentication contexts of a sign-in. ACRTwoFactors cannot be demanded:
// what is asked for decides whether a second proof is.
const (
	// ACRPassword: a password, entered in the session.
	ACRPassword = "urn:headgate:acr:password"
	// ACRTwoFactors: a second proof besides, right before the answer.
	ACRTwoFactors = "urn:headgate:acr:two-factors"
)

const maxClaims = 8 << 10 // bytes

// claimsRequest is what the claims parameter asks of the ID token (OpenID
// Connect Core section 5.5). Other claims are never given and need not be
// known here. The zero value asks for nothing.
type claimsRequest struct {
	AuthTime bool // auth_time is asked for
	ACRAsked bool // acr is asked for, by value or not
	AMRAsked bool // amr is asked for
	// ACR are the contexts asked for, the preferred one first; nil when any
	// will do. ACREssential says that no other will.
	ACR          []string
	ACREssential bool
	// Subject is the only person who may be logged in, by the sub that the
	// client knows; empty when anybody may.
	Subject string
}

// met reports whether a login can give what is asked for.
func (c claimsRequest) met() bool {
	return !c.ACREssential || len(c.ACR) == 0 || slices.Contains(c.ACR, ACRPassword)
}

// claimAsked is one member of a claims request; null asks for the claim and
// no more.
type claimAsked struct {
	Essential bool     `json:"essential"`
	Value     *string  `json:"value"`
	Values    []string `json:"values"`
}

// parseClaims reads a claims parameter. Members that nobody defined are
// ignored (section 5.5); a defined one of the wrong type is refused with an
// *Error.
func parseClaims(raw string) (claimsRequest, error) {
	bad := func(text string) (claimsRequest, error) {
		return claimsRequest{}, refuse(engine.InvalidRequest, "claims "+text)
	}
	switch {
	case len(raw) > maxClaims:
		return bad("is larger than 8 KiB")
	case certs.StrictJSON([]byte(raw)) != nil:
		return bad("must be a JSON object without repeated members")
	}
	// Members are read through maps, which compare names letter by letter.
	var whole map[string]json.RawMessage
	if json.Unmarshal([]byte(raw), &whole) != nil {
		return bad("must be a JSON object")
	}
	sections := map[string]map[string]json.RawMessage{}
	for _, name := range []string{"id_token", "userinfo"} {
		var claims map[string]json.RawMessage
		if member, ok := whole[name]; ok && json.Unmarshal(member, &claims) != nil {
			return bad("must hold id_token and userinfo as objects")
		}
		for _, claim := range claims {
			if first := bytes.TrimLeft(claim, " \t\r\n")[0]; first != '{' && first != 'n' {
				return bad("must ask for each claim with null or an object")
			}
		}
		sections[name] = claims
	}
	var asked claimsRequest
	idToken := sections["id_token"]
	_, asked.AuthTime = idToken["auth_time"]
	_, asked.ACRAsked = idToken["acr"]
	_, asked.AMRAsked = idToken["amr"]
	var acr, sub claimAsked
	if !readClaim(idToken, "acr", &acr) || !readClaim(idToken, "sub", &sub) {
		return bad("asks for acr or sub with a member of the wrong type")
	}
	asked.ACR, asked.ACREssential = acr.Values, acr.Essential
	if acr.Value != nil {
		asked.ACR = append([]string{*acr.Value}, acr.Values...)
	}
	if sub.Value != nil {
		asked.Subject = *sub.Value
	}
	if len(sub.Values) > 0 || sub.Value != nil && asked.Subject == "" {
		return bad("may ask for one sub, by value")
	}
	return asked, nil
}

// readClaim reads what is asked of one claim, with names letter by letter,
// which encoding/json would not.
func readClaim(claims map[string]json.RawMessage, name string, into *claimAsked) bool {
	member, ok := claims[name]
	return !ok || josejson.Unmarshal(member, into) == nil
}
