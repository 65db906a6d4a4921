package resource_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/openapi/openapitest"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// richBank has an account of each category and every field of everything, with
// values that the document has. Incomplete accounts say so.
func richBank(d *openapitest.Document, incomplete bool) *resourcetest.Bank {
	fill := filler{values: d.Values}
	b := &resourcetest.Bank{}
	today := fdx.DateOf(noon)
	all := []fdx.AccountID{}
	for i, c := range slices.Sorted(maps.Keys(modelEntities)) {
		id := fdx.AccountID(c)
		all = append(all, id)
		var account fdx.Account
		fill.one(reflect.ValueOf(&account).Elem(), c)
		a := account.Descriptor()
		a.AccountID, a.Status = id, fdx.StatusOpen
		if !incomplete {
			a.Error = fdx.AccountError{}
		}
		var list []fdx.Transaction
		for n := range 3 {
			var x fdx.Transaction
			fill.one(reflect.ValueOf(&x).Elem(), c)
			at := fdx.TimestampOf(noon.AddDate(0, 0, -n))
			base := x.Base()
			base.TransactionID, base.TransactionTimestamp, base.PostedTimestamp = fdx.TransactionID(strconv.Itoa(n)), at, at
			list = append(list, x)
		}
		b.Open(consumer, account, list...)
		e := resourcetest.Extras{
			PaymentNetworks: make([]fdx.PaymentNetwork, 3), AssetTransferNetworks: make([]fdx.AssetTransferNetwork, 3),
			Statements: make([]fdx.Statement, 3),
			Documents:  map[fdx.StatementID]resource.Document{}, Images: map[fdx.ImageID]resource.Document{},
		}
		forms, terms := fdx.DocumentTypes(), fdx.TermsTypes()
		file := resource.Document{Type: forms[i%len(forms)], Date: today, Body: []byte("document")}
		fill.fill(reflect.ValueOf(&e.Contact).Elem())
		fill.fill(reflect.ValueOf(&e.PaymentNetworks).Elem())
		fill.fill(reflect.ValueOf(&e.AssetTransferNetworks).Elem())
		for n := range 3 {
			s := &e.Statements[n]
			fill.fill(reflect.ValueOf(s).Elem())
			s.AccountID, s.StatementID, s.StatementDate, s.Status = id, fdx.StatementID("s"+strconv.Itoa(n)), today.AddDays(-n), fdx.DocumentAvailable
			e.Documents[s.StatementID] = file
		}
		e.Images["i"] = file
		e.Terms = resource.Document{Type: terms[i%len(terms)], Body: []byte("terms")}
		b.Extend(id, e)
	}
	for _, id := range []string{"p", "q"} {
		var p fdx.RewardProgram
		fill.fill(reflect.ValueOf(&p).Elem())
		p.RewardProgramID = fdx.RewardProgramID(id)
		for i := range p.Memberships {
			p.Memberships[i].AccountIDs = all
		}
		categories := make([]fdx.RewardCategory, 2)
		for i := range categories {
			fill.fill(reflect.ValueOf(&categories[i]).Elem())
			categories[i].RewardProgramID = p.RewardProgramID
		}
		b.Reward(p, categories...)
	}
	for _, who := range []consent.ConsumerID{consumer, stranger} {
		var c fdx.Customer
		fill.fill(reflect.ValueOf(&c).Elem())
		c.CustomerID, c.Accounts = fdx.CustomerID(who), nil
		for _, id := range all {
			var part fdx.CustomerAccount
			fill.fill(reflect.ValueOf(&part).Elem())
			part.AccountID = id
			c.Accounts = append(c.Accounts, part)
			if who == stranger {
				b.Join(id, who)
			}
		}
		b.Register(c)
	}
	return b
}

// filler gives every field at any depth a value; of a type with a list of
// values the next one of them.
type filler struct {
	n      int
	values func(name string) []string
}

