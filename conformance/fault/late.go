package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// ownSigningKeys gives the second authorization server a file of signing keys of
// its own, as instances on two machines have them. It returns what brings the
// file up to date and what gives it the common one again, which is for after its
// end.
func (s *stack) ownSigningKeys() (update func() error, restore func(), err error) {
	own, settings := filepath.Join(s.dir, "signing-keys-b.json"), filepath.Join(s.dir, authzdB+"-own.json")
	update = func() error {
		text, err := os.ReadFile(s.signingKeys())
		if err != nil {
			return err
		}
		return putFile(own, text)
	}
	p := s.procs[authzdB]
	was := p.args
	if err := update(); err != nil {
		return nil, nil, err
	}
	err = copySettings(was[0], settings, func(c map[string]any) { c["signing_keys_file"] = own })
	if err != nil {
		return nil, nil, err
	}
	p.args = []string{settings}
	return update, func() { p.args = was }, nil
}

// apart has half of the instances use the new keys while the other half has only
// been told that there will be some, as long as it says. Meanwhile each half is
// given what the other one made, and whoever keeps our key set knows whatever
// either signs with: K1.
func (d *driver) apart(ctx context.Context, b before, late time.Duration) (finding, error) {
	f := finding{ID: "K1"}
	good := func(is bool, format string, args ...any) {
		f.Trials++
		if !is {
			f.bad(format, args...)
		}
	}
	g := b.grants[0]
	// The tokens from before are still needed.
	g = &grant{id: g.id, app: g.app, who: g.who, accounts: g.accounts, token: g.now(), since: g.since}
	servers, gateways := []string{authzd, authzdB}, []string{gatewayA, gatewayB}
	signed := map[string]bool{}
	for end := time.Now().Add(late); time.Now().Before(end); {
		for i := range servers {
			to, from := i, 1-i
			key, err := d.nextPage(ctx, g, gateways[from], b.asked)
			if err != nil {
				return f, err
			}
			o, _, err := d.pageOf(ctx, g, gateways[to], with(b.asked, key))
			good(err == nil && o.good(), "%s answers %d to a page key of %s, while one of them is late", gateways[to], o.Status, gateways[from])
			o = d.refreshAt(ctx, g, servers[from])
			d.history.add(o)
			good(o.Yes, "%s answers %d %s to a refresh token, while one of them is late", servers[from], o.Status, o.Err)
			o = d.read(ctx, gateways[to], g, false)
			d.history.add(o)
			good(o.Yes, "%s answers %d %s to a token of %s, while one of them is late", gateways[to], o.Status, o.Err, servers[from])
			kid, err := d.signedBy(ctx, g, servers[from])
			if err != nil {
				return f, err
			}
			signed[servers[from]+kid] = true
			known, err := d.published(ctx, servers[to])
			if err != nil {
				return f, err
			}
			good(slices.Contains(known, kid), "%s does not publish the key that %s signs with", servers[to], servers[from])
			good(slices.Contains(b.kids, kid), "whoever keeps our key set does not know the key that %s signs with", servers[from])
		}
		if err := rest(ctx, 500*time.Millisecond); err != nil {
			return f, err
		}
	}
	// Without that, nothing was late.
	good(signed[authzdB+b.kid] && len(signed) > 1, "both authorization servers sign with the same key")
	f.note("half of the instances were %v late with every new key: %d trials of what the others had made", late, f.Trials)
	return f, nil
}
