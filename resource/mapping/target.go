package mapping

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// maxPlaces bounds the place in a list that a target may name.
const maxPlaces = 10

// step leads from a value to a part of it: a field, or a place in a list.
type step struct {
	field []int
	place int // of a list, -1 for a field
	// group: the field points to a struct, which is there once a part of it
	// is.
	group bool
}

// resolve finds a target such as addresses[0].city in a type. It returns the
// steps to it and its type, or what is wrong.
func resolve(t reflect.Type, target string) ([]step, reflect.Type, string) {
	var steps []step
	for part := range strings.SplitSeq(target, ".") {
		name, place, listed := strings.Cut(part, "[")
		if t.Kind() != reflect.Struct || isLeaf(t) {
			return nil, nil, "has no member " + name
		}
		f, ok := member(t, name)
		if !ok {
			return nil, nil, "is not a member here; those are " + strings.Join(members(t), ", ")
		}
		t = f.Type
		group := t.Kind() == reflect.Pointer && !isLeaf(t)
		if group {
			t = t.Elem()
		}
		steps = append(steps, step{f.Index, -1, group})
		if !listed {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSuffix(place, "]"))
		if err != nil || n < 0 || n >= maxPlaces || place != strconv.Itoa(n)+"]" {
			return nil, nil, "the place in a list is written [0] to [" + strconv.Itoa(maxPlaces-1) + "]"
		}
		if t.Kind() != reflect.Slice {
			return nil, nil, name + " is not a list"
		}
		steps = append(steps, step{nil, n, false})
		t = t.Elem()
	}
	return steps, t, ""
}

// member finds a field by its wire name. Links are the gateway's to set, and
// error is not the bank's to write.
func member(t reflect.Type, name string) (reflect.StructField, bool) {
	for _, f := range reflect.VisibleFields(t) {
		if wireName(f) == name && name != "links" && name != "error" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func members(t reflect.Type) []string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if name := wireName(f); name != "" && name != "links" && name != "error" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func wireName(f reflect.StructField) string {
	if f.Anonymous || !f.IsExported() {
		return ""
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// at follows the steps from v, which is settable, making places in lists.
func at(v reflect.Value, steps []step) reflect.Value {
	for _, s := range steps {
		if s.place < 0 {
			v = v.FieldByIndex(s.field)
			if s.group {
				if v.IsNil() {
					v.Set(reflect.New(v.Type().Elem()))
				}
				v = v.Elem()
			}
			continue
		}
		for v.Len() <= s.place {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		}
		v = v.Index(s.place)
	}
	return v
}

// without removes the groups on the way to a target that stayed empty.
func without(v reflect.Value, steps []step) {
	for n := len(steps) - 1; n >= 0; n-- {
		if !steps[n].group {
			continue
		}
		if f := at(v, steps[:n]).FieldByIndex(steps[n].field); !f.IsNil() && f.Elem().IsZero() {
			f.SetZero()
		}
	}
}

// compact removes what stayed empty in the lists that targets name places of.
func compact(v reflect.Value) {
	n := 0
	for i := range v.Len() {
		if !v.Index(i).IsZero() {
			v.Index(n).Set(v.Index(i))
			n++
		}
	}
	if n == 0 {
		v.SetZero()
		return
	}
	v.SetLen(n)
}
