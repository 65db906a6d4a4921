package authz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/clientcert"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/token"
)

// registration is a client's record as client metadata: RFC 7591, RFC 8705,
// RFC 9101, RFC 9126, RFC 9396, RFC 9449, RFC 9701, OpenID Connect
// Registration and JARM, with the members of FDX and purposes of our own.
type registration struct {
	ClientID string `json:"client_id"`
	Role     string `json:"role"`                // of the shell's records only
	Quota    *int   `json:"requests_per_minute"` // likewise; a member of ours

	// What people are shown.
	Name              string              `json:"client_name"`
	URI               string              `json:"client_uri"`
	LogoURI           string              `json:"logo_uri"`
	TermsURI          string              `json:"tos_uri"`
	PolicyURI         string              `json:"policy_uri"`
	ClientDescription string              `json:"client_description"`
	Benefit           string              `json:"benefit"` // what people get; a member of ours
	Description       string              `json:"description"`
	Contacts          []string            `json:"contacts"`
	Registry          []registryReference `json:"registry_references"`
	Intermediaries    []intermediary      `json:"intermediaries"`
	SoftwareID        string              `json:"software_id"`
	SoftwareVersion   string              `json:"software_version"`
	SoftwareStatement string              `json:"software_statement"`

	// How it proves who it is, and what its tokens are bound to.
	JWKS         json.RawMessage `json:"jwks"`
	JWKSURI      string          `json:"jwks_uri"`
	AuthMethod   string          `json:"token_endpoint_auth_method"`
	AuthAlg      string          `json:"token_endpoint_auth_signing_alg"`
	SubjectDN    string          `json:"tls_client_auth_subject_dn"`
	SubjectDNS   string          `json:"tls_client_auth_san_dns"`
	SubjectURI   string          `json:"tls_client_auth_san_uri"`
	SubjectIP    string          `json:"tls_client_auth_san_ip"`
	SubjectEmail string          `json:"tls_client_auth_san_email"`
	DPoPBound    *bool           `json:"dpop_bound_access_tokens"`
	CertBound    *bool           `json:"tls_client_certificate_bound_access_tokens"`
	UseAliases   bool            `json:"use_mtls_endpoint_aliases"` // changes nothing here

	// How it speaks.
	RedirectURIs     []string `json:"redirect_uris"`
	GrantTypes       []string `json:"grant_types"`
	ResponseTypes    []string `json:"response_types"`
	ResponseModes    []string `json:"response_modes"`
	RequirePush      *bool    `json:"require_pushed_authorization_requests"`
	SignedRequests   bool     `json:"require_signed_request_object"`
	RequestAlg       string   `json:"request_object_signing_alg"`
	ResponseAlg      string   `json:"authorization_signed_response_alg"`
	IDTokenAlg       string   `json:"id_token_signed_response_alg"`
	IntrospectionAlg string   `json:"introspection_signed_response_alg"`
	DetailsTypes     []string `json:"authorization_details_types"`
	ErrorCodes       string   `json:"error_codes"` // of FDX errors; a member of ours

	// The ceilings of every later request.
	Scope          string            `json:"scope"`
	Purposes       []consent.Purpose `json:"purposes"`
	DurationTypes  []string          `json:"duration_type"`
	DurationPeriod *int              `json:"duration_period"`
	LookbackPeriod *int              `json:"lookback_period"`
}

// registryReference says where an organisation is known (FDX).
type registryReference struct {
	Name     string `json:"registered_entity_name"`
	ID       string `json:"registered_entity_id"`
	Registry string `json:"registry"`
}

// intermediary is whoever stands between the recipient and us (FDX).
type intermediary struct {
	Name        string              `json:"name"`
	Description string              `json:"description"`
	URI         string              `json:"uri"`
	LogoURI     string              `json:"logo_uri"`
	Contacts    []string            `json:"contacts"`
	Registry    []registryReference `json:"registry_references"`
}

