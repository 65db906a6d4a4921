package fdx_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func address() fdx.DeliveryAddress {
	return fdx.DeliveryAddress{
		Address: fdx.Address{
			Line1: "1 Example Street", Line2: "Flat 2", Line3: "Rear", City: "Springfield",
			Region: "IL", PostalCode: "62701", Country: "US",
		},
		Type: fdx.HomeAddress, Primary: new(true),
	}
}

func telephone() fdx.TelephoneNumber {
	return fdx.TelephoneNumber{
		Type: fdx.TelephoneHome, Country: "+1", Number: "2175550100", Network: fdx.Landline, Primary: new(false),
	}
}

func links(href string) []fdx.HateoasLink {
	return []fdx.HateoasLink{{Href: href, Action: fdx.ActionGet, Rel: "self", Types: []fdx.ContentType{fdx.PDF, fdx.PNG}}}
}

func customerName() fdx.CustomerName {
	return fdx.CustomerName{
		IndividualName: fdx.IndividualName{First: "Ada", Middle: "B", Last: "Example", Suffix: "Jr"}, Prefix: "Dr",
	}
}

func businessCustomer() fdx.BusinessCustomer {
	return fdx.BusinessCustomer{
		Name: "Example Ltd", RegisteredAgents: []fdx.CustomerName{customerName()}, RegisteredID: "12-345",
		IndustryCode: fdx.IndustryCode{Type: fdx.NAICS, Code: "522110"},
		Domicile:     fdx.Domicile{Region: "IL", Country: "US"},
	}
}

func party(t fdx.PartyType) fdx.Party {
	return fdx.Party{
		Name: "Example App", Type: t, HomeURI: "https://app.example", LogoURI: "https://app.example/logo.svg",
		Registry: fdx.PrivateRegistry, RegisteredEntityName: "Example App Inc", RegisteredEntityID: "9876",
	}
}

// pages returns what surrounds a list.
func pages() (fdx.PageMetadata, fdx.Links) {
	return fdx.PageMetadata{NextPageKey: "k2", PreviousPageKey: "k0", TotalElements: 9},
		fdx.Links{Next: fdx.Link{Href: "/next"}, Prev: fdx.Link{Href: "/prev"}}
}

