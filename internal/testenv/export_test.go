package testenv

import "testing"

// NewOn returns an Env that works on the given server, as in a test binary
// that is told about it. Its template goes with the test.
func NewOn(t testing.TB, server string, cfg Config) *Env {
	e := New(cfg)
	e.inMain = true
	e.server = func() (string, error) { return server, nil }
	t.Cleanup(func() {
		name := templateName(cfg)
		for _, db := range []string{name, name + "_draft"} {
			if err := execute(server, "DROP DATABASE IF EXISTS "+quoted(db)+" WITH (FORCE)"); err != nil {
				t.Error(err)
			}
		}
	})
	return e
}