// party is the intermediary as it is shown and copied into grants.
func (i intermediary) party() consent.Party {
	p := consent.Party{Name: i.Name, Type: consent.PartyPlatform, HomeURI: i.URI, LogoURI: i.LogoURI}
	if len(i.Registry) > 0 {
		p.Registry, p.RegisteredEntityName, p.RegisteredEntityID = i.Registry[0].Registry, i.Registry[0].Name, i.Registry[0].ID
	}
	return p
}

// Limits of a registration.
const (
	maxRegistration = 128 << 10 // bytes
	maxClientID     = 100       // characters
	maxName         = 80        // characters
	maxText         = 2000      // characters
	maxBenefit      = 160       // characters
	maxEntries      = 20        // of each list
	maxURI          = 2000
	maxLookback     = 730 // days: two years, the most that any reference asks for
	maxTerm         = 365 // days
)

// members are the members of a JSON object by name. A map and no struct
// where names matter: encoding/json takes SCOPE for scope.
type members = map[string]json.RawMessage

// fault is one thing that is wrong with a record. Both parts are ASCII
// without quotes and backslashes.
type fault struct{ member, text string }

// Error returns member and text.
func (f fault) Error() string { return "registration: " + f.member + ": " + f.text }

// Registration reads a client's record: a JSON object of client metadata.
// redirect_uris is required, and one of jwks, jwks_uri and the
// tls_client_auth members; everything else has a default. An unknown member
// is a fault, and all faults are reported at once. The record's client_id,
// when absent, is left to the caller. A record with the role resource_server
// needs scope and keys instead and has no redirect_uris.
//
// Defaults: client_name "Recipient", every FDX scope that the
// gateway serves, TIME_BOUND of at most 365 days and ONE_TIME, a look-back of 730 days, one purpose with
// all clusters, DPoP-bound tokens for private_key_jwt and certificate-bound
// ones for mutual TLS.
func Registration(record []byte) (consent.Recipient, error) {
	all, err := readMembers(record)
	if err != nil {
		return consent.Recipient{}, fmt.Errorf("registration: %w", err)
	}
	for name := range all {
		if !memberNames()[name] {
			return consent.Recipient{}, fmt.Errorf("registration: unknown member %q", name)
		}
	}
	m, err := decodeMetadata(all, true)
	if err != nil {
		return consent.Recipient{}, fmt.Errorf("registration: %w", err)
	}
	if m.SoftwareStatement != "" {
		return consent.Recipient{}, fault{"software_statement", "is for clients that register themselves"}
	}
	r, faults := m.recipient()
	if err := errors.Join(faults...); err != nil {
		return consent.Recipient{}, err
	}
	return r, nil
}

// Registered returns a record of a client as it was registered: the members
// of record, with the value that every default came to. r is what
// Registration made of the record.
func Registered(r consent.Recipient, record []byte) (json.RawMessage, error) {
	all, err := readMembers(record)
	if err != nil {
		return nil, fmt.Errorf("registration: %w", err)
	}
	return registered(r, all)
}

// readMembers reads a record. A member that is null is absent (RFC 7592
// section 2.2).
func readMembers(record []byte) (members, error) {
	if len(record) > maxRegistration {
		return nil, fmt.Errorf("larger than %d bytes", maxRegistration)
	}
	if err := certs.StrictJSON(record); err != nil {
		return nil, err
	}
	var all members
	if err := json.Unmarshal(record, &all); err != nil {
		return nil, errors.New("not a JSON object")
	}
	for name, value := range all {
		if string(value) == "null" {
			delete(all, name)
		}
	}
	return all, nil
}

// memberNames are the members that are known.
func memberNames() map[string]bool {
	names := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[registration]()) {
		names[f.Tag.Get("json")] = true
	}
	return names
}

