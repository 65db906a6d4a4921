package fdxhttp

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/headgate/headgate/fdx"
)

// Whatever a client sends as interaction id, a UUID comes back, and its own
// only if it was one.
func FuzzInteraction(f *testing.F) {
	f.Add("0f3a7c52-6a1e-4b7d-9c3e-1f2a3b4c5d6e")
	f.Add("0f3a7c526a1e4b7d9c3e1f2a3b4c5d6e")
	f.Add("{0f3a7c52-6a1e-4b7d-9c3e-1f2a3b4c5d6e}")
	f.Add("")
	f.Fuzz(func(t *testing.T, sent string) {
		id, ok := Interaction(http.Header{"X-Fapi-Interaction-Id": {sent}})
		if len(id) != 36 || uuid.Validate(id) != nil || ok != (id == sent) {
			t.Errorf("%q became %q, %v", sent, id, ok)
		}
	})
}

// Whatever a client accepts, asking must not fail, and a list that holds
// application/json alone with any other ranges is taken.
func FuzzAccept(f *testing.F) {
	f.Add("text/html;q=0.5, */*")
	f.Add("application/json;q=0")
	f.Add(";;=,,q=,")
	f.Fuzz(func(t *testing.T, accept string) {
		forms := append(fdx.DocumentTypes(), fdx.JSON)
		for _, f := range Acceptable(http.Header{"Accept": {accept}}, forms) {
			if !slices.Contains(forms, f) {
				t.Errorf("%q makes %q of nothing", accept, f)
			}
		}
		if len(Acceptable(http.Header{"Accept": {accept, "application/json"}}, forms[len(forms)-1:])) == 0 {
			t.Errorf("%q and application/json are refused", accept)
		}
	})
}
