package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/openapi"
)

const checkedIn = "../../apidocs/openapi.json"

func generated(t *testing.T) []byte {
	t.Helper()
	text, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDocumentIsUpToDate(t *testing.T) {
	t.Parallel()
	got, err := os.ReadFile(checkedIn)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, generated(t)) {
		t.Error("internal/apidocs/openapi.json is out of date; write it anew with\n\tmake generate")
	}
}

// The document is OpenAPI 3.1, examples included.
func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(generated(t))
	if err != nil {
		t.Fatal(err)
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Error("not of OpenAPI 3.1")
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
}

// parsed is a document as far as tests look into it.
type parsed struct {
	Paths map[string]map[string]struct {
		ID          string `json:"operationId"`
		Summary     string `json:"summary"`
		Description string `json:"description"`
		// Security has the scopes by scheme, in alternatives.
		Security  []map[string][]string `json:"security"`
		Responses map[string]any        `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas         map[string]schema `json:"schemas"`
		SecuritySchemes struct {
			OAuth2 struct {
				Flows map[string]struct {
					TokenURL string            `json:"tokenUrl"`
					Scopes   map[string]string `json:"scopes"`
				} `json:"flows"`
			} `json:"oauth2"`
		} `json:"securitySchemes"`
	} `json:"components"`
}

type schema struct {
	Type        string            `json:"type"`
	Enum        []string          `json:"enum"`
	Examples    []string          `json:"examples"`
	Description string            `json:"description"`
	Properties  map[string]schema `json:"properties"`
	Clusters    []string          `json:"x-headgate-clusters"`
	OneOf       []any             `json:"oneOf"`
}

func parse(t *testing.T) parsed {
	t.Helper()
	var p parsed
	if err := json.Unmarshal(generated(t), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// Every operation of every table is in the document, once and with security.
func TestEveryOperationIsThere(t *testing.T) {
	t.Parallel()
	doc := parse(t)
	n := 0
	for _, table := range tables() {
		for _, op := range table.operations {
			n++
			got := doc.Paths[op.Path][strings.ToLower(op.Method)]
			if got.ID != string(op.ID) || got.Summary == "" || len(got.Security) == 0 {
				t.Errorf("%s: %+v", op.ID, got)
			}
		}
	}
	for _, methods := range doc.Paths {
		n -= len(methods)
	}
	if n != 0 {
		t.Errorf("%d operations share a method and a path", n)
	}
}

// An operation is opened by a scope of the tokens that it takes, each together
// with a proof of possession of either kind; and each scope is one that tokens
// of exactly one kind can have.
func TestWhatOpensAnOperation(t *testing.T) {
	t.Parallel()
	doc := parse(t)
	flows := doc.Components.SecuritySchemes.OAuth2.Flows
	of := func(flow string) []string { return slices.Sorted(maps.Keys(flows[flow].Scopes)) }
	if len(flows) != 2 || flows["clientCredentials"].TokenURL != flows["authorizationCode"].TokenURL ||
		!slices.Equal(of("clientCredentials"), []string{"fdx:notifications:subscribe", "grant_management_query", "grant_management_revoke"}) {
		t.Errorf("flows %v", flows)
	}
	used := map[string]bool{}
	for _, table := range tables() {
		for _, op := range table.operations {
			flow := "authorizationCode"
			if op.ClientScope != "" {
				flow = "clientCredentials"
			}
			security := doc.Paths[op.Path][strings.ToLower(op.Method)].Security
			if len(security) < 2 || len(security)%2 != 0 {
				t.Errorf("%s: %v", op.ID, security)
			}
			anything := op.ClientScope == "" && op.Opened.Empty()
			if about := op.ID == fdx.GetAvailability || op.ID == fdx.GetCapability || op.ID == fdx.GetCertificationMetrics; anything != about {
				t.Errorf("%s: open to any token is %v", op.ID, anything)
			}
			for i, one := range security {
				possession := []string{"dpop", "mutualTLS"}[i%2]
				if _, ok := one[possession]; len(one) != 2 || !ok {
					t.Errorf("%s: %v", op.ID, one)
				}
				scopes := one["oauth2"]
				if anything && len(scopes) == 0 {
					continue
				}
				if len(scopes) != 1 || flows[flow].Scopes[scopes[0]] == "" || op.ClientScope != "" && scopes[0] != string(op.ClientScope) {
					t.Errorf("%s: %v", op.ID, one)
					continue
				}
				used[scopes[0]] = true
			}
		}
	}
	if len(used) != len(of("authorizationCode"))+len(of("clientCredentials")) {
		t.Errorf("only %d scopes open something", len(used))
	}
}

// Every field of every entity names the clusters that fdx.Entities gives it.
func TestFieldsNameTheirClusters(t *testing.T) {
	t.Parallel()
	doc := parse(t)
	checked := 0
	for _, e := range fdx.Entities() {
		for _, f := range e.Fields {
			if strings.Contains(f.Path, ".") || f.Always {
				continue // the fields below belong to schemas of their own
			}
			p, ok := doc.Components.Schemas[e.Name].Properties[f.Path]
			if !ok || !slices.Equal(p.Clusters, f.Clusters.Names()) {
				t.Errorf("%s.%s: %v, want %v", e.Name, f.Path, p.Clusters, f.Clusters.Names())
			}
			checked++
		}
	}
	if checked < 300 {
		t.Errorf("only %d fields", checked)
	}
	// What stands inside has rows, too.
	for _, path := range [][2]string{{"Bill", "dueDate"}, {"Address", "city"}, {"TaxLot", "quantity"}, {"AccountError", "code"}} {
		if len(doc.Components.Schemas[path[0]].Properties[path[1]].Clusters) == 0 {
			t.Errorf("%v has no clusters", path)
		}
	}
}

// A string type is an id, a list of all values that Go has, or open, with
// examples.
func TestValuesAreThoseOfTheSource(t *testing.T) {
	t.Parallel()
	doc := parse(t)
	if got, want := doc.Components.Schemas["AccountStatus"].Enum, []fdx.AccountStatus{
		fdx.StatusClosed, fdx.StatusDelinquent, fdx.StatusNegativeCurrentBalance, fdx.StatusOpen,
		fdx.StatusPaid, fdx.StatusPendingClose, fdx.StatusPendingOpen, fdx.StatusRestricted,
	}; len(got) != len(want) || got[0] != string(want[0]) || got[7] != string(want[7]) {
		t.Errorf("%v", got)
	}
	for _, of := range open {
		s, used := doc.Components.Schemas[of.Name()]
		if used && (s.Enum != nil || len(s.Examples) == 0) {
			t.Errorf("%s: %+v", of.Name(), s)
		}
	}
	// A type whose comment calls its list open is in the list of open ones.
	for name, s := range doc.Components.Schemas {
		claims := strings.Contains(s.Description, "one of the FDX values") || strings.Contains(s.Description, "list is open")
		is := slices.ContainsFunc(open, func(o reflect.Type) bool { return o.Name() == name })
		if claims != is {
			t.Errorf("%s: open is %v and %q", name, is, s.Description)
		}
	}
}

func TestPageMetadataIsThatOfFDX(t *testing.T) {
	t.Parallel()
	whole, err := json.Marshal(fdx.PageMetadata{NextPageKey: "a", PreviousPageKey: "b", TotalElements: 1})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(whole, &got); err != nil {
		t.Fatal(err)
	}
	want := parse(t).Components.Schemas["PageMetadata"].Properties
	if len(got) != len(want) {
		t.Errorf("%v and %v", got, want)
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("no %s", name)
		}
	}
}

// Descriptions are for people who do not know the Go code.
func TestProseIsForRecipients(t *testing.T) {
	t.Parallel()
	foreign := regexp.MustCompile(`\b(nil|pointers?|zero value|omitzero|marshals?|Err[A-Z]\w*|this package|func)\b`)
	var visit func(where string, v any)
	visit = func(where string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, below := range v {
				if text, ok := below.(string); ok && (name == "description" || name == "summary") {
					if found := foreign.FindString(text); found != "" || text == "" || strings.Contains(text, "  ") {
						t.Errorf("%s: %q (%s)", where, text, found)
					}
				}
				visit(where+"/"+name, below)
			}
		case []any:
			for _, below := range v {
				visit(where, below)
			}
		}
	}
	var doc any
	if err := json.Unmarshal(generated(t), &doc); err != nil {
		t.Fatal(err)
	}
	visit("", doc)
}

func TestProse(t *testing.T) {
	t.Parallel()
	s := newSource()
	s.errors["ErrDataNotFound"] = "1107"
	wire := map[string]string{"Accounts": "accounts", "AccountID": "accountId"}
	for in, want := range map[string]string{
		"Accounts must not be empty:\nan empty list is ErrDataNotFound.":             "accounts must not be empty: an empty list is error 1107.",
		"AccountID is always given. The zero value is no account.":                   "accountId is always given.",
		"Rates are in percent: 4.25 is 4.25 percent a year. It is nil so.":           "Rates are in percent: 4.25 is 4.25 percent a year.",
		"Kind is one of the FDX values, of which the frequent ones have names here.": "Kind is one of the FDX values.",
		"": "",
	} {
		if got := s.prose(in, wire); got != want {
			t.Errorf("%q gives %q", in, got)
		}
	}
	if got := about("getAccount returns one account. Never two."); got != "Returns one account. Never two." {
		t.Error(got)
	}
	if about("getAccount") != "" {
		t.Error("made something of nothing")
	}
}

// What would make a document that lies is refused.
func TestRefused(t *testing.T) {
	t.Parallel()
	good := openapi.Operation{ID: "x", Method: "GET", Path: "/x", Tag: "X", About: "Is x.", Answers: []openapi.Answer{{Status: 400}}}
	for name, change := range map[string]func(*openapi.Operation){
		"no prose": func(op *openapi.Operation) { op.About = "" },
		"scopes of both kinds of tokens": func(op *openapi.Operation) {
			op.Opened, op.ClientScope = fdx.NewClusters(fdx.Tax), "own"
		},
		"a status that is both things": func(op *openapi.Operation) { op.Errors = []*fdx.Error{fdx.ErrInvalidInput} },
	} {
		op := good
		change(&op)
		if err := newBuilder(newSource()).add(op); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := newBuilder(newSource()).add(good); err != nil {
		t.Error(err)
	}
	if err := run(""); err == nil {
		t.Error("wrote nowhere")
	}
}
