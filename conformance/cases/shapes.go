package cases

import (
	_ "embed"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// fdxFields is the table of fields that data is held against. It says by
// itself what a deployment may answer: nothing of a deployment, not even its
// own API document, is asked for it. What a deployment's own document adds is
// held against that one, in cases of their own (contract_own.go).
//
//go:embed fdx.txt
var fdxFields string

// field is a row of the table.
type field struct {
	kind     string
	required bool
	clusters []string // nil for one that always goes along
}

// entity is a thing that answers hold: its fields by their path.
type entity map[string]field

// entities reads the table once.
var entities = sync.OnceValue(func() map[string]entity {
	all := map[string]entity{}
	var at entity
	for line := range strings.Lines(fdxFields) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case len(words) == 1:
			at = entity{}
			all[words[0]] = at
		case len(words) == 3:
			f := field{kind: strings.TrimSuffix(words[1], "!"), required: strings.HasSuffix(words[1], "!")}
			if strings.HasPrefix(f.kind, "~") {
				f.kind = "any"
			}
			if words[2] != "*" {
				f.clusters = strings.Split(words[2], ",")
			}
			at[words[0]] = f
		default:
			panic("cases: fdx.txt: " + line) // a mistake of the table
		}
	}
	return all
})

// byCategory are the accounts and transactions of each accountCategory.
var byCategory = map[string]string{
	"ANNUITY_ACCOUNT": "Annuity", "BNPL_ACCOUNT": "BuyNowPayLater", "COMMERCIAL_ACCOUNT": "Commercial", "DEPOSIT_ACCOUNT": "Deposit",
	"DIGITAL_WALLET": "DigitalWallet", "INSURANCE_ACCOUNT": "Insurance", "INVESTMENT_ACCOUNT": "Investment", "LOAN_ACCOUNT": "Loan",
	"LOC_ACCOUNT": "LineOfCredit",
}

// shape holds values against the table, for one set of clusters, and keeps
// the first fault of each path: a page of transactions has one fault a
// hundred times.
type shape struct {
	held   []string
	faults map[string]string
	// seen are the paths that had a value, with their entity.
	seen map[string]bool
}

// newShape is a shape for what these clusters let through. ACCOUNT_DETAILED
// and CUSTOMER_PERSONAL bring the smaller cluster along.
func newShape(held ...string) *shape {
	held = slices.Clone(held)
	for big, small := range map[string]string{"ACCOUNT_DETAILED": "ACCOUNT_BASIC", "CUSTOMER_PERSONAL": "CUSTOMER_CONTACT"} {
		if slices.Contains(held, big) {
			held = append(held, small)
		}
	}
	return &shape{held: held, faults: map[string]string{}, seen: map[string]bool{}}
}

// holds reports whether the clusters let a field through.
func (s *shape) holds(f field) bool {
	return f.clusters == nil || slices.ContainsFunc(f.clusters, func(c string) bool { return slices.Contains(s.held, c) })
}

func (s *shape) fault(entity, path, format string, args ...any) {
	key := entity + "." + path
	if _, known := s.faults[key]; !known {
		s.faults[key] = fmt.Sprintf(format, args...)
	}
}

// fit holds one value against an entity. kind is an entity, or Account or
// Transaction for the one that accountCategory says.
func (s *shape) fit(kind string, v any) {
	object, ok := v.(map[string]any)
	if !ok {
		s.fault(kind, "", "is not an object")
		return
	}
	if kind == "Account" || kind == "Transaction" {
		category, _ := object["accountCategory"].(string)
		prefix, known := byCategory[category]
		if !known {
			s.fault(kind, "accountCategory", "is %q, which FDX does not have", category)
			return
		}
		kind = prefix + kind
	}
	s.object(kind, entities()[kind], "", object)
}

