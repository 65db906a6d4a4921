package mapping

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/headgate/headgate/fdx"
)

// plan is the compiled form of an entity's rules.
type plan struct {
	// direct holds the setters of an entity without categories.
	direct []setter
	// category is the rule of accountCategory, of an account only.
	category *setter
	// byCategory holds the setters of every category that accounts can have.
	byCategory map[fdx.AccountCategory][]setter
}

// setter fills one target.
type setter struct {
	target string
	line   int
	steps  []step
	places int // as many steps lead to the last place in a list, 0 for none
	from   string

	// Of a single value: what it is in every record, or how it is read.
	constant  reflect.Value
	conv      *conversion
	byDefault reflect.Value
	optional  bool

	// Of a whole list, whose elements have the type listElements: each for
	// groups, elem for single values.
	list         bool
	listElements reflect.Type
	each         []setter
	elem         *conversion
}

type compiler struct {
	tables map[string]map[string]string
	faults *Faults
}

// compile returns the plans of all entities in the file.
func compile(f *fileForm, faults *Faults) map[Entity]*plan {
	c := &compiler{f.Tables, faults}
	plans := map[Entity]*plan{}
	var categories []fdx.AccountCategory
	for _, t := range entityTypes {
		form := t.form(f)
		if form == nil {
			if !t.offered {
				faults.add(0, string(t.entity), "is missing: every bank has it")
			}
			continue
		}
		if form.Line == 0 {
			continue // what is wrong with it is reported
		}
		p := &plan{}
		plans[t.entity] = p
		where := string(t.entity)
		c.require(form, t, where)
		if t.union == nil {
			if form.Categories != nil {
				faults.add(form.Line, where+".categories", "this entity has no categories: move the rules to fields")
			}
			p.direct = c.group(t.typ, form.Fields, where+".fields")
			continue
		}
		fields := maps.Clone(form.Fields)
		if r, ok := fields[categoryTarget]; ok && t.entity == Account {
			s := c.setter(reflect.TypeFor[discriminator](), categoryTarget, r, where+".fields."+categoryTarget)
			p.category, categories = &s, c.reachable(r)
			delete(fields, categoryTarget)
		}
		c.categories(p, t, form, fields, categories, where)
	}
	return plans
}

// identifying are the targets by which records are told apart.
var identifying = []string{"accountId", "transactionId", "statementId", "customerId"}

// require reports required targets that have no rule that always gives a
// value.
func (c *compiler) require(form *entityForm, t entityType, where string) {
	for _, name := range slices.Concat(t.required, t.mapped) {
		r, ok := form.Fields[name]
		if !ok {
			c.faults.add(form.Line, where+".fields."+name, "is missing: FDX requires it")
			continue
		}
		always := slices.Contains(t.required, name)
		const cannot = "is required and cannot be optional: give it a default, or leave such records out of the source"
		if r.Optional && always {
			c.faults.add(r.Line, where+".fields."+name, cannot)
		}
		identifies := slices.Contains(identifying, name)
		if identifies && (r.Const != nil || r.Default != nil || r.Table != "") {
			c.faults.add(r.Line, where+".fields."+name, "identifies a record: it takes from alone")
		}
		for category, own := range form.Categories {
			switch r, replaced := own[name]; {
			case replaced && identifies:
				c.faults.add(r.Line, below(where+".categories."+category, name), "identifies a record, in every category the same way: move it to fields")
			case replaced && r.Optional && always:
				c.faults.add(r.Line, below(where+".categories."+category, name), cannot)
			}
		}
	}
}

// reachable returns the categories that a rule can give.
func (c *compiler) reachable(r rule) []fdx.AccountCategory {
	var out []fdx.AccountCategory
	add := func(s string) {
		if category := fdx.AccountCategory(s); categoryFields[category] != "" && !slices.Contains(out, category) {
			out = append(out, category)
		}
	}
	if r.Const != nil {
		add(*r.Const)
	}
	if r.Default != nil {
		add(*r.Default)
	}
	if r.From != "" {
		for _, s := range c.tables[r.Table] {
			add(s)
		}
		if r.Table == "" { // the record names the category itself
			for category := range categoryFields {
				add(string(category))
			}
		}
	}
	slices.Sort(out)
	return out
}

