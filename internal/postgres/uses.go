package postgres

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/jackc/pgx/v5"
)

var _ audit.Uses = Reads{}

// Each read counts once under no cluster and once under each that was let
// through.
const sqlUses = `
SELECT r.grant_id, c.cluster, count(r.request_id) AS reads
FROM access_record r
CROSS JOIN LATERAL (SELECT '' UNION ALL SELECT unnest(r.clusters)) AS c (cluster)
WHERE r.grant_id = ANY($1) AND r.outcome <> 'refused'
GROUP BY r.grant_id, c.cluster`

const sqlLastReads = `
SELECT ` + recordColumns + `
FROM unnest($1::text[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT ` + recordColumns + ` FROM access_record
    WHERE grant_id = asked.id AND outcome <> 'refused'
    ORDER BY at DESC, request_id DESC LIMIT 1) AS last`

// Uses implements audit.Uses. One round trip.
func (s Reads) Uses(ctx context.Context, grants []consent.GrantID) (map[consent.GrantID]audit.Use, error) {
	type useRow struct {
		GrantID string `db:"grant_id"`
		Cluster string `db:"cluster"`
		Reads   int    `db:"reads"`
	}
	var rows []useRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[useRow](ctx, c, sqlUses, words(grants))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count reads: %w", err)
	}
	uses := map[consent.GrantID]audit.Use{}
	for _, r := range rows {
		u := uses[consent.GrantID(r.GrantID)]
		if u.Clusters == nil {
			u.Clusters = map[fdx.Cluster]int{}
		}
		if r.Cluster == "" {
			u.Reads = r.Reads
		} else {
			cluster, err := fdx.ParseCluster(r.Cluster)
			if err != nil {
				return nil, fmt.Errorf("count reads: %w", err)
			}
			u.Clusters[cluster] = r.Reads
		}
		uses[consent.GrantID(r.GrantID)] = u
	}
	return uses, nil
}

// LastReads implements audit.Uses. One round trip.
func (s Reads) LastReads(ctx context.Context, grants []consent.GrantID) (map[consent.GrantID]audit.Record, error) {
	var rows []recordRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[recordRow](ctx, c, sqlLastReads, words(grants))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load last reads: %w", err)
	}
	last := map[consent.GrantID]audit.Record{}
	for _, r := range rows {
		rec, err := r.record()
		if err != nil {
			return nil, fmt.Errorf("load last reads: %w", err)
		}
		last[rec.Grant] = rec
	}
	return last, nil
}