func (s *shape) object(kind string, e entity, prefix string, object map[string]any) {
	for name, value := range object {
		path := prefix + name
		f, known := e[path]
		switch {
		case !known:
			s.fault(kind, path, "is no field of FDX")
		case !s.holds(f):
			s.fault(kind, path, "must not leave: it needs %s, and the grant holds %s", strings.Join(f.clusters, " or "), strings.Join(s.held, ", "))
		default:
			s.seen[kind+"."+path] = true
			s.value(kind, e, path, f.kind, value)
		}
	}
	for path, f := range e {
		rest, below := strings.CutPrefix(path, prefix)
		if !below || strings.ContainsAny(rest, ".[") || !f.required || !s.holds(f) {
			continue
		}
		if _, there := object[rest]; !there {
			s.fault(kind, path, "is missing, and required")
		}
	}
}

func (s *shape) value(kind string, e entity, path, want string, v any) {
	if of, list := strings.CutPrefix(want, "list"); list {
		items, ok := v.([]any)
		if !ok {
			s.fault(kind, path, "is not a list")
			return
		}
		for _, item := range items {
			if of != "" {
				s.value(kind, e, path, of[1:], item)
			} else if object, ok := item.(map[string]any); ok {
				s.object(kind, e, path+"[].", object)
			} else {
				s.fault(kind, path, "holds something that is not an object")
			}
		}
		return
	}
	if want == "object" {
		object, ok := v.(map[string]any)
		if !ok {
			s.fault(kind, path, "is not an object")
			return
		}
		s.object(kind, e, path+".", object)
		return
	}
	if !isKind(want, v) {
		s.fault(kind, path, "is not %s", want)
	}
}

var (
	currencyForm  = regexp.MustCompile(`^[A-Z]{3}$`)
	countryForm   = regexp.MustCompile(`^[A-Z]{2}$`)
	clusterForm   = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
	mediaForm     = regexp.MustCompile(`^(application/(json|pdf|zip)|image/(gif|jpeg|png|tiff))$`)
	operationForm = regexp.MustCompile(`^[a-z]+([A-Z][a-z]*)+$`)
	versionForm   = regexp.MustCompile(`^(V\d+\.\d+(\.\d+)?|\d+\.\d+\.\d+)$`)
)

func isKind(want string, v any) bool {
	switch want {
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "number", "integer":
		n, ok := v.(float64)
		return ok && (want == "number" || n == math.Trunc(n))
	case "any":
		return v != nil
	}
	text, ok := v.(string)
	if !ok || text == "" {
		return false
	}
	form := map[string]*regexp.Regexp{
		"currency": currencyForm, "country": countryForm, "cluster": clusterForm, "mediatype": mediaForm, "operation": operationForm, "version": versionForm,
	}[want]
	switch {
	case form != nil:
		return form.MatchString(text)
	case want == "string":
		return true
	case want == "date":
		_, err := time.Parse(time.DateOnly, text)
		return err == nil
	case want == "time":
		_, err := time.Parse(time.RFC3339, text)
		return err == nil
	}
	return slices.Contains(strings.Split(want, "|"), text)
}

// report notes every fault, and counts as a check.
func (s *shape) report(t *suite.T) {
	paths := make([]string, 0, len(s.faults))
	for path := range s.faults {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		t.Errorf("%s %s", path, s.faults[path])
	}
	t.Checked()
}

// saw reports whether a value of this path was there; path is entity and
// path, and the entity * stands for any.
func (s *shape) saw(path string) bool {
	if rest, any := strings.CutPrefix(path, "*."); any {
		for seen := range s.seen {
			if _, p, _ := strings.Cut(seen, "."); p == rest {
				return true
			}
		}
		return false
	}
	return s.seen[path]
}

// Misfits holds one decoded JSON value against an entity of FDX, such as
// Account or Transaction, and names what must not leave under these data
// clusters, what is missing though it may leave and is required, and what has
// another form: a line each, sorted, nil for a value that fits. It is for other
// provers; cases report through their own run.
func Misfits(entity string, value any, held ...string) []string {
	s := newShape(held...)
	s.fit(entity, value)
	var list []string
	for path, fault := range s.faults {
		list = append(list, path+" "+fault)
	}
	slices.Sort(list)
	return list
}
