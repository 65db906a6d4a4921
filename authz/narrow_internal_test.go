package authz

import (
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Whatever is asked for, what comes out is within the grant and not empty.
func FuzzNarrowing(f *testing.F) {
	f.Add(`[{"type":"fdx_v1.0","consentRequest":{"resources":[{"resourceType":"ACCOUNT","dataClusters":["BALANCES"]}]}}]`)
	f.Add(`[{"type":"fdx_v1.0","fdxConsentId":"g","purpose":"p","durationType":"TIME_BOUND","durationPeriod":30,"lookbackPeriod":7,"resources":[{"resourceType":"ACCOUNT","resourceId":"a","dataClusters":["ACCOUNT_BASIC"]}]}]`)
	f.Add(`[{"type":"fdx_v1.0","resources":[{"resourceType":"CUSTOMER","resourceId":"c","dataClusters":["CUSTOMER_CONTACT"]}]}]`)
	f.Add(`[{"type":"fdx_v1.0","resources":[{"resourceType":"ACCOUNT","resourceId":"a","dataClusters":["TRANSACTIONS"]}]}]`)
	f.Add(`[{"type":"fdx_v1.0"}]`)
	f.Add(`[null]`)
	f.Add(``)
	g := consent.Grant{
		ID: "g", Purpose: "p", Duration: consent.TimeBound, DurationDays: 30, LookbackDays: 7,
		Resources: []consent.Resource{
			{Type: consent.ResourceAccount, ID: "a", Clusters: fdx.NewClusters(fdx.AccountDetailed, fdx.Balances)},
			{Type: consent.ResourceAccount, ID: "b", Clusters: fdx.NewClusters(fdx.Balances)},
			{Type: consent.ResourceCustomer, ID: "c", Clusters: fdx.NewClusters(fdx.CustomerPersonal)},
		},
	}
	held := map[string]fdx.Clusters{}
	for _, r := range g.Resources {
		held[string(r.Type)+r.ID] = r.Clusters.Implied()
	}
	f.Fuzz(func(t *testing.T, raw string) {
		n, err := parseNarrowing(raw)
		var limit []consent.Resource
		if err == nil {
			limit, err = n.of(g)
		}
		if err != nil {
			refused(t, err)
			if limit != nil {
				t.Error("resources beside an error")
			}
			return
		}
		if len(limit) == 0 {
			t.Error("an empty limit, which would be the whole grant")
		}
		for _, r := range limit {
			if has := held[string(r.Type)+r.ID]; r.Clusters.Empty() || has.Intersect(r.Clusters) != r.Clusters {
				t.Errorf("%s reaches %v of %v", raw, r.Clusters.List(), has.List())
			}
		}
	})
}
