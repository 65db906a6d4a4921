package mapping

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/headgate/headgate/fdx"
)

// A value that fdx gains must not be refused here. The types that fdx calls
// open have some of their values only.
func TestCodesAreThoseOfFDX(t *testing.T) {
	t.Parallel()
	declared := map[string][]string{}
	files, err := filepath.Glob("../../fdx/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			name, named := spec.Type.(*ast.Ident)
			value, text := spec.Values[0].(*ast.BasicLit)
			if named && text && value.Kind == token.STRING {
				s, _ := strconv.Unquote(value.Value)
				declared[name.Name] = append(declared[name.Name], s)
			}
			return true
		})
	}
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			visit(typ.Elem())
		case reflect.Struct:
			for _, f := range reflect.VisibleFields(typ) {
				visit(f.Type)
			}
		case reflect.String:
			if known := codes(typ); known != nil {
				want := declared[typ.Name()]
				slices.Sort(want)
				if !slices.Equal(known, want) {
					t.Errorf("%s: %v, fdx has %v", typ, known, want)
				}
			}
		}
	}
	for _, e := range entityTypes {
		visit(e.typ)
		if e.union != nil {
			visit(e.union)
			if e.union.NumField() != len(categoryFields) {
				t.Errorf("%s has %d categories, here are %d", e.union, e.union.NumField(), len(categoryFields))
			}
		}
	}
	visit(reflect.TypeFor[fdx.AccountCategory]())
	if !seen[reflect.TypeFor[fdx.LoanAccountType]()] {
		t.Error("the walk does not reach the types")
	}
}
