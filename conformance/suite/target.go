package suite

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/goccy/go-yaml"
)

// Claim is something that a deployment says it supports. A case that needs a
// claim which the target does not make is not applicable.
type Claim string

// The claims.
const (
	PrivateKeyJWT   Claim = "private_key_jwt"  // client authentication (RFC 7523)
	MTLS            Claim = "mtls"             // client certificates, and tokens bound to them (RFC 8705)
	DPoP            Claim = "dpop"             // tokens bound to a key (RFC 9449)
	DPoPNonce       Claim = "dpop_nonce"       // every proof needs a nonce of the server
	PAR             Claim = "par"              // pushed requests (RFC 9126)
	JAR             Claim = "jar"              // signed requests (RFC 9101)
	JARM            Claim = "jarm"             // signed answers
	OpenID          Claim = "openid"           // ID tokens
	RAR             Claim = "rar"              // authorization_details (RFC 9396)
	Refresh         Claim = "refresh"          // refresh tokens
	Revocation      Claim = "revocation"       // RFC 7009
	Introspection   Claim = "introspection"    // RFC 7662, for the target's resource server
	SignedIntro     Claim = "introspect_jwt"   // RFC 9701
	Registration    Claim = "registration"     // RFC 7591, RFC 7592
	GrantManagement Claim = "grant_management" // Grant Management for OAuth 2.0
	ClientCreds     Claim = "client_credentials"
	ResourceMeta    Claim = "resource_metadata" // RFC 9728
	Resource        Claim = "resource"          // a resource that tokens open
	FDX             Claim = "fdx"               // the resource is the FDX data API
	FDXConsent      Claim = "fdx_consent"       // consents are FDX grants with clusters, term and look-back
	FDXConsentAPI   Claim = "fdx_consent_api"   // GET and revoke at /consents
	Notifications   Claim = "notifications"     // FDX notification subscriptions and feed
	Callbacks       Claim = "callbacks"         // notifications reach the target's callback
	Portal          Claim = "portal"            // pages where the consumer stops sharing
	NoRotation      Claim = "no_rotation"       // refresh tokens stay (FAPI 2.0 5.3.2.1)
	KeepsCodes      Claim = "keeps_codes"       // a redemption that is refused leaves the code good for its owner
	Personas        Claim = "personas"          // the sandbox bank that comes with headgate dev
	OneTimeExpiry   Claim = "one_time_expiry"   // ONE_TIME consents end after one_time_seconds, two minutes at most
)

// Claims lists all claims.
func Claims() []Claim {
	return []Claim{
		PrivateKeyJWT, MTLS, DPoP, DPoPNonce, PAR, JAR, JARM, OpenID, RAR, Refresh, Revocation, Introspection, SignedIntro, Registration,
		GrantManagement, ClientCreds, ResourceMeta, Resource, FDX, FDXConsent, FDXConsentAPI, Notifications, Callbacks, Portal, NoRotation, KeepsCodes, Personas, OneTimeExpiry,
	}
}

