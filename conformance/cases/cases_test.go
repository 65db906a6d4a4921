package cases

import (
	"testing"

	"github.com/headgate/headgate/conformance/suite"
)

func TestCasesAreComplete(t *testing.T) {
	t.Parallel()
	if err := suite.Check(All()); err != nil {
		t.Error(err)
	}
}
