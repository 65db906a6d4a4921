package cases

import "github.com/headgate/headgate/conformance/suite"

// introspection: RFC 7662, RFC 9701.
func introspection() []suite.Case {
	return nil
}
