package consent_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/fdx"
)

func TestWithout(t *testing.T) {
	t.Parallel()
	account := func(id string, c ...fdx.Cluster) consent.Resource {
		return consent.Resource{Type: consent.ResourceAccount, ID: id, Clusters: fdx.NewClusters(c...)}
	}
	person := func(c ...fdx.Cluster) consent.Resource {
		return consent.Resource{Type: consent.ResourceCustomer, ID: "a", Clusters: fdx.NewClusters(c...)}
	}
	g := consent.Grant{Resources: []consent.Resource{
		account("a", fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances), account("b", fdx.Balances, fdx.Transactions),
		person(fdx.CustomerContact, fdx.CustomerPersonal),
	}}
	for name, c := range map[string]struct {
		accounts []fdx.AccountID
		clusters []fdx.Cluster
		left     []consent.Resource
		err      error
	}{
		"an account, and not the person of that name": {[]fdx.AccountID{"a"}, nil, []consent.Resource{
			account("b", fdx.Balances, fdx.Transactions), person(fdx.CustomerContact, fdx.CustomerPersonal)}, nil},
		"data of every account": {nil, []fdx.Cluster{fdx.Balances}, []consent.Resource{
			account("a", fdx.AccountBasic, fdx.AccountDetailed), account("b", fdx.Transactions), person(fdx.CustomerContact, fdx.CustomerPersonal)}, nil},
		"what it implies goes too": {nil, []fdx.Cluster{fdx.AccountDetailed, fdx.CustomerPersonal}, []consent.Resource{
			account("a", fdx.Balances), account("b", fdx.Balances, fdx.Transactions)}, nil},
		"an account left without data": {nil, []fdx.Cluster{fdx.Balances, fdx.Transactions}, []consent.Resource{
			account("a", fdx.AccountBasic, fdx.AccountDetailed), person(fdx.CustomerContact, fdx.CustomerPersonal)}, nil},
		"nothing":                   {nil, nil, nil, consent.ErrNothingTaken},
		"what is not in it":         {[]fdx.AccountID{"c"}, []fdx.Cluster{fdx.Tax}, nil, consent.ErrNothingTaken},
		"every account":             {[]fdx.AccountID{"a", "b"}, nil, nil, consent.ErrNothingLeft},
		"all data":                  {nil, fdx.AllClusters(), nil, consent.ErrNothingLeft},
		"one account, and the rest": {[]fdx.AccountID{"a"}, []fdx.Cluster{fdx.Balances, fdx.Transactions}, nil, consent.ErrNothingLeft},
	} {
		before := len(g.Resources)
		left, err := g.Without(c.accounts, fdx.NewClusters(c.clusters...))
		if !errors.Is(err, c.err) || !reflect.DeepEqual(left, c.left) {
			t.Errorf("%s: %+v, %v", name, left, err)
		}
		if len(g.Resources) != before || !g.Resources[0].Clusters.Has(fdx.Balances) {
			t.Errorf("%s: the grant was changed", name)
		}
	}
}

func TestShrinkByConsumer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	store, cache := consenttest.NewMemory(time.Now), &heard{}
	s, err := consent.NewService(consent.ServiceConfig{Store: store, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	g := consenttest.NewGrant("ada", time.Now())
	if err := store.Create(ctx, g); err != nil {
		t.Fatal(err)
	}
	take := fdx.NewClusters(fdx.CustomerContact)
	shown := consent.Disclosure{Version: "v", Locale: "en", Text: "Less."}
	for name, err := range map[string]error{
		"another person": errorOf(s.ShrinkByConsumer(ctx, "bob", g.ID, 1, nil, take, shown)),
		"an unknown":     errorOf(s.ShrinkByConsumer(ctx, "ada", "none", 1, nil, take, shown)),
	} {
		if !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.ShrinkByConsumer(ctx, "ada", g.ID, 2, nil, take, shown); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("another version: %v", err)
	}
	if _, err := s.ShrinkByConsumer(ctx, "ada", g.ID, 1, nil, 0, shown); !errors.Is(err, consent.ErrNothingTaken) {
		t.Errorf("nothing: %v", err)
	}
	cache.told = nil
	got, err := s.ShrinkByConsumer(ctx, "ada", g.ID, 1, nil, take, shown)
	if err != nil || got.Epoch != 2 || got.Disclosure != shown || !got.Clusters().Intersect(take).Empty() {
		t.Errorf("%+v, %v", got, err)
	}
	if !reflect.DeepEqual(cache.told, []int64{2}) {
		t.Errorf("the cache was told %v", cache.told)
	}
}

func errorOf(_ consent.Grant, err error) error { return err }

// heard is a cache that remembers what it was told.
type heard struct{ told []int64 }

func (c *heard) Stopped(context.Context, consent.RecipientID) error {
	c.told = append(c.told, 0)
	return nil
}

func (c *heard) Ended(_ context.Context, _ consent.GrantID, epoch int64) error {
	c.told = append(c.told, epoch)
	return nil
}