// Target is a deployment: where it is, who we are to it, and what it claims.
// Relative file names are taken from the folder of the target file.
type Target struct {
	// Name is what reports call it. The zero value means the issuer.
	Name string `json:"name,omitempty" yaml:"name"`
	// Issuer, exactly as the deployment spells it. Required.
	Issuer string `json:"issuer" yaml:"issuer"`
	// ResourceBase is where the data API begins, without a slash at the end;
	// "" when the target claims no resource.
	ResourceBase string `json:"resource_base,omitempty" yaml:"resource_base"`
	// MTLSBase is where tokens that are bound to a certificate are used. The
	// zero value means ResourceBase.
	MTLSBase string `json:"mtls_base,omitempty" yaml:"mtls_base"`
	// Portal is the consumer's own page; "" for none.
	Portal string `json:"portal,omitempty" yaml:"portal"`
	// Hosts are further hosts, with their ports, that the deployment's own
	// metadata may send us to. Those of the addresses above, and of the
	// addresses in MetadataHosts, need not be named.
	Hosts []string `json:"hosts,omitempty" yaml:"hosts"`
	// CAFile holds the roots to trust, in PEM. The zero value means the
	// system's.
	CAFile string `json:"ca_file,omitempty" yaml:"ca_file"`
	// OwnerAgreed is required to be true for a target that is not on this
	// machine: its owner knows that it will be attacked, and when.
	OwnerAgreed bool `json:"owner_agreed,omitempty" yaml:"owner_agreed"`
	// MaxRate bounds the requests per second. The zero value means 400 for a
	// target on this machine and 10 for any other.
	MaxRate int `json:"max_rate,omitempty" yaml:"max_rate"`
	// MaxRequests bounds the requests of one run. The zero value means
	// 50,000 on this machine and 5,000 elsewhere.
	MaxRequests int `json:"max_requests,omitempty" yaml:"max_requests"`

	// Claims is what the deployment says it supports. Required.
	Claims []Claim `json:"claims" yaml:"claims"`
	// Clusters are the FDX data clusters that can be asked for.
	Clusters []string `json:"clusters,omitempty" yaml:"clusters"`

	// OpenAPI is the document that the deployment publishes about its resource:
	// a path, or an address of the target. "" for none: then answers are held
	// against published shapes alone.
	OpenAPI string `json:"openapi,omitempty" yaml:"openapi"`

	// Recipients are who we are: at least two, so that one can try what
	// belongs to the other. The first two that authenticate with a key are A
	// and B of the cases.
	Recipients []Recipient `json:"recipients" yaml:"recipients"`
	// ResourceServers may introspect.
	ResourceServers []Recipient `json:"resource_servers,omitempty" yaml:"resource_servers"`
	// OneTimeSeconds is how long a ONE_TIME consent can be read, for the claim
	// one_time_expiry.
	OneTimeSeconds int `json:"one_time_seconds,omitempty" yaml:"one_time_seconds"`
	// SoftwareStatementFile is for registration: a statement, good for one
	// run, or with SoftwareStatementKeysFile a pattern for any number of runs.
	SoftwareStatementFile string `json:"software_statement_file,omitempty" yaml:"software_statement_file"`
	// SoftwareStatementKeysFile holds the private keys, as a JWK Set, that
	// sign statements: each run then signs one of its own, with the key that
	// the statement in SoftwareStatementFile names. "" for none.
	SoftwareStatementKeysFile string `json:"software_statement_keys_file,omitempty" yaml:"software_statement_keys_file"`
	// Personas can sign in. The first is whom a case means that names none.
	Personas []Persona `json:"personas" yaml:"personas"`
	// Callback is where notifications come in, for the claim callbacks.
	Callback Callback `json:"callback,omitzero" yaml:"callback"`
	// Mailbox is where the mail of the personas can be read: with ?text= it
	// answers with the newest one that holds a text. "" for none: then
	// data that needs a one-time code cannot be asked for.
	Mailbox string `json:"mailbox,omitempty" yaml:"mailbox"`
	// Pages says how to find the way through the consent pages.
	Pages Pages `json:"pages" yaml:"pages"`
	// Browser is what the pages need: forms, the zero value, for pages that
	// work without script, or chromium, for those that do not. With chromium,
	// cases that bend a form are not applicable.
	Browser string `json:"browser,omitempty" yaml:"browser"`
	// BrowserPath is the Chromium to start. The zero value means the one that
	// is found.
	BrowserPath string `json:"browser_path,omitempty" yaml:"browser_path"`

	dir   string
	roots *x509.CertPool
}

// Recipient is one of the clients that we are, in the words of client
// metadata.
type Recipient struct {
	ClientID string `json:"client_id" yaml:"client_id"`
	// AuthMethod is private_key_jwt, tls_client_auth or
	// self_signed_tls_client_auth.
	AuthMethod string `json:"token_endpoint_auth_method" yaml:"token_endpoint_auth_method"`
	JWKSFile   string `json:"private_jwks_file,omitempty" yaml:"private_jwks_file"`
	CertFile   string `json:"cert_file,omitempty" yaml:"cert_file"`
	KeyFile    string `json:"key_file,omitempty" yaml:"key_file"`
	// RedirectURI as registered.
	RedirectURI string `json:"redirect_uri,omitempty" yaml:"redirect_uri"`
	// Scope is what it may ask for, space-separated. Asked for when there is
	// no claim of RAR.
	Scope string `json:"scope,omitempty" yaml:"scope"`
	// Resource is a path below ResourceBase that its tokens may read. The
	// zero value means /accounts.
	Resource string `json:"resource,omitempty" yaml:"resource"`
	// CertificateBound: its tokens are bound to its certificate.
	CertificateBound bool `json:"tls_client_certificate_bound_access_tokens,omitempty" yaml:"tls_client_certificate_bound_access_tokens"`
	// SignedRequests: it has to send request objects.
	SignedRequests bool `json:"require_signed_request_object,omitempty" yaml:"require_signed_request_object"`
	// ResponseMode is jwt for a client that gets signed answers.
	ResponseMode string `json:"response_mode,omitempty" yaml:"response_mode"`
	// Clusters are the FDX data clusters that it is registered for.
	Clusters []string `json:"clusters,omitempty" yaml:"clusters"`
}

