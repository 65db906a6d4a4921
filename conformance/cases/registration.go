package cases

import "github.com/headgate/headgate/conformance/suite"

// registration: RFC 7591, RFC 7592.
func registration() []suite.Case {
	return nil
}
