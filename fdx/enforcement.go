package fdx

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
)

// Entity is what the filter does to one kind of entity, told so that a
// document can be made from it, and a check that shares no code with the
// filter.
//
// A value leaves when the allowed clusters, with what they imply, include one
// that the entity needs, and when the fields of its own path and of every
// path that holds it are Always or have one of the allowed clusters.
type Entity struct {
	// Name is the name of the Go type, such as DepositAccount.
	Name string
	// Needs are the clusters without any of which nothing of the entity
	// leaves. None means that the entity holds no data of an account or a
	// customer and is not filtered.
	Needs Clusters
	// Fields are sorted by path.
	Fields []Field
}

// Field is a row of the map from fields to clusters.
type Field struct {
	// Path leads to the field through the JSON, such as holdings[].symbol.
	// A field that holds others has a row besides theirs.
	Path string
	// Clusters let the field through, any of them. What implies one of them
	// is not listed: see Clusters.Implied.
	Clusters Clusters
	// Always marks a field that goes with whatever else leaves.
	Always bool
}

// Entities returns the whole map from fields to clusters, sorted by name. The
// caller owns it.
func Entities() []Entity {
	var list []Entity
	for _, f := range []struct {
		entity reflect.Type
		needs  Clusters
	}{
		{reflect.TypeFor[DepositAccount](), accountNeeds},
		{reflect.TypeFor[LineOfCreditAccount](), accountNeeds},
		{reflect.TypeFor[LoanAccount](), accountNeeds},
		{reflect.TypeFor[InvestmentAccount](), accountNeeds},
		{reflect.TypeFor[AnnuityAccount](), accountNeeds},
		{reflect.TypeFor[InsuranceAccount](), accountNeeds},
		{reflect.TypeFor[CommercialAccount](), accountNeeds},
		{reflect.TypeFor[DigitalWalletAccount](), accountNeeds},
		{reflect.TypeFor[BuyNowPayLaterAccount](), accountNeeds},
		{reflect.TypeFor[DepositTransaction](), transactionNeeds},
		{reflect.TypeFor[LineOfCreditTransaction](), transactionNeeds},
		{reflect.TypeFor[LoanTransaction](), transactionNeeds},
		{reflect.TypeFor[InvestmentTransaction](), transactionNeeds},
		{reflect.TypeFor[AnnuityTransaction](), transactionNeeds},
		{reflect.TypeFor[InsuranceTransaction](), transactionNeeds},
		{reflect.TypeFor[CommercialTransaction](), transactionNeeds},
		{reflect.TypeFor[DigitalWalletTransaction](), transactionNeeds},
		{reflect.TypeFor[BuyNowPayLaterTransaction](), transactionNeeds},
		{reflect.TypeFor[AccountContact](), contactNeeds},
		{reflect.TypeFor[Customer](), customerNeeds},
		{reflect.TypeFor[PaymentNetwork](), networkNeeds},
		{reflect.TypeFor[AssetTransferNetwork](), networkNeeds},
		{reflect.TypeFor[Statement](), statementNeeds},
		{reflect.TypeFor[RewardProgram](), rewardNeeds},
		{reflect.TypeFor[RewardCategory](), rewardNeeds},
	} {
		e := Entity{Name: f.entity.Name(), Needs: f.needs}
		if f.needs == accountNeeds || f.needs == transactionNeeds {
			e.Fields = append(e.Fields, Field{Path: "accountCategory", Always: true})
		}
		e.Fields = fieldsOf(e.Fields, f.entity, "", false)
		list = append(list, e)
	}
	for _, u := range unclustered {
		list = append(list, Entity{Name: u.name, Fields: fieldsOf(nil, u.entity, "", true)})
	}
	for _, e := range list {
		slices.SortFunc(e.Fields, func(a, b Field) int { return cmp.Compare(a.Path, b.Path) })
	}
	slices.SortFunc(list, func(a, b Entity) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// unclustered are the entities that no cluster covers, because they hold no
// data of an account or a customer: what surrounds lists, and what the
// provider says about itself and about the consent of the caller. Who may see
// them is for their operations to decide.
var unclustered = []struct {
	name   string
	entity reflect.Type
}{
	{"Error", reflect.TypeFor[Error]()},
	{"Links", reflect.TypeFor[Links]()},
	{"PageMetadata", reflect.TypeFor[pageMetadataJSON]()},
	{"ConsentGrant", reflect.TypeFor[ConsentGrant]()},
	{"ConsentRevocation", reflect.TypeFor[ConsentRevocation]()},
	{"Availability", reflect.TypeFor[Availability]()},
	{"Capability", reflect.TypeFor[Capability]()},
	{"CertificationMetric", reflect.TypeFor[CertificationMetric]()},
	{"Notification", reflect.TypeFor[Notification]()},
	{"NotificationSubscription", reflect.TypeFor[NotificationSubscription]()},
}

// fieldsOf appends the rows of a struct type, each path after the prefix.
func fieldsOf(list []Field, t reflect.Type, prefix string, always bool) []Field {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			list = fieldsOf(list, f.Type, prefix, always)
			continue
		}
		name := jsonName(f)
		if name == "" {
			continue
		}
		row := Field{Path: prefix + name, Always: always}
		if !always {
			row.Clusters = fieldClusters[t.Name()+"."+name]
		}
		list = append(list, row)
		below, inside := f.Type, prefix+name+"."
		if below.Kind() == reflect.Slice {
			below, inside = below.Elem(), prefix+name+"[]."
		}
		if below.Kind() == reflect.Pointer {
			below = below.Elem()
		}
		if below.Kind() == reflect.Struct && !below.Implements(reflect.TypeFor[json.Marshaler]()) {
			list = fieldsOf(list, below, inside, always)
		}
	}
	return list
}
