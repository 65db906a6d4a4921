package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestModule checks every package of the module.
func TestModule(t *testing.T) {
	t.Parallel()
	for _, p := range modulePackages(t) {
		for _, fault := range faults(p) {
			t.Error(fault)
		}
		for _, fault := range undocumented(p) {
			t.Error(fault)
		}
	}
}

// modulePackages reads the packages of the module. A package that does not
// parse is reported as that, and the others are still checked.
func modulePackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-tags", "nomsgpack", "-json=ImportPath,Dir,Deps,Error", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []pkg
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var listed struct {
			ImportPath, Dir string
			Deps            []string
			Error           *struct{ Err string }
		}
		if err := in.Decode(&listed); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		path, _ := below(listed.ImportPath)
		if listed.Error != nil {
			t.Errorf("%s cannot be read, which says nothing about the rules: %s", path, listed.Error.Err)
		}
		if listed.Dir == "" {
			continue
		}
		p := pkg{path: path, deps: listed.Deps}
		// Every file, also those that another system or build tag would take.
		names, err := filepath.Glob(filepath.Join(listed.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			f, err := parse(filepath.Base(name), name)
			if errors.Is(err, os.ErrNotExist) {
				continue // an editor's file that came and went
			}
			if err != nil {
				t.Errorf("%s does not parse, which says nothing about the rules: %v", path, err)
				continue
			}
			p.files = append(p.files, f)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages: these cannot be all\n%s", len(all), &stderr)
	}
	return all
}

// parse reads a file from disk, or from src when that is a reader.
func parse(name string, src any) (file, error) {
	f := file{name: name}
	var text any
	if path, onDisk := src.(string); onDisk {
		data, err := os.ReadFile(path)
		if err != nil {
			return f, err
		}
		text = data
	} else {
		text = src
	}
	var err error
	if f.tree, err = parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
		return f, err
	}
	for _, i := range f.tree.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return f, err
		}
		f.imports = append(f.imports, path)
	}
	return f, nil
}

func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	const (
		gin     = "github.com/gin-gonic/gin"
		fosite  = "github.com/ory/fosite/compose"
		pgx     = "github.com/jackc/pgx/v5/pgxpool"
		goredis = "github.com/redis/go-redis/v9"
	)
	for _, tc := range []struct {
		name  string
		pkg   string
		file  string
		imps  string // blank-separated; ours begin with ./
		deps  string
		fault string // part of the one fault; empty: allowed
	}{
		{name: "a package without a row fails", pkg: "util", fault: "no row"},
		{name: "the top of the module has no row", pkg: ".", fault: "no row"},
		{name: "an import of a package without a row fails", pkg: "authz", imps: "./util", fault: "no row"},

		{name: "down is allowed", pkg: "authz", imps: "./consent ./fdx ./internal/token"},
		{name: "up is refused", pkg: "consent", imps: "./internal/token", fault: "level 1 may not import level 2"},
		{name: "wiring is refused below it", pkg: "internal/postgres", imps: "./cmd/internal/config", fault: "level 4 may not import level 5"},
		{name: "sideways is refused", pkg: "consent/portal", imps: "./consent/api", fault: "both are on level 3"},
		{name: "sideways is allowed where the row names it", pkg: "internal/dpop", imps: "./certs"},
		{name: "that does not turn around", pkg: "certs", imps: "./internal/dpop", fault: "both are on level 0"},
		{name: "a test may look up", pkg: "consent", file: "grant_test.go", imps: "./consent/consenttest ./internal/postgres"},
		{name: "another command's parts are refused", pkg: "cmd/authzd", imps: "./cmd/headgate", fault: "both are on level 5"},

		{name: "authz may not import resource", pkg: "authz", imps: "./resource", fault: "level 3"},
		{name: "nor in a test", pkg: "authz", file: "par_test.go", imps: "./resource", fault: "wall"},
		{name: "resource may not import authz", pkg: "resource", file: "read_test.go", imps: "./authz/authztest", fault: "wall"},
		{name: "nor may a provider", pkg: "resource/sandbox", file: "bank_test.go", imps: "./authz", fault: "wall"},
		{name: "nor be linked with it", pkg: "resource", deps: "./authz", fault: "links authz"},
		{name: "the pages may not import authz", pkg: "consent/portal", file: "stop_test.go", imps: "./authz", fault: "wall"},
		{name: "postgres may not import redis", pkg: "internal/postgres", file: "store_test.go", imps: "./internal/redis", fault: "wall"},
		{name: "redis may not import postgres", pkg: "internal/redis", file: "cache_test.go", imps: "./internal/postgres", fault: "wall"},

		{name: "the gateway links no authz", pkg: "cmd/gatewayd", deps: "./authz", fault: "links authz"},
		{name: "the gateway links no engine", pkg: "cmd/gatewayd", deps: "./authz/internal/engine", fault: "links authz/internal/engine"},
		{name: "the gateway links no fosite", pkg: "cmd/gatewayd", deps: fosite, fault: "links " + fosite},
		{name: "the gateway links no pages", pkg: "cmd/gatewayd", deps: "./consent/portal", fault: "links consent/portal"},
		{name: "the gateway links the rest", pkg: "cmd/gatewayd", deps: "./resource ./consent ./internal/redis " + goredis},
		{name: "production starts no servers", pkg: "cmd/authzd", deps: "./internal/services", fault: "links internal/services"},

		{name: "fosite in the engine", pkg: "authz/internal/engine", imps: fosite},
		{name: "fosite beside the engine", pkg: "authz", imps: fosite, fault: "only in authz/internal/engine"},
		{name: "fosite in a test beside the engine", pkg: "authz", file: "x_test.go", imps: fosite, fault: "only in authz/internal/engine"},
		{name: "pgx in its places", pkg: "resource/sandbox", imps: pgx},
		{name: "pgx elsewhere", pkg: "internal/outbox", imps: pgx, fault: "only in internal/postgres"},
		{name: "pgx below one of its places", pkg: "resource/sandbox/ofx", imps: pgx, fault: "only in internal/postgres"},
		{name: "go-redis in its place", pkg: "internal/redis", imps: goredis},
		{name: "go-redis elsewhere", pkg: "resource", imps: goredis, fault: "only in internal/redis"},
		{name: "gin in http.go", pkg: "authz", file: "http.go", imps: gin},
		{name: "gin in http_token.go", pkg: "authz", file: "http_token.go", imps: gin},
		{name: "gin elsewhere", pkg: "authz", file: "token.go", imps: gin, fault: "only in files named http*.go"},

		{name: "fdx on the standard library", pkg: "fdx", imps: "encoding/json time"},
		{name: "fdx on anything else", pkg: "fdx", imps: "golang.org/x/text/language", fault: "standard library only"},
		{name: "conformance with itself", pkg: "conformance/fapi", imps: "./conformance/recipient github.com/go-jose/go-jose/v4"},
		{name: "conformance with ours", pkg: "conformance/fapi", imps: "./fdx", fault: "nothing of ours"},
		{name: "conformance with ours in a test", pkg: "conformance/fapi", file: "x_test.go", imps: "./certs/devca", fault: "nothing of ours"},
		{name: "ours with conformance", pkg: "cmd/authzd", imps: "./conformance/fapi", fault: "stands apart"},
		{name: "the tool that runs it, with conformance", pkg: "cmd/headgate", imps: "./conformance/fapi"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			name := tc.file
			if name == "" {
				name = "x.go"
			}
			p := pkg{path: tc.pkg, files: []file{{name: name, imports: ours(tc.imps)}}, deps: ours(tc.deps)}
			got := faults(p)
			if tc.fault == "" && len(got) > 0 {
				t.Errorf("got %q", got)
			}
			if tc.fault != "" && (len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), tc.fault)) {
				t.Errorf("got %q, want %q", got, tc.fault)
			}
		})
	}
}