// categories compiles the rules of an entity for every category that accounts
// can have.
func (c *compiler) categories(p *plan, t entityType, form *entityForm, fields map[string]rule, reachable []fdx.AccountCategory, where string) {
	p.byCategory = map[fdx.AccountCategory][]setter{}
	common := c.group(t.typ, fields, where+".fields")
	for name := range form.Categories {
		if categoryType(t.union, fdx.AccountCategory(name)) == nil {
			c.faults.add(form.Line, where+".categories."+name, "is not an FDX account category")
		} else if !slices.Contains(reachable, fdx.AccountCategory(name)) {
			c.faults.add(form.Line, where+".categories."+name, "no account has this category: name it in the rule of accountCategory, or remove it")
		}
	}
	for _, category := range reachable {
		typ := categoryType(t.union, category)
		own := c.group(typ, form.Categories[string(category)], where+".categories."+string(category))
		all := slices.Clone(own)
		for _, s := range common {
			if _, replaced := form.Categories[string(category)][s.target]; replaced {
				continue
			}
			// The same target inside the category's type stands elsewhere.
			if steps, _, reason := resolve(typ, s.target); reason == "" {
				s.steps = steps
				all = append(all, s)
			}
		}
		p.byCategory[category] = all
	}
}

// group compiles the rules for the members of a type, in the order of the
// file.
func (c *compiler) group(t reflect.Type, rules map[string]rule, where string) []setter {
	var out []setter
	for target, r := range rules {
		out = append(out, c.setter(t, target, r, below(where, target)))
	}
	slices.SortFunc(out, func(a, b setter) int {
		return cmp.Or(cmp.Compare(a.line, b.line), strings.Compare(a.target, b.target))
	})
	for _, a := range out {
		if a.list {
			for _, b := range out {
				if strings.HasPrefix(b.target, a.target+"[") {
					c.faults.add(b.line, below(where, b.target), "the whole list is mapped already, by "+a.target)
				}
			}
		}
	}
	return out
}

// setter compiles one rule.
func (c *compiler) setter(t reflect.Type, target string, r rule, where string) setter {
	s := setter{target: target, line: r.Line, from: r.From, optional: r.Optional}
	if r.Line == 0 {
		return s // what is wrong with it is reported
	}
	fault := func(text string) { c.faults.add(r.Line, where, text) }
	steps, typ, reason := resolve(t, target)
	if reason != "" {
		fault(reason)
		return s
	}
	s.steps = steps
	for i, step := range steps {
		if step.place >= 0 {
			s.places = i + 1
		}
	}
	if typ.Kind() == reflect.Slice {
		c.list(&s, typ.Elem(), r, where, fault)
		return s
	}
	if r.Each != "" || r.Fields != nil {
		fault("each and fields are for a list")
		return s
	}
	if !isLeaf(typ) {
		fault("is a group: name one of its members, such as " + target + "." + members(typ)[0])
		return s
	}
	if (r.From == "") == (r.Const == nil) {
		fault("needs exactly one of from and const")
		return s
	}
	name := target[strings.LastIndexByte(target, '.')+1:]
	s.conv = c.conversion(typ, name, r, fault)
	if r.From != "" && !validPath(r.From) {
		fault("from is not a path such as owner.names[0].text")
	}
	s.constant, s.byDefault = c.literals(s.conv, r, fault)
	return s
}

// list compiles a rule for a whole list.
func (c *compiler) list(s *setter, elem reflect.Type, r rule, where string, fault func(string)) {
	s.list, s.listElements, s.from = true, elem, r.Each
	if r.Each == "" {
		fault("is a list: map its places, such as " + s.target + "[0], or the whole with each")
		return
	}
	if !validPath(r.Each) {
		fault("each is not a path such as owner.addresses")
	}
	if isLeaf(elem) {
		if r.Fields != nil {
			fault("fields are for a list of groups; the elements of this one are single values")
		}
		s.elem = c.conversion(elem, s.target, r, fault)
		if r.Const != nil || r.Default != nil {
			fault("const and default are not for a list")
		}
		return
	}
	if plain := (rule{Line: r.Line, Each: r.Each, Fields: r.Fields, Optional: r.Optional}); !reflect.DeepEqual(plain, r) || r.Fields == nil {
		fault("a list of groups takes each, fields and optional, and nothing else")
	}
	s.each = c.group(elem, r.Fields, where+".fields")
}

