package resource_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/openapi/openapitest"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

func readDocument(t *testing.T) *openapitest.Document {
	t.Helper()
	d, err := openapitest.Read()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// beside returns a gateway beside f with another bank and an empty truth.
func (f *front) beside(t *testing.T, bank resource.Provider) (*front, http.Handler) {
	t.Helper()
	other := *f
	other.truth = resourcetest.NewTruth(f.clock.now)
	c := f.config
	c.Tokens, c.Gate, c.Provider = other.truth, other.truth, bank
	g, err := resource.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &other, g.Handler()
}

// targetOf returns the request target of an operation with these ids.
func targetOf(op openapi.Operation, ids map[string]string) string {
	out := op.Path
	for name, id := range ids {
		out = strings.ReplaceAll(out, "{"+name+"}", id)
	}
	return out
}

// ask sends a request to a handler.
func ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func codeOf(body []byte) string {
	var e struct{ Code string }
	_ = json.NewDecoder(bytes.NewReader(body)).Decode(&e) // a document has none
	return e.Code
}
