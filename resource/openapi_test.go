package resource_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// This file holds answers against the API document as a recipient has it: the
// checked-in file and a validator of another project.

// apiDocument is the document, closed: where it says nothing of a property,
// there must be none.
type apiDocument struct {
	doc *openapi3.T
	raw map[string]any // the same, as JSON
	// seen are the properties that answers had, by schema and name.
	seen map[string]bool
	// valid are the texts that were found to be valid: looking costs more
	// than the request did.
	valid map[validText]bool
}

type validText struct {
	schema *openapi3.Schema
	text   string
}

func readDocument(t *testing.T) *apiDocument {
	t.Helper()
	text, err := os.ReadFile("../internal/apidocs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	d := &apiDocument{seen: map[string]bool{}, valid: map[validText]bool{}}
	if err := json.Unmarshal(text, &d.raw); err != nil {
		t.Fatal(err)
	}
	for _, s := range d.schemas() {
		if s := s.(map[string]any); s["properties"] != nil {
			s["additionalProperties"] = false
		}
	}
	if text, err = json.Marshal(d.raw); err != nil {
		t.Fatal(err)
	}
	if d.doc, err = openapi3.NewLoader().LoadFromData(text); err != nil {
		t.Fatal(err)
	}
	if err := d.doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *apiDocument) schemas() map[string]any {
	return d.raw["components"].(map[string]any)["schemas"].(map[string]any)
}

// values returns what a type that is a list of values can be; nil for others.
func (d *apiDocument) values(name string) []string {
	var out []string
	s, _ := d.schemas()[name].(map[string]any)
	for _, list := range []string{"enum", "examples"} {
		values, _ := s[list].([]any)
		for _, v := range values {
			out = append(out, v.(string))
		}
	}
	return out
}

func (d *apiDocument) operation(op openapi.Operation) *openapi3.Operation {
	return d.doc.Paths.Value(op.Path).GetOperation(op.Method)
}

// declared returns status and code of every error that the document has for
// an operation, such as "404 701".
func (d *apiDocument) declared(op openapi.Operation) []string {
	var list []string
	for status, r := range d.operation(op).Responses.Map() {
		if content := r.Value.Content.Get("application/json"); status >= "400" && content != nil {
			for code := range content.Examples {
				list = append(list, status+" "+code)
			}
		}
	}
	slices.Sort(list)
	return list
}

// plumbing are headers that HTTP has anyway.
var plumbing = []string{"Cache-Control", "Content-Length", "Content-Type", "Date", "X-Content-Type-Options"}

// check returns everything about an answer that the document does not allow.
func (d *apiDocument) check(op openapi.Operation, status int, header http.Header, body []byte) []string {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	ref := d.operation(op).Responses.Status(status)
	if ref == nil {
		return []string{fmt.Sprintf("status %d is not in the document", status)}
	}
	for name := range header {
		if !slices.Contains(plumbing, name) && !slices.ContainsFunc(slices.Collect(maps.Keys(ref.Value.Headers)), func(declared string) bool {
			return http.CanonicalHeaderKey(declared) == name
		}) {
			add("header %s is not in the document", name)
		}
	}
	for name, h := range ref.Value.Headers {
		values := header.Values(name)
		if h.Value.Required && len(values) != 1 {
			add("header %s: %d times", name, len(values))
		}
		for _, text := range values {
			var v any = text
			if h.Value.Schema.Value.Type.Is("integer") {
				v, _ = strconv.ParseFloat(text, 64)
			}
			if err := d.visit(h.Value.Schema.Value, text, v); err != nil {
				add("header %s: %v", name, err)
			}
		}
	}
	kind := header.Get("Content-Type")
	content := ref.Value.Content[kind]
	if content == nil {
		add("content type %s is not in the document", kind)
	} else if content.Schema != nil {
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			add("%v", err)
		} else if err := d.visit(content.Schema.Value, string(body), v); err != nil {
			add("%v", err)
		}
	}
	return wrong
}

// visit validates a value that was read from text.
func (d *apiDocument) visit(s *openapi3.Schema, text string, v any) error {
	if d.valid[validText{s, text}] {
		return nil
	}
	err := s.VisitJSON(v, openapi3.VisitAsResponse(), openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation(), openapi3.MultiErrors())
	d.valid[validText{s, text}] = err == nil
	return err
}

// leaves goes through a body along the document and returns the properties
// that none of the allowed clusters lets through.
func (d *apiDocument) leaves(op openapi.Operation, status int, body []byte, allowed fdx.Clusters) []string {
	paths := d.raw["paths"].(map[string]any)[op.Path].(map[string]any)[strings.ToLower(op.Method)].(map[string]any)
	response := paths["responses"].(map[string]any)[strconv.Itoa(status)].(map[string]any)
	schema := response["content"].(map[string]any)["application/json"].(map[string]any)["schema"].(map[string]any)
	var wrong []string
	var walk func(where string, schema map[string]any, v any)
	walk = func(where string, schema map[string]any, v any) {
		name := ""
		for schema["$ref"] != nil || schema["discriminator"] != nil {
			ref, ok := schema["$ref"].(string)
			if !ok {
				category := v.(map[string]any)["accountCategory"].(string)
				ref = schema["discriminator"].(map[string]any)["mapping"].(map[string]any)[category].(string)
			}
			name = strings.TrimPrefix(ref, "#/components/schemas/")
			schema = d.schemas()[name].(map[string]any)
		}
		switch v := v.(type) {
		case []any:
			for _, element := range v {
				walk(where+"[]", schema["items"].(map[string]any), element)
			}
		case map[string]any:
			properties := schema["properties"].(map[string]any)
			guarded := false
			for _, p := range properties {
				guarded = guarded || p.(map[string]any)["x-headgate-clusters"] != nil
			}
			for property, below := range v {
				d.seen[name+"."+property] = true
				p, ok := properties[property].(map[string]any)
				if !ok {
					wrong = append(wrong, where+"."+property+" is not in the document")
					continue
				}
				var opened fdx.Clusters
				names, _ := p["x-headgate-clusters"].([]any)
				for _, n := range names {
					c, err := fdx.ParseCluster(n.(string))
					if err != nil {
						panic(err)
					}
					opened = opened.With(c)
				}
				if guarded && property != "accountCategory" && opened.Intersect(allowed).Empty() {
					wrong = append(wrong, fmt.Sprintf("%s.%s is let through by %v", where, property, names))
				}
				walk(where+"."+property, p, below)
			}
		}
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return []string{err.Error()}
	}
	walk("", schema, v)
	return wrong
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
