package csv

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	xcurrency "golang.org/x/text/currency"

	"github.com/headgate/headgate/fdx"
)

// MaxMappingSize is the largest mapping, in bytes.
const MaxMappingSize = 1 << 20

// Mapping says what the columns of a bank's files mean. It is made by
// ParseMapping and does not change.
type Mapping struct {
	institution  string
	currency     string
	digits       int // of the currency's minor unit
	format       format
	files        map[string]file
	codes        map[string]map[string]string
	rebase       *rebase
	customers    []section
	accounts     []section
	holders      []section
	transactions []section
}

// Institution returns the name that identifies the bank's accounts together
// with their keys.
func (m *Mapping) Institution() string { return m.institution }

// Rebased reports whether the dates are to be moved towards today.
func (m *Mapping) Rebased() bool { return m.rebase != nil }

type file struct {
	path        string
	columns     []string // nil when the first line names them
	lastLineCut bool
}

type rebase struct {
	file, column string
	days         int
}

// section makes one entry per row of a file.
type section struct {
	path   string // in the mapping, for faults
	from   string
	joins  []join
	where  []condition
	values map[string]value
}

type join struct {
	prefix, file, on, key string
	optional              bool
}

type condition struct {
	column    string
	in        []string
	present   bool
	notFuture bool
}

// value is one of the forms of a value.
type value interface{ columns() []string }

type (
	constant string
	column   struct{ name, codes string }
	template []part // text and columns by turns
	first    []value
)

type part struct {
	text   string
	column string // empty for text
}

func (constant) columns() []string { return nil }
func (c column) columns() []string { return []string{c.name} }
func (t template) columns() []string {
	var names []string
	for _, p := range t {
		if p.column != "" {
			names = append(names, p.column)
		}
	}
	return names
}
func (f first) columns() []string {
	var names []string
	for _, v := range f {
		names = append(names, v.columns()...)
	}
	return names
}

// ParseMapping reads a mapping; name is used in faults. It returns a
// ledger.Faults that names every unknown key, wrong type and missing part with
// its line and path.
func ParseMapping(name string, data []byte) (*Mapping, error) {
	d := &doc{file: name, data: data}
	if len(data) > MaxMappingSize {
		d.fault(0, "", "is larger than 1 MiB")
		return nil, d.faults
	}
	root, err := d.parseJSON()
	if errors.Is(err, errSyntax) {
		return nil, d.faults
	}
	m := &Mapping{
		format: format{delimiter: ',', quote: '"', decimal: '.', date: dateFormat{layout: "YYYY-MM-DD"}},
		files:  map[string]file{}, codes: map[string]map[string]string{},
	}
	m.read(root)
	if err := d.faults.Err(); err != nil {
		return nil, err
	}
	m.check(root)
	if err := d.faults.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Mapping) read(root *node) {
	root.fields(map[string]func(*node){
		"institution*": func(n *node) {
			if m.institution = n.string(); m.institution == "" || len(m.institution) > 100 {
				n.fault("must have 1 to 100 characters")
			}
		},
		"currency*": func(n *node) {
			unit, err := xcurrency.ParseISO(n.string())
			if err != nil {
				n.fault("is not an ISO 4217 code")
				return
			}
			m.currency = unit.String()
			m.digits, _ = xcurrency.Standard.Rounding(unit)
		},
		"format": func(n *node) { m.format.read(n) },
		"files*": func(n *node) { n.each(func(name string, n *node) { m.files[name] = readFile(n) }) },
		"codes": func(n *node) {
			n.each(func(name string, n *node) {
				table := map[string]string{}
				n.each(func(from string, n *node) { table[from] = n.string() })
				m.codes[name] = table
			})
		},
		"rebase": func(n *node) {
			m.rebase = &rebase{}
			n.fields(map[string]func(*node){
				"file*":   func(n *node) { m.rebase.file = n.string() },
				"column*": func(n *node) { m.rebase.column = n.string() },
				"days*":   func(n *node) { m.rebase.days = n.int(36500) },
			})
		},
		"customers*": func(n *node) { m.customers = readSections(n, "username*", "name*") },
		"accounts*": func(n *node) {
			m.accounts = readSections(n, "key*", "category*", "type*", "productName*", "number", "nickname", "status", "balance",
				"available", "creditLine", "originalPrincipal", "originatingDate", "loanTerm", "nextPaymentAmount")
		},
		"holders*": func(n *node) { m.holders = readSections(n, "username*", "account*", "relationship*") },
		"transactions": func(n *node) {
			m.transactions = readSections(n, "account*", "key*", "date*", "amount*", "description*", "direction", "payee", "balance")
		},
	})
}

func (f *format) read(n *node) {
	character := func(to *byte, orNone bool) func(*node) {
		return func(n *node) {
			s := n.string()
			switch {
			case s == "" && orNone:
				*to = 0
			case len(s) == 1 && s[0] < 0x7f && s[0] != '\n' && s[0] != '\r' && s[0] != 0:
				*to = s[0]
			default:
				n.fault("must be one ASCII character")
			}
		}
	}
	var layout *node
	n.fields(map[string]func(*node){
		"delimiter": character(&f.delimiter, false),
		"quote":     character(&f.quote, true),
		"decimal": func(n *node) {
			character(&f.decimal, false)(n)
			if f.decimal != '.' && f.decimal != ',' {
				n.fault("must be a point or a comma")
			}
		},
		"date":    func(n *node) { layout, f.date.layout = n, n.string() },
		"century": func(n *node) { f.date.century = n.int(9900) },
	})
	if f.delimiter == f.quote {
		n.fault("has the same character for delimiter and quote")
	}
	if layout != nil {
		if problem := f.date.check(); problem != "" {
			layout.fault(problem)
		}
	}
}

