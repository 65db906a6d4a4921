package audit

import (
	"context"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Use is how much was read under a grant so far. Refused reads do not count.
type Use struct {
	Reads int
	// Clusters counts the reads that each cluster was let through in. A
	// cluster that never was is not in it.
	Clusters map[fdx.Cluster]int
}

// Uses answers questions about several grants at once. Implementations are
// safe for concurrent use. Whoever asks has made sure whose the grants are.
type Uses interface {
	// Uses returns the use of those of the grants that were read.
	Uses(ctx context.Context, grants []consent.GrantID) (map[consent.GrantID]Use, error)
	// LastReads returns the newest given or clipped read under each of the
	// grants that has one.
	LastReads(ctx context.Context, grants []consent.GrantID) (map[consent.GrantID]Record, error)
}