func (f *filler) one(v reflect.Value, c fdx.AccountCategory) {
	field := v.FieldByName(modelEntities[c])
	field.Set(reflect.New(field.Type().Elem()))
	f.fill(field.Elem())
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch v.Interface().(type) {
	case fdx.Decimal:
		v.Set(reflect.ValueOf(fdx.NewDecimal(int64(f.n), 2)))
		return
	case fdx.Date:
		v.Set(reflect.ValueOf(fdx.DateOf(noon).AddDays(-f.n)))
		return
	case fdx.Timestamp:
		v.Set(reflect.ValueOf(fdx.TimestampOf(noon.AddDate(0, 0, -f.n))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		text := "text-" + strconv.Itoa(f.n)
		if values := f.values(v.Type().Name()); values != nil {
			text = values[f.n%len(values)]
		}
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		}
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	default:
		panic(v.Type())
	}
}

// neverGiven are the properties in the document that no answer has, because
// the gateway writes these parts itself and has no use for them.
var neverGiven = []string{
	"Capability.activeConnections", "Capability.allowedConnections", "Capability.jwksUrl",
	"Links.prev", "Operation.alsoSupported", "Operation.cutOffTime", "Operation.link", "Operation.version",
	"PageMetadata.previousPageKey", "PageMetadata.totalElements",
}

// Every operation, on accounts of all categories, with everything granted and
// with one cluster at a time: each answer is to the letter what the document
// says, and has no property that the document says these clusters do not let
// through.
func TestAnswersAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	var counted resourcetest.Performances
	done := resource.Calls{Hour: noon.Add(-time.Hour).Truncate(time.Hour), Operation: fdx.GetAccount, Proper: 2, Took: time.Second, Up: 1<<60 - 1}
	if err := counted.Put(t.Context(), [16]byte{1}, []resource.Calls{done}); err != nil {
		t.Fatal(err)
	}
	base := open(t, func(c *resource.Config) { c.Performance = &counted })
	forms := map[string]bool{}
	calls := 0
	for _, incomplete := range []bool{false, true} {
		f, handler := base.beside(t, announcing{richBank(d, incomplete)})
		grants := map[string]fdx.Clusters{"everything": every}
		for _, c := range fdx.AllClusters() {
			grants[c.String()] = fdx.NewClusters(c).Implied()
		}
		for name, clusters := range grants {
			s := share(func(s *consent.Share) {
				s.Accounts = nil
				for c := range modelEntities {
					s.Accounts = append(s.Accounts, consent.AccountShare{ID: fdx.AccountID(c), Clusters: clusters})
				}
			})
			a := f.app(t, s, func(access *token.Access) { access.Scopes = fdx.ScopesOf(every) })
			for _, op := range resource.Operations() {
				if incomplete && op.ID != fdx.SearchForAccounts && op.ID != fdx.GetAccount {
					continue // it is about accounts
				}
				for _, target := range crawled(op) {
					calls++
					where := fmt.Sprintf("%s, %s granted, %s", op.ID, name, target)
					r := a.request(target)
					anyForm(r)
					got := ask(handler, r)
					body := got.Body.Bytes()
					for _, wrong := range d.Check(op, got.Code, got.Header(), body) {
						t.Errorf("%s: %s\n%.500q", where, wrong, body)
					}
					want := []string{"200 "}
					switch {
					case !op.Opened.Empty() && op.Opened.Intersect(clusters).Empty():
						want = []string{"403 602"}
					case op.ID == fdx.SearchForAccounts && incomplete:
						// Without ACCOUNT_BASIC nothing opens the list, and
						// every cluster of an account carries the error.
						want = []string{"206 "}
					}
					if answer := strconv.Itoa(got.Code) + " " + codeOf(body); !slices.Contains(want, answer) {
						t.Errorf("%s: %s, want %s\n%.500q", where, answer, want, body)
						continue
					}
					if got.Code >= 400 {
						continue
					}
					kind := got.Header().Get("Content-Type")
					forms[string(op.ID)+" "+kind] = true
					if kind != "application/json" {
						continue
					}
					allowed := clusters.Intersect(op.Carried)
					if op.ID == fdx.SearchForAccounts && !strings.Contains(target, "details") {
						allowed = allowed.Intersect(fdx.NewClusters(fdx.AccountBasic))
					}
					for _, wrong := range d.Leaves(op, got.Code, body, allowed) {
						t.Errorf("%s: %s", where, wrong)
					}
				}
			}
		}
	}
	if calls < 2000 {
		t.Errorf("only %d calls", calls)
	}
	// What the document has is given: every property, every content type.
	properties := d.Properties(resource.Operations())
	for name, given := range properties {
		if given == slices.Contains(neverGiven, name) {
			t.Errorf("%s: given is %v", name, given)
		}
	}
	if len(properties) < 300 {
		t.Errorf("only %d properties", len(properties))
	}
	for _, op := range resource.Operations() {
		for _, answer := range op.Answers {
			for _, form := range answer.Forms {
				if !forms[string(op.ID)+" "+string(form)] {
					t.Errorf("%s never answered with %s", op.ID, form)
				}
			}
		}
	}
}

