package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/testenv"
)

func schemaVersion() string {
	v, err := postgres.Schema()
	if err != nil {
		panic(err)
	}
	return v
}

var env = testenv.New(testenv.Config{Version: schemaVersion(), Migrate: postgres.Migrate})

// asCommand makes the test binary be the command.
const asCommand = "HEADGATE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(env.Main(m))
}

// shell runs commands against one database.
type shell struct {
	t   *testing.T
	db  *postgres.DB
	dir string
}

func newShell(t *testing.T) shell {
	t.Helper()
	s := shell{t: t, dir: t.TempDir()}
	dsn := env.Postgres(t)
	s.file("dsn", dsn)
	var err error
	s.db, err = postgres.Open(t.Context(), postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.db.Close)
	return s
}

// file writes a private file and returns its name.
func (s shell) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

type result struct {
	code           int
	stdout, stderr string
}

// run runs "headgate recipient" with arguments; input is what is typed.
func (s shell) run(input string, args ...string) result {
	s.t.Helper()
	args = append([]string{"recipient"}, args...)
	if args[1] != "statement" {
		args = append(args, "--postgres-dsn-file", filepath.Join(s.dir, "dsn"))
	}
	return s.command(input, args...)
}

// command runs headgate with arguments; input is what is typed.
func (s shell) command(input string, args ...string) result {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	c := exec.CommandContext(s.t.Context(), self, args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	c.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	_ = c.Run() // the exit code tells
	return result{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

func (s shell) status(id string) consent.RecipientStatus {
	s.t.Helper()
	r, err := s.db.Recipients().Recipient(s.t.Context(), consent.RecipientID(id))
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Status
}

func newKeys(t *testing.T) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.Public(), KeyID: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRecipientLife(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	record := func(name string) string {
		return s.file("record.json", `{"client_id":"app","client_name":"`+name+`","redirect_uris":["https://app.example/cb"],"contacts":["help@app.example"],"requests_per_minute":1200,"jwks":`+newKeys(t)+`}`)
	}
	if r := s.run("", "add", "-f", record("App")); r != (result{0, "app\n", ""}) {
		t.Fatalf("add: %+v", r)
	}
	for range 250 {
		g := consenttest.NewGrant("somebody", time.Now())
		g.Recipient = "app"
		if err := s.db.Grants().Create(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	g := consenttest.NewGrant("somebody", time.Now())
	g.Recipient = "app"
	if err := s.db.Grants().Create(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Grants().End(t.Context(), consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction}); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Answers().Answer(t.Context(), g.ID, consent.AnswerTooMuch); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, input string
		args        []string
		code        int
		says        string // on either stream
		want        consent.RecipientStatus
	}{
		{"show", "", []string{"show", "app"}, 0, "help@app.example", consent.RecipientActive},
		{"show tells the grants", "", []string{"show", "app", "--json"}, 0, `"active_grants":250`, consent.RecipientActive},
		{"show tells why people stopped", "", []string{"show", "app"}, 0, "stopped because    too_much: 1", consent.RecipientActive},
		{"show tells the quota", "", []string{"show", "app"}, 0, "1200 requests a minute", consent.RecipientActive},
		{"another quota", "", []string{"limit", "app", "90"}, 0, "90 requests a minute", consent.RecipientActive},
		{"is kept", "", []string{"show", "app", "--json"}, 0, `"requests_per_minute":90`, consent.RecipientActive},
		{"the quota of all", "", []string{"limit", "app", "0"}, 0, "the quota of the gateways", consent.RecipientActive},
		{"is kept too", "", []string{"show", "app", "--json"}, 0, `"requests_per_minute":0`, consent.RecipientActive},
		{"too much of a quota", "", []string{"limit", "app", "60000001"}, 1, "must be 0 to 60000000", consent.RecipientActive},
		{"a quota of nobody", "", []string{"limit", "nobody", "9"}, 1, "no client has that id", consent.RecipientActive},
		{"an active one is active", "", []string{"approve", "app", "--yes"}, 1, "is active and cannot become active", consent.RecipientActive},
		{"restrict", "", []string{"restrict", "app"}, 0, "is restricted now", consent.RecipientRestricted},
		{"suspend without Redis waits", "", []string{"suspend", "app"}, 0, "--redis-url-file is not given: waiting 6s", consent.RecipientSuspended},
		{"approve", "", []string{"approve", "app", "--yes"}, 0, "is active now", consent.RecipientActive},
		{"suspend", "", []string{"suspend", "app", "--redis-url-file", s.file("redis", testenv.Redis(t).URL())}, 0, "is suspended now", consent.RecipientSuspended},
		{"suspend again waits for the caches again", "", []string{"suspend", "app"}, 0, "--redis-url-file is not given: waiting 6s", consent.RecipientSuspended},
		{"suspend again", "", []string{"suspend", "app", "--redis-url-file", s.file("redis", testenv.Redis(t).URL())}, 0, "was suspended before", consent.RecipientSuspended},
		{"add lifts no suspension", "", []string{"add", "-f", record("App")}, 0, "stays suspended", consent.RecipientSuspended},
		{"approve asks", "no\n", []string{"approve", "app"}, 1, "nothing was changed", consent.RecipientSuspended},
		{"approve wants an answer", "", []string{"approve", "app"}, 1, "nobody answered", consent.RecipientSuspended},
		{"approve shows what it is about", "yes\n", []string{"approve", "app"}, 0, "https://app.example/cb", consent.RecipientActive},
		{"rotate", "", []string{"rotate", "app", "-f", s.file("keys.json", newKeys(t))}, 0, "replaced", consent.RecipientActive},
		{"rotate to nothing", "", []string{"rotate", "app", "-f", s.file("none.json", `{"keys":[]}`)}, 1, "has none", consent.RecipientActive},
		{"remove asks", "\n", []string{"remove", "app"}, 1, "250 consents will end", consent.RecipientActive},
		{"remove", "yes\n", []string{"remove", "app"}, 0, "250 consents have ended", consent.RecipientClosed},
		{"remove again", "", []string{"remove", "app"}, 0, "closed before", consent.RecipientClosed},
		{"closed is final", "", []string{"approve", "app", "--yes"}, 1, "cannot become active", consent.RecipientClosed},
		{"closed cannot be added", "", []string{"add", "-f", record("App")}, 1, "another id", consent.RecipientClosed},
		{"closed keys stay", "", []string{"rotate", "app", "-f", s.file("keys2.json", newKeys(t))}, 1, "changed meanwhile", consent.RecipientClosed},
		{"an unknown one", "", []string{"suspend", "nobody"}, 1, "no client has that id", consent.RecipientClosed},
	} {
		r := s.run(c.input, c.args...)
		if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.says) || s.status("app") != c.want {
			t.Errorf("%s: %+v, is %s, want exit code %d, %s and %q", c.name, r, s.status("app"), c.code, c.want, c.says)
		}
	}
	if left, err := s.db.Registrations().CountActiveGrants(t.Context(), "app"); err != nil || left != 0 {
		t.Errorf("%d grants left (%v)", left, err)
	}
}

// Approve goes by what was shown: a change in between makes it stop.
func TestApproveIsAboutWhatWasShown(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	file := s.file("record.json", `{"client_id":"app","redirect_uris":["https://app.example/cb"],"jwks":`+newKeys(t)+`}`)
	if r := s.run("", "add", "-f", file); r.code != 0 {
		t.Fatalf("add: %+v", r)
	}
	if r := s.run("", "suspend", "app"); r.code != 0 {
		t.Fatalf("suspend: %+v", r)
	}
	reg, err := s.db.Registrations().ByID(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Registrations().Update(t.Context(), reg); err != nil {
		t.Fatal(err)
	}
	if err := approve(t.Context(), s.db, reg); err == nil || s.status("app") != consent.RecipientSuspended {
		t.Errorf("approved what nobody saw: %v", err)
	}
}

func TestResourceServerIsRegisteredByTheShell(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	file := s.file("rs.json", `{"client_id":"rs","role":"resource_server","scope":"fdx:balances:read","jwks":`+newKeys(t)+`}`)
	if r := s.run("", "add", "-f", file); r != (result{0, "rs\n", ""}) {
		t.Fatalf("add: %+v", r)
	}
	if r := s.run("", "show", "rs"); r.code != 0 || !strings.Contains(r.stdout, "as resource_server") {
		t.Errorf("show: %+v", r)
	}
}

func TestStatementIsSigned(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	keyFile := filepath.Join(s.dir, "signing.json")
	if err := certs.GenerateSigningKeys(keyFile); err != nil {
		t.Fatal(err)
	}
	file := s.file("part.json", `{"client_name":"App","redirect_uris":["https://app.example/cb"]}`)
	r := s.run("", "statement", "-f", file, "--signing-keys", keyFile, "--issuer", "https://as.example")
	if r.code != 0 || strings.Count(r.stdout, ".") != 2 || strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("%+v", r)
	}
	for name, args := range map[string][]string{
		"unknown member":  {"-f", s.file("a.json", `{"colour":"blue"}`)},
		"a role":          {"-f", s.file("b.json", `{"role":"resource_server"}`)},
		"a client id":     {"-f", s.file("c.json", `{"client_id":"x"}`)},
		"a bad redirect":  {"-f", s.file("d.json", `{"redirect_uris":["http://app.example"]}`)},
		"a member twice":  {"-f", s.file("e.json", `{"client_name":"a","client_name":"b"}`)},
		"too long":        {"-f", file, "--valid", "2000h"},
		"over already":    {"-f", file, "--valid", "0s"},
		"a bad issuer":    {"-f", file, "--issuer", "http://as.example"},
		"no such file":    {"-f", filepath.Join(s.dir, "none")},
		"nothing to read": {"-f", "-"},
	} {
		r := s.run("", append([]string{"statement", "--signing-keys", keyFile, "--issuer", "https://as.example"}, args...)...)
		if r.code == 0 || r.stdout != "" || r.stderr == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
