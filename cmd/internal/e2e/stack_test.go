package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/cmd/internal/dev"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/internal/testenv"
)

// granted walks a persona through the consent journey of a stack.
func (s *stack) granted(t *testing.T, app *recipient.Client, who recipient.RegisteredPersona, ask recipient.ConsentRequest) recipient.Token {
	t.Helper()
	attempt, err := recipient.Ask(ask)
	must(t, err)
	p, err := app.Push(t.Context(), attempt)
	must(t, err)
	back, err := browser.ApproveAll(t.Context(), s.person(t), app.AuthorizationURL(p.RequestURI), who.Username, who.Password)
	must(t, err)
	code, err := app.ReadRedirect(back, attempt)
	must(t, err)
	tok, err := app.Redeem(t.Context(), attempt, code)
	must(t, err)
	return tok
}

func (s *stack) person(t *testing.T) *browser.Browser {
	t.Helper()
	roots, err := s.TLS()
	must(t, err)
	b, err := browser.New(browser.Config{Home: []string{s.Issuer, s.PortalURL}, TLS: roots, Codes: browser.Mailbox(s.MailboxURL, roots)})
	must(t, err)
	return b
}

// accounts reads the accounts of a grant and returns the outcome and the
// first id.
func accounts(t *testing.T, app *recipient.Client, tok recipient.Token) (outcome, string) {
	t.Helper()
	resp, err := app.Accounts(t.Context(), tok, nil)
	must(t, err)
	var body struct{ Accounts []struct{ AccountID string } }
	if resp.Status != http.StatusOK {
		return judged(resp), ""
	}
	must(t, resp.JSON(&body))
	return judged(resp), body.Accounts[0].AccountID
}

// The whole life of one state folder: two starts that end in order and one
// that does not, with everything that an operator does in between.
func TestStackLivesOnInItsFolder(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	first := startStack(t, home, nil)
	checkFile(t, first)
	keys := digests(t, home, "keys", "recipients", "ca")
	if len(keys) < 10 {
		t.Errorf("only %d files of keys", len(keys))
	}
	app := first.client(t, 0)
	tok := first.granted(t, app, first.Personas[0], wanted())

	t.Run("recipient add prints the id and the recipient gets data", func(t *testing.T) { addRecipient(t, first) })
	t.Run("bank import loads a file once and a broken one not at all", func(t *testing.T) { importFiles(t, first) })

	children := family(t, first.cmd.Process.Pid)
	if len(children) < 2 {
		t.Errorf("the stack runs %v: neither a PostgreSQL nor a Redis of its own", children)
	}
	if code := first.stop(t); code != 0 {
		t.Errorf("SIGTERM: exit code %d\n%s", code, first.stderr)
	}
	nothingRuns(t, children)
	if _, err := os.Stat(filepath.Join(home, dev.FileName)); err == nil {
		t.Error("dev.json is still there after the end")
	}
	if r := headgate(t, "recipient", "list", "--home", home); r.code != 1 || !strings.Contains(r.stderr, "headgate dev") {
		t.Errorf("a command without a stack: exit code %d, %s", r.code, r.stderr)
	}

	// What was given before is still given after another start on the folder.
	second := startStack(t, home, nil)
	if now := digests(t, home, "keys", "recipients", "ca"); fmt.Sprint(now) != fmt.Sprint(keys) {
		t.Error("a second start has changed the keys")
	}
	app = second.client(t, 0)
	fresh, err := app.Refresh(t.Context(), tok.RefreshToken, tok.Key)
	must(t, err)
	if got, _ := accounts(t, app, fresh); got != (outcome{200, ""}) {
		t.Errorf("the grant of before: %v", got)
	}
	t.Run("revoke ends a grant", func(t *testing.T) { revokeGrant(t, second, app, fresh) })

	// And one that ends without order.
	children = family(t, second.cmd.Process.Pid)
	must(t, second.cmd.Process.Kill())
	second.wait(t)
	nothingRuns(t, children)
	third := startStack(t, home, nil)
	app = third.client(t, 0)
	if _, err := app.Refresh(t.Context(), tok.RefreshToken, tok.Key); !isRefusal(err, "invalid_grant") {
		t.Errorf("the grant that was ended before the crash: %v", err)
	}
	t.Run("a second instance is told who holds the folder", func(t *testing.T) { startTwice(t, third, keys) })
	if code := third.stop(t); code != 0 {
		t.Errorf("SIGTERM: exit code %d\n%s", code, third.stderr)
	}
	t.Run("a throw-away stack does not throw away what is kept", func(t *testing.T) {
		r := headgate(t, "dev", "--home", home, "--port-base", "0", "--ephemeral")
		if r.code != 1 || !strings.Contains(r.stderr, "kept") {
			t.Errorf("exit code %d, %s", r.code, r.stderr)
		}
		if _, err := os.Stat(filepath.Join(third.postgres, "data")); err != nil {
			t.Error("the database is gone")
		}
		if now := digests(t, home, "keys", "recipients", "ca"); fmt.Sprint(now) != fmt.Sprint(keys) {
			t.Error("the keys are gone")
		}
	})
}

