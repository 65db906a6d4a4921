package dev

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/token"
)

// callbackPort is where a recipient on this machine can have itself called
// about notifications.
const callbackPort = "8450"

// demo is a recipient that every development stack has.
type demo struct {
	id, name, legal, purpose, label string
	alg                             jose.SignatureAlgorithm // "" for mutual TLS
	benefit                         string                  // what it says that people get; approved
	redirects                       []string
	clusters                        []string
	// more are further members of its record.
	more map[string]any
}

var demos = []demo{
	{
		id: "budgetbee", name: "BudgetBee", legal: "BudgetBee Apps AB", purpose: "budgeting",
		label: "To show your spending in one place and help you plan the month", alg: jose.ES256,
		benefit:   "See all your spending in one place, and get a plan for the month that you can change",
		redirects: []string{"https://budgetbee.example/callback", "https://localhost:" + callbackPort + "/callback"},
		clusters:  []string{"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "TRANSACTIONS"},
		more: map[string]any{
			"scope": "openid fdx:accountbasic:read fdx:accountdetailed:read fdx:balances:read fdx:transactions:read " +
				"grant_management_query grant_management_revoke fdx:notifications:subscribe",
			"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"},
		},
	},
	{
		id: "loanlink", name: "LoanLink", legal: "LoanLink Lending Ltd", purpose: "affordability",
		label: "To work out what you can afford before you apply for a loan", alg: jose.PS256,
		benefit:   "Know in minutes what you can borrow, without sending in papers",
		redirects: []string{"https://loanlink.example/callback?from=bank&lang=en"},
		clusters:  []string{"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "TRANSACTIONS", "BILLS"},
	},
	{
		id: "wealthview", name: "WealthView", legal: "WealthView Inc.", purpose: "portfolio",
		label:     "To show everything you own beside each other",
		benefit:   "See everything you own on one page, up to date",
		redirects: []string{"https://wealthview.example/callback"},
		clusters:  []string{"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "INVESTMENTS", "TRANSACTIONS"},
	},
	{
		id: "signedfirst", name: "SignedFirst", legal: "SignedFirst GmbH", purpose: "accounting",
		label: "To keep the books of your business", alg: jose.ES256,
		redirects: []string{"https://signedfirst.example/callback"},
		clusters:  []string{"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "TRANSACTIONS"},
		more:      map[string]any{"require_signed_request_object": true, "response_modes": []string{"jwt"}},
	},
	{
		// Whatever the sandbox can show, for those who try out the API.
		id: "homewards", name: "Homewards", legal: "Homewards Switching Ltd", purpose: "switching",
		label: "To move your accounts to another bank with all that belongs to them", alg: jose.ES256,
		benefit:   "Change banks without filling in a form for each payment",
		redirects: []string{"https://homewards.example/callback"},
		clusters: []string{
			"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "BILLS", "CUSTOMER_CONTACT", "IMAGES", "INVESTMENTS", "PAYMENT_SUPPORT",
			"REWARDS", "SCHEDULED_PAYMENTS", "STATEMENTS", "TERMS_AND_CONDITIONS", "TRANSACTIONS",
		},
		more: map[string]any{
			"scope": "fdx:accountbasic:read fdx:accountdetailed:read fdx:balances:read fdx:bills:read fdx:customercontact:read fdx:images:read " +
				"fdx:investments:read fdx:paymentsupport:read fdx:rewards:read fdx:scheduledpayments:read fdx:statements:read fdx:termsconditions:read " +
				"fdx:transactions:read grant_management_query grant_management_revoke fdx:notifications:subscribe",
			"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"},
			"intermediaries": []map[string]any{{
				"name": "LinkHub", "uri": "https://linkhub.example/",
				"registry_references": []map[string]string{{"registered_entity_name": "LinkHub Data Ltd", "registered_entity_id": "DEMO-linkhub", "registry": "PRIVATE"}},
			}},
		},
	},
	{
		// What only some purposes reach: numbers to pay to.
		id: "billpay", name: "BillPay", legal: "BillPay Services Ltd", purpose: "payments",
		label: "To pay your bills from your accounts", alg: jose.ES256,
		redirects: []string{"https://billpay.example/callback"},
		clusters: []string{
			"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "BILLS", "CUSTOMER_CONTACT", "PAYMENT_SUPPORT", "SCHEDULED_PAYMENTS",
			"TERMS_AND_CONDITIONS",
		},
		more: map[string]any{
			"scope": "fdx:accountbasic:read fdx:accountdetailed:read fdx:balances:read fdx:bills:read fdx:customercontact:read " +
				"fdx:paymentsupport:read fdx:scheduledpayments:read fdx:termsconditions:read",
		},
	},
	{
		// The same: who a person is.
		id: "idcheck", name: "IDCheck", legal: "IDCheck Ltd", purpose: "identity",
		label: "To make sure that you are who you say", alg: jose.ES256,
		redirects: []string{"https://idcheck.example/callback"},
		clusters:  []string{"ACCOUNT_BASIC", "CUSTOMER_CONTACT", "CUSTOMER_PERSONAL"},
		more:      map[string]any{"scope": "fdx:accountbasic:read fdx:customercontact:read fdx:customerpersonal:read"},
	},
}

// core is the bank's own server that asks what tokens are worth.
var core = demo{id: "meadow-core", name: "Meadow Core", legal: "Meadow Bank", alg: jose.ES256}

// registrar stores registrations.
type registrar interface {
	PutRecipient(ctx context.Context, r consent.Recipient) error
	PutBenefit(ctx context.Context, reg token.Registration, words string) error
}

// registrations is the registrar over the stores of production.
type registrations struct{ db *postgres.DB }

func (s registrations) PutRecipient(ctx context.Context, r consent.Recipient) error {
	return s.db.Recipients().PutRecipient(ctx, r)
}

// PutBenefit keeps the record of a client, as 'headgate recipient add' does,
// and approves its benefit.
func (s registrations) PutBenefit(ctx context.Context, reg token.Registration, words string) error {
	if _, err := s.db.Registrations().Enrol(ctx, reg); err != nil {
		return err
	}
	return s.db.Registrations().ApproveBenefit(ctx, reg.Recipient.ID, words)
}

// register makes keys or a certificate for each demo recipient, registers it
// the way an operator would, by a record, and returns what its client needs.
func register(ctx context.Context, home string, ca *devca.CA, store registrar) ([]Recipient, error) {
	var out []Recipient
	for _, d := range demos {
		record := map[string]any{
			"client_uri": "https://" + d.id + ".example/", "redirect_uris": d.redirects,
			"duration_period": 365, "lookback_period": 730, "duration_type": []string{"TIME_BOUND", "ONE_TIME", "PERSISTENT"},
			"registry_references": []map[string]string{{"registered_entity_name": d.legal, "registered_entity_id": "DEMO-" + d.id, "registry": "PRIVATE"}},
			"purposes":            []map[string]any{{"code": d.purpose, "label": d.label, "clusters": d.clusters}},
		}
		client, err := enrol(ctx, home, ca, store, d, record)
		if errors.Is(err, consent.ErrClosed) {
			continue // removed by whoever tries the stack out, for good
		}
		if err != nil {
			return nil, err
		}
		out = append(out, client)
	}
	return out, nil
}

// registerCore registers the bank's own resource server.
func registerCore(ctx context.Context, home string, ca *devca.CA, store registrar) (Recipient, error) {
	scopes := fdx.ScopesOf(fdx.NewClusters(fdx.AllClusters()...))
	names := make([]string, len(scopes))
	for i, sc := range scopes {
		names[i] = string(sc)
	}
	return enrol(ctx, home, ca, store, core, map[string]any{"role": string(consent.RoleResourceServer), "scope": strings.Join(names, " ")})
}

// enrol makes the keys or the certificate of a client, completes its record
// and registers it.
func enrol(ctx context.Context, home string, ca *devca.CA, store registrar, d demo, record map[string]any) (Recipient, error) {
	client := Recipient{ClientID: d.id, AuthMethod: string(consent.PrivateKeyJWT), RedirectURIs: d.redirects}
	record["client_id"], record["client_name"] = d.id, d.name
	maps.Copy(record, d.more)
	if d.benefit != "" {
		record["benefit"] = d.benefit
	}
	pair, err := ca.Client(d.id)
	if err != nil {
		return Recipient{}, err
	}
	client.CertFile, client.KeyFile = pair.CertFile, pair.KeyFile
	if d.alg == "" {
		client.AuthMethod = string(consent.TLSClientAuth)
		record["tls_client_auth_subject_dn"] = "CN=" + d.id
	} else {
		client.PrivateJWKS, err = secretFile(filepath.Join(home, "recipients", d.id+".jwks.json"), func() ([]byte, error) { return newJWKS(d.alg) })
		if err != nil {
			return Recipient{}, err
		}
		public, err := publicJWKS(client.PrivateJWKS)
		if err != nil {
			return Recipient{}, err
		}
		record["jwks"] = json.RawMessage(public)
	}
	text, err := json.Marshal(record)
	if err != nil {
		return Recipient{}, err
	}
	r, err := authz.Registration(text)
	if err != nil {
		return Recipient{}, fmt.Errorf("demo client %s: %w", d.id, err)
	}
	if err := store.PutRecipient(ctx, r); err != nil {
		return Recipient{}, fmt.Errorf("register %s: %w", d.id, err)
	}
	if d.benefit != "" {
		kept, err := authz.Registered(r, text)
		if err == nil {
			err = store.PutBenefit(ctx, token.Registration{Recipient: r, Record: kept, IssuedAt: time.Now().UTC().Truncate(time.Second)}, d.benefit)
		}
		if err != nil {
			return Recipient{}, fmt.Errorf("register %s: %w", d.id, err)
		}
	}
	client.Scope, _ = record["scope"].(string)
	client.SignedRequests, client.ResponseModes = r.Profile.SignedRequests, r.Profile.ResponseModes
	client.CertBound = !r.DPoPBound
	return client, nil
}

func newJWKS(alg jose.SignatureAlgorithm) ([]byte, error) {
	var key crypto.Signer
	var err error
	if alg == jose.PS256 {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, err
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "1", Use: "sig", Algorithm: string(alg)}}}
	return json.MarshalIndent(set, "", "  ")
}

func publicJWKS(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(file), err)
	}
	for i, k := range set.Keys {
		set.Keys[i] = k.Public()
	}
	return json.Marshal(set)
}
