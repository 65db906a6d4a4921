package scenario

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/headgate/headgate/conformance/suite"
)

//go:embed *.txtar
var stories embed.FS

// step is one line of a story.
type step struct {
	line  int
	verb  string
	words []string
}

// story is a parsed file.
type story struct {
	name                        string
	title, spec, mend, severity string
	needs                       []suite.Claim
	steps                       []step
	files                       map[string]string
}

// Cases returns every story as a case of the group scenario.
func Cases() ([]suite.Case, error) {
	list, err := stories.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var out []suite.Case
	var faults []error
	for _, entry := range list {
		text, err := stories.ReadFile(entry.Name())
		if err != nil {
			return nil, err
		}
		c, err := Parse(entry.Name(), string(text))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		out = append(out, c)
	}
	return out, errors.Join(faults...)
}

// Parse reads one story. An error names the file and the line.
func Parse(file, text string) (suite.Case, error) {
	s, err := parse(file, text)
	if err != nil {
		return suite.Case{}, fmt.Errorf("%s:%w", file, err)
	}
	return suite.Case{
		ID: "scenario." + s.name, Title: s.title, Spec: s.spec, Mend: s.mend, Severity: suite.Severity(s.severity), Needs: s.needs,
		Run: func(t *suite.T) { play(t, file, s) },
	}, nil
}

func parse(file, text string) (story, error) {
	s := story{name: strings.TrimSuffix(path.Base(file), ".txtar"), files: map[string]string{}}
	known, into, heading := verbs(), "", true
	for i, line := range strings.Split(text, "\n") {
		number := i + 1
		fault := func(format string, args ...any) (story, error) {
			return s, fmt.Errorf("%d: %s", number, fmt.Sprintf(format, args...))
		}
		if name, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(name, " --") {
			into, heading = strings.TrimSuffix(name, " --"), false
			continue
		}
		if into != "" {
			s.files[into] += line + "\n"
			continue
		}
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			heading = false
		case strings.HasPrefix(line, "#"):
		case heading:
			name, value, ok := strings.Cut(line, ": ")
			if !ok {
				return fault("a header is a name, a colon and a value")
			}
			switch name {
			case "title":
				s.title = value
			case "spec":
				s.spec = value
			case "mend":
				s.mend = value
			case "severity":
				s.severity = value
			case "needs":
				for claim := range strings.FieldsSeq(value) {
					s.needs = append(s.needs, suite.Claim(claim))
				}
			default:
				return fault("there is no header %s", name)
			}
		default:
			words := strings.Fields(line)
			v, ok := known[words[0]]
			if !ok {
				return fault("there is no step %s", words[0])
			}
			if len(words)-1 < v.least {
				return fault("the step is: %s", v.form)
			}
			s.steps = append(s.steps, step{line: number, verb: words[0], words: words[1:]})
		}
	}
	if len(s.steps) == 0 {
		return s, errors.New("1: there is no step")
	}
	return s, nil
}
