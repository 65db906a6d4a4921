package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Codes are the purposes of every pack.
func Codes() []string {
	return []string{
		"budgeting", "affordability", "portfolio", "accounting", "payments", "tax", "identity", "fraud", "service", "loyalty",
		"personalisation", "research", "cross_sell", "advertising", "data_sale", "switching", Other,
	}
}

// roles are what a party may be.
func roles() []string {
	return []string{"aggregator", "processor", "affiliate", "advertiser", "broker", "other"}
}

// languages are those that pages have.
func languages() []string { return []string{"en", "es", "fr", "sv", "zh"} }

var nameForm = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)

// maxPack bounds a pack, in bytes.
const maxPack = 256 << 10

// Parse reads one pack. The error tells every fault.
func Parse(data []byte) (Pack, error) {
	if len(data) > maxPack {
		return Pack{}, errors.New("the pack is too large")
	}
	if err := certs.StrictJSON(data); err != nil {
		return Pack{}, fmt.Errorf("not strict JSON: %w", err)
	}
	var p Pack
	faults := keys(reflect.TypeFor[Pack](), data, "")
	if err := json.Unmarshal(data, &p); err != nil {
		return Pack{}, errors.Join(append(faults, err)...)
	}
	if faults = append(faults, p.faults()...); len(faults) > 0 {
		return Pack{}, errors.Join(faults...)
	}
	return p, nil
}

// keys finds the keys of an object that are unknown or missing, also in the
// objects inside it. Values of another kind are left to the decoder.
func keys(t reflect.Type, data json.RawMessage, path string) (faults []error) {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		var list []json.RawMessage
		_ = json.Unmarshal(data, &list)
		for i, one := range list {
			faults = append(faults, keys(t.Elem(), one, fmt.Sprintf("%s[%d]", path, i))...)
		}
		return faults
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[fdx.Date]() {
		return nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil {
		return nil
	}
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("json")
		value, ok := object[name]
		if !ok || string(value) == "null" {
			faults = append(faults, fmt.Errorf("%s.%s is missing", path, name))
		}
		faults = append(faults, keys(t.Field(i).Type, value, path+"."+name)...)
		delete(object, name)
	}
	for name := range object {
		faults = append(faults, fmt.Errorf("%s.%s is unknown", path, name))
	}
	return faults
}

// faults finds the values that make no sense.
func (p Pack) faults() (faults []error) {
	check := func(good bool, text string, args ...any) {
		if !good {
			faults = append(faults, fmt.Errorf(text, args...))
		}
	}
	maxDays := int(consent.MaxTerm.Hours() / 24)
	check(nameForm.MatchString(p.Name), "pack must be lower-case letters and dashes")
	check(p.Version >= 1, "version must be 1 or more")
	check(!p.Effective.IsZero(), "effective must be a day")
	check(p.About != "", "about is empty")
	check(p.MaxTermDays >= 1 && p.MaxTermDays <= maxDays, "maxTermDays must be 1 to %d", maxDays)
	check(p.OneTimeMinutes == int(consent.OneTimeTerm.Minutes()), "oneTimeMinutes must be %d: the review page says so", int(consent.OneTimeTerm.Minutes()))
	check(p.BankEdit == EditNone || p.BankEdit == EditShrinkAccounts || p.BankEdit == EditShrinkAccountsAndClusters, "bankEdit is not known")
	r := p.Reminders
	check(len(r.BeforeEndDays) > 0 && r.UnusedDays >= 1 && r.ReviewDays >= 1, "reminders must be 1 or more")
	for i, d := range r.BeforeEndDays {
		check(d >= 1 && (i == 0 || d < r.BeforeEndDays[i-1]), "reminders.beforeEndDays must fall, down to 1")
	}
	check(p.StepUp.MaxAgeMinutes >= 1, "stepUp.maxAgeMinutes must be 1 or more")
	check(p.RecordDays >= 1, "recordDays must be 1 or more")
	check(len(p.Disclosure.Languages) > 0 && subset(p.Disclosure.Languages, languages()), "disclosure.languages must be those of the pages, each once")
	check(p.Disclosure.AlsoIn == "" || slices.Contains(p.Disclosure.Languages, p.Disclosure.AlsoIn), "disclosure.alsoIn must be one of the languages")
	check(len(p.Laws) > 0, "laws is empty")
	for _, l := range p.Laws {
		check(l.Rule != "" && l.Name != "", "each of laws needs a rule and a name")
	}
	check(p.Pause.Allowed && p.Pause.MaxDays >= 1 && p.Pause.MaxDays <= p.MaxTermDays || p.Pause == Pause{}, "pause.maxDays must be 1 to maxTermDays, and 0 where pausing is not allowed")
	var codes []string
	for _, u := range p.Purposes {
		codes = append(codes, u.Code)
		check(!u.Clusters.Empty(), "purpose %s has no clusters", u.Code)
		check(u.MaxTermDays >= 1 && u.MaxTermDays <= p.MaxTermDays, "purpose %s: maxTermDays must be 1 to the pack's", u.Code)
		check(subset(u.PartyRoles, roles()), "purpose %s: partyRoles has one that is unknown or repeated", u.Code)
		check(!slices.Contains(u.PartyRoles, "advertiser") || u.Code == "advertising", "purpose %s: an advertiser takes part in advertising only", u.Code)
		check(!slices.Contains(u.PartyRoles, "broker") || u.Code == "data_sale", "purpose %s: a broker takes part in data_sale only", u.Code)
		if u.Code == Other {
			check(u.Clusters.Intersect(p.StepUp.Clusters).Empty(), "purpose other reaches data that asks for step-up")
		}
		if slices.Contains([]string{"cross_sell", "advertising", "data_sale"}, u.Code) {
			check(u.OwnGrant, "purpose %s needs a grant of its own", u.Code)
		}
	}
	check(len(codes) == len(Codes()) && subset(codes, Codes()), "purposes must be each of the taxonomy once")
	return faults
}

// subset reports whether each of list is among all, and none twice.
func subset(list, all []string) bool {
	for i, s := range list {
		if !slices.Contains(all, s) || slices.Contains(list[:i], s) {
			return false
		}
	}
	return true
}
