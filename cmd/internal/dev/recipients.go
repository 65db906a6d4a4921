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
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/consent"
)

// demo is a recipient that every development stack has.
type demo struct {
	id, name, legal, purpose, label string
	alg                             jose.SignatureAlgorithm // "" for mutual TLS
	redirects                       []string
	clusters                        []string
}

var demos = []demo{
	{
		id: "budgetbee", name: "BudgetBee", legal: "BudgetBee Apps AB", purpose: "budgeting",
		label: "To show your spending in one place and help you plan the month", alg: jose.ES256,
		redirects: []string{"https://budgetbee.example/callback"},
		clusters:  []string{"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "TRANSACTIONS"},
	},
	{
		id: "loanlink", name: "LoanLink", legal: "LoanLink Lending Ltd", purpose: "affordability",
		label: "To work out what you can afford before you apply for a loan", alg: jose.PS256,
		redirects: []string{"https://loanlink.example/callback?from=bank&lang=en"},
		clusters:  []string{"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "TRANSACTIONS", "BILLS"},
	},
	{
		id: "wealthview", name: "WealthView", legal: "WealthView Inc.", purpose: "portfolio",
		label:     "To show everything you own beside each other",
		redirects: []string{"https://wealthview.example/callback"},
		clusters:  []string{"ACCOUNT_BASIC", "ACCOUNT_DETAILED", "BALANCES", "INVESTMENTS", "TRANSACTIONS"},
	},
}

// registrar stores registrations.
type registrar interface {
	PutRecipient(ctx context.Context, r consent.Recipient) error
}

// register makes keys or a certificate for each demo recipient, registers it
// the way an operator would, by a record, and returns what its client needs.
func register(ctx context.Context, home string, ca *devca.CA, store registrar) ([]Recipient, error) {
	var out []Recipient
	for _, d := range demos {
		client := Recipient{ClientID: d.id, AuthMethod: string(consent.PrivateKeyJWT), RedirectURIs: d.redirects}
		record := map[string]any{
			"client_id": d.id, "client_name": d.name, "client_uri": "https://" + d.id + ".example/",
			"redirect_uris":   d.redirects,
			"duration_period": 365, "lookback_period": 730, "duration_type": []string{"TIME_BOUND", "ONE_TIME", "PERSISTENT"},
			"registry_references": []map[string]string{{"registered_entity_name": d.legal, "registered_entity_id": "DEMO-" + d.id, "registry": "PRIVATE"}},
			"purposes":            []map[string]any{{"code": d.purpose, "label": d.label, "clusters": d.clusters}},
		}
		pair, err := ca.Client(d.id)
		if err != nil {
			return nil, err
		}
		client.CertFile, client.KeyFile = pair.CertFile, pair.KeyFile
		if d.alg == "" {
			client.AuthMethod = string(consent.TLSClientAuth)
			record["tls_client_auth_subject_dn"] = "CN=" + d.id
		} else {
			client.PrivateJWKS, err = secretFile(filepath.Join(home, "recipients", d.id+".jwks.json"), func() ([]byte, error) { return newJWKS(d.alg) })
			if err != nil {
				return nil, err
			}
			public, err := publicJWKS(client.PrivateJWKS)
			if err != nil {
				return nil, err
			}
			record["jwks"] = json.RawMessage(public)
		}
		text, err := json.Marshal(record)
		if err != nil {
			return nil, err
		}
		r, err := authz.Registration(text)
		if err != nil {
			return nil, fmt.Errorf("demo recipient %s: %w", d.id, err)
		}
		// One that was removed stays removed.
		if err := store.PutRecipient(ctx, r); err != nil && !errors.Is(err, consent.ErrClosed) {
			return nil, fmt.Errorf("register %s: %w", d.id, err)
		}
		out = append(out, client)
	}
	return out, nil
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
