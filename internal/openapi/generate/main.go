// Command generate writes the API document: OpenAPI 3.1, made from the lists
// of operations of the packages that have routes, from the Go types of their
// answers, and from the doc comments and constants of the source, so that
// none of it can say anything else than the code does.
//
// A package with routes joins by a row in tables.
//
// Specs: OpenAPI 3.1, JSON Schema draft 2020-12.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/headgate/headgate/consent/api"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/resource"
)

// A table is the list of operations of one package, and the folder with the
// doc comments of those that have no About.
type table struct {
	dir        string
	operations []openapi.Operation
}

func tables() []table {
	return []table{
		{"resource", resource.Operations()},
		{"consent/api", api.Operations()},
	}
}

// vocabulary are the folders of the types that answers are made of.
var vocabulary = []string{"fdx"}

func main() {
	out := flag.String("o", "", "file to write")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	if out == "" {
		return errors.New("-o is required")
	}
	text, err := generate()
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o644)
}

// generate returns the document.
func generate() ([]byte, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	types := newSource()
	for _, dir := range vocabulary {
		if err := types.read(filepath.Join(root, dir)); err != nil {
			return nil, err
		}
	}
	b := newBuilder(types)
	for _, t := range tables() {
		comments := newSource()
		if err := comments.read(filepath.Join(root, t.dir)); err != nil {
			return nil, err
		}
		for _, op := range t.operations {
			if op.About == "" {
				op.About = about(comments.docs[string(op.ID)])
			}
			if err := b.add(op); err != nil {
				return nil, fmt.Errorf("%s: %w", op.ID, err)
			}
		}
	}
	return encode(b.document()), nil
}

// moduleRoot returns the folder of go.mod, in which we are somewhere.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not inside the module")
		}
		dir = filepath.Dir(dir)
	}
}