// startTwice starts a second instance on the folder of one that runs.
func startTwice(t *testing.T, s *stack, keys map[string]string) {
	app := s.client(t, 0)
	tok := s.granted(t, app, s.Personas[0], wanted())
	for _, args := range [][]string{{}, {"--ephemeral"}} {
		r := headgate(t, append([]string{"dev", "--home", s.home, "--port-base", "0"}, args...)...)
		if r.code != 1 || !strings.Contains(r.stderr, strconv.Itoa(s.cmd.Process.Pid)) || !strings.Contains(r.stderr, s.home) {
			t.Errorf("%v: exit code %d, %s", args, r.code, r.stderr)
		}
		if _, err := os.Stat(filepath.Join(s.home, dev.FileName)); err != nil {
			t.Errorf("%v: it has taken dev.json away from the one that runs", args)
		}
		if now := digests(t, s.home, "keys", "recipients", "ca"); fmt.Sprint(now) != fmt.Sprint(keys) {
			t.Errorf("%v: it has changed the keys of the one that runs", args)
		}
		if got, _ := accounts(t, app, tok); got != (outcome{200, ""}) {
			t.Errorf("%v: the one that runs now answers %v", args, got)
		}
	}
}

func isRefusal(err error, code string) bool {
	r, ok := err.(*recipient.Refusal)
	return ok && r.Code == code
}

// checkFile holds dev.json against DESIGN section 5 and what it promises
// against the servers.
func checkFile(t *testing.T, s *stack) {
	t.Helper()
	path := filepath.Join(s.home, dev.FileName)
	text, err := os.ReadFile(path)
	must(t, err)
	var file map[string]any
	must(t, json.Unmarshal(text, &file))
	members := func(what string, m map[string]any, names ...string) {
		for _, name := range names {
			if v, ok := m[name]; !ok || v == "" || v == nil {
				t.Errorf("dev.json: %s has no %s", what, name)
			}
		}
	}
	members("the file", file, "issuer", "mtls_base", "gateway_base", "portal_url", "mailbox_url", "ca_file", "postgres_dsn", "redis_url",
		"resource_servers", "software_statement_file")
	for _, r := range file["recipients"].([]any) {
		m := r.(map[string]any)
		members("a recipient", m, "client_id", "token_endpoint_auth_method", "cert_file", "key_file", "redirect_uris")
		if m["token_endpoint_auth_method"] == "private_key_jwt" {
			members("a recipient", m, "private_jwks_file")
		}
	}
	if n := len(file["recipients"].([]any)); n != 7 {
		t.Errorf("dev.json: %d recipients", n)
	}
	for _, p := range file["personas"].([]any) {
		members("a persona", p.(map[string]any), "username", "password", "about")
	}
	paths := []string{s.CAFile}
	for _, r := range s.Recipients {
		paths = append(paths, r.CertFile, r.KeyFile)
		if r.PrivateJWKSFile != "" {
			paths = append(paths, r.PrivateJWKSFile)
		}
	}
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil || !filepath.IsAbs(p) {
			t.Errorf("dev.json: %s is not the absolute path of a file", p)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("dev.json holds passwords and has mode %v", info.Mode())
	}
	// It was the last file to be written, and all it names answered at once.
	written := modified(t, path)
	must(t, filepath.WalkDir(s.home, func(p string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() && (e.Name() == "log" || e.Name() == "postgres") {
			return fs.SkipDir
		}
		if err == nil && !e.IsDir() && modified(t, p).After(written) {
			t.Errorf("%s was written after dev.json", p)
		}
		return err
	}))
	roots, err := s.TLS()
	must(t, err)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: roots}}
	for _, address := range []string{s.Issuer + "/livez", s.GatewayBase + "/readyz", s.PortalURL + "/login"} {
		resp, err := receive(client.Get(address))
		if err != nil || resp.Status != http.StatusOK {
			t.Errorf("%s does not answer: %v", address, err)
		}
	}
	db, err := sql.Open("pgx", s.PostgresDSN)
	must(t, err)
	defer db.Close() //nolint:errcheck // of a ping
	must(t, db.PingContext(t.Context()))
	dialRedis(t, s.RedisURL).do(t, "PING")
}

