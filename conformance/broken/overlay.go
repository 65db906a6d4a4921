package broken

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// importPath is where the switches are in the build. There is no such folder
// in the source.
const importPath = "github.com/headgate/headgate/internal/broken"

//go:embed switch.go.txt
var switches string

// Sources returns the files that the faults change or add, by their path below
// root, as they are with all faults in them.
func Sources(root string, faults []Fault) (map[string]string, error) {
	changed := map[string]string{}
	var wrong []error
	names := make([]string, len(faults))
	for i, f := range faults {
		names[i] = f.Name
		for _, e := range f.Edits {
			text, ok := changed[e.File]
			if !ok {
				read, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.File)))
				if err != nil {
					wrong = append(wrong, fmt.Errorf("fault %s: %w", f.Name, err))
					continue
				}
				text = string(read)
			}
			if n := strings.Count(text, e.Old); n != 1 {
				wrong = append(wrong, fmt.Errorf("fault %s: the text to replace occurs %d times in %s, want once:\n%s", f.Name, n, e.File, e.Old))
				continue
			}
			changed[e.File] = strings.Replace(text, e.Old, e.New, 1)
		}
	}
	for file, text := range changed {
		text, err := withImport(text)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", file, err))
		}
		changed[file] = text
	}
	changed["internal/broken/broken.go"] = strings.Replace(switches, "NAMES", fmt.Sprintf("%#v", names), 1)
	return changed, errors.Join(wrong...)
}

var packageClause = regexp.MustCompile(`(?m)^package [a-z0-9_]+$`)

// withImport adds the import of the switches, and reports what is not Go.
func withImport(text string) (string, error) {
	if at := packageClause.FindStringIndex(text); at != nil && useForm.MatchString(text) {
		text = text[:at[1]] + "\n\nimport \"" + importPath + "\"\n" + text[at[1]:]
	}
	if _, err := format.Source([]byte(text)); err != nil {
		return text, err
	}
	return text, nil
}

// Overlay writes the changed files into a folder, and beside them the file
// that `go build -overlay` wants, whose name it returns.
func Overlay(root, folder string, faults []Fault) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return "", err
	}
	sources, err := Sources(root, faults)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range sources {
		to := filepath.Join(folder, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		// The same text keeps its file, and so what was built from it.
		if old, err := os.ReadFile(to); err != nil || string(old) != text {
			if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
				return "", err
			}
		}
		replace[filepath.Join(root, filepath.FromSlash(file))] = to
	}
	list, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return "", err
	}
	to := filepath.Join(folder, "overlay.json")
	return to, os.WriteFile(to, list, 0o644)
}