// ours spells a list of import paths out.
func ours(list string) []string {
	paths := strings.Fields(list)
	for i, p := range paths {
		if own, ok := strings.CutPrefix(p, "./"); ok {
			paths[i] = module + "/" + own
		}
	}
	return paths
}

func TestUndocumentedNamesAreFound(t *testing.T) {
	t.Parallel()
	const head = "// Package p is documented.\npackage p\n"
	for _, tc := range []struct{ name, src, want string }{
		{"a package without a comment", "package p\n", "the package"},
		{"a function", head + "func F() {}\n", "F"},
		{"a documented function", head + "// F does.\nfunc F() {}\n", ""},
		{"a directive is no comment of a name", head + "//go:noinline\nfunc F() {}\n", "F"},
		{"a function of ours alone", head + "func f() {}\n", ""},
		{"a type", head + "type T struct{}\n", "T"},
		{"a type in a commented group", head + "// Group.\ntype (\n\tT struct{}\n)\n", "T"},
		{"a method", head + "// T is.\ntype T struct{}\nfunc (t *T) M() {}\n", "T.M"},
		{"a method of a generic type", head + "// T is.\ntype T[A any] struct{}\nfunc (t T[A]) M() {}\n", "T.M"},
		{"an exported method of a type of ours alone", head + "type t struct{}\nfunc (t) M() {}\n", ""},
		{"a method of an interface", head + "// I is.\ntype I interface {\n\tM()\n}\n", "I.M"},
		{"a documented method of an interface", head + "// I is.\ntype I interface {\n\t// M does.\n\tM()\n}\n", ""},
		{"a constant", head + "const C = 1\n", "C"},
		{"a constant with a comment beside it", head + "const (\n\tC = 1 // is one\n\tD = 2\n)\n", "D"},
		{"constants under one comment", head + "// Both.\nconst (\n\tC = 1\n\tD = 2\n)\n", ""},
		{"a variable", head + "var A, b = 1, 2\n", "A"},
		{"a generated file", "// Code generated by x. DO NOT EDIT.\n\n" + head + "func F() {}\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, err := parse("p.go", strings.NewReader(tc.src))
			if err != nil {
				t.Fatal(err)
			}
			files := []file{f}
			if tc.name == "a generated file" {
				files = append(files, file{name: "doc.go", tree: mustParse(t, head).tree})
			}
			got := undocumented(pkg{path: "p", files: files})
			if tc.want == "" {
				if len(got) > 0 {
					t.Errorf("got %q", got)
				}
				return
			}
			if len(got) != 1 || !strings.Contains(got[0], " "+tc.want+" has") && !strings.Contains(got[0], tc.want+" has") {
				t.Errorf("got %q, want %s", got, tc.want)
			}
		})
	}
}

func mustParse(t *testing.T, src string) file {
	t.Helper()
	f, err := parse("p.go", strings.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	return f
}