// Persona is somebody who can sign in.
type Persona struct {
	// Name is what cases know the persona by: everyday, saver, joint, ...;
	// the zero value means the username.
	Name     string `json:"name,omitempty" yaml:"name"`
	Username string `json:"username" yaml:"username"`
	Password string `json:"password" yaml:"password"`
}

// longestWait bounds OneTimeSeconds, in seconds.
const longestWait = 120

// The values of Target.Browser.
const (
	Forms    = "forms"
	Chromium = "chromium"
)

// Pages names the elements of the consent pages: an element id, or
// label:TEXT for the control with that label or text, or name:NAME for the
// control with that name. The zero values are the ids of Headgate.
type Pages struct {
	Username   string `json:"username,omitempty" yaml:"username"`
	Password   string `json:"password,omitempty" yaml:"password"`
	SignIn     string `json:"sign_in,omitempty" yaml:"sign_in"`
	SelectAll  string `json:"select_all,omitempty" yaml:"select_all"`
	Continue   string `json:"continue,omitempty" yaml:"continue"`
	Approve    string `json:"approve,omitempty" yaml:"approve"`
	Deny       string `json:"deny,omitempty" yaml:"deny"`
	Problem    string `json:"problem,omitempty" yaml:"problem"`
	AccountBox string `json:"account_box,omitempty" yaml:"account_box"` // prefix of ids
	// Of a page that asks for a one-time code: the field, the button, and the
	// text that the message with the code repeats.
	Code          string `json:"code,omitempty" yaml:"code"`
	CodeContinue  string `json:"code_continue,omitempty" yaml:"code_continue"`
	CodeReference string `json:"code_reference,omitempty" yaml:"code_reference"`
}

func (p Pages) filled() Pages {
	set := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	set(&p.Username, "username")
	set(&p.Password, "password")
	set(&p.SignIn, "login_submit")
	set(&p.SelectAll, "accounts_select_all")
	set(&p.Continue, "accounts_continue")
	set(&p.Approve, "consent_approve")
	set(&p.Deny, "consent_deny")
	set(&p.Problem, "oauth_error")
	set(&p.AccountBox, "account_")
	set(&p.Code, "code")
	set(&p.CodeContinue, "step_up_continue")
	set(&p.CodeReference, "step_up_reference")
	return p
}

// ErrTarget means that a target file cannot be used; the error says what is
// wrong with it.
var ErrTarget = errors.New("target file")

// ReadTarget reads a target file, YAML or JSON, and the certificate
// authority that it names. The dev.json of a running `headgate dev` is taken,
// too. It returns ErrTarget for one that it cannot read, or with a member that
// it does not know.
func ReadTarget(file string) (*Target, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	var t Target
	if isDevFile(text) {
		if t, err = fromDev(text); err != nil {
			return nil, err
		}
	} else if err := yaml.UnmarshalWithOptions(text, &t, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%w: %s: %s", ErrTarget, file, yaml.FormatError(err, false, false))
	}
	t.dir = filepath.Dir(file)
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrTarget, file, err)
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.path(t.CAFile))
		if err != nil {
			return nil, fmt.Errorf("%w: ca_file: %w", ErrTarget, err)
		}
		t.roots = x509.NewCertPool()
		if !t.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: ca_file holds no PEM certificate", ErrTarget)
		}
	}
	return &t, nil
}

