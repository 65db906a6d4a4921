package scenario

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/conformance/suite"
)

func TestStoriesCanBeRead(t *testing.T) {
	t.Parallel()
	list, err := Cases()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatal("there is no story")
	}
	if err := suite.Check(list); err != nil {
		t.Error(err)
	}
}

const good = "title: it holds\nspec: RFC 1\nmend: mend it\nneeds: par\n\n# a comment\npush one by A\nexpect 201\n\n-- a.json --\n{}\n"

func TestFaultsOfAStoryHaveALine(t *testing.T) {
	t.Parallel()
	if _, err := Parse("a.txtar", good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, where string }{
		"unknown step":   {"push one", "shove one", "a.txtar:7:"},
		"unknown header": {"mend: mend it", "hurry: up", "a.txtar:3:"},
		"too few words":  {"push one by A", "push one", "a.txtar:7:"},
		"no steps":       {"push one by A\nexpect 201\n", "", "a.txtar:1:"},
	} {
		_, err := Parse("a.txtar", strings.Replace(good, c.old, c.new, 1))
		if err == nil || !strings.HasPrefix(err.Error(), c.where) {
			t.Errorf("%s: got %v, want %s", name, err, c.where)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("-- x --\n-- y --\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = Parse("f.txtar", text)
	})
}
