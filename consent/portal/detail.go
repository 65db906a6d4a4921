package portal

import (
	"fmt"
	"net/url"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/web"
)

// useRow is a line of data with how often it was read.
type useRow struct {
	clusterRow
	Used  string
	Never bool
	Part  int // reads with it of all reads, in percent
}

// useRows puts the data of a grant into words, with what was used of it; known
// is false when nothing can be said about that.
func useRows(t *text, set fdx.Clusters, use audit.Use, known bool) []useRow {
	var rows []useRow
	lines := clusterRows(t, set)
	i := 0
	for _, c := range widest(set).List() {
		row := useRow{clusterRow: lines[i]}
		i++
		if known {
			n := use.Clusters[c]
			if c == fdx.AccountDetailed {
				n = max(n, use.Clusters[fdx.AccountBasic])
			}
			if c == fdx.CustomerPersonal {
				n = max(n, use.Clusters[fdx.CustomerContact])
			}
			row.Used, row.Never = t.T("use.times", "Count", n), n == 0
			if n == 0 {
				row.Used = t.T("use.never")
			} else {
				row.Part = max(1, min(100, 100*n/max(1, use.Reads)))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// uses counts the reads of grants; false when they cannot be counted, which
// keeps nobody from the page.
func (p *Portal) uses(v *visit, grants []consent.GrantID) (map[consent.GrantID]audit.Use, bool) {
	if len(grants) == 0 {
		return nil, true
	}
	ctx := v.Request.Context()
	uses, err := p.c.Uses.Uses(ctx, grants)
	if err != nil {
		web.Fields(ctx).Cause = fmt.Errorf("count reads: %w", err)
		return nil, false
	}
	return uses, true
}

// partyRow is somebody who takes part in a grant.
type partyRow struct{ Name, Role, Legal, Home, Listed string }

// partyRows lists everybody who takes part, in stored order.
func partyRows(t *text, parties []consent.Party) []partyRow {
	var rows []partyRow
	for _, party := range parties {
		row := partyRow{
			Name: plain(party.Name, maxName), Role: t.T("party.other"),
			Legal: plain(party.RegisteredEntityName, maxName), Home: webAddress(party.HomeURI),
		}
		switch party.Type {
		case consent.PartyRecipient:
			row.Role = t.T("party.app")
		case consent.PartyProvider:
			row.Role = t.T("party.bank")
		case consent.PartyPlatform:
			row.Role = t.T("party.middle")
		}
		if row.Legal == row.Name {
			row.Legal = ""
		}
		if registry, number := plain(party.Registry, maxName), plain(party.RegisteredEntityID, maxName); registry != "" && number != "" {
			row.Listed = t.T("review.registry", "Registry", registry, "Number", number)
		}
		if row.Name != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// readsOf is where what an app asked for is listed.
func readsOf(id consent.RecipientID) string {
	return historyPath + "?app=" + url.QueryEscape(string(id))
}