// decodeMetadata reads the known members. strict refuses unknown ones inside
// of members as well.
func decodeMetadata(all members, strict bool) (registration, error) {
	known := members{}
	for name := range memberNames() {
		if value, ok := all[name]; ok {
			known[name] = value
		}
	}
	text, err := json.Marshal(known)
	if err != nil {
		return registration{}, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if strict {
		d.DisallowUnknownFields()
	}
	var m registration
	if err := d.Decode(&m); err != nil {
		return registration{}, err
	}
	return m, nil
}

// recipient checks the metadata and returns the client, active, or every
// fault.
func (m registration) recipient() (consent.Recipient, []error) {
	r := consent.Recipient{
		ID: consent.RecipientID(m.ClientID), Role: consent.RoleRecipient, Status: consent.RecipientActive,
		Name: m.Name, HomeURI: m.URI, LogoURI: m.LogoURI, RedirectURIs: m.RedirectURIs,
		AuthMethod: consent.AuthMethod(m.AuthMethod), AssertionAlg: m.AuthAlg, JWKS: m.JWKS, JWKSURI: m.JWKSURI,
	}
	var faults []error
	fail := func(member, text string) { faults = append(faults, fault{member, text}) }

	if r.ID != "" && !plain(string(r.ID), maxClientID) {
		fail("client_id", "must be printable ASCII of at most 100 characters without spaces")
	}
	if m.Quota != nil {
		if r.Quota = *m.Quota; r.Quota < 1 || r.Quota > limit.MaxQuota {
			fail("requests_per_minute", "must be 1 to 60000000")
		}
	}
	m.names(&r, fail)
	m.keys(&r, fail)
	m.binding(&r, fail)
	m.profile(&r, fail)
	switch consent.Role(m.Role) {
	case "", consent.RoleRecipient:
		m.redirects(fail)
		m.scopes(&r, fail)
		m.terms(&r, fail)
	case consent.RoleResourceServer:
		r.Role = consent.RoleResourceServer
		if m.RedirectURIs != nil || m.Purposes != nil || m.GrantTypes != nil {
			fail("role", "a resource server has no redirect_uris, purposes and grant_types")
		}
		if m.Scope == "" {
			fail("scope", "is required for a resource server: the scopes that it serves")
		} else {
			m.scopes(&r, fail)
		}
	default:
		fail("role", "must be recipient or resource_server")
	}
	if faults != nil {
		return consent.Recipient{}, faults
	}
	return r, nil
}

// names checks everything that people are shown.
func (m registration) names(r *consent.Recipient, fail func(member, text string)) {
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
	if !shown(r.Name) {
		fail("client_name", "must be 1 to 80 characters without control or direction characters")
	}
	for member, u := range map[string]string{
		"client_uri": m.URI, "logo_uri": m.LogoURI, "tos_uri": m.TermsURI, "policy_uri": m.PolicyURI,
	} {
		if u != "" && !linkable(u) {
			fail(member, "must be an https address")
		}
	}
	for member, s := range map[string]string{
		"client_description": m.ClientDescription, "description": m.Description,
		"software_id": m.SoftwareID, "software_version": m.SoftwareVersion,
	} {
		if s != "" && !legible(s) {
			fail(member, "must be at most 2000 characters without control or direction characters")
		}
	}
	if m.Benefit != "" && (!legible(m.Benefit) || utf8.RuneCountInString(m.Benefit) > maxBenefit || strings.ContainsAny(m.Benefit, "<>")) {
		fail("benefit", "must be at most 160 characters without markup, control or direction characters")
	}
	if !allLegible(m.Contacts) {
		fail("contacts", "must be at most 20 texts without control or direction characters")
	}
	if !knownAs(m.Registry) {
		fail("registry_references", "each needs registry (FDX, GLEIF, ICANN or PRIVATE), and names and ids of 1 to 80 characters")
	}
	if len(m.Intermediaries) > maxEntries {
		fail("intermediaries", "must be at most 20")
	}
	for _, i := range m.Intermediaries {
		if !shown(i.Name) || i.Description != "" && !legible(i.Description) || i.URI != "" && !linkable(i.URI) ||
			i.LogoURI != "" && !linkable(i.LogoURI) || !allLegible(i.Contacts) || !knownAs(i.Registry) {
			fail("intermediaries", "each needs a name of 1 to 80 characters; addresses must be https")
			break
		}
		r.Intermediaries = append(r.Intermediaries, i.party())
	}
}

func knownAs(list []registryReference) bool {
	for _, e := range list {
		if !slices.Contains([]string{"FDX", "GLEIF", "ICANN", "PRIVATE"}, e.Registry) ||
			e.Name != "" && !shown(e.Name) || e.ID != "" && !shown(e.ID) {
			return false
		}
	}
	return len(list) <= maxEntries
}

func (m registration) redirects(fail func(member, text string)) {
	if len(m.RedirectURIs) == 0 || len(m.RedirectURIs) > maxEntries {
		fail("redirect_uris", "needs 1 to 20 addresses")
	}
	for _, u := range m.RedirectURIs {
		if !redirectable(u) {
			fail("redirect_uris", "each must be https (or http on 127.0.0.1 or [::1]), absolute, without fragment")
			break
		}
	}
}

// subject returns how a certificate is recognised, zero when it is not, and
// whether more than one way is named (RFC 8705 section 2.1.2).
func (m registration) subject() (s consent.CertSubject, several bool) {
	for _, c := range []consent.CertSubject{
		{Member: clientcert.SubjectDN, Value: m.SubjectDN}, {Member: clientcert.SANDNS, Value: m.SubjectDNS},
		{Member: clientcert.SANURI, Value: m.SubjectURI}, {Member: clientcert.SANIP, Value: m.SubjectIP},
		{Member: clientcert.SANEmail, Value: m.SubjectEmail},
	} {
		if c.Value == "" {
			continue
		}
		if s.Member != "" {
			several = true
		}
		s = c
	}
	return s, several
}

// keys checks the method of client authentication with everything that it
// needs.
func (m registration) keys(r *consent.Recipient, fail func(member, text string)) {
	subject, several := m.subject()
	hasKeys := len(r.JWKS) > 0 || r.JWKSURI != ""
	if r.AuthMethod == "" {
		r.AuthMethod = consent.PrivateKeyJWT
		if subject.Member != "" && !hasKeys {
			r.AuthMethod = consent.TLSClientAuth
		}
	}
	var set certs.JWKS
	switch {
	case len(r.JWKS) > 0 && r.JWKSURI != "":
		fail("jwks", "and jwks_uri exclude each other (RFC 7591 section 2)")
		return
	case r.JWKSURI != "":
		if !linkable(r.JWKSURI) {
			fail("jwks_uri", "must be an https address")
		}
	case len(r.JWKS) > 0:
		var err error
		if set, err = certs.ParseJWKS(r.JWKS); err != nil || len(set.Keys) == 0 {
			fail("jwks", "needs at least one public RSA, P-256 or Ed25519 key, and no private one")
			return
		}
	case r.AuthMethod != consent.TLSClientAuth:
		fail("jwks", "or jwks_uri is required")
		return
	}
	if r.AuthMethod != consent.TLSClientAuth && subject.Member != "" {
		fail(subject.Member, "goes with tls_client_auth only")
	}
	if r.AuthMethod != consent.PrivateKeyJWT && r.AssertionAlg != "" {
		fail("token_endpoint_auth_signing_alg", "goes with private_key_jwt only")
	}
	switch r.AuthMethod {
	case consent.PrivateKeyJWT:
		if r.AssertionAlg == "" && len(set.Keys) > 0 {
			r.AssertionAlg = certs.Algorithm(set.Keys[0])
		}
		if !slices.Contains(signingAlgs, r.AssertionAlg) || len(set.Keys) > 0 && len(set.Select("", r.AssertionAlg)) == 0 {
			fail("token_endpoint_auth_signing_alg", "must be PS256, ES256 or EdDSA, with a key of that kind in jwks; it is required with jwks_uri")
		}
	case consent.TLSClientAuth:
		if subject.Member == "" || several {
			fail("tls_client_auth_subject_dn", "or exactly one of the other tls_client_auth members is required for tls_client_auth (RFC 8705 section 2.1.2)")
			return
		}
		if _, err := clientcert.ParseSubject(subject.Member, subject.Value); err != nil {
			fail(subject.Member, strings.TrimPrefix(err.Error(), clientcert.ErrSubject.Error()+": "))
		}
		r.CertSubject = subject
	case consent.SelfSignedTLS:
	default:
		fail("token_endpoint_auth_method", "must be private_key_jwt, tls_client_auth or self_signed_tls_client_auth")
	}
}

// binding decides what access tokens are bound to: exactly one of the two
// (FAPI 2.0 section 5.3.2.1-4).
func (m registration) binding(r *consent.Recipient, fail func(member, text string)) {
	dpop, cert := m.DPoPBound, m.CertBound
	switch {
	case dpop != nil && cert != nil && *dpop == *cert:
		fail("dpop_bound_access_tokens", "or tls_client_certificate_bound_access_tokens must be true, and not both")
	case dpop != nil:
		r.DPoPBound = *dpop
	case cert != nil:
		r.DPoPBound = !*cert
	default:
		r.DPoPBound = r.AuthMethod == consent.PrivateKeyJWT
	}
}

// profile checks how the client speaks.
func (m registration) profile(r *consent.Recipient, fail func(member, text string)) {
	r.Profile = consent.Profile{
		SignedRequests: m.SignedRequests, RequestAlg: m.RequestAlg, ResponseModes: m.ResponseModes,
		ResponseAlg: m.ResponseAlg, IDTokenAlg: m.IDTokenAlg, IntrospectionAlg: m.IntrospectionAlg, DetailsTypes: m.DetailsTypes,
	}
	switch m.ErrorCodes {
	case "", "string":
	case consent.IntegerCodes:
		r.Profile.ErrorCodes = m.ErrorCodes
	default:
		fail("error_codes", "must be string or integer")
	}
	for member, alg := range map[string]string{
		"request_object_signing_alg": m.RequestAlg, "authorization_signed_response_alg": m.ResponseAlg,
		"id_token_signed_response_alg": m.IDTokenAlg, "introspection_signed_response_alg": m.IntrospectionAlg,
	} {
		if alg != "" && !slices.Contains(signingAlgs, alg) {
			fail(member, "must be PS256, ES256 or EdDSA")
		}
	}
	if m.RequirePush != nil && !*m.RequirePush {
		fail("require_pushed_authorization_requests", "cannot be false: every request is pushed here")
	}
	for _, list := range []struct {
		member string
		values []string
		known  []string
	}{
		{"grant_types", m.GrantTypes, []string{"authorization_code", "refresh_token", "client_credentials"}},
		{"response_types", m.ResponseTypes, []string{"code"}},
		{"response_modes", m.ResponseModes, []string{"query", "jwt"}},
		{"authorization_details_types", m.DetailsTypes, []string{DetailsType}},
	} {
		for i, v := range list.values {
			if !slices.Contains(list.known, v) || slices.Contains(list.values[:i], v) {
				fail(list.member, "may hold, each once: "+strings.Join(list.known, ", "))
				break
			}
		}
	}
	if slices.Contains(m.GrantTypes, "client_credentials") {
		r.Profile.GrantTypes = []string{"client_credentials"}
	}
}

// served are the clusters of the routes that the gateway has, and of the
// fields on them.
var served = fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Bills, fdx.Investments,
	fdx.ScheduledPayments, fdx.Transactions, fdx.PaymentSupport, fdx.Images, fdx.Rewards,
	fdx.CustomerContact, fdx.CustomerPersonal, fdx.Statements, fdx.TermsAndConditions)

