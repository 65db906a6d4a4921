package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
)

// suspend suspends the recipient that holds most of the consents under load,
// for good, and sees that all of them end with the call: R2. Its consents are
// taken from those that others read.
func (d *driver) suspend(ctx context.Context) (finding, error) {
	f := finding{ID: "R2", What: "suspending a recipient is one change, and nothing of it is read afterwards"}
	held := map[*app][]*grant{}
	var most *app
	for _, g := range d.steady {
		held[g.app] = append(held[g.app], g)
		if most == nil || len(held[g.app]) > len(held[most]) {
			most = g.app
		}
	}
	for _, g := range held[most] {
		d.history.add(d.read(ctx, gatewayB, g, true)) // the caches know it
		d.history.add(d.introspect(ctx, g))
	}
	begin := time.Now()
	if _, err := d.stack.headgate("recipient", "suspend", most.id); err != nil {
		return f, err
	}
	took := time.Since(begin)
	for _, g := range held[most] {
		for _, o := range []op{d.read(ctx, gatewayA, g, true), d.read(ctx, gatewayB, g, false), d.introspect(ctx, g), d.refresh(ctx, g)} {
			d.history.add(o)
			f.Trials++
			if o.Yes {
				f.bad("%s of consent %s on %s was given after the suspension", o.Kind, g.id, o.Instance)
			}
		}
	}
	f.note("%d consents; the command took %v, start of the program included", len(held[most]), took.Round(time.Millisecond))
	var left []*grant
	for _, g := range d.steady {
		if g.app != most {
			left = append(left, g)
		}
	}
	d.steady = left
	d.spare = slices.DeleteFunc(d.spare, func(g *grant) bool { return g.app == most })
	return f, nil
}

// verify has the operator's tool compute the tree of access records anew,
// after all that was done to those who store them: A2.
func (d *driver) verify() finding {
	f := finding{ID: "A2", What: "the records lead to every signed checkpoint, and none is missing in a lane", Trials: 1}
	out, err := d.stack.headgate("audit", "verify", "--key", filepath.Join(d.stack.home, "keys", "audit-key.pub"))
	if err != nil {
		f.bad("headgate audit verify: %v: %s", err, out)
		return f
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	f.note("%s", lines[len(lines)-1])
	return f
}

// secret is a value that must not be written down.
type secret struct{ what, value string }

// forms are the ways in which a value is looked for.
func (s secret) forms() [][]byte {
	v := []byte(s.value)
	return [][]byte{
		v, []byte(hex.EncodeToString(v)), []byte(url.QueryEscape(s.value)),
		[]byte(base64.StdEncoding.EncodeToString(v)), []byte(base64.RawURLEncoding.EncodeToString(v)),
	}
}

// needles are secrets in all their forms, by their first bytes: texts are long
// and secrets many.
type needles map[[8]byte][]needle

type needle struct {
	what string
	form []byte
}

func newNeedles(secrets []secret) needles {
	n := needles{}
	for _, s := range secrets {
		for _, form := range s.forms() {
			if len(form) >= 8 {
				n[[8]byte(form)] = append(n[[8]byte(form)], needle{s.what, form})
			}
		}
	}
	return n
}

// find names what of it a text holds, each kind once.
func (n needles) find(where string, text []byte) []string {
	seen := map[string]bool{}
	for i := 0; i+8 <= len(text); i++ {
		for _, x := range n[[8]byte(text[i:])] {
			if bytes.HasPrefix(text[i:], x.form) {
				seen[x.what] = true
			}
		}
	}
	var found []string
	for what := range seen {
		found = append(found, where+" holds "+what)
	}
	return found
}

// secrets are those of this run that the driver knows.
func (d *driver) secrets(ctx context.Context) []secret {
	var list []secret
	add := func(what string, value recipient.Secret) {
		if value != "" {
			list = append(list, secret{what, string(value)})
		}
	}
	for _, g := range append(append([]*grant(nil), d.steady...), d.spare...) {
		t := g.now()
		add("an access token", t.AccessToken)
		add("a refresh token", t.RefreshToken)
	}
	for _, a := range d.apps {
		add("a token of a client's own", a.itself(ctx).AccessToken)
	}
	for i, c := range d.people {
		list = append(list, secret{"a password", c.password})
		for _, number := range accountNumbers(i) {
			list = append(list, secret{"an account number", number})
		}
		for _, cookie := range c.browser.Cookies() {
			add("a cookie", recipient.Secret(cookie.Value))
		}
	}
	return list
}

// hush looks for secrets wherever processes write after all those faults: K2.
func (d *driver) hush(ctx context.Context) (finding, error) {
	f := finding{ID: "K2", What: "no token, cookie, password or account number is written down"}
	s, secrets := d.stack, d.secrets(ctx)
	wanted := newNeedles(secrets)
	look := func(where string, text []byte) {
		f.Trials++
		f.Bad = append(f.Bad, wanted.find(where, text)...)
	}
	logs, err := filepath.Glob(filepath.Join(s.dir, "*.log"))
	if err != nil {
		return f, err
	}
	size := 0
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			return f, err
		}
		size += len(text)
		look(filepath.Base(name), text)
	}
	for _, name := range []string{authzd, gatewayA, gatewayB} {
		for _, part := range []string{"cmdline", "environ"} {
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.procs[name].pid(), part)); err == nil {
				look(name+" "+part, text)
			}
		}
	}
	// The bank's own tables hold account numbers and are not ours.
	dump := server{name: "pg_dump", path: filepath.Join(s.postgres.bin, "pg_dump"), dir: s.dir, as: s.postgres.as,
		args: []string{"-N", "sandbox", "-d", s.postgres.dsn("")}}
	if _, err := os.Stat(dump.path); err == nil {
		text, err := dump.run()
		if err != nil {
			return f, err
		}
		size += len(text)
		look("the database", []byte(text))
		// bytea is written as hex.
		look("the database", []byte(strings.ToLower(text)))
	} else {
		f.note("the database was not looked at: there is no pg_dump")
	}
	f.note("%d secrets in %d places of %d KiB; Redis holds hashes, see TestNoSecretIsWrittenDown", len(secrets), f.Trials, size>>10)
	return f, nil
}
