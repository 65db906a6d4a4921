package suite

import (
	"errors"
	"net/http"
	"os"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Document is what the target publishes about its resource (openapi in the
// target file). The case does not apply where it names none.
func (t *T) Document() *openapi3.T {
	if t.Target.OpenAPI == "" {
		t.inapplicable("the target file names no document of its own (openapi)")
	}
	return Once(t, "document", func(t *T) *openapi3.T {
		var text []byte
		if strings.HasPrefix(t.Target.OpenAPI, "https://") {
			resp := t.Send(Get(t.Target.OpenAPI))
			if resp.Status != http.StatusOK {
				t.Cannot("read the target's document", errors.New("it is not there"))
			}
			text = resp.Body
		} else {
			var err error
			if text, err = os.ReadFile(t.Target.path(t.Target.OpenAPI)); err != nil {
				t.Cannot("read the target's document", err)
			}
		}
		// External references are not followed: they would leave the target.
		doc, err := openapi3.NewLoader().LoadFromData(text)
		if err == nil {
			err = doc.Validate(t.ctx, openapi3.DisableExamplesValidation())
		}
		if err != nil {
			t.Cannot("read the target's document", err)
		}
		return doc
	})
}
