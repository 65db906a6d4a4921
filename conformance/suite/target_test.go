package suite_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/headgate/headgate/conformance/suite"
)

// one runs one case and returns its result.
func one(t *testing.T, target *suite.Target, run func(t *suite.T)) suite.Result {
	t.Helper()
	report, err := suite.Run(t.Context(), []suite.Case{example("a.case", run)}, suite.Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	return report.Results[0]
}

// Where pages need script and there is no browser, what needs a person has not
// run, and what bends a form does not apply: neither has passed.
func TestPagesThatNeedScriptWithoutABrowser(t *testing.T) {
	t.Parallel()
	target, _ := deployment(t)
	target.Browser, target.BrowserPath = suite.Chromium, filepath.Join(t.TempDir(), "none")
	if r := one(t, target, func(t *suite.T) { t.Checked(); t.Person() }); r.Status != suite.NotRun || !r.Bad() || !strings.Contains(r.Messages[0], "no Chromium") {
		t.Errorf("%s %v", r.Status, r.Messages)
	}
	if r := one(t, target, func(t *suite.T) { t.Checked(); t.Browser() }); r.Status != suite.NotApplicable || !strings.Contains(r.Messages[0], "bends a form") {
		t.Errorf("%s %v", r.Status, r.Messages)
	}
}

func TestMembersOfTargetFiles(t *testing.T) {
	t.Parallel()
	const good = `{"issuer": "https://127.0.0.1", "claims": ["par"], "personas": [{"username": "u", "password": "p"}],
		"recipients": [{"client_id": "a", "token_endpoint_auth_method": "private_key_jwt", "private_jwks_file": "k", "redirect_uri": "https://a.example/"},
			{"client_id": "b", "token_endpoint_auth_method": "private_key_jwt", "private_jwks_file": "k", "redirect_uri": "https://b.example/"}]`
	for more, ok := range map[string]bool{
		``: true, `, "browser": "chromium"`: true, `, "browser": "forms"`: true, `, "browser": "firefox"`: false,
		`, "claims": ["one_time_expiry"], "one_time_seconds": 60`: true, `, "claims": ["one_time_expiry"], "one_time_seconds": 121`: false,
		`, "claims": ["one_time_expiry"]`: false, `, "one_time_seconds": 60`: true, `, "openapi": "api.json"`: true, `, "open_api": "api.json"`: false,
	} {
		text := good
		if strings.Contains(more, `"claims"`) {
			text = strings.Replace(text, `"claims": ["par"], `, "", 1)
		}
		file := filepath.Join(t.TempDir(), "target.json")
		if err := os.WriteFile(file, []byte(text+more+"}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := suite.ReadTarget(file); (err == nil) != ok || err != nil && !errors.Is(err, suite.ErrTarget) {
			t.Errorf("with %s: %v", more, err)
		}
	}
}

// statements makes a target that names the keys of statements: one that signed
// the statement, and another.
func statements(t *testing.T, bend func(set *jose.JSONWebKeySet)) (*suite.Target, *ecdsa.PrivateKey) {
	t.Helper()
	target, _ := deployment(t, suite.Registration)
	var set jose.JSONWebKeySet
	var keys []*ecdsa.PrivateKey
	for i := range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key, KeyID: fmt.Sprint(i), Algorithm: "ES256"})
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: set.Keys[1]}, (&jose.SignerOptions{}).WithType("statement+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-48 * time.Hour).Unix()
	compact, err := jwt.Signed(signer).Claims(map[string]any{"iss": "d", "jti": "used", "iat": old, "exp": old + 3600, "software_id": "s"}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	bend(&set)
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"keys.json": text, "statement.jwt": []byte(compact + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	target.SoftwareStatementFile, target.SoftwareStatementKeysFile = filepath.Join(dir, "statement.jwt"), filepath.Join(dir, "keys.json")
	return target, keys[1]
}

func TestEachRunHasAStatementOfItsOwn(t *testing.T) {
	t.Parallel()
	target, key := statements(t, func(*jose.JSONWebKeySet) {})
	seen := map[string]bool{}
	for range 3 {
		var twice [2]string
		if r := one(t, target, func(t *suite.T) {
			twice = [2]string{t.Statement(), t.Statement()}
			t.Checked()
		}); r.Status != suite.Passed {
			t.Fatal(r.Messages)
		}
		if twice[0] != twice[1] || seen[twice[0]] {
			t.Error("a run has two statements, or two runs have one")
		}
		seen[twice[0]] = true
		parsed, err := jwt.ParseSigned(twice[0], []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			jwt.Claims
			Software string `json:"software_id"`
		}
		if err := parsed.Claims(key.Public(), &claims); err != nil {
			t.Fatal(err)
		}
		if claims.ID == "used" || claims.ID == "" || claims.Software != "s" || time.Since(claims.IssuedAt.Time()).Abs() > time.Minute ||
			claims.Expiry.Time().Sub(claims.IssuedAt.Time()) != time.Hour || parsed.Headers[0].ExtraHeaders["typ"] != "statement+jwt" {
			t.Errorf("the statement is not like the old one: %+v", claims)
		}
	}
}

func TestStatementsThatCannotBeSigned(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(set *jose.JSONWebKeySet){
		"no key of that kid":   func(set *jose.JSONWebKeySet) { set.Keys = set.Keys[:1] },
		"two keys of that kid": func(set *jose.JSONWebKeySet) { set.Keys[0].KeyID = "1" },
		"a public key":         func(set *jose.JSONWebKeySet) { set.Keys[1] = set.Keys[1].Public() },
	} {
		target, _ := statements(t, bend)
		if r := one(t, target, func(t *suite.T) { t.Checked(); t.Statement() }); r.Status != suite.NotRun {
			t.Errorf("%s: %s %v", name, r.Status, r.Messages)
		}
	}
}

func TestADocumentThatIsNotNamedIsNotApplicable(t *testing.T) {
	t.Parallel()
	target, _ := deployment(t)
	read := func(t *suite.T) { t.Checked(); t.Document() }
	if r := one(t, target, read); r.Status != suite.NotApplicable {
		t.Errorf("%s %v", r.Status, r.Messages)
	}
	for _, address := range []string{target.Issuer + "/", filepath.Join(t.TempDir(), "none"), "https://elsewhere.example/api.json"} {
		if target.OpenAPI = address; one(t, target, read).Status != suite.NotRun {
			t.Errorf("%s is a document", address)
		}
	}
	file := filepath.Join(t.TempDir(), "api.json")
	if err := os.WriteFile(file, []byte(`{"openapi":"3.0.3","info":{"title":"t","version":"1"},"paths":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if target.OpenAPI = file; one(t, target, read).Status != suite.Passed {
		t.Error("a document in a file is not read")
	}
}

func TestWhereAnExpectationComesFrom(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]suite.Source{"RFC 1": suite.FromSpec, "FDX (documented contract: x)": suite.FromOwn} {
		if got := (suite.Case{Spec: spec}).From(); got != want {
			t.Errorf("%s comes from %s", spec, got)
		}
	}
	if got := (suite.Case{Spec: "documented contract", Source: suite.FromShapes}).From(); got != suite.FromShapes {
		t.Errorf("what a case says counts for nothing: %s", got)
	}
}
