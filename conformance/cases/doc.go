// Package cases holds what a deployment of FAPI 2.0 and FDX has to do, one
// small function per demand, in a file per group. It owns the demands and
// knows nothing about how they are run or reported: that is package suite.
// It imports nothing of this module outside conformance/.
//
// docs/conformance.md shows how to add a case in five minutes.
package cases

import (
	"slices"

	"github.com/headgate/headgate/conformance/suite"
)

// All returns every case, group by group.
func All() []suite.Case {
	return slices.Concat(
		metadata(), transport(), clientAuth(), par(), authorize(), jar(), jarm(), openID(),
		token(), binding(), introspection(), revocation(), registration(), grants(), abuse(),
		resource(), consents(), contract(), enforcement(), notifications(),
		scenarios(),
	)
}
