package authzd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/resource/sandbox"
)

func TestWhoCanSignIn(t *testing.T) {
	t.Parallel()
	hash, err := login.Hash("open sesame")
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "users.json")
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ann := `[{"username":"ann","consumer":"c-1","hash":"` + hash + `"}]`
	own, box := &bank.Bank{Kind: bank.SQLViews}, &bank.Bank{Kind: bank.Sandbox, Sandbox: &sandbox.Store{}}

	store, err := people(own, write(ann, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := store.Credential(t.Context(), "ann"); err != nil || c.Consumer != "c-1" {
		t.Errorf("%+v, %v", c, err)
	}
	if store, err := people(box, ""); err != nil || store == nil {
		t.Errorf("the sandbox: %v", err)
	}
	for name, tt := range map[string]struct {
		bank *bank.Bank
		file string
	}{
		"a bank without people":         {own, ""},
		"a file that is not there":      {own, filepath.Join(t.TempDir(), "none")},
		"a file for all to read":        {own, write(ann, 0o644)},
		"a file that is none":           {own, write("{}", 0o600)},
		"people beside the sandbox's":   {box, write(ann, 0o600)},
		"an entry without its consumer": {own, write(strings.Replace(ann, "c-1", "", 1), 0o600)},
	} {
		if _, err := people(tt.bank, tt.file); err == nil || !strings.HasPrefix(err.Error(), "login_users_file: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
