package apidocs_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/headgate/headgate/internal/apidocs"
)

const (
	public = "https://data.bank.test"
	issuer = "https://sign-in.bank.test"
)

func handler(t *testing.T) http.Handler {
	t.Helper()
	d, err := apidocs.New(apidocs.Config{Public: public, Issuer: issuer, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d.Before(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
}

func get(h http.Handler, path string, headers ...string) *http.Response {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every file is public, can be kept and asked for again, and is the same
// packed and unpacked.
func TestFilesAreServed(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for path, kind := range map[string]string{
		"/docs":                                  "text/html; charset=utf-8",
		"/docs/plain":                            "text/html; charset=utf-8",
		"/docs/openapi.json":                     "application/json",
		"/docs/reference.js":                     "text/javascript; charset=utf-8",
		"/docs/docs.css":                         "text/css; charset=utf-8",
		"/docs/swagger-ui-bundle.js":             "text/javascript; charset=utf-8",
		"/docs/swagger-ui.css":                   "text/css; charset=utf-8",
		"/docs/swagger-ui.LICENSE.txt":           "text/plain; charset=utf-8",
		"/docs/swagger-ui-bundle.js.LICENSE.txt": "text/plain; charset=utf-8",
	} {
		plain := get(h, path)
		text := body(t, plain)
		if plain.StatusCode != 200 || plain.Header.Get("Content-Type") != kind || plain.Header.Get("Content-Encoding") != "" || text == "" {
			t.Errorf("%s: %d %v", path, plain.StatusCode, plain.Header)
		}
		if c := plain.Header.Get("Cache-Control"); c != "public, max-age=300" || plain.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v", path, plain.Header)
		}
		for _, accept := range []string{"gzip", "br, GZIP;q=0.5", "identity, gzip"} {
			packed := get(h, path, "Accept-Encoding", accept)
			z, err := gzip.NewReader(packed.Body)
			if err != nil || packed.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%s %s: %v %v", path, accept, err, packed.Header)
				continue
			}
			if unpacked, err := io.ReadAll(z); err != nil || string(unpacked) != text {
				t.Errorf("%s: packed is something else (%v)", path, err)
			}
			if packed.Header.Get("ETag") == plain.Header.Get("ETag") {
				t.Errorf("%s: one tag for two encodings", path)
			}
		}
		for _, accept := range []string{"gzip;q=0", "br", "xgzip", ""} {
			if res := get(h, path, "Accept-Encoding", accept); res.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s: packed for %q", path, accept)
			}
		}
		tag := plain.Header.Get("ETag")
		for _, none := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if res := get(h, path, "If-None-Match", none); res.StatusCode != 304 || body(t, res) != "" || res.Header.Get("ETag") != tag {
				t.Errorf("%s: If-None-Match %s: %d", path, none, res.StatusCode)
			}
		}
		if res := get(h, path, "If-None-Match", `"x"`); res.StatusCode != 200 {
			t.Errorf("%s: another tag: %d", path, res.StatusCode)
		}
	}
}

