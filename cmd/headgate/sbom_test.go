package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every module that a program says it was built from is in its bill of
// materials, and nothing else but the standard library.
func TestSBOMHasEveryModule(t *testing.T) {
	t.Parallel()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, to := range []*bytes.Buffer{&first, &second} {
		if err := writeSBOM(to, path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two of one program differ")
	}
	var got bom
	if err := json.Unmarshal(first.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(program)
	if c := got.Metadata.Component; c.Name != info.Path || len(c.Hashes) != 1 || c.Hashes[0].Content != hex.EncodeToString(sum[:]) {
		t.Errorf("the program is %+v", c)
	}
	if got.Format != "CycloneDX" || got.Spec != "1.5" || len(got.Parts) != len(info.Deps)+1 {
		t.Errorf("%s %s with %d components, want %d", got.Format, got.Spec, len(got.Parts), len(info.Deps)+1)
	}
	parts, refs := map[string]bomComponent{}, map[string]bool{}
	for _, p := range got.Parts {
		parts[p.Name+" "+p.Version] = p
		if refs[p.Ref] {
			t.Errorf("%s comes twice", p.Ref)
		}
		refs[p.Ref] = true
	}
	for _, m := range info.Deps {
		p, ok := parts[m.Path+" "+m.Version]
		if !ok || !strings.HasPrefix(p.Package, "pkg:golang/") || len(p.Properties) != 1 || p.Properties[0].Value != m.Sum {
			t.Errorf("%s %s is %+v", m.Path, m.Version, p)
		}
	}
	if std := got.Parts[0]; std.Name != "std" || !strings.HasPrefix(std.Version, "1.") || strings.Contains(std.Version, " ") {
		t.Errorf("the standard library is %+v", std)
	}
}

func TestSBOMOfWhatIsNoProgram(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := writeSBOM(&out, path); err == nil || out.Len() > 0 {
		t.Errorf("%v, %q", err, &out)
	}
}
