package consenttest

import (
	"context"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// The recipients whose grants the contracts make. A store that checks
// references must hold Registrations before a contract runs.
const (
	Recipient      consent.RecipientID = "contract-recipient"
	OtherRecipient consent.RecipientID = "contract-other-recipient"
)

// Registrations returns the registrations of Recipient and OtherRecipient.
func Registrations() []consent.Recipient {
	base := consent.Recipient{
		Status: consent.RecipientActive, Name: "Contract App", LegalName: "Contract Ltd",
		HomeURI: "https://app.example", AuthMethod: consent.PrivateKeyJWT, AssertionAlg: "PS256",
		RedirectURIs:   []string{"https://app.example/back"},
		Intermediaries: []consent.Party{{Name: "Contract Platform", Type: consent.PartyPlatform, HomeURI: "https://platform.example"}},
		Scopes:         []fdx.Scope{fdx.Balances.Scope(), fdx.Transactions.Scope()},
		Purposes: []consent.Purpose{{
			Code: "budgeting", Label: "To plan your month", Clusters: fdx.NewClusters(fdx.Balances, fdx.Transactions),
		}},
		Durations: []consent.DurationType{consent.TimeBound, consent.OneTime},
		MaxDays:   90, LookbackDays: 30, DPoPBound: true,
	}
	one, other := base, base
	one.ID, other.ID = Recipient, OtherRecipient
	other.Name = "Other App"
	return []consent.Recipient{one, other}
}

// NewGrant returns a grant to Recipient as it is before it is stored: ACTIVE,
// epoch 1, made at now and ending 30 days later, with one account and the
// customer.
func NewGrant(consumer consent.ConsumerID, now time.Time) consent.Grant {
	now = now.UTC().Truncate(time.Second)
	return consent.Grant{
		ID: consent.NewGrantID(), Recipient: Recipient, Consumer: consumer,
		Status: consent.StatusActive, Epoch: 1, Purpose: "budgeting",
		Duration: consent.TimeBound, DurationDays: 30, LookbackDays: 7,
		Resources: []consent.Resource{
			{Type: consent.ResourceAccount, ID: "account-1", Clusters: fdx.NewClusters(fdx.AccountDetailed, fdx.Balances)},
			{Type: consent.ResourceCustomer, ID: string(consumer), Clusters: fdx.NewClusters(fdx.CustomerContact)},
		},
		Parties: []consent.Party{
			{Name: "Contract App", Type: consent.PartyRecipient, HomeURI: "https://app.example"},
			{Name: "Bank", Type: consent.PartyProvider},
		},
		Disclosure: consent.Disclosure{Version: "2026-11", Locale: "en", Text: "You share\n\"balances\" – with Contract App."},
		CreatedAt:  now, ExpiresAt: now.AddDate(0, 0, 30),
		Holder: Holder(),
	}
}

// Holder returns a business that grants of the contracts are about.
func Holder() consent.Holder {
	return consent.Holder{ID: "h-1", Kind: consent.HolderBusiness, Name: "Contract \"& Sons\""}
}

// NewAuthorization returns a decision in progress at now, bound to browser,
// about the pushed request, with nothing done yet.
func NewAuthorization(pushed, browser string, now time.Time) consent.Authorization {
	return consent.Authorization{
		ID: consent.NewAuthorizationID(), Browser: browser, Pushed: pushed, Recipient: Recipient,
		Request: consent.Request{
			Purpose:  Registrations()[0].Purposes[0],
			Duration: consent.TimeBound, DurationDays: 30, LookbackDays: 7,
			Account: fdx.NewClusters(fdx.Balances),
		},
		Holder:    Holder(),
		LoginHint: "somebody", UILocales: []string{"sv", "en"},
		ExpiresAt: now.UTC().Truncate(time.Second).Add(consent.JourneyTime),
	}
}

// parallel is how many callers a race has.
const parallel = 32

// Race calls f from 32 goroutines that start together and returns their
// errors.
func Race(f func(i int) error) []error {
	errs := make([]error, parallel)
	start, done := make(chan struct{}), make(chan struct{})
	for i := range parallel {
		go func() {
			<-start
			errs[i] = f(i)
			done <- struct{}{}
		}()
	}
	close(start)
	for range parallel {
		<-done
	}
	return errs
}

func mustGrant(t *testing.T, s consent.Store, id consent.GrantID) consent.Grant {
	t.Helper()
	g, err := s.Grant(context.Background(), id)
	if err != nil {
		t.Fatalf("load grant: %v", err)
	}
	return g
}