// families returns one value of each family with every field given, by the
// name of its golden file.
func families(t testing.TB) map[string]any {
	page, around := pages()
	at := stamp(t, "2024-05-14T06:00:00Z")
	limit := fdx.TimeframeLimit{
		ResetsOn: stamp(t, "2024-05-15T00:00:00Z"), TransferMaxAmount: usd(500000), TransferRemainingAmount: usd(0),
		MaxOccurrence: new(5), RemainingOccurrence: new(0),
	}
	limits := fdx.TransferLimit{
		Day: limit, Week: limit, Month: limit, Year: limit,
		Transaction: fdx.OccurrenceLimit{TransferMaxAmount: usd(100000), TransferRemainingAmount: usd(100000)},
	}
	program := fdx.RewardProgram{
		RewardProgramID: "rp-1", ProgramName: "Example Miles", ProgramURL: "https://bank.example/miles",
		Memberships: []fdx.RewardMembership{{
			AccountIDs: []fdx.AccountID{"acc-1", "acc-2"}, CustomerID: "c-1", MemberID: "rm-1", MemberNumber: "M1",
			MemberTier: "Gold", BusinessOrConsumer: fdx.Consumer,
			Balances: []fdx.RewardBalance{{
				Name: "Miles", Type: fdx.Miles, Balance: fdx.NewDecimal(1200, 0), AccruedYTD: fdx.NewDecimal(300, 0),
				RedeemedYTD: fdx.NewDecimal(100, 0), Qualifying: new(true),
			}},
		}},
	}
	customer := fdx.Customer{
		CustomerID: "c-1", Type: fdx.Consumer, Name: customerName(), BusinessCustomer: businessCustomer(),
		Emails: []string{"ada@example.com"}, Addresses: []fdx.DeliveryAddress{address()},
		Telephones: []fdx.TelephoneNumber{telephone()}, DateOfBirth: date(t, "1990-02-28"), TaxID: "*******6789",
		TaxIDCountry: "US", GovernmentID: "G123",
		Accounts: []fdx.CustomerAccount{{AccountID: "acc-1", Relationship: fdx.PrimaryJoint, Links: links("/accounts/acc-1")}},
	}
	consent := fdx.ConsentGrant{
		ID: "consent-1", Status: fdx.ConsentActive,
		Parties:     []fdx.Party{party(fdx.DataRecipient), party(fdx.DataAccessPlatform)},
		CreatedTime: at, ExpirationTime: stamp(t, "2025-05-14T06:00:00Z"), UpdatedTime: stamp(t, "2024-05-15T06:00:00Z"),
		DurationType: fdx.TimeBoundConsent, DurationPeriod: 365, LookbackPeriod: 60,
		Resources: []fdx.ConsentResource{{
			ResourceType: fdx.AccountResource, ResourceID: "acc-1", DataClusters: fdx.NewClusters(fdx.AccountBasic, fdx.Transactions),
		}},
		Links: links("/consents/consent-0"),
	}
	available := fdx.Availability{
		Status: fdx.Partial, Description: "One backend is slow", OperationID: fdx.SearchForAccounts,
		PlannedAvailability: []fdx.PlannedAvailability{{
			Status: fdx.Maintenance, Description: "Upgrade",
			StartTime: stamp(t, "2024-06-01T02:00:00Z"), EndTime: stamp(t, "2024-06-01T03:00:00Z"),
		}},
	}
	return map[string]any{
		"account_contact.json": fdx.AccountContact{
			Holders: []fdx.AccountHolder{{
				Type: fdx.Consumer, Name: customerName(), BusinessCustomer: businessCustomer(), Relationship: fdx.Primary,
			}},
			Emails: []string{"ada@example.com"}, Addresses: []fdx.DeliveryAddress{address()},
			Telephones: []fdx.TelephoneNumber{telephone()},
		},
		"payment_networks.json": fdx.PaymentNetworksAnswer{Page: page, Links: around, PaymentNetworks: []fdx.PaymentNetwork{{
			BankID: "125000024", Identifier: "tok-1", IdentifierType: fdx.TokenizedAccountNumber, Type: fdx.ACH,
			TransferIn: new(true), TransferOut: new(false), SupportsRequestForPayment: new(false),
			TransferLimits: fdx.TransferLimits{In: limits, Out: limits},
		}}},
		"asset_transfer_networks.json": fdx.AssetTransferNetworksAnswer{
			Page: page, Links: around,
			AssetTransferNetworks: []fdx.AssetTransferNetwork{{
				Identifier: "tok-2", IdentifierType: fdx.AccountNumber, InstitutionName: "Example Broker",
				InstitutionID: "0123", Type: fdx.ACATS, JointAccount: new(true),
			}},
		},
		"statements.json": fdx.StatementsAnswer{Page: page, Links: around, Statements: []fdx.Statement{{
			AccountID: "acc-1", StatementID: "st-1", StatementDate: date(t, "2024-04-30"), Description: "April",
			Status: fdx.DocumentAvailable, Links: links("/accounts/acc-1/statements/st-1"),
		}}},
		"reward_program.json":  program,
		"reward_programs.json": fdx.RewardProgramsAnswer{Page: page, Links: around, RewardPrograms: []fdx.RewardProgram{program}},
		"reward_categories.json": fdx.RewardCategoriesAnswer{Page: page, Links: around, RewardCategories: []fdx.RewardCategory{{
			RewardProgramID: "rp-1", CategoryID: "rc-1", CategoryName: "Groceries", Multiplier: fdx.NewDecimal(15, 1),
			Description: "One and a half miles for each dollar",
		}}},
		"customer.json":  customer,
		"customers.json": fdx.CustomersAnswer{Page: page, Links: around, Customers: []fdx.Customer{customer}},
		"consent.json":   consent,
		"consents.json":  fdx.ConsentsAnswer{Page: page, Links: around, Consents: []fdx.ConsentGrant{consent}},
		"consent_revocations.json": fdx.ConsentRevocationsAnswer{Revocations: []fdx.ConsentRevocation{{
			Status: fdx.ConsentRevoked, Reason: fdx.UserAction, Initiator: fdx.Individual, UpdatedTime: at,
		}}},
		"consent_revocation_request.json": fdx.ConsentRevocationRequest{Reason: fdx.BusinessRule, Initiator: fdx.DataRecipient},
		"availability.json":               fdx.AvailabilityAnswer{Availability: []fdx.Availability{available}},
		"capability.json": fdx.Capability{
			FDXVersions: []fdx.Version{fdx.V6}, AllowedConnections: 10, ActiveConnections: 1, MessageFormat: fdx.JSONFormat,
			Operations: []fdx.Operation{{
				ID: fdx.SearchForAccounts, Availability: available, AlsoSupported: []fdx.OperationID{fdx.GetAccount},
				Version: "1.0", FDXVersions: []fdx.Version{fdx.V6}, CutOffTime: at, Link: links("/fdx/v6/accounts")[0],
			}},
			JWKSURL: links("/jwks.json")[0],
		},
		"certification_metrics.json": fdx.CertificationMetricsAnswer{Metrics: []fdx.CertificationMetric{{
			ReportStartTimestamp: stamp(t, "2024-04-01T00:00:00Z"), ReportEndTimestamp: stamp(t, "2024-05-01T00:00:00Z"),
			ReportTimestamp: at, MetricsName: "April", OperationIDs: []fdx.OperationID{fdx.SearchForAccounts},
			ResponseTimeAverage: fdx.NewDecimal(125, 1), AverageUpTime: fdx.NewDecimal(9997, 2),
		}}},
		"notifications.json": fdx.NotificationsAnswer{Page: page, Links: around, Notifications: []fdx.Notification{{
			NotificationID: "n-1", Type: fdx.ConsentRevokedEvent, SentOn: at, Category: fdx.ConsentNotification,
			Severity: fdx.SeverityNotice, Priority: fdx.PriorityHigh, Publisher: party(fdx.DataProvider),
			Subscriber: party(fdx.DataRecipient),
			Payload: fdx.NotificationPayload{
				ID: "consent-1", IDType: fdx.ConsentPayload,
				CustomField: fdx.CustomField{Name: fdx.InitiatorField, Value: string(fdx.Individual)},
			},
			URL: links("/consents/consent-1")[0],
		}}},
		"notification_subscription.json": fdx.NotificationSubscription{
			SubscriptionID: "s-1", Type: fdx.ConsentRevokedEvent, Category: fdx.ConsentNotification,
			CallbackURL: "https://app.example/events", Subscriber: party(fdx.DataRecipient), EffectiveDate: date(t, "2024-05-14"),
		},
	}
}

