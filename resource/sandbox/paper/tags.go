package paper

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
)

// element is a structure element of a document (ISO 32000-1 section 14.7.2).
type element struct {
	role string
	// attributes are further entries, as PDF writes them.
	attributes string
	parent     *element
	kids       []*element
	// marks is what of the pages it is, in the order of reading.
	marks  []mark
	object int // its number in the file
}

// mark is a piece of marked content on a page, both counted from 0.
type mark struct{ page, mcid int }

// add puts a new element below e.
func (e *element) add(role string) *element {
	kid := &element{role: role, parent: e}
	e.kids = append(e.kids, kid)
	return kid
}

// errForm: the file does not look as fpdf has written files so far.
var errForm = errors.New("paper: not the form of PDF that is expected")

// tagged gives a file of fpdf, which knows no structure, its structure tree.
// Content is marked already: pages holds, by page and MCID, the element that
// the content belongs to. The file is written anew, with all objects that are
// not streams in compressed object streams, because thousands of small ones
// would be most of it.
func tagged(file []byte, root *element, pages [][]*element) ([]byte, error) {
	objects, err := objectsOf(file)
	if err != nil {
		return nil, err
	}
	// fpdf numbers pages 3, 5, 7 and so on, with the content after each; its
	// last two objects are the document information and the catalog.
	catalog := len(objects) - 1
	if catalog < 2*len(pages)+4 || !bytes.Contains(objects[catalog], []byte("/Type /Catalog")) || !bytes.Contains(objects[catalog-1], []byte("/CreationDate")) {
		return nil, errForm
	}
	page := func(i int) int { return 3 + 2*i }
	for i := range pages {
		if !bytes.HasPrefix(objects[page(i)], []byte("<</Type /Page\n")) || !bytes.HasSuffix(objects[page(i)+1], []byte("endstream\n")) {
			return nil, errForm
		}
		objects[page(i)] = fmt.Appendf(nil, "<</Type/Page/Parent 1 0 R/Resources 2 0 R/Contents %d 0 R/StructParents %d/Tabs/S>>", page(i)+1, i)
	}
	tree := len(objects)
	objects[catalog] = fmt.Appendf(nil, "<</Type/Catalog/Pages 1 0 R/Lang(en)/MarkInfo<</Marked true>>/StructTreeRoot %d 0 R/ViewerPreferences<</DisplayDocTitle true>>>>", tree)

	// Elements are numbered in the order of reading.
	next := tree + 1
	walk(root, func(e *element) { e.object = next; next++ })
	b := fmt.Appendf(nil, "<</Type/StructTreeRoot/K %d 0 R/ParentTreeNextKey %d/ParentTree<</Nums[", root.object, len(pages))
	for i, owners := range pages {
		b = fmt.Appendf(b, "%d[", i)
		for _, e := range owners {
			b = fmt.Appendf(b, "%d 0 R ", e.object)
		}
		b = append(b, ']')
	}
	objects = append(objects, append(b, "]>>>>"...))
	walk(root, func(e *element) {
		above := tree
		if e.parent != nil {
			above = e.parent.object
		}
		b := fmt.Appendf(nil, "<</S/%s/P %d 0 R%s/K[", e.role, above, e.attributes)
		for _, m := range e.marks {
			b = fmt.Appendf(b, "<</Type/MCR/Pg %d 0 R/MCID %d>>", page(m.page), m.mcid)
		}
		for _, kid := range e.kids {
			b = fmt.Appendf(b, "%d 0 R ", kid.object)
		}
		objects = append(objects, append(b, "]>>"...))
	})
	return written(objects, catalog)
}

// walk calls f for an element and all below it, in the order of reading.
func walk(e *element, f func(*element)) {
	f(e)
	for _, kid := range e.kids {
		walk(kid, f)
	}
}

