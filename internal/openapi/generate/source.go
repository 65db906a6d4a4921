package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// source is what types cannot tell: doc comments and constants.
type source struct {
	// docs are the comments of declarations by name, and of fields by
	// Type.Field.
	docs map[string]string
	// consts are the values of the string constants of a type, as written.
	consts map[string][]string
	// errors are the codes of declared FDX errors by the name of the variable.
	errors map[string]string
}

func newSource() *source {
	return &source{docs: map[string]string{}, consts: map[string][]string{}, errors: map[string]string{}}
}

// read adds a package that is in one folder, without its tests.
func (s *source) read(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				if err := s.add(g); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return nil
}

func (s *source) add(g *ast.GenDecl) error {
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			s.docs[spec.Name.Name] = text(spec.Doc, g)
			if t, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range t.Fields.List {
					for _, n := range f.Names {
						s.docs[spec.Name.Name+"."+n.Name] = strings.TrimSpace(f.Doc.Text())
					}
				}
			}
		case *ast.ValueSpec:
			for i, n := range spec.Names {
				s.docs[n.Name] = text(spec.Doc, g)
				if i >= len(spec.Values) {
					continue
				}
				if code := errorCode(spec.Values[i]); code != "" {
					s.errors[n.Name] = code
				}
				named, ok := spec.Type.(*ast.Ident)
				lit, isLit := spec.Values[i].(*ast.BasicLit)
				if g.Tok == token.CONST && ok && isLit && lit.Kind == token.STRING {
					v, err := strconv.Unquote(lit.Value)
					if err != nil {
						return err
					}
					s.consts[named.Name] = append(s.consts[named.Name], v)
				}
			}
		}
	}
	return nil
}

// text is the comment of a declaration, also of one that stands alone in its
// group.
func text(doc *ast.CommentGroup, g *ast.GenDecl) string {
	if doc == nil && len(g.Specs) == 1 {
		doc = g.Doc
	}
	return strings.TrimSpace(doc.Text())
}

// errorCode returns the code in &Error{Code: "..."}, "" for anything else.
func errorCode(e ast.Expr) string {
	u, ok := e.(*ast.UnaryExpr)
	if !ok {
		return ""
	}
	c, ok := u.X.(*ast.CompositeLit)
	if !ok {
		return ""
	}
	for _, element := range c.Elts {
		if kv, ok := element.(*ast.KeyValueExpr); ok {
			if k, ok := kv.Key.(*ast.Ident); ok && k.Name == "Code" {
				v, _ := strconv.Unquote(kv.Value.(*ast.BasicLit).Value)
				return v
			}
		}
	}
	return ""
}

var (
	// forGo finds what only a reader of Go wants to know.
	forGo = regexp.MustCompile(`\b(zero value|pointer|pointers|marshal|nil|omitzero|omitempty|The caller owns|this release|string on the wire|must not be changed|the status goes|A zero)\b|ErrInvalid`)
	// named finds remarks about which values have names in Go.
	named    = regexp.MustCompile(`, of which the [a-z ]+ (have names|has a name) here`)
	sentence = regexp.MustCompile(`[^.]*(?:\.\S[^.]*)*\.(?:\s|$)`)
	errName  = regexp.MustCompile(`\bErr[A-Z]\w*`)
)

// prose makes a comment fit for readers who do not know the Go code: without
// the sentences about Go, with names as they are on the wire.
func (s *source) prose(comment string, wire map[string]string) string {
	comment = named.ReplaceAllString(strings.Join(strings.Fields(comment), " "), "")
	var kept []string
	for _, one := range sentence.FindAllString(comment, -1) {
		if one = strings.TrimSpace(one); !forGo.MatchString(one) {
			kept = append(kept, one)
		}
	}
	out := errName.ReplaceAllStringFunc(strings.Join(kept, " "), func(name string) string {
		if code, ok := s.errors[name]; ok {
			return "error " + code
		}
		return name
	})
	names := make([]string, 0, len(wire))
	for name := range wire {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		out = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllString(out, wire[name])
	}
	return out
}

// about turns "getAccount returns one account. ..." into "Returns one
// account. ...".
func about(comment string) string {
	_, rest, found := strings.Cut(strings.Join(strings.Fields(comment), " "), " ")
	if !found {
		return ""
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}