func TestFamilyWireFormat(t *testing.T) {
	t.Parallel()
	for name, v := range families(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goldenOf(t, name, v)
		})
	}
}

// TestFixturesGiveEveryField makes sure that no member is beyond the golden
// files.
func TestFixturesGiveEveryField(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	missing := map[string]bool{}
	var visit func(v reflect.Value)
	visit = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				visit(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				visit(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				f := v.Type().Field(i)
				if !f.IsExported() {
					return
				}
				name := v.Type().Name() + "." + f.Name
				if v.Field(i).IsZero() {
					missing[name] = true
				} else {
					seen[name] = true
				}
				visit(v.Field(i))
			}
		}
	}
	for _, v := range families(t) {
		visit(reflect.ValueOf(v))
	}
	for _, a := range accounts(t) {
		visit(reflect.ValueOf(a))
	}
	for _, tx := range transactions(t) {
		visit(reflect.ValueOf(tx))
	}
	for name := range missing {
		if !seen[name] {
			t.Errorf("%s is in no golden file", name)
		}
	}
}

func TestEmptyListsAreArrays(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{
		`{"paymentNetworks":[]}`:       fdx.PaymentNetworksAnswer{},
		`{"assetTransferNetworks":[]}`: fdx.AssetTransferNetworksAnswer{},
		`{"statements":[]}`:            fdx.StatementsAnswer{},
		`{"rewardPrograms":[]}`:        fdx.RewardProgramsAnswer{},
		`{"rewardCategories":[]}`:      fdx.RewardCategoriesAnswer{},
		`{"customers":[]}`:             fdx.CustomersAnswer{},
		`{"consents":[]}`:              fdx.ConsentsAnswer{},
		`{"revocations":[]}`:           fdx.ConsentRevocationsAnswer{},
		`{"availability":[]}`:          fdx.AvailabilityAnswer{},
		`{"metrics":[]}`:               fdx.CertificationMetricsAnswer{},
		`{"notifications":[]}`:         fdx.NotificationsAnswer{},
		`{"id":"c","status":"EXPIRED","parties":[],"createdTime":null,"durationType":"ONE_TIME","lookbackPeriod":0,"resources":[],"links":[]}`: fdx.ConsentGrant{ID: "c", Status: fdx.ConsentExpired, DurationType: fdx.OneTimeConsent},
	} {
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

// What the core exchange profile of FDX 6.4 demands, as long as the grant has
// the cluster of the family.
func TestFamiliesSatisfyTheCoreExchangeProfile(t *testing.T) {
	t.Parallel()
	all := families(t)
	contact := all["account_contact.json"].(fdx.AccountContact)
	fdx.FilterAccountContact(&contact, fdx.NewClusters(fdx.CustomerContact))
	requireProperties(t, "contact", contact, []string{"holders", "emails", "addresses", "telephones"})
	requireProperties(t, "name", contact.Holders[0].Name, []string{"first", "last"})
	requireProperties(t, "address", contact.Addresses[0], []string{"line1", "city", "country"})
	requireProperties(t, "telephone", contact.Telephones[0], []string{"number", "type"})

	network := all["payment_networks.json"].(fdx.PaymentNetworksAnswer).PaymentNetworks[0]
	fdx.FilterPaymentNetwork(&network, fdx.NewClusters(fdx.PaymentSupport))
	requireProperties(t, "payment network", network, []string{"bankId", "identifier", "transferIn", "transferOut", "type"})

	asset := all["asset_transfer_networks.json"].(fdx.AssetTransferNetworksAnswer).AssetTransferNetworks[0]
	fdx.FilterAssetTransferNetwork(&asset, fdx.NewClusters(fdx.PaymentSupport))
	requireProperties(t, "asset transfer network", asset, []string{"identifier", "institutionId", "type"})

	customer := all["customer.json"].(fdx.Customer)
	fdx.FilterCustomer(&customer, fdx.NewClusters(fdx.CustomerContact), func(fdx.AccountID) bool { return false })
	requireProperties(t, "customer", customer, []string{"customerId"})
}

func TestUnknownEnumValuesOfTheBankPass(t *testing.T) {
	t.Parallel()
	var s fdx.Statement
	if err := json.Unmarshal([]byte(`{"statementId":"s","status":"ARCHIVED"}`), &s); err != nil || s.Status != "ARCHIVED" {
		t.Errorf("got %+v, %v", s, err)
	}
	var a fdx.Account
	if err := json.Unmarshal([]byte(`{"accountCategory":"ANNUITY_ACCOUNT","accountId":"a","accountType":"INDEXED"}`), &a); err != nil || a.Annuity.AccountType != "INDEXED" {
		t.Errorf("got %+v, %v", a, err)
	}
}

func FuzzFamilyJSON(f *testing.F) {
	for _, v := range families(f) {
		seed, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reads[fdx.AccountContact](t, data)
		reads[fdx.Customer](t, data)
		reads[fdx.PaymentNetworksAnswer](t, data)
		reads[fdx.AssetTransferNetworksAnswer](t, data)
		reads[fdx.StatementsAnswer](t, data)
		reads[fdx.RewardProgramsAnswer](t, data)
		reads[fdx.RewardCategoriesAnswer](t, data)
		reads[fdx.ConsentGrant](t, data)
		reads[fdx.NotificationsAnswer](t, data)
	})
}

// reads checks that what can be read can be written and read again.
func reads[T any](t *testing.T, data []byte) {
	t.Helper()
	var v T
	if json.Unmarshal(data, &v) == nil {
		readsBack(t, v)
	}
}

// goldenOf is goldenJSON for a value whose type is known at run time only, and
// checks that reading the file back loses nothing.
func goldenOf(t *testing.T, name string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, name, append(got, '\n'))
	back := reflect.New(reflect.TypeOf(v))
	if err := json.Unmarshal(got, back.Interface()); err != nil {
		t.Fatalf("%s does not read back: %v", name, err)
	}
	if !reflect.DeepEqual(back.Elem().Interface(), v) {
		t.Errorf("%s reads back as %+v", name, back.Elem().Interface())
	}
}
