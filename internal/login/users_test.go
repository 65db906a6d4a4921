package login

import (
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
)

// The hash of "open sesame" at the lowest cost that is taken.
func cheapHash() string {
	p := params{memory: 8, time: 1, threads: 1}
	salt := []byte("saltsalt")
	return hash{params: p, salt: salt, key: p.key("open sesame", salt, 16)}.String()
}

func TestUsersSignIn(t *testing.T) {
	t.Parallel()
	u, err := ParseUsers([]byte(`[{"username":"ann","consumer":"c-1","hash":"` + cheapHash() + `"}]`))
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(Config{Store: u})
	if err != nil {
		t.Fatal(err)
	}
	if who, err := l.Authenticate(t.Context(), "ann", "open sesame"); err != nil || who != "c-1" {
		t.Errorf("%q, %v", who, err)
	}
	for name, try := range map[string][2]string{
		"a wrong password": {"ann", "open"}, "another letter case": {"Ann", "open sesame"}, "nobody": {"bob", "open sesame"},
	} {
		if who, err := l.Authenticate(t.Context(), try[0], try[1]); !errors.Is(err, ErrCredentials) {
			t.Errorf("%s: %q, %v", name, who, err)
		}
	}
	if _, err := u.Credential(t.Context(), "bob"); !errors.Is(err, consent.ErrNotFound) {
		t.Error(err)
	}
}

func TestParseUsersRefuses(t *testing.T) {
	t.Parallel()
	good := `{"username":"ann","consumer":"c-1","hash":"` + cheapHash() + `"}`
	for name, text := range map[string]string{
		"nothing":               ``,
		"nobody":                `[]`,
		"an object":             good,
		"half an array":         `[` + good,
		"something behind":      `[` + good + `] []`,
		"an unknown member":     `[{"username":"ann","consumer":"c-1","hash":"` + cheapHash() + `","role":"x"}]`,
		"a password for a hash": `[{"username":"ann","consumer":"c-1","hash":"open sesame"}]`,
		"no consumer":           `[{"username":"ann","hash":"` + cheapHash() + `"}]`,
		"no username":           `[{"consumer":"c-1","hash":"` + cheapHash() + `"}]`,
		"somebody twice":        `[` + good + `,` + good + `]`,
	} {
		if _, err := ParseUsers([]byte(text)); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := ParseUsers([]byte(`[{"username":"ann"},{"consumer":"c"}]`))
	for _, want := range []string{"entry 1: consumer", "entry 1: hash", "entry 2: username"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func FuzzParseUsers(f *testing.F) {
	f.Add(`[{"username":"ann","consumer":"c-1","hash":"` + cheapHash() + `"}]`)
	f.Add(`[{}]`)
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseUsers([]byte(text))
		if err != nil {
			return
		}
		for name, c := range u.by {
			if name == "" || c.Consumer == "" || c.Hash == "" {
				t.Errorf("accepted %+v", u.by)
			}
		}
	})
}
