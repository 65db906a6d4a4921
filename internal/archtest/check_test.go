package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

const module = "github.com/headgate/headgate"

// pkg is what the checks look at.
type pkg struct {
	path  string // import path below the module; "." for its top
	files []file
	deps  []string // full import paths of all that it links, tests apart
}

type file struct {
	name    string
	imports []string // full import paths
	tree    *ast.File
}

func (f file) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

// matches reports whether a path is what the pattern names.
func matches(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	return path == pattern
}

func matchesAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, path) })
}

// below returns the path below the module of one of our packages.
func below(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// short returns the name that the tables use: ours below the module, others
// in full.
func short(importPath string) string {
	if own, ok := below(importPath); ok {
		return own
	}
	return importPath
}

func rowOf(path string) (row, bool) {
	for _, r := range rows {
		if matches(r.pkg, path) {
			return r, true
		}
	}
	return row{}, false
}

// standard reports whether an import path is of the standard library: its
// first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// faults returns what one package does against the rules, a sentence each.
func faults(p pkg) []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }

	own, ok := rowOf(p.path)
	if !ok {
		fault("%s has no row in internal/archtest/rules_test.go: give it its level", p.path)
		return out
	}
	for _, f := range p.files {
		for _, imported := range f.imports {
			if why := own.forbids(imported, f.isTest()); why != "" {
				fault("%s/%s imports %s: %s", p.path, f.name, short(imported), why)
			}
			for _, d := range dependencies {
				if why := d.forbids(p.path, f.name, imported); why != "" {
					fault("%s/%s imports %s: %s", p.path, f.name, imported, why)
				}
			}
			if matchesAny(standardOnly, p.path) && !standard(imported) && short(imported) == imported {
				fault("%s/%s imports %s: this package takes the standard library only", p.path, f.name, imported)
			}
			for _, w := range walls {
				if matches(w.pkg, p.path) && matchesAny(w.never, short(imported)) {
					fault("%s/%s imports %s: there is a wall between them", p.path, f.name, short(imported))
				}
			}
		}
	}
	for _, w := range walls {
		if !matches(w.pkg, p.path) {
			continue
		}
		for _, d := range p.deps {
			if matchesAny(w.never, short(d)) {
				fault("%s links %s, through what it imports: there is a wall between them", p.path, short(d))
			}
		}
	}
	return out
}

// forbids says why a package of this row may not import a path; empty if it
// may. Tests may reach up and sideways, to check against the real thing.
func (r row) forbids(importPath string, test bool) string {
	target, ours := below(importPath)
	if !ours {
		return ""
	}
	other, ok := rowOf(target)
	switch {
	case !ok:
		return "that package has no row"
	case matches(r.pkg, target) || matchesAny(r.beside, target):
		return ""
	case r.level == apart:
		return "this package imports nothing of ours"
	case other.level == apart && !test:
		return "that package stands apart"
	case test || other.level < r.level:
		return ""
	case other.level == r.level:
		return fmt.Sprintf("both are on level %d, and the row does not name it", r.level)
	default:
		return fmt.Sprintf("level %d may not import level %d", r.level, other.level)
	}
}

func (d dependency) forbids(pkgPath, fileName, imported string) string {
	if !matches(d.path+"/...", imported) {
		return ""
	}
	if len(d.only) > 0 && !matchesAny(d.only, pkgPath) {
		return "only in " + strings.Join(d.only, ", ")
	}
	if d.files != "" {
		if ok, err := path.Match(d.files, fileName); err != nil || !ok {
			return "only in files named " + d.files
		}
	}
	return ""
}

// undocumented returns the exported names of a package that have no comment,
// and the package clause if no file has one.
func undocumented(p pkg) []string {
	var out []string
	packageDoc := false
	for _, f := range p.files {
		if f.isTest() || ast.IsGenerated(f.tree) {
			continue
		}
		packageDoc = packageDoc || says(f.tree.Doc)
		for _, decl := range f.tree.Decls {
			for _, name := range undocumentedIn(decl) {
				out = append(out, fmt.Sprintf("%s/%s: %s has no comment", p.path, f.name, name))
			}
		}
	}
	if !packageDoc && slices.ContainsFunc(p.files, func(f file) bool { return !f.isTest() }) {
		out = append(out, p.path+": the package has no comment")
	}
	return out
}

func undocumentedIn(decl ast.Decl) []string {
	var out []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			receiver := receiverName(d.Recv.List[0].Type)
			if !token.IsExported(receiver) {
				return nil
			}
			name = receiver + "." + name
		}
		if d.Name.IsExported() && !says(d.Doc) {
			out = append(out, name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				// A comment on the group speaks for its members.
				if says(d.Doc) || says(s.Doc) || says(s.Comment) {
					continue
				}
				for _, n := range s.Names {
					if n.IsExported() {
						out = append(out, n.Name)
					}
				}
			case *ast.TypeSpec:
				if !s.Name.IsExported() {
					continue
				}
				if !says(s.Doc) && !says(s.Comment) && (!says(d.Doc) || d.Lparen.IsValid()) {
					out = append(out, s.Name.Name)
				}
				if i, ok := s.Type.(*ast.InterfaceType); ok {
					for _, m := range i.Methods.List {
						if len(m.Names) == 1 && m.Names[0].IsExported() && !says(m.Doc) && !says(m.Comment) {
							out = append(out, s.Name.Name+"."+m.Names[0].Name)
						}
					}
				}
			}
		}
	}
	return out
}

// says reports whether a comment has text; a directive has none.
func says(c *ast.CommentGroup) bool { return c.Text() != "" }

// receiverName returns the type of a receiver without pointer and parameters.
func receiverName(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
