package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
)

// bulk is one consent that is made without a walk, in the form of the program
// fill: it writes through the product's own stores what a decision writes.
type bulk struct {
	Recipient      string     `json:"recipient"`
	Purpose        string     `json:"purpose"`
	Customer       string     `json:"customer"`
	Accounts       []string   `json:"accounts,omitempty"` // empty is all
	Clusters       []string   `json:"clusters"`
	Days           int        `json:"days"`
	LookbackDays   int        `json:"lookback_days"`
	KeyThumbprint  string     `json:"key_thumbprint,omitempty"`
	CertThumbprint string     `json:"cert_thumbprint,omitempty"`
	TokenEnds      time.Time  `json:"token_ends"`
	Ends           *time.Time `json:"ends,omitempty"`
}

// tokenLife is that of a first token: as long as the product's own live.
const tokenLife = 15 * time.Minute

// stock makes a consent for each pair, as wanted asks for it. bend, if any,
// changes the i-th. It needs one consent that was walked to: what
// the server keeps with a refresh token is taken from there.
func (d *driver) stock(ctx context.Context, pairs []pair, bend func(i int, o *bulk)) ([]*grant, error) {
	conn, err := d.stack.postgres.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is under way
	var session []byte
	if err := conn.QueryRow(ctx, "SELECT session FROM oauth_refresh WHERE session IS NOT NULL LIMIT 1").Scan(&session); err != nil {
		return nil, fmt.Errorf("the session of a refresh token: %w", err)
	}
	begin := time.Now()
	keys := map[*app]*recipient.DPoPKey{} // one each: how many there are is nothing to a server
	orders, made := make([]bulk, len(pairs)), make([]*grant, len(pairs))
	for i, p := range pairs {
		orders[i] = bulk{
			Recipient: p.a.id, Purpose: "budgeting", Customer: p.c.username, Clusters: clusters,
			Days: 30, LookbackDays: lookback, TokenEnds: begin.Add(tokenLife).Truncate(time.Second),
		}
		made[i] = &grant{app: p.a, who: p.c, since: begin}
		if cert := p.a.config.Certificate; cert != nil {
			sum := sha256.Sum256(cert.Certificate[0])
			orders[i].CertThumbprint = base64.RawURLEncoding.EncodeToString(sum[:])
			made[i].token.TokenType = "Bearer"
		} else {
			if keys[p.a] == nil {
				if keys[p.a], err = recipient.NewDPoPKey(jose.ES256); err != nil {
					return nil, err
				}
			}
			orders[i].KeyThumbprint = keys[p.a].Thumbprint()
			made[i].token.TokenType, made[i].token.Key = "DPoP", keys[p.a]
		}
		if bend != nil {
			bend(i, &orders[i])
		}
		made[i].clusters, made[i].lookback = orders[i].Clusters, orders[i].LookbackDays
	}
	key := func(name string) string { return filepath.Join(d.stack.home, "keys", name) }
	job, err := json.Marshal(map[string]any{
		"postgres_dsn": d.stack.postgres.dsn(""), "hash_keys_file": key("hash-keys.json"), "seal_keys_file": key("seal-keys.json"),
		"session": session, "orders": orders,
	})
	if err != nil {
		return nil, err
	}
	fill := exec.CommandContext(ctx, filepath.Join(d.stack.bin, "fill"))
	fill.Stdin = bytes.NewReader(job)
	out, err := fill.Output()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(ended.Stderr)))
	}
	if err != nil {
		return nil, fmt.Errorf("fill: %w", err)
	}
	var answers []struct {
		ID           string           `json:"id"`
		Accounts     []string         `json:"accounts"`
		AccessToken  recipient.Secret `json:"access_token"`
		RefreshToken recipient.Secret `json:"refresh_token"`
	}
	if err := json.Unmarshal(out, &answers); err != nil {
		return nil, fmt.Errorf("fill: %w", err)
	}
	if len(answers) != len(made) {
		return nil, fmt.Errorf("fill: %d consents for %d orders", len(answers), len(made))
	}
	for i, a := range answers {
		g := made[i]
		g.id, g.accounts, g.token.GrantID, g.token.AccessToken, g.token.RefreshToken = a.ID, a.Accounts, a.ID, a.AccessToken, a.RefreshToken
	}
	return made, nil
}

// crossed are all pairs of a recipient and a customer, recipient by recipient.
func (d *driver) crossed() []pair {
	var pairs []pair
	for _, a := range d.apps {
		for _, c := range d.people {
			pairs = append(pairs, pair{a, c})
		}
	}
	return pairs
}

// many are n pairs, evenly among recipients and customers; a pair comes again
// when there are not as many.
func (d *driver) many(n int) []pair {
	apps := slices.DeleteFunc(slices.Clone(d.apps), func(a *app) bool { return a == d.suspended })
	list := make([]pair, n)
	for i := range list {
		list[i] = pair{apps[i%len(apps)], d.people[i/len(apps)%len(d.people)]}
	}
	return list
}
