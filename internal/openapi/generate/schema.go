package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/headgate/headgate/fdx"
)

// open are the types of which only frequent values have names in Go: theirs
// are examples and no complete list.
var open = []reflect.Type{
	reflect.TypeFor[fdx.InvestmentAccountType](),
	reflect.TypeFor[fdx.InvestmentTransactionType](),
	reflect.TypeFor[fdx.OperationID](),
	reflect.TypeFor[fdx.PolicyStatus](),
	reflect.TypeFor[fdx.SecurityIDType](),
	reflect.TypeFor[fdx.Version](),
}

// unions are the types that are one of several on the wire, told apart by
// accountCategory, with the id that each always has.
var unions = map[reflect.Type]string{
	reflect.TypeFor[fdx.Account]():     "accountId",
	reflect.TypeFor[fdx.Transaction](): "transactionId",
}

// written are the types whose form on the wire their fields do not tell.
var written = map[reflect.Type]object{
	reflect.TypeFor[fdx.Decimal]():   {{"type", "number"}},
	reflect.TypeFor[fdx.Date]():      {{"type", "string"}, {"format", "date"}},
	reflect.TypeFor[fdx.Timestamp](): {{"type", "string"}, {"format", "date-time"}},
	reflect.TypeFor[fdx.Cluster]():   clusterSchema,
	reflect.TypeFor[fdx.Clusters]():  {{"type", "array"}, {"items", clusterSchema}, {"uniqueItems", true}},
	reflect.TypeFor[fdx.PageMetadata](): {
		{"type", "object"},
		{"description", "Tells where the neighbouring pages are. The last page has none."},
		{"properties", object{
			{"nextPageKey", object{{"type", "string"}, {"description", "The pageKey of the next page."}}},
			{"nextOffset", object{{"type", "string"}, {"description", "The older name of nextPageKey, always the same."}, {"deprecated", true}}},
			{"previousPageKey", object{{"type", "string"}, {"description", "The pageKey of the previous page."}}},
			{"totalElements", object{{"type", "integer"}, {"description", "How many there are over all pages."}}},
		}},
	},
}

var clusterSchema = object{{"type", "string"}, {"enum", fdx.NewClusters(fdx.AllClusters()...).Names()}}

// schemas makes the schemas of Go types as encoding/json writes them.
type schemas struct {
	source *source
	named  map[string]object
	types  map[string]reflect.Type
	// opened are the clusters that let a field through, by Type.field.
	opened map[string]fdx.Field
}

func newSchemas(s *source) *schemas {
	return &schemas{source: s, named: map[string]object{}, types: map[string]reflect.Type{}, opened: map[string]fdx.Field{}}
}

// of returns the schema of a type, which for one with a name of its own is a
// reference.
func (s *schemas) of(t reflect.Type) object {
	if t.Kind() == reflect.Pointer {
		return s.of(t.Elem())
	}
	if o, ok := written[t]; ok && t != reflect.TypeFor[fdx.PageMetadata]() {
		return o
	}
	switch {
	case t == reflect.TypeFor[string]():
		return object{{"type", "string"}}
	case t.Kind() == reflect.Bool:
		return object{{"type", "boolean"}}
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return object{{"type", "integer"}}
	case t.Kind() == reflect.Slice:
		return object{{"type", "array"}, {"items", s.of(t.Elem())}}
	case t.Kind() != reflect.String && t.Kind() != reflect.Struct:
		panic(fmt.Sprintf("no schema for %s", t))
	}
	name := t.Name()
	if known, ok := s.types[name]; !ok {
		s.types[name] = t
		s.named[name] = s.component(t)
	} else if known != t {
		panic(fmt.Sprintf("%s and %s have the same name", known, t))
	}
	return object{{"$ref", "#/components/schemas/" + name}}
}

// component returns the schema behind a name.
func (s *schemas) component(t reflect.Type) object {
	if o, ok := written[t]; ok {
		return o
	}
	if t.Kind() == reflect.String {
		return s.text(t)
	}
	if id, ok := unions[t]; ok {
		return s.union(t, id)
	}
	return s.structure(t, "")
}

// text returns the schema of a string with a type of its own.
func (s *schemas) text(t reflect.Type) object {
	o := object{{"type", "string"}, {"description", s.source.prose(s.source.docs[t.Name()], nil)}}
	values := s.source.consts[t.Name()]
	switch {
	case slices.Contains(open, t):
		return o.with("examples", values)
	case len(values) > 0:
		return o.with("enum", values)
	case strings.HasSuffix(t.Name(), "ID"):
		return o.with("minLength", 1).with("maxLength", fdx.MaxIDLength)
	}
	panic(fmt.Sprintf("%s has neither constants nor is it an id", t))
}

