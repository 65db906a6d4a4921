package openapitest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/apidocs"
	"github.com/headgate/headgate/internal/openapi"
)

// Document is the API document, closed: where it says nothing of a property,
// there must be none. Safe for concurrent use.
type Document struct {
	doc *openapi3.T
	raw map[string]any // the same, as JSON

	mu sync.Mutex // of what is below
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

// Read returns the document that is served.
func Read() (*Document, error) {
	docs, err := apidocs.New(apidocs.Config{Public: apidocs.Public, Issuer: apidocs.Issuer, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	served := httptest.NewRecorder()
	docs.Before(http.NotFoundHandler()).ServeHTTP(served, httptest.NewRequest(http.MethodGet, "/docs/openapi.json", nil))
	d := &Document{seen: map[string]bool{}, valid: map[validText]bool{}}
	if err := json.Unmarshal(served.Body.Bytes(), &d.raw); err != nil {
		return nil, err
	}
	for _, s := range d.schemas() {
		if s := s.(map[string]any); s["properties"] != nil {
			s["additionalProperties"] = false
		}
	}
	closed, err := json.Marshal(d.raw)
	if err != nil {
		return nil, err
	}
	if d.doc, err = openapi3.NewLoader().LoadFromData(closed); err != nil {
		return nil, err
	}
	return d, d.doc.Validate(context.Background())
}

func (d *Document) schemas() map[string]any {
	return d.raw["components"].(map[string]any)["schemas"].(map[string]any)
}

// Values returns what a type that is a list of values can be; nil for others.
func (d *Document) Values(name string) []string {
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

func (d *Document) operation(op openapi.Operation) *openapi3.Operation {
	return d.doc.Paths.Value(op.Path).GetOperation(op.Method)
}

// Declared returns status and code of every error that the document has for
// an operation, such as "404 701".
func (d *Document) Declared(op openapi.Operation) []string {
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

// Check returns everything about an answer that the document does not allow.
func (d *Document) Check(op openapi.Operation, status int, header http.Header, body []byte) []string {
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
	if len(ref.Value.Content) == 0 {
		if kind != "" || len(body) != 0 {
			add("there is a body and none in the document")
		}
	} else if content == nil {
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

// CheckBody returns what the document does not allow about the body of a
// request.
func (d *Document) CheckBody(op openapi.Operation, body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return d.visit(d.operation(op).RequestBody.Value.Content.Get("application/json").Schema.Value, string(body), v)
}

// Unrouted returns everything that is wrong with an answer to a request that
// no operation is at: an unknown path is 404, another method of a known one
// 405, as the description of the document has it.
func (d *Document) Unrouted(known bool, status int, header http.Header, body []byte) []string {
	want := fdx.ErrDataNotFound
	if known {
		want = fdx.ErrMethodNotAllowed
	}
	var got fdx.Error
	if err := json.Unmarshal(body, &got); err != nil {
		return []string{err.Error()}
	}
	if got.Status = status; !got.Is(want) || header.Get("x-fapi-interaction-id") == "" || header.Get("Content-Type") != "application/json" {
		return []string{fmt.Sprintf("%d with code %s, want %d with %s", status, got.Code, want.Status, want.Code)}
	}
	return nil
}

// visit validates a value that was read from text.
func (d *Document) visit(s *openapi3.Schema, text string, v any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.valid[validText{s, text}] {
		return nil
	}
	err := s.VisitJSON(v, openapi3.VisitAsResponse(), openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation(), openapi3.MultiErrors())
	d.valid[validText{s, text}] = err == nil
	return err
}

// response returns the schema of an answer in JSON; nil for another answer.
func (d *Document) response(op openapi.Operation, status string) map[string]any {
	all := d.raw["paths"].(map[string]any)[op.Path].(map[string]any)[strings.ToLower(op.Method)].(map[string]any)["responses"]
	content, _ := all.(map[string]any)[status].(map[string]any)["content"].(map[string]any)
	inJSON, _ := content["application/json"].(map[string]any)
	schema, _ := inJSON["schema"].(map[string]any)
	return schema
}

// Properties returns the properties, such as Account.nickname, that answers of
// these operations can hold, errors apart, and whether an answer that Leaves
// went through had them.
func (d *Document) Properties(ops []openapi.Operation) map[string]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	properties, visited := map[string]bool{}, map[string]bool{}
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, element := range v {
				visit(element)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				name := strings.TrimPrefix(ref, "#/components/schemas/")
				if visited[name] {
					return
				}
				visited[name] = true
				schema := d.schemas()[name].(map[string]any)
				below, _ := schema["properties"].(map[string]any)
				for property := range below {
					properties[name+"."+property] = d.seen[name+"."+property]
				}
				visit(schema)
			}
			for _, below := range v {
				visit(below)
			}
		}
	}
	for _, op := range ops {
		for _, a := range op.Answers {
			if schema := d.response(op, strconv.Itoa(a.Status)); schema != nil {
				visit(schema)
			}
		}
	}
	return properties
}

// Leaves goes through a body in JSON, of a status below 400, along the
// document and returns the properties that none of the allowed clusters lets
// through.
func (d *Document) Leaves(op openapi.Operation, status int, body []byte, allowed fdx.Clusters) []string {
	schema := d.response(op, strconv.Itoa(status))
	var wrong []string
	var walk func(where string, schema map[string]any, v any)
	d.mu.Lock()
	defer d.mu.Unlock()
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
