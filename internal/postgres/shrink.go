package postgres

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/consent"
)

const sqlShrink = `
WITH changed AS (
    UPDATE consent_grant g
    SET epoch = g.epoch + 1, updated_at = clock_timestamp(), resources = $12,
        disclosure_version = $13, disclosure_locale = $14, disclosure_text = $15
    WHERE g.grant_id = $10 AND g.epoch = $11 AND g.status = 'ACTIVE' AND g.expires_at > clock_timestamp()
    RETURNING ` + storedGrant + `),` + thenEvent

// Shrink implements consent.Store. Whoever issues tokens under the grant
// meanwhile finds the new version or is found by it, as for End. Two round
// trips, five when the recipient is to be called about it, and two or three
// more to explain a refusal.
func (s Grants) Shrink(ctx context.Context, c consent.Shrinking) (consent.Grant, error) {
	// The person of the grant, who is the same for ever, is who its own entry
	// is about.
	before, err := s.Grant(ctx, c.Grant)
	if err != nil {
		return consent.Grant{}, fmt.Errorf("shrink grant: %w", err)
	}
	resources, err := encode(nameless(c.Resources, before.Consumer))
	if err != nil {
		return consent.Grant{}, fmt.Errorf("shrink grant: %w", err)
	}
	r, err := s.change(ctx, c.Grant, sqlShrink, consent.Event{Kind: consent.EventChanged, Actor: consent.ActorConsumer},
		c.Epoch, resources, c.Disclosure.Version, c.Disclosure.Locale, c.Disclosure.Text)
	if err != nil {
		return consent.Grant{}, fmt.Errorf("shrink grant: %w", err)
	}
	return r.grant()
}