// ownScopes go with no data: the ID token, what a client does with its own
// grants (Grant Management for OAuth 2.0 section 6), and what it is told.
var ownScopes = []fdx.Scope{fdx.ScopeOpenID, ScopeGrantQuery, ScopeGrantRevoke, token.ScopeNotifications}

func (m registration) scopes(r *consent.Recipient, fail func(member, text string)) {
	if m.Scope == "" {
		r.Scopes = fdx.ScopesOf(served)
		return
	}
	for _, name := range strings.Fields(m.Scope) {
		sc, err := fdx.Scope(name), error(nil)
		if !slices.Contains(ownScopes, sc) {
			sc, err = fdx.ParseScope(name)
		}
		switch {
		case err != nil || slices.Contains(r.Scopes, sc):
			fail("scope", "has a value that is unknown or repeated")
			return
		case sc == fdx.ScopeOfflineAccess: // refresh tokens come with every lasting grant
		default:
			r.Scopes = append(r.Scopes, sc)
		}
	}
	if fdx.ClustersOf(r.Scopes).Empty() {
		fail("scope", "needs at least one FDX scope")
	}
}

func (m registration) terms(r *consent.Recipient, fail func(member, text string)) {
	for _, d := range m.DurationTypes {
		t := consent.DurationType(d)
		if !slices.Contains([]consent.DurationType{consent.OneTime, consent.TimeBound, consent.Persistent}, t) || slices.Contains(r.Durations, t) {
			fail("duration_type", "must be ONE_TIME, TIME_BOUND or PERSISTENT, each once")
			break
		}
		r.Durations = append(r.Durations, t)
	}
	if len(m.DurationTypes) == 0 {
		r.Durations = []consent.DurationType{consent.TimeBound, consent.OneTime}
	}
	r.MaxDays, r.LookbackDays = maxTerm, maxLookback
	if m.DurationPeriod != nil {
		r.MaxDays = *m.DurationPeriod
	}
	if r.MaxDays < 1 || r.MaxDays > maxTerm {
		fail("duration_period", "must be 1 to 365 days")
	}
	if m.LookbackPeriod != nil {
		r.LookbackDays = *m.LookbackPeriod
	}
	if r.LookbackDays < 0 || r.LookbackDays > maxLookback {
		fail("lookback_period", "must be 0 to 730 days")
	}
	r.Purposes = m.Purposes
	if len(r.Purposes) == 0 {
		r.Purposes = []consent.Purpose{{Code: "general", Label: "To provide the service that you asked for", Clusters: fdx.ClustersOf(r.Scopes)}}
	}
	if len(r.Purposes) > maxEntries {
		fail("purposes", "must be at most 20")
	}
	seen := map[string]bool{}
	for _, p := range r.Purposes {
		if !plain(p.Code, 40) || seen[p.Code] || p.Clusters.Empty() || utf8.RuneCountInString(p.Label) > 200 || !visible(p.Label) {
			fail("purposes", "each needs a code of its own, a label of 1 to 200 characters and at least one cluster")
			return
		}
		seen[p.Code] = true
	}
}