func readFile(n *node) file {
	var f file
	n.fields(map[string]func(*node){
		"path*": func(n *node) {
			// No absolute path and no "..": the folder of the import is all
			// that a mapping can reach.
			if f.path = n.string(); !fs.ValidPath(f.path) || f.path == "." {
				n.fault("must be a path below the folder of the import")
			}
		},
		"columns":     func(n *node) { n.list(func(n *node) { f.columns = append(f.columns, n.string()) }) },
		"lastLineCut": func(n *node) { f.lastLineCut = n.bool() },
	})
	return f
}

func readSections(n *node, names ...string) []section {
	var out []section
	n.list(func(n *node) {
		s := section{path: n.path, values: map[string]value{}}
		known := map[string]func(*node){
			"from*": func(n *node) { s.from = n.string() },
			"join": func(n *node) {
				n.each(func(prefix string, n *node) { s.joins = append(s.joins, readJoin(prefix, n)) })
			},
			"where": func(n *node) { n.list(func(n *node) { s.where = append(s.where, readCondition(n)) }) },
		}
		for _, name := range names {
			known[name] = func(n *node) { s.values[strings.TrimSuffix(name, "*")] = readValue(n) }
		}
		n.fields(known)
		out = append(out, s)
	})
	return out
}

func readJoin(prefix string, n *node) join {
	j := join{prefix: prefix}
	n.fields(map[string]func(*node){
		"file*":    func(n *node) { j.file = n.string() },
		"on*":      func(n *node) { j.on = n.string() },
		"key*":     func(n *node) { j.key = n.string() },
		"optional": func(n *node) { j.optional = n.bool() },
	})
	return j
}

func readCondition(n *node) condition {
	var c condition
	kinds := 0
	flag := func(to *bool) func(*node) {
		return func(n *node) {
			kinds++
			if *to = n.bool(); !*to {
				n.fault("can only be true")
			}
		}
	}
	n.fields(map[string]func(*node){
		"column*":   func(n *node) { c.column = n.string() },
		"present":   flag(&c.present),
		"notFuture": flag(&c.notFuture),
		"in": func(n *node) {
			kinds++
			n.list(func(n *node) { c.in = append(c.in, n.string()) })
			if len(c.in) == 0 {
				n.fault("must list at least one value")
			}
		},
	})
	if kinds != 1 {
		n.fault("needs exactly one of in, present, notFuture")
	}
	return c
}

func readValue(n *node) value {
	if s, ok := n.value.(string); ok {
		return constant(s)
	}
	var out []value
	var codes *node
	n.fields(map[string]func(*node){
		"column": func(n *node) { out = append(out, column{name: n.string()}) },
		"codes":  func(n *node) { codes = n },
		"template": func(n *node) {
			t, problem := parseTemplate(n.string())
			if problem != "" {
				n.fault(problem)
			}
			out = append(out, t)
		},
		"first": func(n *node) {
			var f first
			n.list(func(n *node) { f = append(f, readValue(n)) })
			out = append(out, f)
		},
	})
	if len(out) != 1 {
		n.fault("must be a string or have exactly one of column, template, first")
		return constant("")
	}
	if codes != nil {
		c, ok := out[0].(column)
		if !ok {
			codes.fault("goes with column only")
		}
		c.codes = codes.string()
		return c
	}
	return out[0]
}

// parseTemplate splits "text {column} text".
func parseTemplate(s string) (t template, problem string) {
	for s != "" {
		text, rest, found := strings.Cut(s, "{")
		if text != "" {
			t = append(t, part{text: text})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || name == "" {
			return t, "has a { without a column and a }"
		}
		t = append(t, part{column: name})
		s = after
	}
	return t, ""
}

// check looks at what the parts of a mapping say about each other: names of
// files, prefixes and code tables. Columns are checked when the files are
// open.
func (m *Mapping) check(root *node) {
	at := func(path, what string) { root.parent.fault(0, path, what) }
	knownFile := func(path, name string) {
		if _, ok := m.files[name]; !ok {
			at(path, "names a file that files does not have; known are "+listOf(m.files))
		}
	}
	if m.rebase != nil {
		knownFile("rebase.file", m.rebase.file)
	}
	for _, list := range [][]section{m.customers, m.accounts, m.holders, m.transactions} {
		for _, s := range list {
			knownFile(s.path+".from", s.from)
			for _, j := range s.joins {
				knownFile(s.path+".join."+j.prefix+".file", j.file)
			}
			for _, name := range sorted(s.values) {
				for _, c := range codeTables(s.values[name]) {
					if _, ok := m.codes[c]; !ok {
						at(s.path+"."+name+".codes", "names a table that codes does not have; known are "+listOf(m.codes))
					}
				}
			}
		}
	}
	for _, s := range m.accounts {
		category, ok := s.values["category"].(constant)
		if !ok || !slices.Contains(categories, fdx.AccountCategory(category)) {
			at(s.path+".category", "must be one of DEPOSIT_ACCOUNT, LOC_ACCOUNT, LOAN_ACCOUNT")
		}
	}
}

var categories = []fdx.AccountCategory{fdx.DepositCategory, fdx.LineOfCreditCategory, fdx.LoanCategory}

func codeTables(v value) []string {
	switch v := v.(type) {
	case column:
		if v.codes != "" {
			return []string{v.codes}
		}
	case first:
		var out []string
		for _, v := range v {
			out = append(out, codeTables(v)...)
		}
		return out
	}
	return nil
}
