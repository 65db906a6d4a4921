package cases

import "github.com/headgate/headgate/conformance/suite"

// notifications: FDX notifications.
func notifications() []suite.Case {
	return nil
}
