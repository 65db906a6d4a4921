package mapping

import "reflect"

// Decode fills into, a pointer to a struct whose fields have yaml tags, from a
// whole file that is no mapping but written under the same rules: one
// document, no key twice, none that the struct lacks, no anchors. Fields are
// structs, pointers, maps by text, lists, texts, whole numbers and booleans.
// An error is of type Faults and holds everything that is wrong.
func Decode(file []byte, into any) error {
	var faults Faults
	root := parseYAML(file, &faults)
	if root.kind == nothing && len(faults) == 0 {
		faults.add(0, "", "the file is empty")
	}
	if len(faults) == 0 {
		decode(root, reflect.ValueOf(into).Elem(), "", &faults)
	}
	return faults.err()
}
