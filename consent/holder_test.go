package consent_test

import (
	"reflect"
	"testing"

	"github.com/headgate/headgate/consent"
)

func TestHolders(t *testing.T) {
	t.Parallel()
	shop := consent.Holder{ID: "b", Kind: consent.HolderBusiness, Name: "Shop"}
	choices := []consent.AccountChoice{
		{ID: "1", Ineligible: consent.IneligibleClosed, Holder: consent.Holder{ID: "late", Name: "Aunt"}},
		{ID: "2", Holder: shop},
		{ID: "3", Holder: consent.Holder{Name: "Ada"}},
		{ID: "4", Holder: shop},
		{ID: "5", Holder: consent.Holder{ID: "u", Name: "Uncle"}},
	}
	own := consent.Holder{ID: "own", Kind: consent.HolderOwn, Name: "Ada"}
	want := []consent.Holder{shop, own, {ID: "u", Kind: consent.HolderOther, Name: "Uncle"}}
	if got := consent.Holders(choices); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if consent.Holders(choices[:1]) != nil || consent.Holders(nil) != nil {
		t.Error("who has nothing to share is one of them")
	}
	for h, want := range map[consent.Holder]int{{}: 5, shop: 2, own.Kept(): 1, {ID: "late"}: 1, {ID: "nobody"}: 0} {
		if got := len(h.Of(choices)); got != want {
			t.Errorf("%+v has %d accounts, want %d", h, got, want)
		}
	}
	if k := own.Kept(); k.Name != "" || k.ID != "own" || shop.Kept() != shop {
		t.Errorf("kept as %+v", k)
	}
}
