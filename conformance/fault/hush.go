package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate/headgate/conformance/recipient"
)

// secret is a value that must not be written down.
type secret struct{ what, value string }

// parts are what of a secret is looked for: what is enough of it to be one, so
// that a copy that was cut is found as well. All JWTs begin alike.
func (s secret) parts() []string {
	switch {
	case strings.HasPrefix(s.value, "hg") && len(s.value) > 30:
		return []string{s.value[:30]} // 23 of them are random
	case strings.HasPrefix(s.value, "eyJ") && strings.Count(s.value, ".") == 2:
		return []string{s.value, s.value[strings.LastIndexByte(s.value, '.')+1:]}
	}
	return []string{s.value}
}

// forms are the ways in which a value is looked for.
func (s secret) forms() [][]byte {
	var list [][]byte
	for _, part := range s.parts() {
		v := []byte(part)
		list = append(list, v, []byte(hex.EncodeToString(v)),
			[]byte(base64.StdEncoding.EncodeToString(v)), []byte(base64.RawURLEncoding.EncodeToString(v)))
		if escaped := url.QueryEscape(part); escaped != part {
			list = append(list, []byte(escaped))
		}
	}
	return list
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

// secretForm is how tokens of the product, everybody's JWTs and private keys
// look: it finds those that nobody here knows. Receipts are JWTs, and people
// may have them; so the database may.
var secretForm = regexp.MustCompile(`hg(?:at|rt|ac|ct|rg)_\w{20}|request_uri(?::|%3A)hg_\w{20}|eyJ[\w-]{8,}\.eyJ[\w-]+|BEGIN [A-Z ]*PRIVATE KEY`)

// mostSent bounds the secrets of a kind that are kept of what was sent.
const mostSent = 1000

// carried notes the secrets that a request carries; of many, any.
func (d *driver) carried(r *recipient.Request) {
	d.sentMu.Lock()
	defer d.sentMu.Unlock()
	add := func(what, value string) {
		switch list := d.sent[what]; {
		case value == "":
		case len(list) < mostSent:
			d.sent[what] = append(list, value)
		default:
			list[rand.IntN(mostSent)] = value
		}
	}
	add("a DPoP proof", r.Header.Get("DPoP"))
	for _, name := range []string{"client_assertion", "code", "code_verifier", "refresh_token", "token", "request"} {
		add("a "+name, r.Form.Get(name))
	}
}

// privateValue is a secret in a key file of the product, in base64.
var privateValue = regexp.MustCompile(`"(?:(?:d|p|q|dp|dq|qi|secret)": ?")?([A-Za-z0-9+/_-]{32,}={0,2})"`)

// publicMembers are those of a JWK that everybody may know.
var publicMembers = regexp.MustCompile(`"(?:kid|n|x|y|e)": ?"[^"]*"`)

// secrets are those of this run that the driver knows.
func (d *driver) secrets(ctx context.Context) ([]secret, error) {
	var list []secret
	add := func(what string, value recipient.Secret) {
		if value != "" {
			list = append(list, secret{what, string(value)})
		}
	}
	d.sentMu.Lock()
	for what, values := range d.sent {
		for _, v := range values {
			add(what, recipient.Secret(v))
		}
	}
	d.sentMu.Unlock()
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
	files, err := filepath.Glob(filepath.Join(d.stack.home, "keys", "*-key*.json"))
	if err != nil || len(files) < 4 {
		return nil, errors.Join(errors.New("the key files are not where they were"), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for _, found := range privateValue.FindAllSubmatch(publicMembers.ReplaceAll(text, nil), -1) {
			add("a private key", recipient.Secret(found[1]))
			for _, as := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
				if raw, err := as.DecodeString(string(found[1])); err == nil {
					add("a private key", recipient.Secret(raw))
				}
			}
		}
	}
	return list, nil
}

// astray takes wrong turns with secrets in the hand, because what is refused is
// what a log tells of: a consent that is walked to after a wrong password, reads
// with a spent proof, a cut one and a cut token, a token in the address, a
// refresh token in the wrong place, and a read whose record cannot be stored.
func (d *driver) astray(ctx context.Context) error {
	// One whose consents are read still: another may have been suspended.
	i := slices.IndexFunc(d.steady, func(g *grant) bool { return g.app.config.Certificate == nil })
	if i < 0 {
		return errors.New("no recipient uses DPoP")
	}
	a, who := d.steady[i].app, d.people[len(d.people)-1]
	attempt, pushed, err := d.pushed(ctx, a)
	if err != nil {
		return err
	}
	who.mu.Lock()
	page, err := who.browser.Arrive(ctx, a.client.AuthorizationURL(pushed.RequestURI))
	if err == nil && page.Has("login_submit") {
		if err = errors.Join(page.Fill("username", "nobody"), page.Fill("password", who.password)); err == nil {
			_, err = who.browser.Press(ctx, page, "login_submit")
		}
	}
	who.mu.Unlock()
	if err != nil {
		return fmt.Errorf("a wrong password: %w", err)
	}
	g, err := d.stack.grant(ctx, a, who)
	if err != nil {
		return err
	}
	token := g.now()
	d.sentMu.Lock()
	d.sent["a token"] = append(d.sent["a token"], string(token.AccessToken), string(token.RefreshToken), string(attempt.Verifier))
	d.sentMu.Unlock()
	send := func(instance string, r *recipient.Request, err error, bend func(*recipient.Request)) (int, error) {
		if err != nil {
			return 0, err
		}
		if bend != nil {
			bend(r)
		}
		o := op{Instance: instance}
		d.send(ctx, &o, a, r)
		return o.Status, nil
	}
	read := func(bend func(*recipient.Request)) (int, error) {
		r, err := a.client.AccountsRequest(token, nil)
		return send(gatewayA, r, err, bend)
	}
	header := func(name, value string) func(*recipient.Request) {
		return func(r *recipient.Request) { r.Header.Set(name, value) }
	}
	first, err := a.client.AccountsRequest(token, nil)
	if err != nil {
		return err
	}
	proof := first.Header.Get("DPoP")
	for _, turn := range []struct {
		want int // 0 is any
		bend func(*recipient.Request)
	}{
		{200, nil}, // both stores know the token now
		{200, header("DPoP", proof)},
		{401, header("DPoP", proof)},
		{401, header("DPoP", proof[:len(proof)/2])},
		{401, header("Authorization", "DPoP "+string(token.AccessToken[:40]))},
		{401, header("Authorization", "Basic "+string(token.AccessToken))},
		{0, func(r *recipient.Request) { r.URL += "?access_token=" + string(token.AccessToken) }},
		{0, func(r *recipient.Request) { r.URL += "/" + string(token.AccessToken) }},
	} {
		status, err := read(turn.bend)
		if err == nil && turn.want != 0 && status != turn.want {
			err = fmt.Errorf("a read was answered %d, not %d", status, turn.want)
		}
		if err != nil {
			return err
		}
	}
	r, err := a.client.RefreshRequest(token.RefreshToken, token.Key)
	if _, err := send(authzd, r, err, func(r *recipient.Request) { r.Form.Set("grant_type", string(token.RefreshToken)) }); err != nil {
		return err
	}
	edge := d.stack.toPostgres[gatewayA]
	if err := edge.set(trouble{refuse: true}); err != nil {
		return err
	}
	status, err := read(nil)
	err = errors.Join(err, edge.set(trouble{}))
	if err == nil && status < 500 {
		err = fmt.Errorf("a read that could not be recorded was answered %d", status)
	}
	return err
}

// hush looks for secrets wherever processes write after all those faults: K2.
func (d *driver) hush(ctx context.Context) (finding, error) {
	f := finding{ID: "K2", What: "no token, proof, assertion, cookie, password, key or account number is written down"}
	s := d.stack
	if err := d.astray(ctx); err != nil {
		return f, fmt.Errorf("wrong turns: %w", err)
	}
	// While Redis holds what has just been used.
	cached, err := s.redis.dump()
	if err != nil {
		return f, err
	}
	if !bytes.Contains(cached, []byte("{headgate}:token:")) {
		return f, errors.New("no token is in Redis")
	}
	secrets, err := d.secrets(ctx)
	if err != nil {
		return f, err
	}
	wanted := newNeedles(secrets)
	size := 0
	look := func(where string, text []byte) {
		f.Trials++
		size += len(text)
		f.Bad = append(f.Bad, wanted.find(where, text)...)
		if where == theDatabase {
			return
		}
		if found := secretForm.Find(text); found != nil {
			f.bad("%s holds what begins with %.8s", where, found)
		}
	}
	logs, err := filepath.Glob(filepath.Join(s.dir, "*.log"))
	if err != nil {
		return f, err
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			return f, err
		}
		look(filepath.Base(name), text)
	}
	for _, name := range []string{authzd, gatewayA, gatewayB} {
		for _, part := range []string{"cmdline", "environ"} {
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.procs[name].pid(), part)); err == nil {
				look(name+" "+part, text)
			}
		}
	}
	look("Redis", cached)
	// The bank's own tables hold account numbers and are not ours.
	dump := server{name: "pg_dump", path: filepath.Join(s.postgres.bin, "pg_dump"), dir: s.dir, as: s.postgres.as,
		args: []string{"-N", "sandbox", "-d", s.postgres.dsn("")}}
	if _, err := os.Stat(dump.path); err == nil {
		text, err := dump.run()
		if err != nil {
			return f, err
		}
		look(theDatabase, []byte(text)) // bytea is written as hex
	} else {
		f.note("the database was not looked at: there is no pg_dump")
	}
	f.note("%d secrets in %d places of %d KiB", len(secrets), f.Trials, size>>10)
	return f, nil
}

const theDatabase = "the database"

// dump returns what Redis would write to disk, nothing compressed.
func (r *redis) dump() ([]byte, error) {
	if err := errors.Join(r.do("CONFIG SET rdbcompression no"), r.do("SAVE")); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(r.dir, "dump.rdb"))
}
