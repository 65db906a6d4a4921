package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/cmd/internal/config"
)

type settings struct {
	Name  string        `json:"name" help:"what it is called"`
	Count int           `json:"count" default:"3" help:"how many"`
	On    bool          `json:"on" default:"false" help:"whether"`
	Wait  time.Duration `json:"wait" default:"8s" help:"how long"`
	List  []string      `json:"list" default:"a, b" help:"which"`
}

func nothing(string) (string, bool) { return "", false }

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	t.Parallel()
	env := map[string]string{"APP_COUNT": "7", "APP_WAIT": "90s", "APP_LIST": "x,,y "}
	for _, tt := range []struct {
		name, text string
		env        map[string]string
		want       settings
	}{
		{"defaults fill what is absent", `{"name":"n"}`, nil, settings{"n", 3, false, 8 * time.Second, []string{"a", "b"}}},
		{"the file wins over defaults", `{"name":"n","count":0,"on":true,"wait":"1m","list":[]}`, nil, settings{"n", 0, true, time.Minute, []string{}}},
		{"the environment wins over the file", `{"name":"n","count":1,"wait":"1s"}`, env, settings{"n", 7, false, 90 * time.Second, []string{"x", "y"}}},
	} {
		var got settings
		lookup := func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok }
		if err := config.Load(file(t, tt.text), "APP", lookup, &got); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a required setting that is missing": `{}`,
		"an unknown setting":                 `{"name":"n","nam":"m"}`,
		"another letter case":                `{"Name":"n"}`,
		"a setting twice":                    `{"name":"n","name":"m"}`,
		"null":                               `{"name":null}`,
		"a number for a text":                `{"name":1}`,
		"a text for a number":                `{"name":"n","count":"1"}`,
		"a fraction":                         `{"name":"n","count":1.5}`,
		"a duration without a unit":          `{"name":"n","wait":"8"}`,
		"a duration as a number":             `{"name":"n","wait":8}`,
		"an array":                           `[]`,
		"something behind the object":        `{"name":"n"} {}`,
		"half an object":                     `{"name":"n"`,
		"nothing":                            ``,
		"1 MiB and more":                     `{"name":"` + strings.Repeat("n", 1<<20) + `"}`,
	} {
		var got settings
		if err := config.Load(file(t, text), "APP", nothing, &got); err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
	if err := config.Load(filepath.Join(t.TempDir(), "none.json"), "APP", nothing, &settings{}); err == nil {
		t.Error("a file that is not there: accepted")
	}
}

func TestLoadReportsEveryFault(t *testing.T) {
	t.Parallel()
	err := config.Load(file(t, `{"wait":"8","typo":1}`), "APP", func(name string) (string, bool) { return "many", name == "APP_COUNT" }, &settings{})
	for _, want := range []string{"name: required: what it is called", "typo: unknown setting", "wait:", "APP_COUNT:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestDescribeNamesEverySetting(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := config.Describe(&b, "APP", settings{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name (required, APP_NAME)", "count (3, APP_COUNT)", "how long"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
}

func TestSecretMustBePrivate(t *testing.T) {
	t.Parallel()
	path := file(t, " s3cret\n")
	if got, err := config.Secret(path); err != nil || got != "s3cret" {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Secret(path); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("readable by others: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	for _, s := range []string{`{"name":"n"}`, `{"name":"n","count":1,"on":true,"wait":"1s","list":["a"]}`, `{"name":"n","name":"m"}`, `[]`, ``} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got settings
		if err := config.Load(file(t, text), "APP", nothing, &got); err == nil && !strings.Contains(text, "name") && !strings.Contains(text, `\u`) {
			t.Errorf("accepted %s", text)
		}
	})
}