func modified(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.ModTime()
}

// digests returns a digest of every file below folders of a state folder.
func digests(t *testing.T, home string, folders ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, folder := range folders {
		must(t, filepath.WalkDir(filepath.Join(home, folder), func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // whoever compares will see that it is gone
			}
			// The addresses of private servers are new with each start.
			if err != nil || e.IsDir() || e.Name() == "postgres-dsn" || e.Name() == "redis-url" {
				return err
			}
			text, err := os.ReadFile(path)
			all[path] = fmt.Sprintf("%x", sha256.Sum256(text))
			return err
		}))
	}
	return all
}

// nothingRuns waits for processes that are about to end.
func nothingRuns(t *testing.T, list []process) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(15 * time.Second)
	for left := alive(t, list); len(left) > 0; left = alive(t, list) {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("left behind: %v", left)
		}
	}
}

func addRecipient(t *testing.T, s *stack) {
	private, public := newJWKS(t)
	for name, id := range map[string]string{"by its own id": "newcomer", "without an id": ""} {
		record := map[string]any{"client_name": "Newcomer", "redirect_uris": []string{"https://newcomer.example/cb"}, "jwks": public}
		if id != "" {
			record["client_id"] = id
		}
		text, err := json.Marshal(record)
		must(t, err)
		file := filepath.Join(t.TempDir(), "recipient.json")
		must(t, os.WriteFile(file, text, 0o600))
		printed := strings.TrimSpace(succeed(t, "recipient", "add", "-f", file, "--home", s.home))
		if id != "" && printed != id || printed == "" || strings.ContainsAny(printed, " \n") {
			t.Errorf("%s: printed %q", name, printed)
		}
		piped := command(t, "recipient", "add", "-f", "-", "--home", s.home)
		record["client_id"] = printed
		text, err = json.Marshal(record)
		must(t, err)
		piped.Stdin = bytes.NewReader(text)
		if r := finish(t, piped); r.code != 0 || strings.TrimSpace(r.stdout) != printed {
			t.Errorf("%s, again from standard input: exit code %d, %q, %s", name, r.code, r.stdout, r.stderr)
		}
		roots, err := s.TLS()
		must(t, err)
		app, err := recipient.Connect(t.Context(), recipient.Config{
			Issuer: s.Issuer, GatewayBase: s.GatewayBase + "/fdx/v6", ClientID: printed, PrivateJWKS: private,
			RedirectURI: "https://newcomer.example/cb", TLS: roots,
		})
		must(t, err)
		tok := s.granted(t, app, s.Personas[1], wanted())
		if got, _ := accounts(t, app, tok); got != (outcome{200, ""}) {
			t.Errorf("%s: its first read: %v", name, got)
		}
	}
	if list := succeed(t, "recipient", "list", "--home", s.home); !strings.Contains(list, "newcomer") {
		t.Errorf("recipient list: %s", list)
	}
	bad := filepath.Join(t.TempDir(), "bad.json")
	must(t, os.WriteFile(bad, []byte(`{"redirect_uris":["http://evil.example/"],"colour":"blue"}`), 0o600))
	if r := headgate(t, "recipient", "add", "-f", bad, "--home", s.home); r.code != 1 || r.stdout != "" || r.stderr == "" {
		t.Errorf("a record that is wrong: exit code %d, %s%s", r.code, r.stdout, r.stderr)
	}
}

