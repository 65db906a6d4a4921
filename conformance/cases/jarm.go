package cases

import "github.com/headgate/headgate/conformance/suite"

// jarm: signed answers, JARM.
func jarm() []suite.Case {
	return nil
}
