package authzd

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
)

// A member that is not carried over is a page without a way on.
func TestEveryMemberOfAProblemReachesThePage(t *testing.T) {
	t.Parallel()
	p := authz.Problem{
		Status: 503, Code: "c", Text: "t", AppName: "a", BackURI: "b", RetryURI: "r", UILocales: []string{"sv"},
	}
	from, to := reflect.ValueOf(p), reflect.ValueOf(portalProblem(p))
	for i := range from.NumField() {
		name := from.Type().Field(i).Name
		if from.Field(i).IsZero() {
			t.Errorf("%s: not tested", name)
		}
		if f := to.FieldByName(name); !f.IsValid() || !reflect.DeepEqual(f.Interface(), from.Field(i).Interface()) {
			t.Errorf("%s is lost", name)
		}
	}
}

func TestSubjectKeyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(content string) string {
		path := filepath.Join(dir, "key.json")
		if err := certs.WritePrivate(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := strings.Repeat("s", 32)
	text := base64.StdEncoding.EncodeToString([]byte(secret))
	if got, err := subjectKey(write(`{"secret":"` + text + `"}`)); err != nil || string(got) != secret {
		t.Errorf("%v", err)
	}
	for name, content := range map[string]string{
		"empty": "", "a bare secret": text, "an unknown member": `{"secret":"` + text + `","x":1}`,
		"two secrets": `{"secret":"` + text + `","secret":"` + text + `"}`, "no base64": `{"secret":"` + secret + `!"}`,
		"an array": `["` + text + `"]`,
	} {
		if _, err := subjectKey(write(content)); err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	exposed := write(`{"secret":"` + text + `"}`)
	if err := os.Chmod(exposed, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"exposed": exposed, "missing": filepath.Join(dir, "none"), "not set": ""} {
		if _, err := subjectKey(path); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