// newJWKS makes a recipient's keys: all of them for itself, the public ones
// for its registration.
func newJWKS(t *testing.T) (jose.JSONWebKeySet, json.RawMessage) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	must(t, err)
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1"}}})
	must(t, err)
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "1"}}}, public
}

// statement is an OFX file with one account and two movements of the last
// days.
func statement(number, payee string) string {
	today := time.Now().UTC().Format("20060102")
	move := func(id, amount string) string {
		return "<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>" + today + "120000<TRNAMT>" + amount + "<FITID>" + id + "<NAME>" + payee + "</STMTTRN>\n"
	}
	return "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\nCOMPRESSION:NONE\nOLDFILEUID:NONE\nNEWFILEUID:NONE\n\n" +
		"<OFX>\n<SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>" + today + "120000<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>\n" +
		"<BANKMSGSRSV1><STMTTRNRS><TRNUID>0<STATUS><CODE>0<SEVERITY>INFO</STATUS>\n<STMTRS><CURDEF>USD\n" +
		"<BANKACCTFROM><BANKID>121000358<ACCTID>" + number + "<ACCTTYPE>CHECKING</BANKACCTFROM>\n" +
		"<BANKTRANLIST><DTSTART>" + today + "<DTEND>" + today + "\n" + move("F1", "-12.50") + move("F2", "-7.25") +
		"</BANKTRANLIST>\n<LEDGERBAL><BALAMT>100.00<DTASOF>" + today + "120000</LEDGERBAL>\n</STMTRS></STMTTRNRS></BANKMSGSRSV1>\n</OFX>\n"
}

func importFiles(t *testing.T, s *stack) {
	dir := t.TempDir()
	good, broken := filepath.Join(dir, "good.ofx"), filepath.Join(dir, "broken.ofx")
	must(t, os.WriteFile(good, []byte(statement("31415926535", "TEA HOUSE")), 0o600))
	text := strings.Replace(statement("27182818284", "TEA HOUSE"), "-7.25", "seven", 1)
	must(t, os.WriteFile(broken, []byte(text), 0o600))
	line := 1 + strings.Count(text[:strings.Index(text, "seven")], "\n")
	load := func(files ...string) result {
		return headgate(t, append([]string{"bank", "import", "ofx", "--customer", "imported", "--home", s.home}, files...)...)
	}

	if r := load(good); r.code != 0 || !strings.Contains(r.stdout, "1 accounts, 2 transactions are new") {
		t.Errorf("a good file: exit code %d, %s%s", r.code, r.stdout, r.stderr)
	}
	if r := load(good); r.code != 0 || !strings.Contains(r.stdout, "nothing new") {
		t.Errorf("the same again: exit code %d, %s%s", r.code, r.stdout, r.stderr)
	}
	if r := load(broken); r.code != 1 || !strings.Contains(r.stderr, "broken.ofx:"+strconv.Itoa(line)) {
		t.Errorf("a file broken in line %d: exit code %d, %s%s", line, r.code, r.stdout, r.stderr)
	}
	if r := load(good, broken, filepath.Join(dir, "absent.ofx")); r.code == 0 {
		t.Error("a file that is absent is taken for none")
	}
	db, err := sql.Open("pgx", s.PostgresDSN)
	must(t, err)
	defer db.Close() //nolint:errcheck // read only
	var n int
	must(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM sandbox.account WHERE number = '27182818284'").Scan(&n))
	if n != 0 {
		t.Error("part of a broken file was loaded")
	}
	app := s.client(t, 1)
	tok := s.granted(t, app, recipient.RegisteredPersona{Username: "imported", Password: "imported-pass"}, wanted())
	_, id := accounts(t, app, tok)
	resp, err := app.Transactions(t.Context(), tok, id, url.Values{"startDate": {days(1)}, "endDate": {days(0)}})
	must(t, err)
	if resp.Status != http.StatusOK || strings.Count(string(resp.Body), "TEA HOUSE") < 2 {
		t.Errorf("what was imported is read with %d: %s", resp.Status, resp.Body)
	}
}

func revokeGrant(t *testing.T, s *stack, app *recipient.Client, tok recipient.Token) {
	if out := succeed(t, "revoke", tok.GrantID, "--home", s.home); !strings.Contains(out, "ended at") {
		t.Errorf("revoke: %s", out)
	}
	if got, _ := accounts(t, app, tok); got != (outcome{401, "603"}) {
		t.Errorf("a read after the revocation: %v", got)
	}
	if out := succeed(t, "revoke", tok.GrantID, "--home", s.home); !strings.Contains(out, "before") {
		t.Errorf("revoke, again: %s", out)
	}
	if r := headgate(t, "revoke", "0f3a7c52-6a1e-4b7d-9c3e-1f2a3b4c5d6e", "--home", s.home); r.code != 1 || !strings.Contains(r.stderr, "no grant") {
		t.Errorf("revoke of no grant: exit code %d, %s", r.code, r.stderr)
	}
}

func TestPortInUseIsAClearError(t *testing.T) {
	t.Parallel()
	for i, name := range []string{"issuer", "pages", "gateway", "PostgreSQL", "Redis"} {
		base := fivePorts(t)
		port := strconv.Itoa(base + i)
		held, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		must(t, err)
		home := newHome(t)
		r := headgate(t, "dev", "--home", home, "--port-base", strconv.Itoa(base))
		if r.code != 1 || !strings.Contains(r.stderr, port) || !strings.Contains(r.stderr, "in use") {
			t.Errorf("%s: exit code %d, %s", name, r.code, r.stderr)
		}
		if _, err := os.Stat(filepath.Join(home, dev.FileName)); err == nil {
			t.Errorf("%s: there is a dev.json though nothing runs", name)
		}
		must(t, held.Close())
		if folder := standIn(r.stdout); folder != "" {
			must(t, os.RemoveAll(folder))
		}
	}
}

// standIn returns the folder in which a stack has said that it keeps its
// cluster, "" when that is below its home.
func standIn(output string) string {
	_, folder, _ := strings.Cut(output, "the data is kept in ")
	folder, _, _ = strings.Cut(folder, "\n")
	return folder
}

// fivePorts returns the first of five free ports in a row, below those that
// the system hands out by itself.
func fivePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		base := 20_000 + 5*rand.IntN(2000)
		free := 0
		for i := range 5 {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(base+i)))
			if err == nil {
				must(t, l.Close())
				free++
			}
		}
		if free == 5 {
			return base
		}
	}
	t.Fatal("no five free ports in a row")
	return 0
}

func TestEphemeralStackLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, as := range map[string]func(*exec.Cmd, string){
		// The folder is private to us, so that PostgreSQL, run by another user
		// when we are root, lives elsewhere: that place is to be clean as well.
		"by ourselves": nil,
		"by nobody":    func(cmd *exec.Cmd, folder string) { unprivileged(t, cmd, folder) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := newHome(t)
			var change func(*exec.Cmd)
			if as != nil {
				change = func(cmd *exec.Cmd) { as(cmd, filepath.Dir(home)) }
			}
			s := startStack(t, home, change, "--ephemeral")
			children := family(t, s.cmd.Process.Pid)
			if code := s.stop(t); code != 0 {
				t.Errorf("exit code %d\n%s", code, s.stderr)
			}
			nothingRuns(t, children)
			for _, path := range []string{home, s.postgres} {
				if _, err := os.Stat(path); err == nil {
					t.Errorf("%s is still there", path)
				}
			}
			if left, err := os.ReadDir(filepath.Dir(home)); err != nil || len(left) > 0 {
				t.Errorf("left beside it: %v", left)
			}
		})
	}
}

func TestStackUsesServersThatRunAlready(t *testing.T) {
	t.Parallel()
	dsn, redis := env.Postgres(t), testenv.Redis(t)
	s := startStack(t, newHome(t), nil, "--postgres-dsn", dsn, "--redis-url", redis.URL())
	if s.PostgresDSN != dsn || s.RedisURL != redis.URL() {
		t.Error("dev.json names other servers")
	}
	if children := family(t, s.cmd.Process.Pid); len(children) > 0 {
		t.Errorf("it has started %v", children)
	}
	app := s.client(t, 0)
	tok := s.granted(t, app, s.Personas[0], wanted())
	if got, _ := accounts(t, app, tok); got != (outcome{200, ""}) {
		t.Errorf("a read: %v", got)
	}
	if keys := dialRedis(t, redis.URL()).dump(t); len(keys) == 0 {
		t.Error("the Redis that was named holds nothing")
	}
	db, err := sql.Open("pgx", dsn)
	must(t, err)
	defer db.Close() //nolint:errcheck // read only
	var n int
	must(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM access_record").Scan(&n))
	if n == 0 {
		t.Error("the database that was named holds no record")
	}
	if code := s.stop(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.stderr)
	}
	must(t, db.PingContext(t.Context())) // they are somebody else's and go on
	dialRedis(t, redis.URL()).do(t, "PING")
}

