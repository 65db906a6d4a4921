package mapping

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/headgate/headgate/fdx"
)

// Mapping is a bank's description of its data. It is immutable and safe for
// concurrent use.
type Mapping struct {
	plans    map[Entity]*plan
	sections map[string]node
}

// Parse reads a mapping file. sections are the keys at the top of the file
// that belong to the provider, which reads them with Section. An error is of
// type Faults and holds everything that is wrong.
func Parse(file []byte, sections ...string) (*Mapping, error) {
	var faults Faults
	root := parseYAML(file, &faults)
	if root.kind == nothing {
		if len(faults) == 0 {
			faults.add(0, "", "the file is empty")
		}
		return nil, faults.err()
	}
	m := &Mapping{sections: map[string]node{}}
	root.entries = slices.DeleteFunc(slices.Clone(root.entries), func(e entry) bool {
		if !slices.Contains(sections, e.key) {
			return false
		}
		m.sections[e.key] = e.value
		return true
	})
	var form fileForm
	decode(root, reflect.ValueOf(&form).Elem(), "", &faults)
	m.plans = compile(&form, &faults)
	if err := faults.err(); err != nil {
		return nil, err
	}
	return m, nil
}

// Section fills into, a pointer to a struct whose fields have yaml tags, from
// a section that Parse was told of, and reports whether the file has it. A
// struct may have a field Line int, which gets the line. An error is of type
// Faults.
func (m *Mapping) Section(name string, into any) (bool, error) {
	n, ok := m.sections[name]
	if !ok {
		return false, nil
	}
	var faults Faults
	decode(n, reflect.ValueOf(into).Elem(), name, &faults)
	return true, faults.err()
}

// Has reports whether the file describes an entity. Account and Transaction
// it always does.
func (m *Mapping) Has(e Entity) bool { return m.plans[e] != nil }

// Path returns the path of the rule that fills a target of an entity, the
// same in every category; "" for one that has no rule, or one without from.
func (m *Mapping) Path(e Entity, target string) string {
	for _, s := range m.setters(e) {
		if s.target == target {
			return s.from
		}
	}
	return ""
}