// crawled are the targets of an operation: for each account and each way of
// asking.
func crawled(op openapi.Operation) []string {
	var list []string
	for _, c := range slices.Sorted(maps.Keys(modelEntities)) {
		list = append(list, targetOf(op, map[string]string{
			"accountId": string(c), "imageId": "i", "statementId": "s0", "rewardProgramId": "p", "customerId": string(consumer),
		}))
	}
	list = slices.Compact(list)
	if op.ID == fdx.GetCustomer {
		list = append(list, targetOf(op, map[string]string{"customerId": string(stranger)}))
	}
	for _, p := range op.Parameters {
		switch p.Name {
		case "limit":
			list = append(list, list[0]+"?limit=1")
		case "resultType":
			list = append(list, list[0]+"?resultType=details")
		case "startDate":
			list = append(list, list[0]+"?startDate=2026-01-01&endDate=2026-11-21")
		}
	}
	// The fellow holder is shown by CUSTOMER_CONTACT alone, and nobody by less.
	return slices.DeleteFunc(list, func(target string) bool { return strings.HasSuffix(target, "/customers/"+string(stranger)) })
}

// announcing is a bank with something to announce.
type announcing struct{ *resourcetest.Bank }

func (announcing) Availability(context.Context) (fdx.Availability, error) {
	at := fdx.TimestampOf(noon)
	return fdx.Availability{Status: fdx.Partial, Description: "Slow.", PlannedAvailability: []fdx.PlannedAvailability{
		{Status: fdx.Maintenance, Description: "Upgrade.", StartTime: at, EndTime: at},
	}}, nil
}

// errorCase is a request that an operation has to refuse.
type errorCase struct {
	bank     resource.Provider // nil is that of open
	share    func(*consent.Share)
	noScopes bool
	down     bool // the truth cannot be asked
	// counted is what was counted; nil is none, like that of open.
	counted resource.Performance
	ids     map[string]string
	query   string
	spoil   func(*http.Request)
	// limits are the gateway's; once: the request comes when one like it has
	// been answered.
	limits resource.Limits
	once   bool
}

// goodIDs name what open has.
var goodIDs = map[string]string{
	"accountId": "acc-1", "imageId": "img%2F1", "statementId": "st-2", "rewardProgramId": "miles", "customerId": string(consumer),
}

func ids(changed ...string) map[string]string {
	out := maps.Clone(goodIDs)
	for i := 0; i < len(changed); i += 2 {
		out[changed[i]] = changed[i+1]
	}
	return out
}

// panicking is a store of what was counted that is out of its mind.
type panicking struct{ resource.Performance }

// errorCases say what has to go wrong for each status and code.
func errorCases(op openapi.Operation) map[string]errorCase {
	empty := func(s *consent.Share) { s.Accounts, s.Customer = nil, 0 }
	cases := map[string]errorCase{
		"400 401":  {spoil: func(r *http.Request) { r.Header.Set("x-fapi-interaction-id", "x") }},
		"400 702":  {query: "?startDate=x&endDate=2026-11-01"},
		"400 703":  {query: "?startDate=2026-11-01"},
		"400 1300": {ids: ids("statementId", "st-new")},
		"401 603":  {spoil: func(r *http.Request) { r.Header.Del("Authorization") }},
		"403 403":  {noScopes: true},
		"403 602":  {share: func(s *consent.Share) { s.Accounts[0].Clusters, s.Accounts[1].Clusters = fdx.NewClusters(fdx.Tax), 0 }},
		"403 706":  {bank: sayingBank{err: resource.ErrAccountLocked}},
		"404 601":  {bank: sayingBank{err: resource.ErrNotFound}},
		"404 701":  {ids: ids("accountId", "nothing")},
		"404 1101": {ids: ids("rewardProgramId", "nothing")},
		"404 1102": {ids: ids("rewardProgramId", "points")},
		"404 1103": {ids: ids("imageId", "nothing")},
		"404 1104": {ids: ids("statementId", "nothing")},
		"404 1107": {share: empty},
		"404 1108": {bank: sayingBank{err: resource.ErrNoStatements}},
		"406 1203": {spoil: accepts("text/html")},
		"409 705":  {bank: sayingBank{err: resource.ErrAccountClosed}},
		"422 704":  {bank: sayingBank{err: resource.ErrAccountType}},
		"429 1207": {limits: resource.Limits{Quotas: resource.Quotas{Recipient: 1}}, once: true},
		"500 500":  {bank: sayingBank{panics: true}},
		"502 501":  {bank: sayingBank{}},
		"501 1106": {bank: sayingBank{err: resource.ErrNotOffered}},
		"503 503":  {down: true},
		"504 501":  {bank: sayingBank{err: context.DeadlineExceeded}},
	}
	switch op.ID {
	case fdx.SearchForAccounts:
		cases["404 1107"] = errorCase{query: "?accountIds=nothing"}
	case fdx.GetAccountPaymentNetworks, fdx.GetTermsAndConditions:
		cases["404 1107"] = errorCase{ids: ids("accountId", "acc-2")}
	case fdx.GetCapability:
		cases["501 1106"] = errorCase{query: "?fdxVersion=5.2.0"}
	case fdx.GetCertificationMetrics:
		cases["500 500"] = errorCase{counted: panicking{}}
		cases["501 1106"] = errorCase{} // nothing is counted at this gateway
	}
	return cases
}

