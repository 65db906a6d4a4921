package authz

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// registration is a recipient's record as client metadata (RFC 7591) with
// the FDX members.
type registration struct {
	ClientID       string            `json:"client_id"`
	Name           string            `json:"client_name"`
	URI            string            `json:"client_uri"`
	LogoURI        string            `json:"logo_uri"`
	RedirectURIs   []string          `json:"redirect_uris"`
	AuthMethod     string            `json:"token_endpoint_auth_method"`
	AuthAlg        string            `json:"token_endpoint_auth_signing_alg"`
	JWKS           json.RawMessage   `json:"jwks"`
	SubjectDN      string            `json:"tls_client_auth_subject_dn"`
	Scope          string            `json:"scope"`
	DPoPBound      *bool             `json:"dpop_bound_access_tokens"`
	DurationTypes  []string          `json:"duration_type"`
	DurationPeriod *int              `json:"duration_period"`
	LookbackPeriod *int              `json:"lookback_period"`
	Purposes       []consent.Purpose `json:"purposes"`
	Registry       []struct {
		Name     string `json:"registered_entity_name"`
		ID       string `json:"registered_entity_id"`
		Registry string `json:"registry"`
	} `json:"registry_references"`

	// Known members of RFC 7591 that do not change anything here.
	Description   string   `json:"description"`
	Contacts      []string `json:"contacts"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
}

// Limits of a registration.
const (
	maxRegistration = 128 << 10 // bytes
	maxClientID     = 100       // characters
	maxName         = 80        // characters
	maxRedirects    = 20
	maxURI          = 2000
	maxLookback     = 730 // days: two years, the most that any reference asks for
)

// Registration reads a recipient's record: a JSON object of client metadata.
// redirect_uris is required, and jwks (private_key_jwt) or
// tls_client_auth_subject_dn (tls_client_auth); everything else has a
// default. An unknown member is a fault, and all faults are reported at
// once. The record's client_id, when absent, is left to the caller.
//
// Defaults: client_name "Recipient", every FDX scope that the gateway
// serves, TIME_BOUND of at most 365 days and ONE_TIME, a look-back of 730
// days, one purpose with all clusters, DPoP-bound tokens for private_key_jwt.
func Registration(record []byte) (consent.Recipient, error) {
	if len(record) > maxRegistration {
		return consent.Recipient{}, fmt.Errorf("registration: larger than %d bytes", maxRegistration)
	}
	if err := certs.StrictJSON(record); err != nil {
		return consent.Recipient{}, fmt.Errorf("registration: %w", err)
	}
	d := json.NewDecoder(strings.NewReader(string(record)))
	d.DisallowUnknownFields()
	var m registration
	if err := d.Decode(&m); err != nil {
		return consent.Recipient{}, fmt.Errorf("registration: %w", err)
	}
	r := consent.Recipient{
		ID: consent.RecipientID(m.ClientID), Status: consent.RecipientActive,
		Name: m.Name, HomeURI: m.URI, LogoURI: m.LogoURI, RedirectURIs: m.RedirectURIs,
		AuthMethod: consent.AuthMethod(m.AuthMethod), AssertionAlg: m.AuthAlg, JWKS: m.JWKS, CertSubject: certSubject(m.SubjectDN),
		Purposes: m.Purposes, MaxDays: 365, LookbackDays: maxLookback,
	}
	var faults []error
	fault := func(member, text string) { faults = append(faults, errors.New("registration: "+member+": "+text)) }

	if r.ID != "" && !plain(string(r.ID), maxClientID) {
		fault("client_id", "must be printable ASCII of at most 100 characters without spaces")
	}
	if r.Name == "" {
		r.Name = "Recipient"
	}
	r.LegalName = r.Name
	if len(m.Registry) > 0 {
		r.Registry, r.RegistryID = m.Registry[0].Registry, m.Registry[0].ID
		if m.Registry[0].Name != "" {
			r.LegalName = m.Registry[0].Name
		}
	}
	for member, name := range map[string]string{"client_name": r.Name, "registered_entity_name": r.LegalName} {
		if !shown(name) {
			fault(member, "must be 1 to 80 characters without control or direction characters")
		}
	}
	if len(r.RedirectURIs) == 0 || len(r.RedirectURIs) > maxRedirects {
		fault("redirect_uris", "needs 1 to 20 addresses")
	}
	for _, u := range r.RedirectURIs {
		if !redirectable(u) {
			fault("redirect_uris", "each must be https (or http on 127.0.0.1 or [::1]), absolute, without fragment")
			break
		}
	}
	for member, u := range map[string]string{"client_uri": r.HomeURI, "logo_uri": r.LogoURI} {
		if u != "" && !linkable(u) {
			fault(member, "must be an https address")
		}
	}
	registerKeys(&r, m.DPoPBound, fault)
	registerScopes(&r, m.Scope, fault)
	registerTerms(&r, m, fault)
	if err := errors.Join(faults...); err != nil {
		return consent.Recipient{}, err
	}
	return r, nil
}

func registerKeys(r *consent.Recipient, bound *bool, fault func(member, text string)) {
	hasKeys, hasDN := len(r.JWKS) > 0, r.CertSubject.Value != ""
	if r.AuthMethod == "" {
		r.AuthMethod = consent.PrivateKeyJWT
		if hasDN && !hasKeys {
			r.AuthMethod = consent.TLSClientAuth
		}
	}
	switch r.AuthMethod {
	case consent.PrivateKeyJWT:
		set, err := certs.ParseJWKS(r.JWKS)
		if err != nil || len(set.Keys) == 0 {
			fault("jwks", "needs at least one public RSA, P-256 or Ed25519 key, and no private one")
			return
		}
		if r.AssertionAlg == "" {
			r.AssertionAlg = certs.Algorithm(set.Keys[0])
		}
		if !slices.Contains(signingAlgs, r.AssertionAlg) || len(set.Select("", r.AssertionAlg)) == 0 {
			fault("token_endpoint_auth_signing_alg", "must be PS256, ES256 or EdDSA, with a key of that kind in jwks")
		}
		r.DPoPBound = bound == nil || *bound
	case consent.TLSClientAuth:
		if !hasDN {
			fault("tls_client_auth_subject_dn", "is required for tls_client_auth")
		}
		r.DPoPBound = bound != nil && *bound
	default:
		fault("token_endpoint_auth_method", "must be private_key_jwt or tls_client_auth")
	}
}

func certSubject(dn string) consent.CertSubject {
	if dn == "" {
		return consent.CertSubject{}
	}
	return consent.CertSubject{Member: "tls_client_auth_subject_dn", Value: dn}
}

// served are the clusters of the routes that the gateway has, and of the
// fields on them.
var served = fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Bills, fdx.Investments,
	fdx.ScheduledPayments, fdx.Transactions, fdx.PaymentSupport, fdx.Images, fdx.Rewards)

func registerScopes(r *consent.Recipient, scope string, fault func(member, text string)) {
	if scope == "" {
		r.Scopes = fdx.ScopesOf(served)
		return
	}
	for _, name := range strings.Fields(scope) {
		if name == "offline_access" {
			continue
		}
		sc, err := fdx.ParseScope(name)
		if err != nil || slices.Contains(r.Scopes, sc) {
			fault("scope", "has a value that is unknown or repeated")
			return
		}
		r.Scopes = append(r.Scopes, sc)
	}
	if fdx.ClustersOf(r.Scopes).Empty() {
		fault("scope", "needs at least one FDX scope")
	}
}

func registerTerms(r *consent.Recipient, m registration, fault func(member, text string)) {
	for _, d := range m.DurationTypes {
		switch t := consent.DurationType(d); t {
		case consent.OneTime, consent.TimeBound, consent.Persistent:
			r.Durations = append(r.Durations, t)
		default:
			fault("duration_type", "must be ONE_TIME, TIME_BOUND or PERSISTENT")
		}
	}
	if len(m.DurationTypes) == 0 {
		r.Durations = []consent.DurationType{consent.TimeBound, consent.OneTime}
	}
	if m.DurationPeriod != nil {
		r.MaxDays = *m.DurationPeriod
	}
	if r.MaxDays < 1 || r.MaxDays > 365 {
		fault("duration_period", "must be 1 to 365 days")
	}
	if m.LookbackPeriod != nil {
		r.LookbackDays = *m.LookbackPeriod
	}
	if r.LookbackDays < 0 || r.LookbackDays > maxLookback {
		fault("lookback_period", "must be 0 to 730 days")
	}
	if len(r.Purposes) == 0 {
		r.Purposes = []consent.Purpose{{Code: "general", Label: "To provide the service that you asked for", Clusters: fdx.ClustersOf(r.Scopes)}}
	}
	seen := map[string]bool{}
	for _, p := range r.Purposes {
		if !plain(p.Code, 40) || seen[p.Code] || p.Clusters.Empty() || utf8.RuneCountInString(p.Label) > 200 || !visible(p.Label) {
			fault("purposes", "each needs a code of its own, a label of 1 to 200 characters and at least one cluster")
			return
		}
		seen[p.Code] = true
	}
}

// plain reports printable ASCII without spaces, quotes and backslashes.
func plain(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// shown reports whether s may stand as a name on a consumer page.
func shown(s string) bool { return utf8.RuneCountInString(s) <= maxName && visible(s) }

// visible reports text without control, format or private characters: those
// hide or reorder what a person reads.
func visible(s string) bool {
	if strings.TrimSpace(s) == "" || !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if unicode.In(c, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) {
			return false
		}
	}
	return true
}

// redirectable reports whether u may be a redirect URI (FAPI 2.0 section
// 5.3.2.2-8, RFC 8252 section 7.3).
func redirectable(s string) bool {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURI || u.Host == "" || u.User != nil || strings.Contains(s, "#") || strings.ContainsAny(s, " \t\r\n") {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
}

func linkable(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxURI && u.Scheme == "https" && u.Host != "" && u.User == nil
}
