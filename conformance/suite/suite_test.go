package suite_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/suite"
)

const secret = "s3cr3t-t0k3n-that-must-not-be-seen"

// deployment is a server that knows nothing of OAuth, and a target file for
// it.
func deployment(t *testing.T, claims ...suite.Claim) (*suite.Target, *atomic.Int64) {
	t.Helper()
	var asked, busy atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Set-Cookie", "session="+secret+"; Secure")
		switch r.URL.Path {
		case "/refuse":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"no"}`)
		case "/busy":
			if busy.Add(1) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		case "/always-busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/away":
			w.Header().Set("Location", "https://app.example/callback?code="+secret+"&state=1")
			w.WriteHeader(http.StatusSeeOther)
		default:
			fmt.Fprintf(w, `{"access_token":%q,"list":[{"n":1}],"accountNumber":"12345678901"}`, secret)
		}
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	file("keys.json", keys)
	recipient := func(id string) map[string]any {
		return map[string]any{"client_id": id, "token_endpoint_auth_method": "private_key_jwt", "private_jwks_file": "keys.json", "redirect_uri": "https://app.example/callback"}
	}
	text, err := json.Marshal(map[string]any{
		"issuer": server.URL, "resource_base": server.URL + "/data", "ca_file": "ca.pem", "claims": claims,
		"recipients": []any{recipient("one"), recipient("two")}, "personas": []any{map[string]any{"username": "u", "password": "p"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	target, err := suite.ReadTarget(file("target.json", text))
	if err != nil {
		t.Fatal(err)
	}
	return target, &asked
}

func example(id string, run func(t *suite.T), needs ...suite.Claim) suite.Case {
	return suite.Case{ID: id, Title: "it holds", Spec: "RFC 1", Mend: "mend it", Needs: needs, Run: run}
}

func get(t *suite.T, path string) *suite.Request {
	return &suite.Request{Method: http.MethodGet, URL: t.Target.Issuer + path, Header: http.Header{"Authorization": {"Bearer " + secret}}}
}

func post(t *suite.T, path string) *suite.Request {
	return &suite.Request{Method: http.MethodPost, URL: t.Target.Issuer + path + "?code=" + secret, Header: http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Cookie": {"session=" + secret},
	}, Form: url.Values{"refresh_token": {secret}, "plain": {"shown"}}}
}

func every(t *testing.T) []suite.Case {
	return []suite.Case{
		example("a.passes", func(t *suite.T) { t.Expect(t.Send(get(t, "/")), suite.OK) }),
		example("a.refused", func(t *suite.T) { t.Expect(t.Send(get(t, "/refuse")), suite.Refused("invalid_grant")) }),
		example("a.fails", func(t *suite.T) { t.Expect(t.Send(post(t, "/")), suite.Refused("invalid_grant")) }),
		example("a.redirect", func(t *suite.T) { t.Expect(t.Send(get(t, "/away")), suite.OK) }),
		example("b.checks-nothing", func(t *suite.T) { t.Send(get(t, "/")) }),
		example("b.panics", func(*suite.T) { panic("at the disco") }),
		example("b.cannot", func(t *suite.T) {
			r := get(t, "/")
			r.URL = "https://elsewhere.example/"
			t.Send(r)
		}),
		example("b.needs", func(t *suite.T) { t.Expect(t.Send(get(t, "/refuse")), suite.OK) }, suite.JARM),
		example("b.later-needs", func(t *suite.T) { t.Checked(); t.Needs(suite.JARM) }),
		example("b.fails-and-needs", func(t *suite.T) { t.Errorf("seen"); t.Fatalf("and ended") }),
	}
}

func TestEachWayToEnd(t *testing.T) {
	t.Parallel()
	target, _ := deployment(t, suite.FDX)
	report, err := suite.Run(t.Context(), every(t), suite.Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]suite.Status{
		"a.passes": suite.Passed, "a.refused": suite.Passed, "a.fails": suite.Failed, "a.redirect": suite.Failed,
		"b.checks-nothing": suite.NotRun, "b.panics": suite.NotRun, "b.cannot": suite.NotRun,
		"b.needs": suite.NotApplicable, "b.later-needs": suite.NotApplicable, "b.fails-and-needs": suite.Failed,
	}
	for _, r := range report.Results {
		if r.Status != want[r.ID] {
			t.Errorf("%s: %s %v; want %s", r.ID, r.Status, r.Messages, want[r.ID])
		}
		if (r.Status == suite.Passed) == (len(r.Messages) > 0) {
			t.Errorf("%s: %s with messages %v", r.ID, r.Status, r.Messages)
		}
	}
	if !report.Bad() {
		t.Error("a run with failures is not bad")
	}
	if r := (suite.Result{Status: suite.Failed, Severity: suite.May}); r.Bad() {
		t.Error("a failed may fails the run")
	}
}

func TestNoReportHoldsASecret(t *testing.T) {
	t.Parallel()
	target, _ := deployment(t)
	report, err := suite.Run(t.Context(), every(t), suite.Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	var text, jsonText, junit, page bytes.Buffer
	for _, err := range []error{report.WriteText(&text), report.WriteJSON(&jsonText), report.WriteJUnit(&junit), report.WriteHTML(&page, &report)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, out := range map[string]*bytes.Buffer{"text": &text, "JSON": &jsonText, "JUnit": &junit, "HTML": &page} {
		for _, hidden := range []string{secret, "12345678901"} {
			if strings.Contains(out.String(), hidden) {
				t.Errorf("the %s report holds a secret", name)
			}
		}
		if !strings.Contains(out.String(), "a.fails") {
			t.Errorf("the %s report does not name what failed", name)
		}
	}
	if !strings.Contains(jsonText.String(), "shown") || !strings.Contains(jsonText.String(), "[secret ") {
		t.Error("the exchanges are not there, or nothing stands for their secrets")
	}
	for _, elsewhere := range []string{"<script", "http-equiv", "src=", "<link", "@import", "url("} {
		if strings.Contains(page.String(), elsewhere) {
			t.Errorf("the page has %s", elsewhere)
		}
	}
	if err := xml.Unmarshal(junit.Bytes(), new(struct{})); err != nil {
		t.Errorf("JUnit: %v", err)
	}
	again, err := suite.ReadReport(&jsonText)
	if err != nil || len(again.Results) != len(report.Results) {
		t.Errorf("reading the JSON report again: %v", err)
	}
}

func TestAnInterruptedRunGoesOn(t *testing.T) {
	t.Parallel()
	target, asked := deployment(t)
	state := filepath.Join(t.TempDir(), "state")
	run := func() suite.Report {
		report, err := suite.Run(t.Context(), every(t), suite.Options{Target: target, Groups: []string{"a"}, StateFile: state})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	run()
	before := asked.Load()
	// The run was killed while it wrote.
	file, err := os.OpenFile(state, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"id":"a.pas`); err != nil {
		t.Fatal(err)
	}
	file.Close()
	report := run()
	if again := asked.Load() - before; again != 2 {
		t.Errorf("%d requests in the second run; want those of the 2 cases that had failed", again)
	}
	if report.Count(suite.Passed) != 2 || report.Count(suite.Failed) != 2 {
		t.Errorf("%d passed, %d failed; want 2 and 2", report.Count(suite.Passed), report.Count(suite.Failed))
	}
}

