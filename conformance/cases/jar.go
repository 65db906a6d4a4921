package cases

import "github.com/headgate/headgate/conformance/suite"

// jar: signed requests, RFC 9101 and FAPI 2.0 Message Signing.
func jar() []suite.Case {
	return nil
}