// union returns the schema of a type with one pointer for each category.
func (s *schemas) union(t reflect.Type, id string) object {
	var refs []object
	mapping := object{}
	for i := range t.NumField() {
		f := t.Field(i)
		v := reflect.New(t).Elem()
		v.Field(i).Set(reflect.New(f.Type.Elem()))
		category := v.Interface().(interface{ Category() fdx.AccountCategory }).Category()
		name := f.Type.Elem().Name()
		s.types[name] = f.Type.Elem()
		o := s.structure(f.Type.Elem(), category)
		for i := range o {
			if o[i].name == "required" {
				o[i].value = append(o[i].value.([]string), id)
			}
		}
		s.named[name] = o
		ref := "#/components/schemas/" + name
		refs = append(refs, object{{"$ref", ref}})
		mapping = mapping.with(string(category), ref)
	}
	return object{
		{"description", s.source.prose(s.source.docs[t.Name()], nil)}, {"oneOf", refs},
		{"discriminator", object{{"propertyName", "accountCategory"}, {"mapping", mapping}}},
	}
}

// structure returns the schema of a struct, with those that it embeds laid
// flat.
func (s *schemas) structure(t reflect.Type, category fdx.AccountCategory) object {
	properties, required := object{}, []string(nil)
	if category != "" {
		properties = properties.with("accountCategory", object{
			{"const", category}, {"description", "The category, which tells what else there can be."},
		})
		required = []string{"accountCategory"}
	}
	wire := map[string]string{}
	s.fields(t, func(owner reflect.Type, f reflect.StructField, name string, always bool) { wire[f.Name] = name })
	s.fields(t, func(owner reflect.Type, f reflect.StructField, name string, always bool) {
		p := slices.Clone(s.of(f.Type))
		doc := s.source.prose(s.source.docs[owner.Name()+"."+f.Name], wire)
		if row, ok := s.opened[owner.Name()+"."+name]; ok && !row.Clusters.Empty() {
			doc = strings.TrimSpace(doc + " Let through by " + either(row.Clusters) + ".")
			p = p.with("x-headgate-clusters", row.Clusters.Names())
		}
		if doc != "" {
			p = p.with("description", doc)
		}
		if strings.Contains(doc, "deprecated") {
			p = p.with("deprecated", true)
		}
		properties = properties.with(name, p)
		if always {
			required = append(required, name)
		}
	})
	o := object{{"type", "object"}}
	if doc := s.source.prose(s.source.docs[t.Name()], wire); doc != "" {
		o = o.with("description", doc)
	}
	o = o.with("properties", properties)
	if required != nil {
		o = o.with("required", required)
	}
	return o
}

// fields calls each for every field of a struct that JSON has, embedded ones
// in their place, and tells whether the JSON always has it.
func (s *schemas) fields(t reflect.Type, each func(owner reflect.Type, f reflect.StructField, name string, always bool)) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if f.Anonymous && tag == "" {
			s.fields(f.Type, each)
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			panic(fmt.Sprintf("%s.%s has no name in JSON", t, f.Name))
		}
		each(t, f, name, !strings.Contains(options, "omit"))
	}
}

// cover notes which clusters open which fields of an entity.
func (s *schemas) cover(t reflect.Type, prefix string, rows map[string]fdx.Field) {
	s.fields(t, func(owner reflect.Type, f reflect.StructField, name string, _ bool) {
		s.opened[owner.Name()+"."+name] = rows[prefix+name]
		below, inside := f.Type, prefix+name+"."
		if below.Kind() == reflect.Slice {
			below, inside = below.Elem(), prefix+name+"[]."
		}
		if below.Kind() == reflect.Struct && !below.Implements(reflect.TypeFor[json.Marshaler]()) {
			s.cover(below, inside, rows)
		}
	})
}

// sorted returns the schemas with a name, by name.
func (s *schemas) sorted() object {
	o := object{}
	for _, name := range slices.Sorted(maps.Keys(s.named)) {
		o = o.with(name, s.named[name])
	}
	return o
}

// either lists clusters for a sentence.
func either(c fdx.Clusters) string { return listed(c.Names(), "or") }

// listed lists names for a sentence.
func listed(names []string, last string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}