func (t *Target) check() error {
	if t.Name == "" {
		t.Name = t.Issuer
	}
	t.Pages = t.Pages.filled()
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for name, address := range map[string]string{"issuer": t.Issuer, "resource_base": t.ResourceBase, "mtls_base": t.MTLSBase, "portal": t.Portal} {
		if address == "" && name != "issuer" {
			continue
		}
		if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			fault("%s is not a plain https address", name)
		}
		if name != "issuer" && strings.HasSuffix(address, "/") {
			fault("%s ends with a slash", name)
		}
	}
	if t.MTLSBase == "" {
		t.MTLSBase = t.ResourceBase
	}
	for _, c := range t.Claims {
		if !slices.Contains(Claims(), c) {
			fault("there is no claim %s; there are %v", c, Claims())
		}
	}
	if t.Browser == "" {
		t.Browser = Forms
	}
	if t.Browser != Forms && t.Browser != Chromium {
		fault("browser is %s or %s", Forms, Chromium)
	}
	if t.Claim(OneTimeExpiry) && (t.OneTimeSeconds < 1 || t.OneTimeSeconds > longestWait) {
		fault("the claim %s needs one_time_seconds, from 1 to %d: nobody waits longer", OneTimeExpiry, longestWait)
	}
	if t.Claim(Resource) && t.ResourceBase == "" {
		fault("the claim resource needs resource_base")
	}
	keyed := 0
	for i := range t.Recipients {
		r := &t.Recipients[i]
		if r.Resource == "" {
			r.Resource = "/accounts"
		}
		switch {
		case r.ClientID == "":
			fault("recipient %d has no client_id", i+1)
		case r.AuthMethod == "private_key_jwt" && r.JWKSFile == "":
			fault("recipient %s has no private_jwks_file", r.ClientID)
		case r.AuthMethod != "private_key_jwt" && r.CertFile == "":
			fault("recipient %s has no cert_file", r.ClientID)
		case r.RedirectURI == "":
			fault("recipient %s has no redirect_uri", r.ClientID)
		}
		if r.plain() {
			keyed++
		}
	}
	if keyed < 2 {
		fault("two recipients that authenticate with a key and send plain requests are needed")
	}
	if len(t.Personas) == 0 {
		fault("no persona can sign in")
	}
	for i := range t.Personas {
		if p := &t.Personas[i]; p.Name == "" {
			p.Name = p.Username
		}
	}
	return errors.Join(faults...)
}

// plain: what the cases call A and B.
func (r Recipient) plain() bool {
	return r.AuthMethod == "private_key_jwt" && !r.SignedRequests && !r.CertificateBound
}

// Claim reports whether the deployment claims it.
func (t *Target) Claim(c Claim) bool { return slices.Contains(t.Claims, c) }

func (t *Target) path(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(t.dir, file)
}

// tls trusts the target's certificate authority.
func (t *Target) tls() *tls.Config {
	return &tls.Config{RootCAs: t.roots, MinVersion: tls.VersionTLS12}
}

// isDevFile tells the dev.json of a development stack from a target file.
func isDevFile(text []byte) bool {
	var probe struct {
		GatewayBase string `json:"gateway_base"`
	}
	return json.Unmarshal(text, &probe) == nil && probe.GatewayBase != ""
}

