package cases

import "github.com/headgate/headgate/conformance/suite"

// grants: Grant Management for OAuth 2.0.
func grants() []suite.Case {
	return nil
}
