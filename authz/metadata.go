package authz

import (
	"encoding/json"

	"github.com/headgate/headgate/fdx"
)

// metadata is the server metadata document (RFC 8414, OpenID Connect
// Discovery, RFC 9126 section 5, RFC 9207 section 3, RFC 9449 section 5.1,
// RFC 9396 section 10). Both well-known paths serve the same bytes.
type metadata struct {
	Issuer                string      `json:"issuer"`
	Authorization         string      `json:"authorization_endpoint"`
	Push                  string      `json:"pushed_authorization_request_endpoint"`
	RequirePush           bool        `json:"require_pushed_authorization_requests"`
	Token                 string      `json:"token_endpoint"`
	Revocation            string      `json:"revocation_endpoint"`
	Registration          string      `json:"registration_endpoint,omitempty"`
	Keys                  string      `json:"jwks_uri"`
	Scopes                []fdx.Scope `json:"scopes_supported"`
	ResponseTypes         []string    `json:"response_types_supported"`
	ResponseModes         []string    `json:"response_modes_supported"`
	GrantTypes            []string    `json:"grant_types_supported"`
	AuthMethods           []string    `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs              []string    `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthMethods []string    `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgs    []string    `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	ChallengeMethods      []string    `json:"code_challenge_methods_supported"`
	ResponseIssuer        bool        `json:"authorization_response_iss_parameter_supported"`
	DPoPAlgs              []string    `json:"dpop_signing_alg_values_supported"`
	DetailsTypes          []string    `json:"authorization_details_types_supported"`
	UILocales             []string    `json:"ui_locales_supported"`
}

// The paths of the endpoints, below the issuer except for authorize, which
// is below the browser base.
const (
	pathPush      = "/par"
	pathAuthorize = "/authorize"
	pathToken     = "/token"
	pathRevoke    = "/revoke"
	pathRegister  = "/register"
	pathKeys      = "/jwks"
)

// signingAlgs are the algorithms of FAPI 2.0 section 5.4.1.
var signingAlgs = []string{"PS256", "ES256", "EdDSA"}

func (s *Server) metadata() ([]byte, error) {
	m := metadata{
		Issuer:        s.cfg.Issuer,
		Authorization: s.cfg.BrowserBase + pathAuthorize,
		Push:          s.cfg.Issuer + pathPush, RequirePush: true,
		Token: s.cfg.Issuer + pathToken, Revocation: s.cfg.Issuer + pathRevoke, Keys: s.cfg.Issuer + pathKeys,
		Scopes:        append(fdx.ScopesOf(fdx.NewClusters(fdx.AllClusters()...)), "offline_access"),
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"},
		GrantTypes:  []string{"authorization_code", "refresh_token"},
		AuthMethods: []string{"private_key_jwt"}, AuthAlgs: signingAlgs,
		RevocationAuthMethods: []string{"private_key_jwt"}, RevocationAuthAlgs: signingAlgs,
		ChallengeMethods: []string{"S256"}, ResponseIssuer: true,
		DPoPAlgs: signingAlgs, DetailsTypes: []string{DetailsType},
		UILocales: []string{"en", "es", "fr", "sv", "zh"},
	}
	if s.cfg.Registrations != nil {
		m.Registration = s.cfg.Issuer + pathRegister
	}
	return json.Marshal(m)
}
