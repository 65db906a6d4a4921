package broken

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFaultsFitTheSource(t *testing.T) {
	t.Parallel()
	faults, err := Faults()
	if err != nil {
		t.Fatal(err)
	}
	if len(faults) == 0 {
		t.Fatal("there are no faults")
	}
	if _, err := Sources("../..", faults); err != nil {
		t.Error(err)
	}
}

// The product must be the same whether or not anybody breaks it.
func TestSourceHasNoSwitches(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("../../internal/broken"); !os.IsNotExist(err) {
		t.Errorf("internal/broken: got %v, want no such folder: it is made by the overlay", err)
	}
	for _, dir := range []string{"authz", "cmd", "consent", "internal", "resource", "certs", "fdx"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			text, err := os.ReadFile(path)
			if strings.Contains(string(text), importPath) {
				t.Errorf("%s imports the switches", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

const good = `breaks: something (RFC 1)
caught by: a.b, R1
@@ x.go
if !ok {
@@ becomes
if !ok && !broken.On("one") {
@@ end
`

func TestParse(t *testing.T) {
	t.Parallel()
	f, err := Parse("one", good)
	if err != nil {
		t.Fatal(err)
	}
	if f.Breaks != "something (RFC 1)" || len(f.Caught) != 2 || f.Caught[1] != "R1" ||
		len(f.Edits) != 1 || f.Edits[0] != (Edit{"x.go", "if !ok {", `if !ok && !broken.On("one") {`}) {
		t.Errorf("got %+v", f)
	}
	for name, change := range map[string][2]string{
		"no sentence":   {"breaks: something (RFC 1)\n", ""},
		"nobody":        {"caught by: a.b, R1\n", ""},
		"empty catcher": {"a.b, R1", "a.b,"},
		"other line":    {"breaks:", "brakes: x\nbreaks:"},
		"no becomes":    {"@@ becomes\n", ""},
		"no end":        {"@@ end\n", ""},
		"nothing old":   {"if !ok {\n", ""},
		"other switch":  {`On("one")`, `On("two")`},
		"no switch":     {` && !broken.On("one")`, ""},
	} {
		if _, err := Parse("one", strings.Replace(good, change[0], change[1], 1)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Parse("One", good); err == nil {
		t.Error("name with a capital: no error")
	}
}

func TestOverlay(t *testing.T) {
	t.Parallel()
	root, folder := t.TempDir(), t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(root, "x.go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one, err := Parse("one", good)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Parse("two", strings.NewReplacer("if !ok {\n@@ becomes", "!ok &&\n@@ becomes", "if !ok && !broken.On(\"one\") {", `!ok && !broken.On("two") &&`).Replace(good))
	if err != nil {
		t.Fatal(err)
	}

	write("// Package x.\npackage x\n\nfunc f(ok bool) {\n\tif !ok {\n\t}\n}\n")
	file, err := Overlay(root, folder, []Fault{one, two})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "x.go"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `if !ok && !broken.On("two") && !broken.On("one") {`) || strings.Count(string(text), importPath) != 1 {
		t.Errorf("got\n%s", text)
	}
	var overlay struct{ Replace map[string]string }
	list, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(list, &overlay) != nil || len(overlay.Replace) != 2 {
		t.Errorf("overlay: got %s (%v), want the changed file and the switches", list, err)
	}
	added, err := os.ReadFile(filepath.Join(folder, "internal/broken/broken.go"))
	if err != nil || !strings.Contains(string(added), `[]string{"one", "two"}`) {
		t.Errorf("switches: got %v\n%s", err, added)
	}

	for name, text := range map[string]string{
		"gone":        "package x\n",
		"twice":       "package x\n\nfunc f(ok bool) {\n\tif !ok {\n\t}\n\tif !ok {\n\t}\n}\n",
		"not Go then": "package x\n\nfunc f(ok bool) {\n\tif !ok {\n",
	} {
		write(text)
		if _, err := Overlay(root, folder, []Fault{one}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := os.Remove(filepath.Join(root, "x.go")); err != nil {
		t.Fatal(err)
	}
	if _, err := Overlay(root, folder, []Fault{one}); err == nil {
		t.Error("no file: no error")
	}
}