// Paths returns what the rules of an entity read from its records, sorted,
// each once. Paths below a list are not among them, the list's own is.
func (m *Mapping) Paths(e Entity) []string {
	var out []string
	for _, s := range m.setters(e) {
		if s.from != "" {
			out = append(out, s.from)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// setters returns all setters of an entity.
func (m *Mapping) setters(e Entity) []setter {
	p := m.plans[e]
	if p == nil {
		return nil
	}
	out := slices.Clone(p.direct)
	if p.category != nil {
		out = append(out, *p.category)
	}
	for _, c := range slices.Sorted(maps.Keys(p.byCategory)) {
		out = append(out, p.byCategory[c]...)
	}
	return out
}

// Account maps an account. Like all of these methods it is a pure function of
// the record; errors are of type *Error.
func (m *Mapping) Account(s Source) (fdx.Account, error) {
	p := m.plans[Account]
	var d discriminator
	if err := apply(Account, []setter{*p.category}, reflect.ValueOf(&d).Elem(), s); err != nil {
		return fdx.Account{}, err
	}
	var a fdx.Account
	if err := p.union(Account, d.Category, reflect.ValueOf(&a).Elem(), s); err != nil {
		return fdx.Account{}, err
	}
	return a, nil
}

// Transaction maps a transaction of an account of that category.
func (m *Mapping) Transaction(c fdx.AccountCategory, s Source) (fdx.Transaction, error) {
	var t fdx.Transaction
	if err := m.plans[Transaction].union(Transaction, c, reflect.ValueOf(&t).Elem(), s); err != nil {
		return fdx.Transaction{}, err
	}
	if err := checkTransaction(*t.Base()); err != nil {
		return fdx.Transaction{}, err
	}
	return t, nil
}

// checkTransaction returns what contradicts itself in a transaction.
func checkTransaction(b fdx.TransactionBase) error {
	pending := b.Status == fdx.Pending || b.Status == fdx.Authorization
	switch {
	case b.Amount.Sign() < 0:
		return &Error{Entity: Transaction, Target: "amount", Reason: "is negative: the rule needs sign: absolute, and debitCreditMemo tells the direction"}
	case pending && !b.PostedTimestamp.IsZero():
		return &Error{Entity: Transaction, Target: "postedTimestamp", Reason: "stands in a transaction that its status calls pending"}
	case b.Status == fdx.Posted && b.PostedTimestamp.IsZero():
		return &Error{Entity: Transaction, Target: "postedTimestamp", Reason: "is missing in a transaction that its status calls posted"}
	}
	return nil
}

// Statement maps what describes a statement.
func (m *Mapping) Statement(s Source) (fdx.Statement, error) {
	return direct[fdx.Statement](m, Statement, s)
}

// Customer maps a customer, without the parts in accounts.
func (m *Mapping) Customer(s Source) (fdx.Customer, error) {
	return direct[fdx.Customer](m, Customer, s)
}

// Holder maps the part that a customer has in an account.
func (m *Mapping) Holder(s Source) (fdx.CustomerAccount, error) {
	return direct[fdx.CustomerAccount](m, Holder, s)
}

// Contact maps who holds an account and how to reach the holders.
func (m *Mapping) Contact(s Source) (fdx.AccountContact, error) {
	return direct[fdx.AccountContact](m, Contact, s)
}

// PaymentNetwork maps a way to pay into or out of an account.
func (m *Mapping) PaymentNetwork(s Source) (fdx.PaymentNetwork, error) {
	return direct[fdx.PaymentNetwork](m, PaymentNetwork, s)
}

// AssetTransferNetwork maps a way to move securities.
func (m *Mapping) AssetTransferNetwork(s Source) (fdx.AssetTransferNetwork, error) {
	return direct[fdx.AssetTransferNetwork](m, AssetTransferNetwork, s)
}

// direct maps an entity without categories.
func direct[T any](m *Mapping, e Entity, s Source) (T, error) {
	var v, none T
	p := m.plans[e]
	if p == nil {
		return none, &Error{Entity: e, Reason: "is not described by the mapping file"}
	}
	if err := apply(e, p.direct, reflect.ValueOf(&v).Elem(), s); err != nil {
		return none, err
	}
	return v, nil
}

// union maps an account or a transaction of a category into v.
func (p *plan) union(e Entity, c fdx.AccountCategory, v reflect.Value, s Source) error {
	setters, ok := p.byCategory[c]
	if !ok {
		return &Error{Entity: e, Target: categoryTarget, Reason: "is a category that no rule describes"}
	}
	f := v.FieldByName(categoryFields[c])
	f.Set(reflect.New(f.Type().Elem()))
	return apply(e, setters, f.Elem(), s)
}

// apply fills v, which is settable, by all setters.
func apply(e Entity, setters []setter, v reflect.Value, src Source) error {
	for i := range setters {
		if err := setters[i].apply(e, at(v, setters[i].steps), src); err != nil {
			return err
		}
	}
	for i := range setters {
		without(v, setters[i].steps)
	}
	// Inner lists first: what they leave empty makes an outer place empty, and
	// places count only until their list is compacted.
	depth := 0
	for i := range setters {
		depth = max(depth, setters[i].places)
	}
	for n := depth - 1; n >= 0; n-- {
		for i := range setters {
			if steps := setters[i].steps; n < len(steps) && steps[n].place >= 0 {
				compact(at(v, steps[:n]))
			}
		}
	}
	return nil
}

// maxElements bounds a list of a record.
const maxElements = 1000

// apply fills dst, which is settable.
func (s *setter) apply(e Entity, dst reflect.Value, src Source) error {
	if s.list {
		return s.applyList(e, dst, src)
	}
	if s.constant.IsValid() {
		set(dst, s.constant)
		return nil
	}
	raw, _ := src.Value(s.from)
	v, present, reason := s.conv.value(raw)
	switch {
	case s.byDefault.IsValid() && (!present || reason == outsideTable):
		v = s.byDefault
	case reason != "":
		return s.error(e, reason)
	case !present && s.optional:
		return nil
	case !present:
		return s.error(e, "is missing in the record: the rule is neither optional nor has a default")
	}
	set(dst, v)
	return nil
}

func (s *setter) applyList(e Entity, dst reflect.Value, src Source) error {
	raw, _ := src.Value(s.from)
	if text, ok := raw.(string); ok && strings.TrimSpace(text) != "" { // a list in a JSON column
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var elements []any
		if err := d.Decode(&elements); err != nil {
			return s.error(e, "is not a JSON list")
		}
		raw = elements
	}
	elements, ok := raw.([]any)
	switch {
	case raw == nil || raw == "":
		if s.optional {
			return nil
		}
		return s.error(e, "is missing in the record: the rule is not optional")
	case !ok:
		return s.error(e, "is not a list")
	case len(elements) > maxElements:
		return s.error(e, "is a list of more than 1000 elements")
	}
	out := reflect.MakeSlice(dst.Type(), 0, len(elements))
	for _, element := range elements {
		v := reflect.New(s.listElements).Elem()
		if s.elem == nil {
			if err := apply(e, s.each, v, Tree{element}); err != nil {
				var inner *Error
				if errors.As(err, &inner) {
					inner.Target = s.target + "[]." + inner.Target
				}
				return err
			}
		} else {
			one, present, reason := s.elem.value(element)
			if reason != "" {
				return s.error(e, reason)
			}
			if present {
				set(v, one)
			}
		}
		if !v.IsZero() {
			out = reflect.Append(out, v)
		}
	}
	if out.Len() > 0 {
		dst.Set(out)
	}
	return nil
}

func (s *setter) error(e Entity, reason string) error {
	return &Error{Entity: e, Target: s.target, From: s.from, Reason: reason}
}

// set stores v, behind a pointer of its own if dst is one.
func set(dst, v reflect.Value) {
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	dst.Set(v.Convert(dst.Type()))
}