func TestRunsAreBounded(t *testing.T) {
	t.Parallel()
	target, asked := deployment(t)
	target.MaxRequests = 1
	report, err := suite.Run(t.Context(), every(t), suite.Options{Target: target, Groups: []string{"a"}, Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 1 || report.Count(suite.NotRun) != 3 {
		t.Errorf("%d requests, %d cases not run; want 1 and 3", asked.Load(), report.Count(suite.NotRun))
	}
	foreign := *target
	foreign.Issuer = "https://bank.example"
	if _, err := suite.Run(t.Context(), every(t), suite.Options{Target: &foreign}); !errors.Is(err, suite.ErrBounds) {
		t.Errorf("a target elsewhere without its owner's consent: %v", err)
	}
}

func TestExpectSeesEachDifference(t *testing.T) {
	t.Parallel()
	target, _ := deployment(t)
	ok := map[string]any{"n": 1}
	for name, want := range map[string]suite.Answer{
		"status":    {Status: 201},
		"statuses":  {Statuses: []int{201, 202}},
		"error":     {Error: "invalid_client"},
		"errors":    {Errors: []string{"a", "b"}},
		"challenge": {Challenge: "invalid_token"},
		"fdx":       {FDX: "701"},
		"header":    {Header: map[string]string{"X": "y"}},
		"no header": {Header: map[string]string{"Content-Type": ""}},
		"json":      {JSON: map[string]any{"list.0": map[string]any{"n": 2}}},
		"absent":    {Absent: []string{"list"}},
		"present":   {Present: []string{"gone"}},
	} {
		report, err := suite.Run(t.Context(), []suite.Case{example("a.b", func(t *suite.T) { t.Expect(t.Send(get(t, "/")), want) })}, suite.Options{Target: target})
		if err != nil || report.Count(suite.Failed) != 1 {
			t.Errorf("%s: not seen, %v", name, err)
		}
	}
	report, err := suite.Run(t.Context(), []suite.Case{example("a.b", func(t *suite.T) {
		t.Expect(t.Send(get(t, "/")), suite.Answer{Status: 200, JSON: map[string]any{"list.0": ok}, Absent: []string{"gone"}, Present: []string{"list"}, Header: map[string]string{"Content-Type": "application/json"}})
	})}, suite.Options{Target: target})
	if err != nil || report.Count(suite.Passed) != 1 {
		t.Errorf("what is as expected is not seen: %v %v", report.Results, err)
	}
}

func TestTargetFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"unknown member": "issuer: https://a.example\nclaimz: []\n",
		"unknown claim":  "issuer: https://a.example\nclaims: [telepathy]\n",
		"no recipient":   "issuer: https://a.example\nclaims: [par]\n",
		"plain http":     "issuer: http://a.example\nclaims: [par]\n",
		"empty":          "",
	} {
		path := filepath.Join(t.TempDir(), "target.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := suite.ReadTarget(path); !errors.Is(err, suite.ErrTarget) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	one := suite.Report{Results: []suite.Result{{ID: "a.same", Status: suite.Passed}, {ID: "a.worse", Status: suite.Passed}, {ID: "a.better", Status: suite.Failed}, {ID: "a.gone", Status: suite.Passed}}}
	two := suite.Report{Results: []suite.Result{{ID: "a.better", Status: suite.Passed}, {ID: "a.new", Status: suite.Failed}, {ID: "a.same", Status: suite.Passed}, {ID: "a.worse", Status: suite.NotRun}}}
	got := fmt.Sprint(two.Compare(one))
	if want := "[{a.worse passed not-run} {a.better failed passed} {a.new  failed} {a.gone passed }]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCasesThatSayTooLittle(t *testing.T) {
	t.Parallel()
	good := example("a.b", func(*suite.T) {})
	for name, bend := range map[string]func(c *suite.Case){
		"upper case": func(c *suite.Case) { c.ID = "A.b" },
		"no group":   func(c *suite.Case) { c.ID = "ab" },
		"no spec":    func(c *suite.Case) { c.Spec = "" },
		"no mend":    func(c *suite.Case) { c.Mend = "" },
		"claim":      func(c *suite.Case) { c.Needs = []suite.Claim{"telepathy"} },
		"severity":   func(c *suite.Case) { c.Severity = "perhaps" },
	} {
		bad := good
		bend(&bad)
		if suite.Check([]suite.Case{bad}) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if suite.Check([]suite.Case{good, good}) == nil {
		t.Error("one ID twice: no error")
	}
}

func TestABusyDeploymentIsAskedAgain(t *testing.T) {
	t.Parallel()
	target, asked := deployment(t)
	report, err := suite.Run(t.Context(), []suite.Case{
		example("a.once", func(t *suite.T) { t.Expect(t.Send(get(t, "/busy")), suite.OK) }),
		example("a.always", func(t *suite.T) { t.Expect(t.Send(get(t, "/always-busy")), suite.OK) }),
		example("a.meant", func(t *suite.T) { t.Expect(t.Send(get(t, "/always-busy")), suite.Answer{Status: 503}) }),
	}, suite.Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []suite.Status{suite.Passed, suite.Failed, suite.Passed} {
		if got := report.Results[i]; got.Status != want {
			t.Errorf("%s: %s, want %s", got.ID, got.Status, want)
		}
	}
	if asked.Load() != 2+3+1 || len(report.Results[0].Notes) != 1 {
		t.Errorf("%d requests, notes %v; want 6 and one note", asked.Load(), report.Results[0].Notes)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*suite.Target){
		"nobody listens": func(target *suite.Target) { target.Issuer = "https://127.0.0.1:1" },
		"the roots are of others": func(target *suite.Target) {
			target.Issuer = strings.Replace(target.Issuer, "127.0.0.1", "localhost", 1)
		},
	} {
		target, asked := deployment(t)
		bend(target)
		report, err := suite.Run(t.Context(), every(t), suite.Options{Target: target})
		if !errors.Is(err, suite.ErrUnreachable) || len(report.Results) > 0 || asked.Load() > 0 {
			t.Errorf("%s: %d results, %d requests, error %v", name, len(report.Results), asked.Load(), err)
		}
	}
}

func TestOneReasonIsGivenOnce(t *testing.T) {
	t.Parallel()
	target, _ := deployment(t)
	why := func(t *suite.T) { t.Cannot("begin", errors.New("there is no browser")) }
	report, err := suite.Run(t.Context(), []suite.Case{example("a.one", why), example("a.two", why), example("a.three", func(t *suite.T) { t.Errorf("wrong") })}, suite.Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); strings.Count(got, "there is no browser") != 1 || !strings.Contains(got, "a.two (must), as a.one") || !strings.Contains(got, "- wrong") {
		t.Errorf("the report says\n%s", got)
	}
}