// fromDev is the target that a running `headgate dev` is.
func fromDev(text []byte) (Target, error) {
	var dev struct {
		Issuer      string `json:"issuer"`
		GatewayBase string `json:"gateway_base"`
		PortalURL   string `json:"portal_url"`
		MTLSBase    string `json:"mtls_base"`
		MailboxURL  string `json:"mailbox_url"`
		CAFile      string `json:"ca_file"`
		Recipients  []struct {
			Recipient
			RedirectURIs  []string `json:"redirect_uris"`
			ResponseModes []string `json:"response_modes"`
		} `json:"recipients"`
		Personas                  []Persona   `json:"personas"`
		ResourceServers           []Recipient `json:"resource_servers"`
		SoftwareStatementFile     string      `json:"software_statement_file"`
		SoftwareStatementKeysFile string      `json:"software_statement_keys_file"`
		DPoPNonces                bool        `json:"dpop_nonces"`
		OneTimeSeconds            int         `json:"one_time_seconds"`
	}
	if err := json.Unmarshal(text, &dev); err != nil {
		return Target{}, fmt.Errorf("%w: dev.json: %w", ErrTarget, err)
	}
	t := Target{
		Name: "headgate dev", Issuer: dev.Issuer, ResourceBase: dev.GatewayBase + "/fdx/v6", Portal: dev.PortalURL, OpenAPI: dev.GatewayBase + "/docs/openapi.json", Mailbox: dev.MailboxURL,
		CAFile: dev.CAFile, Personas: dev.Personas,
		SoftwareStatementFile: dev.SoftwareStatementFile, SoftwareStatementKeysFile: dev.SoftwareStatementKeysFile,
		Claims: Claims(), ResourceServers: dev.ResourceServers, Clusters: devClusters["homewards"],
	}
	if u, err := url.Parse(dev.MTLSBase); err == nil {
		t.Hosts = append(t.Hosts, u.Host)
	}
	t.Claims = slices.DeleteFunc(t.Claims, func(c Claim) bool {
		return c == DPoPNonce && !dev.DPoPNonces || c == OneTimeExpiry && (dev.OneTimeSeconds == 0 || dev.OneTimeSeconds > longestWait)
	})
	if t.Claim(OneTimeExpiry) {
		t.OneTimeSeconds = dev.OneTimeSeconds
	}
	for _, r := range dev.Recipients {
		one := r.Recipient
		if t.Callback.URL == "" {
			t.Callback = devCallback(r.RedirectURIs, filepath.Dir(dev.CAFile))
		}
		if len(r.RedirectURIs) > 0 {
			one.RedirectURI = r.RedirectURIs[0]
		}
		if slices.Equal(r.ResponseModes, []string{"jwt"}) {
			one.ResponseMode = "jwt"
		}
		one.Clusters = devClusters[one.ClientID]
		t.Recipients = append(t.Recipients, one)
	}
	return t, nil
}

// devClusters are what the recipients of a development stack are registered
// for; dev.json does not say it.
var devClusters = map[string][]string{
	"budgetbee":   {"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "TRANSACTIONS"},
	"loanlink":    {"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "TRANSACTIONS", "BILLS"},
	"wealthview":  {"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "INVESTMENTS", "TRANSACTIONS"},
	"signedfirst": {"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "TRANSACTIONS"},
	"homewards": {
		"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "BILLS", "CUSTOMER_CONTACT", "IMAGES", "INVESTMENTS", "PAYMENT_SUPPORT",
		"REWARDS", "SCHEDULED_PAYMENTS", "STATEMENTS", "TERMS_AND_CONDITIONS", "TRANSACTIONS",
	},
	"billpay": {
		"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "BILLS", "CUSTOMER_CONTACT", "PAYMENT_SUPPORT", "SCHEDULED_PAYMENTS",
		"TERMS_AND_CONDITIONS",
	},
	"idcheck": {"ACCOUNT_BASIC", "CUSTOMER_CONTACT", "CUSTOMER_PERSONAL"},
}

// YAML is the target as a file to begin from: what `conformance target`
// prints for a development stack.
func (t *Target) YAML() ([]byte, error) {
	out, err := yaml.MarshalWithOptions(t, yaml.UseJSONMarshaler(), yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("write target: %w", err)
	}
	return out, nil
}

// load reads a recipient's key and certificate.
func (t *Target) load(r Recipient) (*App, error) {
	app := &App{Recipient: r}
	if r.JWKSFile != "" {
		text, err := os.ReadFile(t.path(r.JWKSFile))
		if err != nil {
			return nil, fmt.Errorf("read keys of %s: %w", r.ClientID, err)
		}
		var set jose.JSONWebKeySet
		if json.Unmarshal(text, &set) != nil || len(set.Keys) == 0 {
			// The cause may quote the file, and the file is a private key.
			return nil, fmt.Errorf("the keys of %s are not a JSON Web Key Set", r.ClientID)
		}
		if app.Key, err = keyOf(set.Keys[0]); err != nil {
			return nil, fmt.Errorf("the keys of %s: %w", r.ClientID, err)
		}
	}
	if r.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.path(r.CertFile), t.path(r.KeyFile))
		if err != nil {
			return nil, fmt.Errorf("the certificate of %s and its key cannot be read", r.ClientID)
		}
		app.Cert = &pair
	}
	return app, nil
}
