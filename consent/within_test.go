package consent_test

import (
	"reflect"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

func TestWithinNeverWidens(t *testing.T) {
	t.Parallel()
	account := func(id string, cs ...fdx.Cluster) consent.Resource {
		return consent.Resource{Type: consent.ResourceAccount, ID: id, Clusters: fdx.NewClusters(cs...)}
	}
	customer := consent.Resource{Type: consent.ResourceCustomer, ID: "c", Clusters: fdx.NewClusters(fdx.CustomerPersonal)}
	g := consent.Grant{ID: "g", Epoch: 3, Resources: []consent.Resource{account("a", fdx.AccountDetailed, fdx.Balances), account("b", fdx.Balances), customer}}
	for name, tt := range map[string]struct{ limit, want []consent.Resource }{
		"no limit":               {nil, g.Resources},
		"all of it":              {g.Resources, g.Resources},
		"one account":            {[]consent.Resource{account("b", fdx.Balances)}, []consent.Resource{account("b", fdx.Balances)}},
		"an implied cluster":     {[]consent.Resource{account("a", fdx.AccountBasic)}, []consent.Resource{account("a", fdx.AccountBasic)}},
		"more than is there":     {[]consent.Resource{account("b", fdx.Balances, fdx.Transactions)}, []consent.Resource{account("b", fdx.Balances)}},
		"what is not there":      {[]consent.Resource{account("b", fdx.Transactions)}, nil},
		"what implies it":        {[]consent.Resource{account("b", fdx.AccountDetailed)}, nil},
		"a foreign account":      {[]consent.Resource{account("x", fdx.Balances)}, nil},
		"the id of another type": {[]consent.Resource{account("c", fdx.CustomerPersonal)}, nil},
		"nothing of an account":  {[]consent.Resource{account("a")}, nil},
		"the customer":           {[]consent.Resource{{Type: consent.ResourceCustomer, ID: "c", Clusters: fdx.NewClusters(fdx.CustomerContact)}}, []consent.Resource{{Type: consent.ResourceCustomer, ID: "c", Clusters: fdx.NewClusters(fdx.CustomerContact)}}},
	} {
		got := g.Within(tt.limit)
		if !reflect.DeepEqual(got.Resources, tt.want) || got.ID != "g" || got.Epoch != 3 {
			t.Errorf("%s: %+v, want %+v", name, got.Resources, tt.want)
		}
	}
	if len(g.Resources) != 3 || g.Resources[0].Clusters != fdx.NewClusters(fdx.AccountDetailed, fdx.Balances) {
		t.Errorf("the grant changed: %+v", g.Resources)
	}
}