// Every error that the document has for an operation is given by it, as the
// document has it; and whatever goes wrong, no operation gives another one.
func TestErrorsAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	base := open(t, nil)
	for _, op := range resource.Operations() {
		declared := d.Declared(op)
		var inTable []string
		for _, e := range op.Errors {
			inTable = append(inTable, strconv.Itoa(e.Status)+" "+e.Code)
		}
		if slices.Sort(inTable); !slices.Equal(inTable, declared) {
			t.Errorf("%s: the document has %v, the table %v", op.ID, declared, inTable)
		}
		cases := errorCases(op)
		for _, want := range declared {
			if _, ok := cases[want]; !ok {
				t.Errorf("%s: nothing gives %s", op.ID, want)
			}
		}
		for name, c := range cases {
			bank := c.bank
			if bank == nil {
				bank = base.bank
			}
			counted := *base
			counted.config.Performance, counted.config.Limits = c.counted, c.limits
			f, handler := counted.beside(t, bank)
			a := f.app(t, wide(c.share), func(access *token.Access) {
				if access.Scopes = fdx.ScopesOf(every); c.noScopes {
					access.Scopes = nil
				}
			})
			if c.ids == nil {
				c.ids = goodIDs
			}
			r := a.request(targetOf(op, c.ids) + c.query)
			anyForm(r)
			if c.spoil != nil {
				c.spoil(r)
			}
			if c.once {
				first := a.request(targetOf(op, c.ids))
				anyForm(first)
				ask(handler, first)
			}
			if c.down {
				f.truth.Fail(errors.New("down"))
			}
			got := ask(handler, r)
			body := got.Body.Bytes()
			where := fmt.Sprintf("%s, asked for %s", op.ID, name)
			for _, wrong := range d.Check(op, got.Code, got.Header(), body) {
				t.Errorf("%s: %s\n%.300s", where, wrong, body)
			}
			if answer := strconv.Itoa(got.Code) + " " + codeOf(body); slices.Contains(declared, name) && answer != name {
				t.Errorf("%s: %s\n%.300s", where, answer, body)
			}
		}
	}
}

