package cases

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/headgate/headgate/conformance/suite"
)

// contractOwn: every operation against the document that the deployment has
// published itself. Published shapes of FDX leave some fields without a type;
// whoever serves them says in a document of their own what they are.
func contractOwn() []suite.Case {
	var cases []suite.Case
	for _, o := range operations {
		if o.media != nil {
			continue
		}
		c := contractCase("own."+o.slug(), o.id+" answers as the deployment's own document says", "OpenAPI 3, schema object; FDX API 6.4, "+o.id, "Answer as the document says, or mend the document.", func(t *suite.T) {
			fits := own(t, o.id)
			personas := []string{o.persona}
			if o.path == "/accounts" {
				personas = append(personas, "variety") // who has an account of each kind
			}
			for _, persona := range personas {
				at := o
				at.persona = persona
				err := fits(read(t, at.whole(t), at.place(t)).Body)
				t.Check(err == nil, "%v", err)
			}
		})
		c.Source = suite.FromOwn
		cases = append(cases, c)
	}
	return cases
}

// own returns what holds a body against the schema that the target's document
// gives for the 200 of an operation.
func own(t *suite.T, id string) func(body []byte) error {
	doc := t.Document()
	options := []openapi3.SchemaValidationOption{
		openapi3.VisitAsResponse(), openapi3.EnableFormatValidation(),
		// Where and why, and not the value, which is somebody's.
		openapi3.SetSchemaErrorMessageCustomizer(func(e *openapi3.SchemaError) string {
			return fmt.Sprintf("/%s: %s", strings.Join(e.JSONPointer(), "/"), e.Reason)
		}),
	}
	if strings.HasPrefix(doc.OpenAPI, "3.1") {
		options = append(options, openapi3.EnableJSONSchema2020())
	}
	for _, path := range doc.Paths.Map() {
		for _, operation := range path.Operations() {
			if operation.OperationID != id {
				continue
			}
			answer := operation.Responses.Status(200)
			if answer == nil || answer.Value == nil || answer.Value.Content.Get("application/json") == nil {
				t.Fatalf("the document has %s without an answer in JSON", id)
			}
			schema := answer.Value.Content.Get("application/json").Schema.Value
			return func(body []byte) error {
				var value any
				if err := json.Unmarshal(body, &value); err != nil {
					return fmt.Errorf("the answer is no JSON")
				}
				return schema.VisitJSON(value, options...)
			}
		}
	}
	t.Fatalf("the document does not have %s", id)
	return nil
}
