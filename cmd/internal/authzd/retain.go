package authzd

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/internal/postgres"
)

const (
	// retainEvery is how often records whose time is over are looked for.
	retainEvery = 15 * time.Minute
	// retainTime bounds one look; what is left goes with the next.
	retainTime = 10 * time.Minute
)

// retain deletes records whose time is over, and says what went. Without a
// checkpoint outside no month of reads goes.
func (p *Process) retain(ctx context.Context, rules *policy.Book) error {
	ctx, cancel := context.WithTimeout(ctx, retainTime)
	defer cancel()
	var covered int64
	if p.audit != nil {
		var err error
		if covered, err = p.audit.Covered(ctx); err != nil {
			// Consents go all the same.
			p.log.Warn("retention", slog.String("cause", err.Error()))
		}
	}
	done, err := p.db.Retain(ctx, rules, time.Now(), covered, false)
	var reads int64
	for _, m := range done.Months {
		reads += m.Records
	}
	p.watch.Retained(done.Grants, reads)
	says := []any{slog.Int64("consents", done.Grants), slog.Int("months", len(done.Months)), slog.Int64("reads", reads), slog.Int("waiting", len(done.Waiting))}
	switch {
	case errors.Is(err, postgres.ErrOwner), errors.Is(err, postgres.ErrNotCovered):
		// An operator has to see to it, in their own time.
		p.log.Info("retention", append(says, slog.String("months_stay", err.Error()))...)
		return nil
	case err == nil:
		p.log.Info("retention", says...)
	}
	return err
}
