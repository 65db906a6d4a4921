package archtest

import (
	"go/ast"
	"strings"
	"testing"
)

// serving are the names of net/http that make a server.
var serving = []string{"Server", "ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS"}

// Every listener has the time-outs and limits of web.NewServer, because nothing
// else makes a server.
func TestOneKindOfServer(t *testing.T) {
	t.Parallel()
	found := 0
	for _, p := range modulePackages(t) {
		if strings.HasPrefix(p.path, "conformance") { // no server of ours
			continue
		}
		for _, f := range p.files {
			if f.isTest() {
				continue
			}
			for _, made := range servers(f.tree) {
				if p.path == "internal/web" && f.name == "server.go" {
					found++
					continue
				}
				t.Errorf("%s/%s makes a server of its own: http.%s", p.path, f.name, made)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d servers in internal/web", found)
	}
}

// servers lists what a file takes of net/http to make a server. A pointer to a
// server that is there already makes none.
func servers(tree *ast.File) []string {
	var list []string
	name := func(e ast.Expr) {
		s, ok := e.(*ast.SelectorExpr)
		if !ok {
			return
		}
		if pkg, ok := s.X.(*ast.Ident); !ok || pkg.Name != "http" {
			return
		}
		for _, each := range serving {
			if s.Sel.Name == each {
				list = append(list, each)
			}
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			name(n.Type)
		case *ast.CallExpr:
			name(n.Fun)
			if made, ok := n.Fun.(*ast.Ident); ok && made.Name == "new" && len(n.Args) == 1 {
				name(n.Args[0])
			}
		case *ast.ValueSpec:
			name(n.Type)
		}
		return true
	})
	return list
}
