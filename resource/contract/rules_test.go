package contract_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate/headgate/resource/contract"
)

func TestEveryRuleIsDocumented(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, name := range files {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(page)
	}
	for _, r := range contract.Rules() {
		if !strings.Contains(text.String(), "`"+r.Name+"`") {
			t.Errorf("%s is on no page of docs", r.Name)
		}
		if r.Mend == "" {
			t.Errorf("%s: nothing says how to mend it", r.Name)
		}
	}
}
