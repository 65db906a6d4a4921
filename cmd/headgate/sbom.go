package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
)

type sbomCmd struct {
	Program string `arg:"" optional:"" type:"existingfile" help:"A program of Headgate; this one when there is none."`
}

// Run prints what a program was built from, as it says itself.
func (c sbomCmd) Run() error {
	path := c.Program
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return err
		}
	}
	return writeSBOM(os.Stdout, path)
}

// bom is a bill of materials in the form of CycloneDX 1.5. The same program has
// the same one: it names neither a time nor a place.
type bom struct {
	Format   string         `json:"bomFormat"`
	Spec     string         `json:"specVersion"`
	Version  int            `json:"version"`
	Metadata bomMetadata    `json:"metadata"`
	Parts    []bomComponent `json:"components"`
}

type bomMetadata struct {
	Component bomComponent `json:"component"`
}

type bomComponent struct {
	Type       string        `json:"type"`
	Ref        string        `json:"bom-ref"`
	Name       string        `json:"name"`
	Version    string        `json:"version,omitempty"`
	Package    string        `json:"purl,omitempty"`
	Hashes     []bomHash     `json:"hashes,omitempty"`
	Properties []bomProperty `json:"properties,omitempty"`
}

type bomHash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"` // hexadecimal
}

type bomProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func writeSBOM(w io.Writer, path string) error {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s does not say what it was built from: %w", path, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // read only
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	program := bomModule(info.Main)
	program.Type, program.Ref, program.Name = "application", info.Path, info.Path
	program.Hashes = []bomHash{{"SHA-256", hex.EncodeToString(sum.Sum(nil))}}
	library, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ") // experiments come behind
	b := bom{
		Format: "CycloneDX", Spec: "1.5", Version: 1, Metadata: bomMetadata{program},
		Parts: []bomComponent{bomModule(debug.Module{Path: "std", Version: library})},
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Parts = append(b.Parts, bomModule(*m))
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(b)
}

// bomModule is a module. Its sum is that of go.sum, which is none of the file
// hashes that CycloneDX knows.
func bomModule(m debug.Module) bomComponent {
	// Package URLs of Go are in lower case, and a + in them would be a space.
	name := "pkg:golang/" + strings.ToLower(m.Path)
	if m.Version == "(devel)" {
		m.Version = ""
	}
	if m.Version != "" {
		name += "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	}
	c := bomComponent{Type: "library", Ref: name, Name: m.Path, Version: m.Version, Package: name}
	if m.Sum != "" {
		c.Properties = []bomProperty{{"go.sum", m.Sum}}
	}
	return c
}
