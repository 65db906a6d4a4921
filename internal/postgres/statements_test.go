package postgres

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// sources returns the parsed files of this package without its tests.
func sources(t *testing.T) []*ast.File {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) < 10 {
		t.Fatalf("found %d source files only", len(files))
	}
	return files
}

// constants returns the text of every string constant of this package.
func constants(t *testing.T) map[string]string {
	t.Helper()
	exprs := map[string]ast.Expr{}
	for _, f := range sources(t) {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				for i, name := range v.Names {
					if i < len(v.Values) {
						exprs[name.Name] = v.Values[i]
					}
				}
			}
		}
	}
	var text func(ast.Expr) (string, bool)
	text = func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			return s, err == nil && e.Kind == token.STRING
		case *ast.Ident:
			return text(exprs[e.Name])
		case *ast.BinaryExpr:
			x, okX := text(e.X)
			y, okY := text(e.Y)
			return x + y, okX && okY
		default:
			return "", false
		}
	}
	out := map[string]string{}
	for name, e := range exprs {
		if s, ok := text(e); ok {
			out[name] = s
		}
	}
	return out
}

func TestEveryStatementFitsTheSchema(t *testing.T) {
	t.Parallel()
	c, err := pgx.Connect(context.Background(), env.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	prepared := 0
	for name, sql := range constants(t) {
		if !strings.HasPrefix(name, "sql") {
			continue
		}
		if _, err := c.Prepare(context.Background(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		prepared++
		if strings.Contains(sql, "*") {
			t.Errorf("%s does not name its columns", name)
		}
	}
	if prepared < 40 {
		t.Errorf("found %d statements only", prepared)
	}
}

// Every statement is a constant whose name begins with sql, so that the test
// above sees it.
func TestNoStatementHides(t *testing.T) {
	t.Parallel()
	statement := regexp.MustCompile(`(?is)^\s*(select\s.*\sfrom|insert\s+into|update\s+\w+\s+set|delete\s+from|with\s+\w+\s+as|truncate|lock\s+table|set\s+\w+\s*=)\s`)
	for _, f := range sources(t) {
		allowed := map[ast.Node]bool{}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				if v := s.(*ast.ValueSpec); strings.HasPrefix(v.Names[0].Name, "sql") {
					ast.Inspect(v, func(n ast.Node) bool { allowed[n] = true; return true })
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING || allowed[n] {
				return true
			}
			if s, err := strconv.Unquote(lit.Value); err == nil && statement.MatchString(s) {
				t.Errorf("a statement outside the constants: %.60q", s)
			}
			return true
		})
	}
}

func TestNoDownMigration(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(os.DirFS("migrations"), "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	for _, name := range files {
		text, err := migrations.ReadFile("migrations/" + name)
		if err != nil {
			t.Fatalf("%s is not embedded: %v", name, err)
		}
		if strings.Contains(string(text), "+goose Down") {
			t.Errorf("%s goes down", name)
		}
	}
}