// What the document says of parameters is what is read: each that it has may
// not be repeated nor break its schema, and no other one is looked at.
func TestParametersAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	base := open(t, func(c *resource.Config) { c.Performance = &resourcetest.Performances{} })
	names := map[string]bool{}
	for _, op := range resource.Operations() {
		for _, p := range op.Parameters {
			if p.In == openapi.Query {
				names[p.Name] = true
			}
		}
	}
	if len(names) != 11 {
		t.Errorf("%v", names)
	}
	for _, op := range resource.Operations() {
		f, handler := base.beside(t, base.bank)
		a := f.app(t, wide(nil), func(access *token.Access) { access.Scopes = fdx.ScopesOf(every) })
		status := func(query string, change func(*http.Request)) int {
			r := a.request(targetOf(op, goodIDs) + query)
			anyForm(r)
			if change != nil {
				change(r)
			}
			return ask(handler, r).Code
		}
		has := func(name string) bool {
			return slices.ContainsFunc(op.Parameters, func(p openapi.Parameter) bool { return p.Name == name })
		}
		expect := func(what string, got int, refused bool) {
			if refused && got != 400 || !refused && got != 200 {
				t.Errorf("%s: %s: %d", op.ID, what, got)
			}
		}
		for name := range names {
			query := "?" + name + "=x&" + name + "=x"
			// All descriptions have the parser of getCapability.
			lent := (op.ID == fdx.GetAvailability || op.ID == fdx.GetCertificationMetrics) && (name == "fdxVersion" || name == "resultType")
			expect(query, status(query, nil), has(name) || lent)
		}
		header := func(value string) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("FDX-API-Actor-Type", value) }
		}
		expect("another actor", status("", header("ROBOT")), has("FDX-API-Actor-Type"))
		expect("USER", status("", header("USER")), false)
		expect("BATCH", status("", header("BATCH")), false)
		for _, p := range op.Parameters {
			if p.In != openapi.Query {
				continue
			}
			good, bad := d.Probes(p)
			if p.Name == "accountIds" {
				good = append(good, "acc-1,"+openapitest.Many(fdx.MaxAccountIDs-1))
			}
			if bad == nil {
				t.Errorf("%s: nothing of %s is checked", op.ID, p.Name)
			}
			for _, text := range good {
				expect(p.Name+"="+text, status("?"+p.Name+"="+text, nil), false)
			}
			for _, text := range bad {
				expect(fmt.Sprintf("%s=%.80s", p.Name, text), status("?"+p.Name+"="+text, nil), true)
			}
		}
	}
}

// sayingBank gives the same error to everything; without one it answers with
// what no bank may answer.
type sayingBank struct {
	err    error
	panics bool
}

func said[T any](b sayingBank, v T) (T, error) {
	if b.panics {
		panic("CANARY")
	}
	return v, b.err
}

func saidPage[T any](b sayingBank) (resource.Page[T], error) {
	return said(b, resource.Page[T]{Next: strings.Repeat("x", 201)})
}

func (b sayingBank) Operations() []fdx.OperationID {
	_, _ = said(b, 0)
	return nil
}
func (b sayingBank) Availability(context.Context) (fdx.Availability, error) {
	return said(b, fdx.Availability{})
}
func (b sayingBank) Accounts(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.Account], error) {
	return saidPage[fdx.Account](b)
}
func (b sayingBank) Account(context.Context, resource.Access) (fdx.Account, error) {
	return said(b, fdx.Account{})
}
func (b sayingBank) Transactions(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.Transaction], error) {
	return saidPage[fdx.Transaction](b)
}
func (b sayingBank) Contact(context.Context, resource.Access) (fdx.AccountContact, error) {
	return said(b, fdx.AccountContact{Emails: []string{strings.Repeat("x", 1<<20)}})
}
func (b sayingBank) PaymentNetworks(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.PaymentNetwork], error) {
	return saidPage[fdx.PaymentNetwork](b)
}
func (b sayingBank) AssetTransferNetworks(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.AssetTransferNetwork], error) {
	return saidPage[fdx.AssetTransferNetwork](b)
}
func (b sayingBank) Statements(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.Statement], error) {
	return saidPage[fdx.Statement](b)
}
func (b sayingBank) Statement(context.Context, resource.Access, fdx.StatementID, []fdx.ContentType) (resource.Document, error) {
	return said(b, resource.Document{})
}
func (b sayingBank) Image(context.Context, resource.Access, fdx.ImageID, []fdx.ContentType) (resource.Document, error) {
	return said(b, resource.Document{})
}
func (b sayingBank) Terms(context.Context, resource.Access, []fdx.ContentType) (resource.Document, error) {
	return said(b, resource.Document{})
}
func (b sayingBank) RewardPrograms(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.RewardProgram], error) {
	return saidPage[fdx.RewardProgram](b)
}
func (b sayingBank) RewardProgram(context.Context, resource.Access, fdx.RewardProgramID) (fdx.RewardProgram, error) {
	return said(b, fdx.RewardProgram{})
}
func (b sayingBank) RewardCategories(context.Context, resource.Access, fdx.RewardProgramID, resource.PageRequest) (resource.Page[fdx.RewardCategory], error) {
	return saidPage[fdx.RewardCategory](b)
}
func (b sayingBank) Holders(context.Context, resource.Access, resource.PageRequest) (resource.Page[fdx.Customer], error) {
	return saidPage[fdx.Customer](b)
}
func (b sayingBank) Holder(context.Context, resource.Access, fdx.CustomerID) (fdx.Customer, error) {
	return said(b, fdx.Customer{})
}
