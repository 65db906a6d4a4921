package sqlviews

import (
	"os"
	"strings"
	"testing"

	"github.com/headgate/headgate/resource/mapping"
)

// The file that the documentation shows is one that can be used.
func TestDocumentedFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, file, found := strings.Cut(string(text), "```yaml\n# bank.yaml\n")
	file, _, closed := strings.Cut(file, "```")
	if !found || !closed {
		t.Fatal("no file there")
	}
	m, err := mapping.Parse([]byte(file), Section)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{DSN: "postgres://localhost/x", Mapping: m})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
}