// Nothing else below /docs is there, and nothing above is taken from the
// gateway.
func TestOnlyDocs(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for path, want := range map[string]int{
		"/docs/": 404, "/docs/x": 404, "/docs/../fdx": 404, "/docs/swagger-ui-bundle.js.gz": 404, "/docs/openapi.json/": 404,
		"/docsx": 418, "/": 418, "/fdx/v6/accounts": 418, "/Docs": 418,
	} {
		if res := get(h, path); res.StatusCode != want {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/docs", nil))
	if w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("HEAD", "/docs", nil))
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
}

// The document is that of this deployment.
func TestDocumentOfADeployment(t *testing.T) {
	t.Parallel()
	text := body(t, get(handler(t), "/docs/openapi.json"))
	if strings.Contains(text, ".example") || !json.Valid([]byte(text)) ||
		!strings.Contains(text, `"url":"`+public+`"`) || !strings.Contains(text, `"tokenUrl":"`+issuer+`/token"`) {
		t.Errorf("%.500s", text)
	}
	for _, bad := range []apidocs.Config{
		{Public: `https://x"`, Issuer: issuer, Log: slog.Default()},
		{Issuer: issuer, Log: slog.Default()},
		{Public: public, Log: slog.Default()},
		{Public: public, Issuer: issuer},
	} {
		if _, err := apidocs.New(bad); err == nil {
			t.Errorf("taken: %+v", bad)
		}
	}
}

// The pages run no script but ours, load nothing from elsewhere and have
// nothing inline that their policy would stop.
func TestPages(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for path, scripts := range map[string]bool{"/docs": true, "/docs/plain": false} {
		res := get(h, path)
		text := body(t, res)
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src 'self'") != scripts {
			t.Errorf("%s: %s", path, policy)
		}
		if strings.Contains(text, "<script") != scripts || strings.Contains(text, "<style") ||
			regexp.MustCompile(`\son\w+=|\sstyle=|<script>`).MatchString(text) {
			t.Errorf("%s has something inline", path)
		}
		for _, address := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
			if a := address[1]; !strings.HasPrefix(a, "/docs") && !strings.HasPrefix(a, "#") && a != "data:," {
				t.Errorf("%s leads to %s", path, a)
			} else if strings.HasPrefix(a, "/docs") && get(h, a).StatusCode != 200 {
				t.Errorf("%s: nothing at %s", path, a)
			}
		}
	}
	if text := body(t, get(h, "/docs")); !strings.Contains(text, `<noscript>`) {
		t.Error("no way on without scripts")
	}
	// The plain page has every operation with its parameters, body and answers.
	text := body(t, get(h, "/docs/plain"))
	var doc struct {
		Paths map[string]map[string]struct {
			ID   string `json:"operationId"`
			Body struct {
				Content map[string]struct {
					Schema struct {
						Ref string `json:"$ref"`
					} `json:"schema"`
				} `json:"content"`
			} `json:"requestBody"`
			Responses map[string]json.RawMessage `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]struct {
				Properties map[string]json.RawMessage `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal([]byte(body(t, get(h, "/docs/openapi.json"))), &doc); err != nil {
		t.Fatal(err)
	}
	bodies := 0
	for path, methods := range doc.Paths {
		for method, op := range methods {
			_, article, _ := strings.Cut(text, `<article id="`+op.ID+`">`)
			article, _, _ = strings.Cut(article, "</article>")
			if !strings.Contains(article, "<code>"+strings.ToUpper(method)+" "+path+"</code>") || !strings.Contains(article, "x-fapi-interaction-id") {
				t.Errorf("%s is not on the plain page", op.ID)
			}
			for kind, content := range op.Body.Content {
				bodies++
				name := strings.TrimPrefix(content.Schema.Ref, "#/components/schemas/")
				if kind != "application/json" || !strings.Contains(article, `<h4>Body</h4>
<p><a href="#type-`+name+`">`+name+`</a></p>`) {
					t.Errorf("%s lacks its body", op.ID)
				}
			}
			if strings.Contains(article, "Body") != (op.Body.Content != nil) {
				t.Errorf("%s: a body", op.ID)
			}
			for status := range op.Responses {
				if !strings.Contains(article, "<dt>"+status+": ") {
					t.Errorf("%s lacks %s", op.ID, status)
				}
			}
		}
	}
	if bodies != 3 {
		t.Errorf("%d operations have a body", bodies)
	}
	for name, schema := range doc.Components.Schemas {
		_, article, _ := strings.Cut(text, `<article id="type-`+name+`">`)
		article, _, found := strings.Cut(article, "</article>")
		if !found {
			t.Errorf("%s is not on the plain page", name)
		}
		for property := range schema.Properties {
			if !strings.Contains(article, "<dt><code>"+property+"</code>: ") {
				t.Errorf("%s.%s is not on the plain page", name, property)
			}
		}
	}
	for _, fragment := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(text, ` id="`+fragment[1]+`"`) {
			t.Errorf("#%s leads nowhere", fragment[1])
		}
	}
}

// The vendored files are the published ones.
func TestVendoredFiles(t *testing.T) {
	t.Parallel()
	sums, err := os.ReadFile("swagger-ui/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(sums)), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d files", len(lines))
	}
	for _, line := range lines {
		want, name, _ := strings.Cut(line, "  ")
		packed, err := os.ReadFile("swagger-ui/" + name + ".gz")
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		sum := sha256.Sum256(text)
		if err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s was changed (%v)", name, err)
		}
	}
}
