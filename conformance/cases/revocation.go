package cases

import "github.com/headgate/headgate/conformance/suite"

// revocation: RFC 7009.
func revocation() []suite.Case {
	return nil
}
