package apidocs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

//go:embed openapi.json static swagger-ui/*.gz swagger-ui/LICENSE swagger-ui/*.txt
var files embed.FS

// What stands in openapi.json for a deployment.
const (
	// Public is the origin of the gateway.
	Public = "https://gateway.example"
	// Issuer is the issuer identifier of the authorization server.
	Issuer = "https://auth.example"
)

// Config configures Docs. All fields are required but Now.
type Config struct {
	// Public and Issuer are put into the document. They are URLs without
	// characters that JSON escapes.
	Public, Issuer string
	Log            *slog.Logger
	// Now is the clock of the log lines; nil is time.Now.
	Now func() time.Time
}

// Docs answers /docs and what is below. Safe for concurrent use.
type Docs struct {
	files   map[string]file // by path
	handler http.Handler
}

// file is one answer, ready in both encodings.
type file struct {
	kind, policy  string
	plain, packed []byte
	tag           string // of the content, without quotes
}

// The policies of the pages. The reference needs its own script, to fetch the
// document and pictures that its style sheet holds; nothing inline, no eval,
// nothing from elsewhere.
const (
	plainPolicy     = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	referencePolicy = plainPolicy + "; script-src 'self'; connect-src 'self'"
)

// New returns the pages of a deployment. It does no I/O.
func New(c Config) (*Docs, error) {
	if c.Public == "" || c.Issuer == "" || c.Log == nil || strings.ContainsAny(c.Public+c.Issuer, "\"\\<>&") {
		return nil, errors.New("apidocs: Public, Issuer and Log are required, without characters to escape")
	}
	d := &Docs{files: map[string]file{}}
	document, err := files.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	document = bytes.ReplaceAll(document, []byte(Public), []byte(c.Public))
	document = bytes.ReplaceAll(document, []byte(Issuer), []byte(c.Issuer))
	if err := d.pages(document); err != nil {
		return nil, fmt.Errorf("apidocs: %w", err)
	}
	for _, f := range []struct{ path, name, kind string }{
		{"/docs/reference.js", "static/reference.js", "text/javascript; charset=utf-8"},
		{"/docs/docs.css", "static/docs.css", "text/css; charset=utf-8"},
		{"/docs/swagger-ui-bundle.js", "swagger-ui/swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8"},
		{"/docs/swagger-ui.css", "swagger-ui/swagger-ui.css.gz", "text/css; charset=utf-8"},
		{"/docs/swagger-ui.LICENSE.txt", "swagger-ui/LICENSE", "text/plain; charset=utf-8"},
		{"/docs/swagger-ui-bundle.js.LICENSE.txt", "swagger-ui/swagger-ui-bundle.js.LICENSE.txt", "text/plain; charset=utf-8"},
	} {
		body, err := files.ReadFile(f.name)
		if err != nil {
			return nil, fmt.Errorf("apidocs: %w", err)
		}
		one := file{kind: f.kind, plain: body}
		if strings.HasSuffix(f.name, ".gz") {
			one.packed = body
			if one.plain, err = unpack(body); err != nil {
				return nil, fmt.Errorf("apidocs: %s: %w", f.name, err)
			}
		}
		d.add(f.path, one)
	}
	if d.handler, err = d.routes(c); err != nil {
		return nil, fmt.Errorf("apidocs: %w", err)
	}
	return d, nil
}

// Before returns a handler that answers /docs and what is below, and leaves
// all else to next.
func (d *Docs) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/docs" || strings.HasPrefix(r.URL.Path, "/docs/") {
			d.handler.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// pages adds the document and the pages made from it.
func (d *Docs) pages(document []byte) error {
	var small bytes.Buffer
	if err := json.Compact(&small, document); err != nil {
		return err
	}
	d.add("/docs/openapi.json", file{kind: "application/json", plain: small.Bytes()})
	list, err := readContents(document)
	if err != nil {
		return err
	}
	pages, err := template.ParseFS(files, "static/*.html")
	if err != nil {
		return err
	}
	for _, page := range []struct{ path, name, policy string }{
		{"/docs", "reference.html", referencePolicy},
		{"/docs/plain", "plain.html", plainPolicy},
	} {
		var b bytes.Buffer
		if err := pages.ExecuteTemplate(&b, page.name, list); err != nil {
			return err
		}
		d.add(page.path, file{kind: "text/html; charset=utf-8", policy: page.policy, plain: b.Bytes()})
	}
	return nil
}

// add keeps a file, packed unless it is already.
func (d *Docs) add(path string, f file) {
	if f.packed == nil {
		f.packed = pack(f.plain)
	}
	sum := sha256.Sum256(f.plain)
	f.tag = hex.EncodeToString(sum[:12])
	d.files[path] = f
}

func pack(plain []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(plain)
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err) // into memory
	}
	return b.Bytes()
}

func unpack(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
