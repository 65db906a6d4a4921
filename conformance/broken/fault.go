package broken

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed faults
var files embed.FS

// Fault is one thing that the product does wrong when it is switched on.
type Fault struct {
	Name   string
	Breaks string   // which promise, in a sentence, with the section of its spec
	Caught []string // who must notice: ids of cases, or of invariants
	Edits  []Edit
}

// Edit replaces one place of one file.
type Edit struct {
	File     string // below the root of the module, with slashes
	Old, New string
}

// Faults returns all faults, by name.
func Faults() ([]Fault, error) {
	found, err := fs.Glob(files, "faults/*.txt")
	if err != nil {
		return nil, err
	}
	var list []Fault
	var faults []error
	for _, file := range found {
		text, err := files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		f, err := Parse(strings.TrimSuffix(path.Base(file), ".txt"), string(text))
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", file, err))
		}
		list = append(list, f)
	}
	return list, errors.Join(faults...)
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	useForm  = regexp.MustCompile(`broken\.(?:On|Pause|Span|Die)\("([^"]*)"`)
)

// Parse reads a fault file.
func Parse(name, text string) (Fault, error) {
	f := Fault{Name: name}
	if !nameForm.MatchString(name) {
		return f, fmt.Errorf("name %q: want lower-case words with hyphens", name)
	}
	lines := strings.Split(text, "\n")
	for len(lines) > 0 {
		line := lines[0]
		lines = lines[1:]
		if file, ok := strings.CutPrefix(line, "@@ "); ok {
			e := Edit{File: strings.TrimSpace(file)}
			var ok1, ok2 bool
			e.Old, lines, ok1 = until(lines, "@@ becomes")
			e.New, lines, ok2 = until(lines, "@@ end")
			if !ok1 || !ok2 || strings.TrimSpace(e.Old) == "" {
				return f, fmt.Errorf("edit of %s: want text, a line \"@@ becomes\", text and a line \"@@ end\"", e.File)
			}
			f.Edits = append(f.Edits, e)
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.TrimSpace(line) == "":
		case key == "breaks":
			f.Breaks = value
		case key == "caught by":
			for one := range strings.SplitSeq(value, ",") {
				f.Caught = append(f.Caught, strings.TrimSpace(one))
			}
		default:
			return f, fmt.Errorf("line %q: want breaks, caught by or an edit", line)
		}
	}
	if f.Breaks == "" || len(f.Caught) == 0 || slices.Contains(f.Caught, "") || len(f.Edits) == 0 {
		return f, errors.New("want a line \"breaks:\", a line \"caught by:\" and an edit")
	}
	used := false
	for _, e := range f.Edits {
		for _, m := range useForm.FindAllStringSubmatch(e.New, -1) {
			if m[1] != name {
				return f, fmt.Errorf("edit of %s asks for the fault %q", e.File, m[1])
			}
			used = true
		}
	}
	if !used {
		return f, fmt.Errorf("no edit asks for broken.On(%q) or broken.Pause(%q)", name, name)
	}
	return f, nil
}

// until returns the lines before an end, joined, and those behind it.
func until(lines []string, end string) (string, []string, bool) {
	at := slices.Index(lines, end)
	if at < 0 {
		return "", nil, false
	}
	return strings.Join(lines[:at], "\n"), lines[at+1:], true
}
