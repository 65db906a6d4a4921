package consent_test

import (
	"slices"
	"testing"

	"github.com/headgate/headgate/consent"
)

func TestPartiesNameEverybodyOnTheWay(t *testing.T) {
	t.Parallel()
	r := consent.Recipient{Name: "App", LegalName: "App Ltd", Intermediaries: make([]consent.Party, 1, 8)}
	r.Intermediaries[0] = consent.Party{Name: "Middle", Type: consent.PartyPlatform}
	names := func(bank string) (all []string) {
		for _, p := range r.Parties(consent.Party{Name: bank, Type: consent.PartyProvider}) {
			all = append(all, p.Type+" "+p.Name)
		}
		return all
	}
	one, other := names("One"), names("Other")
	if want := []string{"DATA_RECIPIENT App", "DATA_ACCESS_PLATFORM Middle", "DATA_PROVIDER One"}; !slices.Equal(one, want) || other[2] != "DATA_PROVIDER Other" || len(r.Intermediaries) != 1 {
		t.Errorf("got %q and %q, want %q", one, other, want)
	}
}
