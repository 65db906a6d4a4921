package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5"
)

const sqlShrink = `
UPDATE consent_grant g
SET epoch = g.epoch + 1, updated_at = clock_timestamp(), resources = $3,
    disclosure_version = $4, disclosure_locale = $5, disclosure_text = $6
WHERE g.grant_id = $1 AND g.epoch = $2 AND g.status = 'ACTIVE' AND g.expires_at > clock_timestamp()
RETURNING ` + grantColumns

// Shrink implements consent.Store. Whoever issues tokens under the grant
// meanwhile finds the new version or is found by it, as for End. Five round
// trips, six when the recipient is to be called about it.
func (s Grants) Shrink(ctx context.Context, c consent.Shrinking) (consent.Grant, error) {
	var r grantRow
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// The person of the grant is who its own entry is about.
		before, err := one[grantRow](ctx, tx, consent.ErrNotFound, sqlGrant, string(c.Grant))
		if err != nil {
			return err
		}
		resources, err := encode(nameless(c.Resources, consent.ConsumerID(before.ConsumerID)))
		if err != nil {
			return err
		}
		r, err = one[grantRow](ctx, tx, consent.ErrConflict, sqlShrink, string(c.Grant), c.Epoch, resources,
			c.Disclosure.Version, c.Disclosure.Locale, c.Disclosure.Text)
		if errors.Is(err, consent.ErrConflict) {
			return whyNoRest(ctx, tx, c.Grant)
		}
		if err != nil {
			return err
		}
		var b pgx.Batch
		t := queueEvent(&b, consent.Event{Grant: c.Grant, Epoch: r.Epoch, Kind: consent.EventChanged, Actor: consent.ActorConsumer})
		return s.db.sendTelling(ctx, tx, &b, t)
	})
	if err != nil {
		return consent.Grant{}, fmt.Errorf("shrink grant: %w", err)
	}
	return r.grant()
}
