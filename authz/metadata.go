package authz

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// metadata is the server metadata document (RFC 8414, OpenID Connect
// Discovery, RFC 9126 section 5, RFC 9207 section 3, RFC 9449 section 5.1,
// RFC 9396 section 10, RFC 9101 section 10.5, JARM section 4, RFC 8705 sections
// 3.3 and 5). Both well-known paths serve the same bytes.
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
	Introspection         string      `json:"introspection_endpoint"`
	IntrospectAuthMethods []string    `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectAuthAlgs    []string    `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAlgs     []string    `json:"introspection_signing_alg_values_supported,omitempty"` // RFC 9701 section 7
	ChallengeMethods      []string    `json:"code_challenge_methods_supported"`
	ResponseIssuer        bool        `json:"authorization_response_iss_parameter_supported"`
	DPoPAlgs              []string    `json:"dpop_signing_alg_values_supported"`
	DetailsTypes          []string    `json:"authorization_details_types_supported"`
	UILocales             []string    `json:"ui_locales_supported"`

	// Aliases are the endpoints on the host for certificates: what ends in
	// _endpoint above, but for those that people meet.
	CertificateBound bool              `json:"tls_client_certificate_bound_access_tokens"`
	Aliases          map[string]string `json:"mtls_endpoint_aliases,omitempty"`

	// Request objects are taken at PAR; addresses of request objects are not
	// fetched, and a pushed request_uri is no such address (RFC 9126 section 5).
	RequestObject        bool     `json:"request_parameter_supported"`
	RequestAddress       bool     `json:"request_uri_parameter_supported"`
	RequireRequestObject bool     `json:"require_signed_request_object"`
	RequestObjectAlgs    []string `json:"request_object_signing_alg_values_supported"`
	ClaimsParameter      bool     `json:"claims_parameter_supported"`
	Claims               []string `json:"claims_supported"`
	Prompts              []string `json:"prompt_values_supported"`
	ACRs                 []string `json:"acr_values_supported"`
	SubjectTypes         []string `json:"subject_types_supported"`
	IDTokenAlgs          []string `json:"id_token_signing_alg_values_supported"`
	ResponseAlgs         []string `json:"authorization_signing_alg_values_supported"`

	// Grant Management for OAuth 2.0 section 7.1.
	GrantEndpoint       string   `json:"grant_management_endpoint"`
	GrantActions        []string `json:"grant_management_actions_supported"`
	GrantActionRequired bool     `json:"grant_management_action_required"`
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
	pathGrants    = "/grants" // the grant id follows

	pathIntrospect = "/introspect"
)

func (s *Server) metadata() []byte {
	ours := []string{} // what we sign with: any other would be no FAPI algorithm
	for _, alg := range s.cfg.Keys.Algorithms() {
		if slices.Contains(signingAlgs, alg) {
			ours = append(ours, alg)
		}
	}
	methods := []string{string(consent.PrivateKeyJWT)}
	if s.cfg.MTLSBase != "" {
		methods = append(methods, string(consent.TLSClientAuth), string(consent.SelfSignedTLS))
	}
	scopes := append(fdx.ScopesOf(fdx.NewClusters(fdx.AllClusters()...)), fdx.ScopeOpenID, fdx.ScopeOfflineAccess)
	for _, name := range clientScopes {
		scopes = append(scopes, fdx.Scope(name))
	}
	m := metadata{
		Issuer:        s.cfg.Issuer,
		Authorization: s.cfg.BrowserBase + pathAuthorize,
		Push:          s.cfg.Issuer + pathPush, RequirePush: true,
		Token: s.cfg.Issuer + pathToken, Revocation: s.cfg.Issuer + pathRevoke, Keys: s.cfg.Issuer + pathKeys,
		Scopes:        scopes,
		ResponseTypes: []string{"code"}, ResponseModes: []string{modeQuery, modeJWT},
		GrantTypes:  []string{"authorization_code", "refresh_token", clientCredentials},
		AuthMethods: methods, AuthAlgs: signingAlgs,
		RevocationAuthMethods: methods, RevocationAuthAlgs: signingAlgs,
		Introspection:         s.cfg.Issuer + pathIntrospect,
		IntrospectAuthMethods: methods, IntrospectAuthAlgs: signingAlgs, IntrospectionAlgs: ours,
		ChallengeMethods: []string{"S256"}, ResponseIssuer: true,
		DPoPAlgs: signingAlgs, DetailsTypes: []string{DetailsType},
		UILocales:     []string{"en", "es", "fr", "sv", "zh"},
		RequestObject: true, RequestObjectAlgs: signingAlgs,
		ClaimsParameter: true, Claims: []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr"},
		Prompts: prompts, ACRs: []string{ACRPassword, ACRTwoFactors}, SubjectTypes: []string{"pairwise"},
		IDTokenAlgs: ours, ResponseAlgs: ours,
		GrantEndpoint: s.cfg.Issuer + pathGrants, GrantActions: grantActions,
	}
	if s.cfg.Registrations != nil {
		m.Registration = s.cfg.Issuer + pathRegister
	}
	if base := s.cfg.MTLSBase; base != "" {
		m.CertificateBound = true
		m.Aliases = map[string]string{
			"pushed_authorization_request_endpoint": base + pathPush,
			"token_endpoint":                        base + pathToken,
			"revocation_endpoint":                   base + pathRevoke,
			"introspection_endpoint":                base + pathIntrospect,
			"grant_management_endpoint":             base + pathGrants,
		}
		if m.Registration != "" {
			m.Aliases["registration_endpoint"] = base + pathRegister
		}
	}
	document, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("authz: marshal metadata: %v", err)) // texts and booleans always marshal
	}
	return document
}
