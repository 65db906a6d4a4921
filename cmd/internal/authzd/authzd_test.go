package authzd

import (
	"reflect"
	"testing"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/consent"
)

// A member that is not carried over is a page without a way on.
func TestEveryMemberOfAProblemReachesThePage(t *testing.T) {
	t.Parallel()
	p := authz.Problem{
		Status: 503, Code: "c", Text: "t", AppName: "a", BackURI: "b", RetryURI: "r", UILocales: []string{"sv"},
		Journey: consent.Authorization{ID: "j"}, RedirectURIs: []string{"u"},
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