// registered returns the record of r: what was sent of the members that are
// known, and the value of each that has a default (RFC 7591 section 3.2.1).
func registered(r consent.Recipient, sent members) (json.RawMessage, error) {
	record := map[string]any{}
	for name := range memberNames() {
		if value, ok := sent[name]; ok {
			record[name] = value
		}
	}
	record["client_id"], record["client_name"] = r.ID, r.Name
	record["token_endpoint_auth_method"] = r.AuthMethod
	if r.AuthMethod == consent.PrivateKeyJWT {
		record["token_endpoint_auth_signing_alg"] = r.AssertionAlg
	}
	scopes := make([]string, len(r.Scopes))
	for i, s := range r.Scopes {
		scopes[i] = string(s)
	}
	record["scope"] = strings.Join(scopes, " ")
	if r.Role != consent.RoleResourceServer {
		record["dpop_bound_access_tokens"], record["tls_client_certificate_bound_access_tokens"] = r.DPoPBound, !r.DPoPBound
		record["grant_types"] = append([]string{"authorization_code", "refresh_token"}, r.Profile.GrantTypes...)
		record["response_types"] = []string{"code"}
		record["require_pushed_authorization_requests"] = true
		record["purposes"], record["duration_type"] = r.Purposes, r.Durations
		record["duration_period"], record["lookback_period"] = r.MaxDays, r.LookbackDays
	}
	return json.Marshal(record)
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

// legible reports whether s may stand where people read it at leisure.
func legible(s string) bool { return utf8.RuneCountInString(s) <= maxText && visible(s) }

func allLegible(list []string) bool {
	return len(list) <= maxEntries && !slices.ContainsFunc(list, func(s string) bool { return !legible(s) })
}

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