// literals checks const and default.
func (c *compiler) literals(conv *conversion, r rule, fault func(string)) (constant, byDefault reflect.Value) {
	literal := func(key string, text *string) (v reflect.Value) {
		if text == nil {
			return v
		}
		v, reason := conv.literal(*text)
		if reason == "" && *text == "" {
			reason = "is empty"
		}
		if reason != "" {
			fault(key + " " + reason)
			return reflect.Value{}
		}
		return v
	}
	constant, byDefault = literal("const", r.Const), literal("default", r.Default)
	if r.Const != nil && (r.Optional || r.Default != nil || r.Table != "") {
		fault("a const needs no optional, default or table")
	}
	if r.Optional && r.Default != nil {
		fault("is optional or has a default, not both")
	}
	return constant, byDefault
}

// conversion compiles the keys that say how a value is written.
func (c *compiler) conversion(typ reflect.Type, name string, r rule, fault func(string)) *conversion {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	conv := &conversion{typ: typ, kind: kindOf(typ), name: name, codes: codes(typ)}
	direction := typ == reflect.TypeFor[fdx.DebitCreditMemo]()
	numbers := conv.kind == decimalKind || direction && r.Sign != ""
	times := conv.kind == dateKind || conv.kind == timestampKind
	for _, key := range []struct {
		name       string
		given, fit bool
	}{
		{"decimal", r.Decimal != "", numbers},
		{"thousands", r.Thousands != "", numbers},
		{"minor", r.Minor != nil, numbers},
		{"negative", r.Negative != "", numbers},
		{"sign", r.Sign != "", conv.kind == decimalKind || direction},
		{"format", r.Format != "", times},
		{"zone", r.Zone != "", times},
		{"pivot", r.Pivot != nil, times},
		{"mask", r.Mask != "", conv.kind == textKind},
	} {
		switch {
		case key.given && !key.fit:
			fault(key.name + " does not fit: this member is " + conv.kind.String())
		case key.given && (r.Const != nil || r.Table != ""):
			fault(key.name + " has no effect beside const or table: remove it")
		}
	}
	if numbers {
		conv.number = newNumberForm(r, fault)
	}
	if times {
		conv.time = newTimeForm(r, fault)
	}
	conv.sign = c.sign(r, conv.kind, direction, fault)
	if shown := name == "accountNumberDisplay" || name == "cardNumberDisplay"; conv.kind == textKind {
		switch {
		case r.Mask == "last4":
			conv.mask = true
		case r.Mask == "none" && shown:
		case r.Mask != "":
			fault("mask is last4, or none for a display number that the bank masks itself")
		case shown && r.From != "":
			fault("needs mask: last4, or mask: none when the bank's own value is masked already")
		}
	}
	conv.table = c.table(conv, r, fault)
	return conv
}

func (c *compiler) sign(r rule, k kind, direction bool, fault func(string)) string {
	switch {
	case r.Sign == "":
	case direction && r.Sign != "negative-is-debit" && r.Sign != "negative-is-credit":
		fault("sign is negative-is-debit or negative-is-credit")
	case k == decimalKind && r.Sign != "keep" && r.Sign != "absolute" && r.Sign != "reverse":
		fault("sign is keep, absolute or reverse")
	}
	return r.Sign
}

// table returns the values of a rule's table, nil when it has none.
func (c *compiler) table(conv *conversion, r rule, fault func(string)) map[string]reflect.Value {
	if r.Table == "" {
		return nil
	}
	texts, ok := c.tables[r.Table]
	if !ok {
		fault("there is no table " + r.Table + " below tables")
	}
	out := map[string]reflect.Value{}
	for _, code := range slices.Sorted(maps.Keys(texts)) {
		v, reason := conv.literal(texts[code])
		if reason != "" {
			fault("table " + r.Table + ", code " + code + ": the value " + reason)
			continue
		}
		bare := strings.TrimSpace(code)
		if _, twice := out[bare]; twice {
			fault("table " + r.Table + ", code " + bare + ": is there twice but for spaces, which do not count")
		}
		out[bare] = v
	}
	return out
}
