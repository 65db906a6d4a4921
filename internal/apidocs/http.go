package apidocs

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/internal/web"
)

// routes has an engine of its own: pages do not share one with an API.
func (d *Docs) routes(c Config) (http.Handler, error) {
	fail := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, http.StatusText(status), status)
		}
	}
	e, err := web.NewEngine(web.Config{
		Log: c.Log, Now: c.Now,
		Failed: fail(http.StatusInternalServerError), NotFound: fail(http.StatusNotFound), MethodNotAllowed: fail(http.StatusMethodNotAllowed),
	})
	if err != nil {
		return nil, err
	}
	for path, f := range d.files {
		e.Match([]string{http.MethodGet, http.MethodHead}, path, gin.WrapF(f.serve))
	}
	return e, nil
}

// serve answers with the file, packed for who takes it so, or with nothing if
// the client has it.
func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	if f.policy != "" {
		h.Set("Content-Security-Policy", f.policy)
		h.Set("X-Frame-Options", "DENY")
	}
	body, tag := f.plain, `"`+f.tag+`"`
	if takesGzip(r.Header.Values("Accept-Encoding")) {
		body, tag = f.packed, `"`+f.tag+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	if matches(r.Header.Values("If-None-Match"), tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // who has gone cannot be told
	}
}

// takesGzip reads Accept-Encoding (RFC 9110 section 12.5.3): gzip has to be
// named, and not with a weight of zero.
func takesGzip(accept []string) bool {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			_, q, _ := strings.Cut(weight, "=")
			v, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			return err != nil || v > 0
		}
	}
	return false
}

// matches reads If-None-Match (RFC 9110 section 13.1.2), which compares
// weakly.
func matches(given []string, tag string) bool {
	for one := range strings.SplitSeq(strings.Join(given, ","), ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}
