package cases

import "github.com/headgate/headgate/conformance/suite"

// contract: every operation of FDX against its shape.
func contract() []suite.Case {
	return nil
}
