package postgres

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/jackc/pgx/v5"
)

// PresentedCode implements token.Store. One round trip.
func (s Tokens) PresentedCode(ctx context.Context, who consent.RecipientID, h token.Hash) (token.Presented, error) {
	var row *codeRow
	p, err := s.presented(ctx, who, h, sqlGrantOfCode, func(b *pgx.Batch) {
		b.Queue(sqlCodeOf, h[:], string(who)).Query(func(rows pgx.Rows) (err error) {
			row, err = atMostOne[codeRow](rows)
			return err
		})
	})
	if err != nil {
		return token.Presented{}, fmt.Errorf("load presented code: %w", err)
	}
	p.Refused = token.ErrNotFound
	if row != nil {
		p.Code, p.Refused = row.code(h)
	}
	if p.Code.Grant == "" {
		p.Grant = consent.Grant{}
	}
	return p, nil
}

// PresentedRefresh implements token.Store. One round trip.
func (s Tokens) PresentedRefresh(ctx context.Context, who consent.RecipientID, h token.Hash) (token.Presented, error) {
	var row *refreshRow
	p, err := s.presented(ctx, who, h, sqlGrantOfRefresh, func(b *pgx.Batch) {
		b.Queue(sqlRefreshOf, h[:], string(who)).Query(func(rows pgx.Rows) (err error) {
			row, err = atMostOne[refreshRow](rows)
			return err
		})
	})
	if err != nil {
		return token.Presented{}, fmt.Errorf("load presented refresh token: %w", err)
	}
	p.Refused = token.ErrNotFound
	if row != nil {
		p.Refresh, p.Refused = row.refresh(h)
	}
	if p.Refused != nil {
		p.Grant = consent.Grant{}
	}
	return p, nil
}

// presented loads the client, the grant that sqlGrant finds behind h, and
// what queue adds, in one round trip. The statements may see different
// moments: nothing is decided by them that the step which issues does not
// decide again.
func (s Tokens) presented(ctx context.Context, who consent.RecipientID, h token.Hash, sqlGrant string, queue func(*pgx.Batch)) (token.Presented, error) {
	var (
		client *recipientRow
		grant  *grantRow
	)
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		b.Queue(sqlRecipient, string(who)).Query(func(rows pgx.Rows) (err error) {
			client, err = atMostOne[recipientRow](rows)
			return err
		})
		queue(&b)
		b.Queue(sqlGrant, h[:], string(who)).Query(func(rows pgx.Rows) (err error) {
			grant, err = atMostOne[grantRow](rows)
			return err
		})
		if err := c.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		if client == nil {
			return consent.ErrNotFound
		}
		return nil
	})
	if err != nil {
		return token.Presented{}, err
	}
	var p token.Presented
	if p.Client, err = client.recipient(); err == nil && grant != nil {
		p.Grant, err = grant.grant()
	}
	return p, err
}