// objectsOf returns the objects of a file by their number, as they are between
// "obj" and "endobj". The number 0 is nobody's.
func objectsOf(file []byte) ([][]byte, error) {
	at := bytes.LastIndex(file, []byte("\nxref\n0 "))
	if at < 0 {
		return nil, errForm
	}
	xref := at + 1
	lines := bytes.Split(file[xref:], []byte("\n"))
	n, err := strconv.Atoi(string(bytes.TrimPrefix(lines[1], []byte("0 "))))
	if err != nil || n < 1 || len(lines) < n+2 {
		return nil, errForm
	}
	offsets := make([]int, n)
	for i := 1; i < n; i++ {
		offset, _, _ := bytes.Cut(lines[i+2], []byte(" "))
		if offsets[i], err = strconv.Atoi(string(offset)); err != nil || offsets[i] > xref {
			return nil, errForm
		}
	}
	ends := append(slices.Sorted(slices.Values(offsets[1:])), xref)
	objects := make([][]byte, n)
	for i := 1; i < n; i++ {
		place, _ := slices.BinarySearch(ends, offsets[i])
		object, opens := bytes.CutPrefix(file[offsets[i]:ends[place+1]], fmt.Appendf(nil, "%d 0 obj\n", i))
		object, closes := bytes.CutSuffix(object, []byte("endobj\n"))
		if !opens || !closes {
			return nil, errForm
		}
		objects[i] = object
	}
	return objects, nil
}

// perStream is how many objects an object stream holds, at most.
const perStream = 1000

// written returns a file of these objects (ISO 32000-1 sections 7.5.7 and
// 7.5.8). The document information is the object before the catalog.
func written(objects [][]byte, catalog int) ([]byte, error) {
	out := []byte("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	type place struct{ kind, at, index int }
	places := make([]place, len(objects), len(objects)*2)
	var small []int
	for i := 1; i < len(objects); i++ {
		if !bytes.HasSuffix(objects[i], []byte("endstream\n")) {
			small = append(small, i)
			continue
		}
		places[i] = place{1, len(out), 0}
		out = fmt.Appendf(out, "%d 0 obj\n%sendobj\n", i, objects[i])
	}
	for some := range slices.Chunk(small, perStream) {
		var head, body []byte
		number := len(places)
		for index, i := range some {
			places[i] = place{2, number, index}
			head = fmt.Appendf(head, "%d %d ", i, len(body))
			body = append(append(body, objects[i]...), '\n')
		}
		places = append(places, place{1, len(out), 0})
		var err error
		if out, err = stream(out, number, fmt.Sprintf("/Type/ObjStm/N %d/First %d", len(some), len(head)), append(head, body...)); err != nil {
			return nil, err
		}
	}
	start, number := len(out), len(places)
	places = append(places, place{1, start, 0})
	var table []byte
	for _, p := range places {
		table = append(table, byte(p.kind), byte(p.at>>24), byte(p.at>>16), byte(p.at>>8), byte(p.at), byte(p.index>>8), byte(p.index))
	}
	// The id is of the content, so that the same content has the same.
	id := sha256.Sum256(out)
	out, err := stream(out, number, fmt.Sprintf("/Type/XRef/Size %d/W[1 4 2]/Root %d 0 R/Info %d 0 R/ID[<%x><%x>]",
		number+1, catalog, catalog-1, id[:16], id[:16]), table)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(out, "startxref\n%d\n%%%%EOF\n", start), nil
}

// stream appends a compressed stream object.
func stream(out []byte, number int, entries string, data []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return fmt.Appendf(out, "%d 0 obj\n<<%s/Filter/FlateDecode/Length %d>>stream\n%s\nendstream\nendobj\n", number, entries, packed.Len(), packed.Bytes()), nil
}

// textString returns text as a PDF text string: UTF-16 in hexadecimal.
func textString(s string) string {
	out := []byte("<FEFF")
	for _, u := range utf16.Encode([]rune(s)) {
		out = fmt.Appendf(out, "%04X", u)
	}
	return string(append(out, '>'))
}
