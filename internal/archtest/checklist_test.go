package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The checklist in docs/fapi.md names the tests that prove each item. A test
// that was renamed or deleted proves nothing, and an item without a row was
// forgotten.
func TestChecklistNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "fapi.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t, root)
	row := regexp.MustCompile(`(?m)^\| (\d+) \|.*\|$`)
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	found := map[int]bool{}
	for _, line := range row.FindAllStringSubmatch(string(text), -1) {
		item, err := strconv.Atoi(line[1])
		if err != nil {
			t.Fatal(err)
		}
		found[item] = true
		named := name.FindAllStringSubmatch(line[0], -1)
		if len(named) == 0 {
			t.Errorf("item %d names no test", item)
		}
		for _, n := range named {
			if !tests[n[1]] {
				t.Errorf("item %d names %s, which does not exist", item, n[1])
			}
		}
	}
	for _, span := range [][2]int{{1, 63}, {73, 78}} { // the other sections are about profiles that are not offered
		for item := span[0]; item <= span[1]; item++ {
			if !found[item] {
				t.Errorf("item %d has no row", item)
			}
		}
	}
}

// testNames are the tests and fuzz targets of the module.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && path != root {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
