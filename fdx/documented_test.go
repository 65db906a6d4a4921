package fdx_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func TestEveryErrorIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fdx.Errors() {
		if row := fmt.Sprintf("| %s | %d | %s |", e.Code, e.Status, e.Message); !strings.Contains(string(text), row) {
			t.Errorf("docs/errors.md has no row %s", row)
		}
	}
}
