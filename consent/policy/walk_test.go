package policy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// effect is how a key of a pack shows in what the product does: here, or in a
// test of another package, as FILE TestName.
type effect struct {
	bend func(*Pack)
	// see is something that differs once the key does; nil when elsewhere has
	// the test.
	see       func(*Book) any
	elsewhere string
}

// effects has every key of a pack. A key without an effect would be a promise
// that nobody keeps.
func effects() map[string]effect {
	ask := func(code string, days int, clusters ...fdx.Cluster) func(*Book) any {
		return func(b *Book) any {
			q, err := b.Apply(consent.Request{
				Purpose: consent.Purpose{Code: code}, Duration: consent.TimeBound, DurationDays: days, Account: fdx.NewClusters(clusters...),
			}, today)
			return []any{q, err != nil}
		}
	}
	budgeting := func(change func(*Purpose)) func(*Pack) {
		return func(p *Pack) {
			p.Purposes = slices.Clone(p.Purposes)
			for i := range p.Purposes {
				if p.Purposes[i].Code == "budgeting" {
					change(&p.Purposes[i])
				}
			}
		}
	}
	// What a pack says must stay within rules of the product: one that does not
	// is refused when packs are read.
	refused := func(b *Book) any { return len(b.At(today).faults()) > 0 }
	return map[string]effect{
		"pack":           {bend: func(p *Pack) { p.Name = "Generic 2" }, see: refused},
		"version":        {bend: func(p *Pack) { p.Version = 0 }, see: refused},
		"effective":      {elsewhere: "policy_test.go TestVersionsHoldFromTheirDay"},
		"about":          {bend: func(p *Pack) { p.About = "" }, see: refused},
		"maxTermDays":    {bend: func(p *Pack) { p.MaxTermDays = 90 }, see: refused}, // purposes must keep it
		"oneTimeMinutes": {bend: func(p *Pack) { p.OneTimeMinutes = 61 }, see: refused},
		"bankEdit":       {elsewhere: "../portal/sharing_less_test.go TestShareLessGoesOnlyAsFarAsTheRulesLet"},
		"pause.allowed":  {bend: func(p *Pack) { p.Pause.Allowed = false }, see: refused}, // maxDays is 0 then
		"pause.maxDays":  {elsewhere: "../portal/rest_test.go w.pauseDays = c.days"},

		"reminders.beforeEndDays": {elsewhere: "../../internal/postgres/inbox_test.go TestRemindersAreThoseOfThePack"},
		"reminders.unusedDays":    {elsewhere: "../../internal/postgres/inbox_test.go TestRemindersAreThoseOfThePack"},
		"reminders.reviewDays":    {elsewhere: "../../internal/postgres/inbox_test.go TestRemindersAreThoseOfThePack"},
		"stepUp.clusters":         {bend: func(p *Pack) { p.StepUp.Clusters = fdx.NewClusters(fdx.Balances) }, see: ask("budgeting", 1, fdx.Balances)},
		"stepUp.maxAgeMinutes":    {elsewhere: "../portal/bank_test.go TestSecondProofElsewhereIsAsFreshAsTheRulesAsk"},
		"recordDays":              {elsewhere: "../../internal/postgres/retain_test.go TestRecordsGoWhenTheirTimeIsOver"},
		"disclosure.languages":    {elsewhere: "../portal/language_test.go TestDisclosureIsInALanguageOfTheRules"},
		"disclosure.alsoIn":       {elsewhere: "../portal/language_test.go TestDisclosureIsInALanguageOfTheRules"},
		"laws.rule":               {bend: func(p *Pack) { p.Laws = []Law{{Name: "x"}} }, see: refused}, // headgate policy show prints them
		"laws.name":               {bend: func(p *Pack) { p.Laws = []Law{{Rule: "x"}} }, see: refused},

		"purposes.code":        {bend: budgeting(func(u *Purpose) { u.Code = "gambling" }), see: refused},
		"purposes.clusters":    {bend: budgeting(func(u *Purpose) { u.Clusters = fdx.NewClusters(fdx.Balances) }), see: ask("budgeting", 1, fdx.Transactions)},
		"purposes.maxTermDays": {bend: budgeting(func(u *Purpose) { u.MaxTermDays = 30 }), see: ask("budgeting", 300, fdx.Transactions)},
		"purposes.denied":      {bend: budgeting(func(u *Purpose) { u.Denied = true }), see: ask("budgeting", 1, fdx.Transactions)},
		"purposes.ownGrant":    {bend: budgeting(func(u *Purpose) { u.OwnGrant = true }), see: func(b *Book) any { return b.Alone("budgeting", today) }},
		// Held against the taxonomy when packs are read; no party of an app has
		// a role of its own yet.
		"purposes.partyRoles": {bend: budgeting(func(u *Purpose) { u.PartyRoles = []string{"broker"} }), see: refused},
	}
}

// leaves are the keys of a pack, by their path.
func leaves(t reflect.Type, path string) (all []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		at, of := path+f.Tag.Get("json"), f.Type
		if of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct && of != reflect.TypeFor[fdx.Date]() {
			all = append(all, leaves(of, at+".")...)
		} else {
			all = append(all, at)
		}
	}
	return all
}

// Each key of each pack does something.
func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	keys := leaves(reflect.TypeFor[Pack](), "")
	all := effects()
	for _, key := range keys {
		if _, ok := all[key]; !ok {
			t.Errorf("%s: nothing shows that it is read", key)
		}
	}
	if len(all) != len(keys) || len(keys) < 20 {
		t.Errorf("%d effects of %d keys", len(all), len(keys))
	}
	books, err := Books()
	if err != nil {
		t.Fatal(err)
	}
	for key, e := range all {
		if e.elsewhere != "" {
			file, name, _ := strings.Cut(e.elsewhere, " ")
			if text, err := os.ReadFile(filepath.FromSlash(file)); err != nil || !strings.Contains(string(text), name) {
				t.Errorf("%s: there is no %s in %s: %v", key, name, file, err)
			}
			continue
		}
		for name, b := range books {
			p := b.At(today)
			if key == "pause.allowed" && !p.Pause.Allowed {
				continue // the other way round is refused for its days
			}
			e.bend(&p)
			before, err := json.Marshal(e.see(b))
			if err != nil {
				t.Fatal(err)
			}
			after, err := json.Marshal(e.see(&Book{versions: []Pack{p}}))
			if err != nil {
				t.Fatal(err)
			}
			if string(before) == string(after) {
				t.Errorf("%s, %s: changes nothing: %s", name, key, after)
			}
		}
	}
}
