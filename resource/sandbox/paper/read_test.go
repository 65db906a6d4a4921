package paper

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// document is what a reader of tagged PDF finds in a file.
type document struct {
	title     string
	made      string     // when, as PDF writes it
	pages     []string   // the content of each
	artifacts [][]string // texts that are no content, by page
	// outline is the structure tree, an element a line, each with its text,
	// indented by a space a level.
	outline []string
}

// read reads a file as ISO 32000-1 has it, by its own cross-reference stream,
// and asserts what holds for every tagged file: each text belongs to an element
// or is an artifact, and tree and pages name each other.
func read(t *testing.T, file []byte) document {
	t.Helper()
	objects, trailer := load(t, file)
	number := func(text, key string) int {
		m := regexp.MustCompile(`/` + key + ` (\d+)`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no %s in %.200q", key, text)
		}
		n, _ := strconv.Atoi(m[1])
		return n
	}
	refs := func(text string) (out []int) {
		for _, m := range regexp.MustCompile(`(\d+) 0 R`).FindAllStringSubmatch(text, -1) {
			n, _ := strconv.Atoi(m[1])
			out = append(out, n)
		}
		return out
	}
	catalog := objects[number(trailer, "Root")]
	for _, want := range []string{"/MarkInfo<</Marked true>>", "/Lang(en)", "/DisplayDocTitle true"} {
		if !strings.Contains(catalog, want) {
			t.Errorf("the catalog lacks %s", want)
		}
	}
	var d document
	info := objects[number(trailer, "Info")]
	title, _, _ := strings.Cut(info[strings.Index(info, "/Title (")+8:], ")\n")
	d.title = decode(title)
	made, _, _ := strings.Cut(info[strings.Index(info, "/CreationDate (")+15:], ")")
	d.made = made

	// What is marked on each page.
	kids := refs(regexp.MustCompile(`/Kids \[[^]]*\]`).FindString(objects[number(catalog, "Pages")]))
	texts := map[[2]int]string{} // by object of the page and MCID
	for i, page := range kids {
		if number(objects[page], "StructParents") != i {
			t.Errorf("page %d has another number in the tree", i)
		}
		content := inflate(t, objects[number(objects[page], "Contents")])
		d.pages, d.artifacts = append(d.pages, content), append(d.artifacts, nil)
		depth, mcid := 0, -1
		for line := range strings.SplitSeq(content, "\n") {
			shown := ""
			for _, m := range regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\) ?Tj`).FindAllStringSubmatch(line, -1) {
				shown += decode(m[1])
			}
			switch {
			case strings.HasSuffix(line, " BDC"):
				depth++
				mcid = -1
				if m := regexp.MustCompile(`/MCID (\d+)`).FindStringSubmatch(line); m != nil {
					mcid, _ = strconv.Atoi(m[1])
					texts[[2]int{page, mcid}] = ""
				}
			case line == "EMC":
				depth--
			case shown != "" && depth != 1:
				t.Errorf("page %d: %q is neither content nor an artifact", i, shown)
			case shown != "" && mcid >= 0:
				key := [2]int{page, mcid}
				texts[key] = strings.TrimSpace(texts[key] + " " + shown)
			case shown != "":
				d.artifacts[i] = append(d.artifacts[i], shown)
			}
			if depth < 0 || depth > 1 {
				t.Fatalf("page %d: marks are nested", i)
			}
		}
		if depth != 0 {
			t.Errorf("page %d: a mark has no end", i)
		}
	}

	// The tree, and back from the pages to it.
	tree := objects[number(catalog, "StructTreeRoot")]
	owners := map[[2]int]int{}
	for i, m := range regexp.MustCompile(`(\d+)\[([^]]*)\]`).FindAllStringSubmatch(tree[strings.Index(tree, "/Nums[")+6:], -1) {
		if m[1] != strconv.Itoa(i) {
			t.Errorf("the parent tree has %s at %d", m[1], i)
		}
		for mcid, owner := range refs(m[2]) {
			owners[[2]int{kids[i], mcid}] = owner
		}
	}
	found := 0
	var walk func(object, parent, depth int)
	walk = func(object, parent, depth int) {
		e := objects[object]
		if number(e, "P") != parent {
			t.Errorf("element %d has another parent", object)
		}
		role := regexp.MustCompile(`^<</S/(\w+)`).FindStringSubmatch(e)
		if role == nil {
			t.Fatalf("element %d is %.100q", object, e)
		}
		body := e[strings.LastIndex(e, "/K["):]
		text := ""
		for _, m := range regexp.MustCompile(`<</Type/MCR/Pg (\d+) 0 R/MCID (\d+)>>`).FindAllStringSubmatch(body, -1) {
			page, _ := strconv.Atoi(m[1])
			mcid, _ := strconv.Atoi(m[2])
			piece, marked := texts[[2]int{page, mcid}]
			if !marked || owners[[2]int{page, mcid}] != object {
				t.Errorf("element %d has content %d of page %d, which is not its own", object, mcid, page)
			}
			found++
			text = strings.TrimSpace(text + " " + piece)
		}
		for _, key := range []string{"ActualText", "Alt"} {
			if m := regexp.MustCompile(`/` + key + `<FEFF([0-9A-F]*)>`).FindStringSubmatch(e); m != nil {
				var units []uint16
				for i := 0; i < len(m[1]); i += 4 {
					u, _ := strconv.ParseUint(m[1][i:i+4], 16, 16)
					units = append(units, uint16(u))
				}
				text = string(utf16.Decode(units))
			}
		}
		d.outline = append(d.outline, strings.TrimRight(strings.Repeat(" ", depth)+role[1]+" "+text, " "))
		rest := regexp.MustCompile(`<<[^>]*>>`).ReplaceAllString(body, "")
		for _, kid := range refs(rest) {
			walk(kid, object, depth+1)
		}
	}
	root := number(catalog, "StructTreeRoot")
	walk(number(tree, "K"), root, 0)
	if found != len(texts) || found != len(owners) {
		t.Errorf("%d pieces in the tree, %d on the pages, %d in the parent tree", found, len(texts), len(owners))
	}
	return d
}

// load returns all objects by number, and the trailer.
func load(t *testing.T, file []byte) (map[int]string, string) {
	t.Helper()
	m := regexp.MustCompile(`startxref\n(\d+)\n%%EOF\n$`).FindSubmatch(file)
	if m == nil || !bytes.HasPrefix(file, []byte("%PDF-1.7\n")) {
		t.Fatal("not a PDF")
	}
	object := func(at, number int) string {
		body, found := strings.CutPrefix(string(file[at:]), fmt.Sprintf("%d 0 obj\n", number))
		if !found {
			t.Fatalf("object %d is not at %d", number, at)
		}
		body, _, _ = strings.Cut(body, "endobj\n") // our streams never hold that: asserted by inflating them
		return body
	}
	at, _ := strconv.Atoi(string(m[1]))
	last, _, _ := strings.Cut(string(file[at:]), " ")
	number, _ := strconv.Atoi(last)
	trailer := object(at, number)
	table := inflate(t, trailer)
	if !strings.Contains(trailer, "/W[1 4 2]") || !strings.Contains(trailer, fmt.Sprintf("/Size %d/", len(table)/7)) {
		t.Fatalf("cross-reference %.200q", trailer)
	}
	objects := map[int]string{}
	packed := map[int][]string{}
	for pass := range 2 {
		for i := 1; i < len(table)/7; i++ {
			e := table[7*i : 7*i+7]
			place := int(e[1])<<24 | int(e[2])<<16 | int(e[3])<<8 | int(e[4])
			switch {
			case e[0] == 1 && pass == 0:
				objects[i] = object(place, i)
				if strings.Contains(objects[i][:20], "/Type/ObjStm") {
					packed[i] = unpack(t, objects[i])
				}
			case e[0] == 2 && pass == 1:
				objects[i] = packed[place][int(e[5])<<8|int(e[6])]
			}
		}
	}
	return objects, trailer
}

// unpack returns the objects in an object stream.
func unpack(t *testing.T, object string) (out []string) {
	var n, first int
	if _, err := fmt.Sscanf(object, "<</Type/ObjStm/N %d/First %d", &n, &first); err != nil {
		t.Fatal(err)
	}
	data := inflate(t, object)
	head := strings.Fields(data[:first])
	for i := range n {
		from, _ := strconv.Atoi(head[2*i+1])
		to := len(data) - first
		if i+1 < n {
			to, _ = strconv.Atoi(head[2*i+3])
		}
		out = append(out, data[first+from:first+to])
	}
	return out
}

func inflate(t *testing.T, object string) string {
	t.Helper()
	_, data, _ := strings.Cut(object, "stream\n")
	r, err := zlib.NewReader(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// decode reads a literal string in UTF-16.
func decode(s string) string {
	s = strings.NewReplacer(`\\`, `\`, `\(`, `(`, `\)`, `)`, `\r`, "\r").Replace(s)
	s = strings.TrimPrefix(s, "\xfe\xff")
	var units []uint16
	for i := 0; i+1 < len(s); i += 2 {
		units = append(units, uint16(s[i])<<8|uint16(s[i+1]))
	}
	return string(utf16.Decode(units))
}