func TestDemo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"demo"}, {"demo", "--kill-redis"}, {"demo", "--embedded"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			cmd := command(t, args...)
			temp, err := publicDir("")
			must(t, err)
			t.Cleanup(func() { must(t, os.RemoveAll(temp)) })
			cmd.Env = append(cmd.Env, "TMPDIR="+temp)
			if len(args) == 1 {
				unprivileged(t, cmd, temp)
			}
			d := &stack{cmd: cmd, stdout: &logBuffer{}, stderr: &logBuffer{}}
			cmd.Stdout, cmd.Stderr = d.stdout, d.stderr
			d.exited, err = start(cmd)
			must(t, err)
			if slices.Contains(args, "--kill-redis") {
				d.await(t, "the kill", func() bool { return strings.Contains(d.stdout.String(), "kill Redis") })
				for _, p := range family(t, cmd.Process.Pid) {
					if strings.Contains(p.command, "redis") || strings.Contains(p.command, "valkey") {
						t.Errorf("it says that Redis is gone, and there is %v", p)
					}
				}
			}
			d.wait(t)
			r := result{cmd.ProcessState.ExitCode(), d.stdout.String(), d.stderr.String()}
			if r.code != 0 || r.stderr != "" {
				t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			for _, want := range []string{"Everything did what it should", "401, code 603", "400, invalid_grant", "page 2 of 60 days"} {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("it does not say %q:\n%s", want, r.stdout)
				}
			}
			if slices.Contains(args, "--kill-redis") != strings.Contains(r.stdout, "kill Redis") {
				t.Error("Redis was killed unasked, or not killed")
			}
			if slices.Contains(args, "--embedded") && !strings.Contains(r.stdout, "Redis: embedded") {
				t.Error("the built-in Redis was not used")
			}
			secretForms(t, "the output of the demo", r.stdout)
			secrets := canaries{}
			secrets.add(password, "everyday-pass", "imported-pass")
			secrets.add(account, "000123456789")
			for _, found := range secrets.searcher().find("output of the demo", r.stdout) {
				t.Error(found)
			}
			left, err := os.ReadDir(temp)
			must(t, err)
			if folder := standIn(r.stdout); folder != "" {
				if _, err := os.Stat(folder); err == nil {
					t.Errorf("it has left %s", folder)
				}
			}
			if len(left) > 0 {
				t.Errorf("it has left %v", left)
			}
		})
	}
}

func TestDemoKeepsItsFolder(t *testing.T) {
	t.Parallel()
	out := succeed(t, "demo", "--keep")
	_, folder, said := strings.Cut(out, "State is kept in ")
	if !said {
		t.Fatalf("it does not say where:\n%s", out)
	}
	folder, _, _ = strings.Cut(folder, "\n")
	for _, kept := range []string{folder, standIn(out)} {
		t.Cleanup(func() { must(t, os.RemoveAll(kept)) }) // "" is nothing
	}
	for _, name := range []string{"log/gatewayd.log", "log/authzd.log", "keys/hash-keys.json"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Errorf("%s is not in the folder that was to be kept", name)
		}
	}
}

// unprivileged makes a command run as nobody when we are root, in a folder
// that becomes its own.
func unprivileged(t *testing.T, cmd *exec.Cmd, folder string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	uid, gid := nobody(t)
	must(t, os.Chown(folder, int(uid), int(gid)))
	cmd.Dir = folder
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "TMPDIR=" + folder}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
}

// nobody returns the ids of the user who may do nothing.
func nobody(t *testing.T) (uid, gid uint32) {
	t.Helper()
	u, err := user.Lookup("nobody")
	must(t, err)
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	must(t, err)
	group, err := strconv.ParseUint(u.Gid, 10, 32)
	must(t, err)
	return uint32(id), uint32(group)
}
