package contract

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestVocabulariesAreThoseOfFDX compares the table with the constants that
// package fdx declares, so that a value added there is not refused here.
func TestVocabulariesAreThoseOfFDX(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../fdx/*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string][]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				s := spec.(*ast.ValueSpec)
				kind, named := s.Type.(*ast.Ident)
				var literal *ast.BasicLit
				if len(s.Values) > 0 {
					literal, _ = s.Values[0].(*ast.BasicLit)
				}
				if !named || literal == nil || literal.Kind != token.STRING {
					continue
				}
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				declared[kind.Name] = append(declared[kind.Name], value)
			}
		}
	}
	for _, v := range vocabularies() {
		want, got := declared[v.of.Name()], slices.Clone(v.values)
		slices.Sort(want)
		slices.Sort(got)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", v.of.Name(), got, want)
		}
	}
}
