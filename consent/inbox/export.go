package inbox

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/consent"
)

// The limits of copies of the record, which cost as much as all that a person
// ever shared.
const (
	// ExportsADay is how many a person may have made on one day (UTC).
	ExportsADay = 10
	// ExportTime is how long one is on its way at the most.
	ExportTime = 10 * time.Minute
)

// The reasons to make no copy.
var (
	// ErrExportBusy: one is on its way.
	ErrExportBusy = errors.New("inbox: a copy is on its way")
	// ErrExportsOver: there were ExportsADay today.
	ErrExportsOver = errors.New("inbox: no more copies today")
)

// Exports counts copies of records. Implementations are safe for concurrent
// use; each method is one transaction.
type Exports interface {
	// Begin counts a copy that is about to be made, or says why there is to be
	// none: ErrExportBusy or ErrExportsOver. Of several at once one begins.
	Begin(ctx context.Context, who consent.ConsumerID) error

	// End says that the copy is made, or is given up. One that never ends is
	// over after ExportTime.
	End(ctx context.Context, who consent.ConsumerID) error
}
