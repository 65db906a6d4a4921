package cases

import (
	"github.com/headgate/headgate/conformance/scenario"
	"github.com/headgate/headgate/conformance/suite"
)

// scenarios are the stories of package scenario.
func scenarios() []suite.Case {
	list, err := scenario.Cases()
	if err != nil {
		panic("cases: " + err.Error()) // the stories are part of the program, and a test reads them
	}
	return list
}
