package resource_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// This file holds the gateway against a second one, written from the
// documentation and from fdx.Entities alone: it knows JSON, sets of clusters
// and dates, and none of the code that it checks. Cases are drawn at random:
// a bank whose every field is filled, a grant, a token, a request.
//
//	HEADGATE_PROPERTY_CASES  how many cases, 20000 unless set
//	HEADGATE_PROPERTY_SEED   the seed that a failure names

// What a case draws from a world: it is made once for this many.
const casesPerWorld = 100

// Not parallel with other tests, because it keeps all processors busy and some
// of them hold the gateway to its deadlines.
func TestGatewayAgreesWithItsDocumentation(t *testing.T) {
	cases := number(t, "HEADGATE_PROPERTY_CASES", 20_000)
	if testing.Short() {
		cases /= 10
	}
	seed := uint64(number(t, "HEADGATE_PROPERTY_SEED", int(time.Now().UnixNano())))
	const shards = 4
	base := open(t, func(c *resource.Config) { c.Log = slog.New(slog.DiscardHandler) })
	for shard := range shards {
		t.Run(strconv.Itoa(shard), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, uint64(shard)))
			answers := map[string]int{}
			for done := 0; done < cases/shards; done += casesPerWorld {
				w := newWorld(t, r, base)
				for range casesPerWorld {
					if answer := w.check(t); answer != "" {
						answers[answer]++
					}
					if t.Failed() {
						t.Fatalf("HEADGATE_PROPERTY_SEED=%d", seed)
					}
				}
			}
			// A draw that never gives data would prove nothing.
			for _, op := range modelOperations {
				if answers[op.name+" 200"] == 0 {
					t.Errorf("%s was never given (%v)", op.name, answers)
				}
			}
		})
	}
}

func number(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// modelOperation is an operation as the documentation has it.
type modelOperation struct {
	name, path string
	opens      fdx.Clusters // any of these
	carries    fdx.Clusters
	people     bool // the CUSTOMER entry counts
	windowed   bool
	list       string // member of the body that holds the records
}

var modelOperations = []modelOperation{
	{name: "accounts", path: "/accounts", opens: set(fdx.AccountBasic), carries: set(fdx.AccountBasic), list: "accounts"},
	{name: "accounts in detail", path: "/accounts?resultType=details", opens: set(fdx.AccountBasic), carries: modelAccountClusters, list: "accounts"},
	{name: "account", path: "/accounts/A", opens: modelAccountClusters.Without(set(fdx.AccountBasic)), carries: modelAccountClusters},
	{name: "contact", path: "/accounts/A/contact", opens: set(fdx.CustomerContact), carries: set(fdx.CustomerContact, fdx.CustomerPersonal), people: true},
	{name: "payment networks", path: "/accounts/A/payment-networks", opens: set(fdx.PaymentSupport), carries: set(fdx.PaymentSupport), list: "paymentNetworks"},
	{name: "asset transfer networks", path: "/accounts/A/asset-transfer-networks", opens: set(fdx.PaymentSupport), carries: set(fdx.PaymentSupport), list: "assetTransferNetworks"},
	{name: "transactions", path: "/accounts/A/transactions", opens: set(fdx.Transactions),
		carries: set(fdx.Transactions, fdx.Investments, fdx.Rewards, fdx.Images), windowed: true, list: "transactions"},
	{name: "image", path: "/accounts/A/transaction-images/I", opens: set(fdx.Images), carries: set(fdx.Images)},
	{name: "statements", path: "/accounts/A/statements", opens: set(fdx.Statements), carries: set(fdx.Statements), windowed: true, list: "statements"},
	{name: "statement", path: "/accounts/A/statements/S", opens: set(fdx.Statements), carries: set(fdx.Statements)},
	{name: "terms", path: "/accounts/A/terms-and-conditions", opens: set(fdx.TermsAndConditions), carries: set(fdx.TermsAndConditions)},
	{name: "reward programs", path: "/reward-programs", opens: set(fdx.Rewards), carries: set(fdx.Rewards).Union(modelPeople), list: "rewardPrograms"},
	{name: "reward program", path: "/reward-programs/P", opens: set(fdx.Rewards), carries: set(fdx.Rewards).Union(modelPeople)},
	{name: "reward categories", path: "/reward-programs/P/categories", opens: set(fdx.Rewards), carries: set(fdx.Rewards), list: "rewardCategories"},
	{name: "customers", path: "/customers", opens: modelPeople, carries: modelPeople, people: true, list: "customers"},
	{name: "current customer", path: "/customers/current", opens: modelPeople, carries: modelPeople, people: true},
	{name: "customer", path: "/customers/C", opens: modelPeople, carries: modelPeople, people: true},
}

var (
	modelAccountClusters = set(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Bills, fdx.Investments, fdx.ScheduledPayments)
	modelPeople          = set(fdx.CustomerContact, fdx.CustomerPersonal, fdx.SocialSecurityNumber)
)

func set(cs ...fdx.Cluster) fdx.Clusters { return fdx.NewClusters(cs...) }

// modelEntities names the entity of each accountCategory.
var modelEntities = map[fdx.AccountCategory]string{
	fdx.DepositCategory: "Deposit", fdx.LineOfCreditCategory: "LineOfCredit", fdx.LoanCategory: "Loan", fdx.InvestmentCategory: "Investment",
	fdx.AnnuityCategory: "Annuity", fdx.InsuranceCategory: "Insurance", fdx.CommercialCategory: "Commercial",
	fdx.DigitalWalletCategory: "DigitalWallet", fdx.BuyNowPayLaterCategory: "BuyNowPayLater",
}

// rows are the entities of the documentation by name and path.
var rows = func() map[string]map[string]fdx.Field {
	out := map[string]map[string]fdx.Field{}
	for _, e := range fdx.Entities() {
		out[e.Name] = map[string]fdx.Field{}
		for _, f := range e.Fields {
			out[e.Name][f.Path] = f
		}
	}
	return out
}()

// projected returns what the clusters let through of an entity in JSON.
func projected(whole []byte, entity string, allowed fdx.Clusters) map[string]any {
	v := decode(whole).(map[string]any)
	prune(v, "", rows[entity], allowed.Implied())
	return v
}

func prune(v map[string]any, path string, rows map[string]fdx.Field, allowed fdx.Clusters) {
	for name, below := range v {
		row, ok := rows[path+name]
		if !ok || !row.Always && row.Clusters.Intersect(allowed).Empty() {
			delete(v, name)
			continue
		}
		switch below := below.(type) {
		case map[string]any:
			if prune(below, path+name+".", rows, allowed); len(below) == 0 {
				delete(v, name)
			}
		case []any:
			for _, element := range below {
				if object, ok := element.(map[string]any); ok {
					prune(object, path+name+"[].", rows, allowed)
				}
			}
		}
	}
}

// decode keeps every digit of a number.
func decode(text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// dated is a record with its day, in JSON or as it is.
type dated struct {
	id    string
	day   fdx.Date
	whole []byte
	state fdx.DocumentStatus
}

type modelAccount struct {
	id           fdx.AccountID
	holders      []consent.ConsumerID
	category     fdx.AccountCategory
	closed       bool
	whole        []byte
	transactions []dated
	contact      []byte
	payment      [][]byte
	assets       [][]byte
	statements   []dated // newest first
	images       []dated
	terms        []byte
}

type modelProgram struct {
	id          string
	whole       []byte
	memberships []modelMembership
	categories  [][]byte
}

type modelMembership struct {
	accounts []fdx.AccountID
	whole    []byte
}

type modelCustomer struct {
	id       string
	whole    []byte
	accounts []fdx.AccountID
}

// world is a bank and the gateway before it.
type world struct {
	r         *rand.Rand
	front     *front
	handler   http.Handler
	accounts  []modelAccount
	programs  []modelProgram
	customers []modelCustomer
	texts     int
}

func newWorld(t *testing.T, r *rand.Rand, base *front) *world {
	w := &world{r: r}
	f := *base
	f.truth, f.bank = resourcetest.NewTruth(f.clock.now), &resourcetest.Bank{}
	c := f.config
	c.Tokens, c.Gate, c.Provider = f.truth, f.truth, f.bank
	g, err := resource.New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.front, w.handler = &f, g.Handler()
	held := map[consent.ConsumerID][]fdx.AccountID{}
	for i, holders := range [][]consent.ConsumerID{{consumer}, {consumer, stranger}, {consumer}, {consumer}, {stranger}} {
		a := w.account(fdx.AccountID("a"+strconv.Itoa(i)), holders)
		for _, h := range holders {
			held[h] = append(held[h], a.id)
		}
		w.accounts = append(w.accounts, a)
	}
	for _, who := range []consent.ConsumerID{consumer, stranger} {
		var c fdx.Customer
		w.fill(reflect.ValueOf(&c).Elem())
		c.CustomerID, c.Accounts = fdx.CustomerID(who), nil
		for _, id := range held[who] {
			var part fdx.CustomerAccount
			w.fill(reflect.ValueOf(&part).Elem())
			part.AccountID = id
			c.Accounts = append(c.Accounts, part)
		}
		w.customers = append(w.customers, modelCustomer{string(who), encoded(c), held[who]})
		f.bank.Register(c)
	}
	for i := range 3 {
		w.program("p" + strconv.Itoa(i))
	}
	return w
}

// account opens a random account.
func (w *world) account(id fdx.AccountID, holders []consent.ConsumerID) modelAccount {
	categories := make([]fdx.AccountCategory, 0, len(modelEntities))
	for c := range modelEntities {
		categories = append(categories, c)
	}
	slices.Sort(categories)
	m := modelAccount{id: id, holders: holders, category: categories[w.r.IntN(len(categories))]}
	var account fdx.Account
	w.one(reflect.ValueOf(&account).Elem(), m.category)
	d := account.Descriptor()
	d.AccountID, d.Status, d.Error = id, fdx.StatusOpen, fdx.AccountError{}
	if m.closed = w.r.IntN(8) == 0; m.closed {
		d.Status = fdx.StatusClosed
	}
	m.whole = encoded(account)
	today := fdx.DateOf(noon)

	var list []fdx.Transaction
	for i := range w.r.IntN(8) {
		var x fdx.Transaction
		w.one(reflect.ValueOf(&x).Elem(), m.category)
		b := x.Base()
		at := noon.AddDate(0, 0, -w.r.IntN(60)).Add(-time.Duration(w.r.IntN(12*3600)) * time.Second)
		b.TransactionID = fdx.TransactionID(fmt.Sprintf("%s-t%d", id, i))
		b.TransactionTimestamp, b.PostedTimestamp = fdx.TimestampOf(at), fdx.TimestampOf(at)
		if w.r.IntN(4) == 0 {
			b.PostedTimestamp = fdx.Timestamp{}
		}
		list = append(list, x)
	}
	// Pending first, then newest first, then by id.
	slices.SortFunc(list, func(x, y fdx.Transaction) int {
		a, b := x.Base(), y.Base()
		pending := func(b *fdx.TransactionBase) int {
			if b.PostedTimestamp.IsZero() {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(pending(a), pending(b)), b.TransactionTimestamp.Compare(a.TransactionTimestamp), cmp.Compare(a.TransactionID, b.TransactionID))
	})
	for _, x := range list {
		b := x.Base()
		m.transactions = append(m.transactions, dated{id: string(b.TransactionID), day: b.TransactionTimestamp.Date(), whole: encoded(x)})
	}

	var e resourcetest.Extras
	w.fill(reflect.ValueOf(&e.Contact).Elem())
	m.contact = encoded(e.Contact)
	for range w.r.IntN(3) {
		var n fdx.PaymentNetwork
		w.fill(reflect.ValueOf(&n).Elem())
		e.PaymentNetworks, m.payment = append(e.PaymentNetworks, n), append(m.payment, encoded(n))
	}
	for range w.r.IntN(3) {
		var n fdx.AssetTransferNetwork
		w.fill(reflect.ValueOf(&n).Elem())
		e.AssetTransferNetworks, m.assets = append(e.AssetTransferNetworks, n), append(m.assets, encoded(n))
	}
	e.Documents, e.Images = map[fdx.StatementID]resource.Document{}, map[fdx.ImageID]resource.Document{}
	for i := range w.r.IntN(4) {
		var s fdx.Statement
		w.fill(reflect.ValueOf(&s).Elem())
		s.AccountID, s.StatementID, s.StatementDate = id, fdx.StatementID(fmt.Sprintf("%s s/%d", id, i)), today.AddDays(-15*i-w.r.IntN(15))
		s.Status = fdx.DocumentProcessing
		if w.r.IntN(3) > 0 {
			s.Status = fdx.DocumentAvailable
			e.Documents[s.StatementID] = resource.Document{Type: fdx.PDF, Body: []byte("document of " + s.StatementID)}
		}
		e.Statements = append(e.Statements, s)
		m.statements = append(m.statements, dated{id: string(s.StatementID), day: s.StatementDate, whole: encoded(s), state: s.Status})
	}
	for i := range w.r.IntN(3) {
		image := fmt.Sprintf("%s-i%d", id, i)
		day := today.AddDays(-w.r.IntN(60))
		e.Images[fdx.ImageID(image)] = resource.Document{Type: fdx.PNG, Date: day, Body: []byte("image " + image)}
		m.images = append(m.images, dated{id: image, day: day, whole: []byte("image " + image)})
	}
	if w.r.IntN(2) == 0 {
		m.terms = []byte("terms of " + id)
		e.Terms = resource.Document{Type: fdx.ZIP, Body: m.terms}
	}

	w.front.bank.Open(holders[0], account, list...)
	for _, h := range holders[1:] {
		w.front.bank.Join(id, h)
	}
	w.front.bank.Extend(id, e)
	return m
}

// program adds a reward program with random members.
func (w *world) program(id string) {
	var p fdx.RewardProgram
	w.fill(reflect.ValueOf(&p).Elem())
	p.RewardProgramID, p.Memberships = fdx.RewardProgramID(id), nil
	m := modelProgram{id: id, whole: encoded(p)}
	for range 1 + w.r.IntN(3) {
		var member fdx.RewardMembership
		w.fill(reflect.ValueOf(&member).Elem())
		member.AccountIDs = nil
		for _, a := range w.accounts {
			if w.r.IntN(3) == 0 {
				member.AccountIDs = append(member.AccountIDs, a.id)
			}
		}
		p.Memberships = append(p.Memberships, member)
		m.memberships = append(m.memberships, modelMembership{slices.Clone(member.AccountIDs), encoded(member)})
	}
	var categories []fdx.RewardCategory
	for range w.r.IntN(3) {
		var c fdx.RewardCategory
		w.fill(reflect.ValueOf(&c).Elem())
		c.RewardProgramID = p.RewardProgramID
		categories, m.categories = append(categories, c), append(m.categories, encoded(c))
	}
	w.programs = append(w.programs, m)
	w.front.bank.Reward(p, categories...)
}

// one sets the one field of an account or a transaction that the category
// names, and fills it.
func (w *world) one(v reflect.Value, c fdx.AccountCategory) {
	field := v.FieldByName(modelEntities[c])
	field.Set(reflect.New(field.Type().Elem()))
	w.fill(field.Elem())
}

// fill gives every field at any depth a value, lists one or two.
func (w *world) fill(v reflect.Value) {
	switch v.Interface().(type) {
	case fdx.Decimal:
		v.Set(reflect.ValueOf(fdx.NewDecimal(1+w.r.Int64N(1_000_000), 2)))
		return
	case fdx.Date:
		v.Set(reflect.ValueOf(fdx.DateOf(noon).AddDays(-w.r.IntN(1000))))
		return
	case fdx.Timestamp:
		v.Set(reflect.ValueOf(fdx.TimestampOf(noon.Add(-time.Duration(w.r.IntN(1000)) * time.Hour))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		w.texts++
		v.SetString("text-" + strconv.Itoa(w.texts))
	case reflect.Bool:
		v.SetBool(w.r.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(1 + w.r.Int64N(1000))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		w.fill(v.Elem())
	case reflect.Slice:
		n := 1 + w.r.IntN(2)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			w.fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			w.fill(v.Field(i))
		}
	default:
		panic(v.Type())
	}
}

// clusters draws a set, more often a large one than chance alone would.
func (w *world) clusters() fdx.Clusters {
	all := fdx.AllClusters()
	var s fdx.Clusters
	few := w.r.IntN(3) == 0
	for _, c := range all {
		if few && w.r.IntN(6) == 0 || !few && w.r.IntN(4) > 0 {
			s = s.With(c)
		}
	}
	return s
}

// access is what a case is allowed: the clusters of each account.
type access map[fdx.AccountID]fdx.Clusters

// check draws one case and compares all of its pages. It returns operation
// and status.
func (w *world) check(t *testing.T) string {
	op := modelOperations[w.r.IntN(len(modelOperations))]
	s := consent.Share{
		Grant: consent.NewGrantID(), Epoch: 1, Recipient: "app", Consumer: consumer, Status: consent.StatusActive,
		ExpiresAt: noon.AddDate(1, 0, 0), LookbackDays: w.r.IntN(60),
	}
	for _, i := range w.r.Perm(4)[:1+w.r.IntN(4)] {
		s.Accounts = append(s.Accounts, consent.AccountShare{ID: w.accounts[i].id, Clusters: w.clusters().Implied()})
	}
	if w.r.IntN(3) == 0 {
		s.Customer = w.clusters().Implied()
	}
	switch w.r.IntN(60) {
	case 0:
		s.Status = consent.StatusRevoked
	case 1:
		s.ExpiresAt = noon
	}
	scopes := fdx.NewClusters(fdx.AllClusters()...)
	if w.r.IntN(3) == 0 {
		scopes = w.clusters()
	}
	a := w.front.app(t, s, func(access *token.Access) { access.Scopes = fdx.ScopesOf(scopes) })

	target, named, window := w.target(op)
	status, code, want := w.expect(op, s, scopes.Implied(), named, window)
	var got []any
	for page := 0; target != ""; page++ {
		r := a.request(target)
		r.Header.Set("Accept", "*/*")
		record := httptest.NewRecorder()
		w.handler.ServeHTTP(record, r)
		where := func() string {
			return fmt.Sprintf("%s (page %d)\ngrant %+v\nscopes %v", target, page, s, scopes.Names())
		}
		body := record.Body.Bytes()
		if record.Code != status {
			t.Errorf("%s\nstatus %d, want %d: %s", where(), record.Code, status, body)
			return ""
		}
		if status != 200 {
			if v := decode(body).(map[string]any); v["code"] != code {
				t.Errorf("%s\ncode %v, want %s", where(), v["code"], code)
			}
			return op.name + " " + strconv.Itoa(status)
		}
		if text, ok := want.(string); ok { // a document
			if string(body) != text {
				t.Errorf("%s\ngot %q, want %q", where(), body, text)
			}
			return op.name + " 200"
		}
		v := decode(body)
		if op.list == "" {
			if !reflect.DeepEqual(v, want) {
				t.Errorf("%s\ngot  %s\nwant %s", where(), body, encoded(want))
			}
			return op.name + " 200"
		}
		object := v.(map[string]any)
		list, ok := object[op.list].([]any)
		if !ok {
			t.Errorf("%s\nno list: %s", where(), body)
			return ""
		}
		got = append(got, list...)
		target = nextOf(string(body), w.front.base)
		delete(object, "page")
		delete(object, "links")
		if len(object) != 1 {
			t.Errorf("%s\nmembers beside the list: %s", where(), body)
		}
		if target == "" && !reflect.DeepEqual(got, append([]any(nil), want.([]any)...)) {
			t.Errorf("%s\ngot  %s\nwant %s", where(), encoded(got), encoded(want))
		}
	}
	return op.name + " 200"
}

// target draws what the request names and the request.
func (w *world) target(op modelOperation) (target string, named map[byte]string, window fdx.Window) {
	path, query, _ := strings.Cut(op.path, "?")
	v, _ := url.ParseQuery(query)
	named = map[byte]string{}
	m := w.accounts[w.r.IntN(4)]
	id := string(m.id)
	switch w.r.IntN(12) {
	case 0:
		id = string(w.accounts[4].id)
	case 1:
		id = "unknown"
	}
	other := w.accounts[w.r.IntN(len(w.accounts))]
	pick := func(own, others []dated) string {
		list := own
		if w.r.IntN(6) == 0 {
			list = others
		}
		if len(list) == 0 {
			return "unknown"
		}
		return list[w.r.IntN(len(list))].id
	}
	named['A'] = id
	named['I'] = pick(m.images, other.images)
	named['S'] = pick(m.statements, other.statements)
	named['P'] = []string{"p0", "p1", "p2", "unknown"}[w.r.IntN(4)]
	named['C'] = []string{string(consumer), string(consumer), string(stranger), "carol"}[w.r.IntN(4)]
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if len(part) == 1 {
			parts[i] = url.PathEscape(named[part[0]])
		}
	}
	if op.list != "" {
		if w.r.IntN(3) == 0 {
			v.Set("limit", strconv.Itoa(1+w.r.IntN(3)))
		}
	}
	if op.windowed {
		today := fdx.DateOf(noon)
		window = fdx.Window{Start: today.AddDays(-6), End: today}
		if w.r.IntN(4) > 0 {
			window.Start = today.AddDays(-w.r.IntN(80))
			window.End = window.Start.AddDays(w.r.IntN(90))
			names := [2]string{"startDate", "endDate"}
			if w.r.IntN(2) == 0 {
				names = [2]string{"startTime", "endTime"}
			}
			v.Set(names[0], window.Start.String())
			v.Set(names[1], window.End.String())
		}
	}
	target = "/fdx/v6" + strings.Join(parts, "/")
	if len(v) > 0 {
		target += "?" + v.Encode()
	}
	return target, named, window
}

// expect is the second gateway: status, code of a refusal, and the body: text
// of a document, the list of a list, or an object.
func (w *world) expect(op modelOperation, s consent.Share, scopes fdx.Clusters, named map[byte]string, window fdx.Window) (int, string, any) {
	if s.Status != consent.StatusActive || !noon.Before(s.ExpiresAt) {
		return 401, "603", nil
	}
	if scopes.Intersect(op.opens).Empty() {
		return 403, "403", nil
	}
	// What each account of the grant gives here, and those that give
	// anything.
	may := access{}
	open := []fdx.AccountID{}
	for _, a := range s.Accounts {
		clusters := a.Clusters
		if op.people {
			clusters = clusters.Union(s.Customer)
		}
		clusters = clusters.Intersect(scopes)
		if !clusters.Intersect(op.opens).Empty() {
			may[a.ID] = clusters.Intersect(op.carries)
			open = append(open, a.ID)
		}
	}
	var m modelAccount
	onAccount := strings.HasPrefix(op.path, "/accounts/")
	if onAccount {
		if _, granted := s.Account(fdx.AccountID(named['A'])); !granted {
			return 404, "701", nil
		}
		if _, ok := may[fdx.AccountID(named['A'])]; !ok {
			return 403, "602", nil
		}
		m = w.accounts[slices.IndexFunc(w.accounts, func(a modelAccount) bool { return string(a.id) == named['A'] })]
	} else if len(open) == 0 {
		return 403, "602", nil
	}
	clusters := may[m.id]
	first, today := fdx.DateOf(noon).AddDays(-s.LookbackDays), fdx.DateOf(noon)
	inside := func(day, from, to fdx.Date) bool { return !day.Before(from) && !day.After(to) }
	if op.windowed {
		if window.Start.Before(first) {
			window.Start = first
		}
		if window.End.After(today) {
			window.End = today
		}
		if window.Start.After(window.End) {
			return 400, "703", nil
		}
	}
	href := func(account fdx.AccountID, rest ...string) string {
		out := w.front.base + "/fdx/v6/accounts/" + url.PathEscape(string(account))
		for _, part := range rest {
			out += "/" + url.PathEscape(part)
		}
		return out
	}
	link := func(rel, href string) map[string]any {
		return map[string]any{"href": href, "action": "GET", "rel": rel}
	}
	each := func(list [][]byte, entity string, allowed fdx.Clusters) []any {
		var out []any
		for _, whole := range list {
			out = append(out, projected(whole, entity, allowed))
		}
		return out
	}

	switch op.name {
	case "accounts", "accounts in detail":
		var out []any
		for _, a := range w.accounts { // in the order of the bank
			if clusters, ok := may[a.id]; ok {
				out = append(out, projected(a.whole, modelEntities[a.category]+"Account", clusters))
			}
		}
		return 200, "", out
	case "account":
		return 200, "", projected(m.whole, modelEntities[m.category]+"Account", clusters)
	case "contact":
		return 200, "", projected(m.contact, "AccountContact", clusters)
	case "payment networks":
		if m.closed {
			return 409, "705", nil
		}
		if len(m.payment) == 0 {
			return 404, "1107", nil
		}
		return 200, "", each(m.payment, "PaymentNetwork", clusters)
	case "asset transfer networks":
		if m.closed {
			return 409, "705", nil
		}
		return 200, "", each(m.assets, "AssetTransferNetwork", clusters)
	case "transactions":
		var out []any
		linked := func(v map[string]any) {
			delete(v, "links")
			var links []any
			ids, _ := v["imageIds"].([]any)
			for _, id := range ids {
				links = append(links, link("image", href(m.id, "transaction-images", id.(string))))
			}
			if links != nil {
				v["links"] = links
			}
		}
		for _, x := range m.transactions {
			if inside(x.day, window.Start, window.End) {
				v := projected(x.whole, modelEntities[m.category]+"Transaction", clusters)
				linked(v)
				parts, _ := v["lineItem"].([]any)
				for _, part := range parts {
					linked(part.(map[string]any))
				}
				out = append(out, v)
			}
		}
		return 200, "", out
	case "image":
		for _, image := range m.images {
			if image.id == named['I'] && inside(image.day, first, today) {
				return 200, "", string(image.whole)
			}
		}
		return 404, "1103", nil
	case "statements":
		var out []any
		for _, s := range m.statements {
			if inside(s.day, window.Start, window.End) {
				v := projected(s.whole, "Statement", clusters)
				delete(v, "links")
				if s.state == fdx.DocumentAvailable {
					v["links"] = []any{link("statement", href(m.id, "statements", s.id))}
				}
				out = append(out, v)
			}
		}
		return 200, "", out
	case "statement":
		for _, s := range m.statements {
			if s.id != named['S'] || !inside(s.day, first, today) {
				continue
			}
			if s.state == fdx.DocumentProcessing {
				return 400, "1300", nil
			}
			return 200, "", "document of " + s.id
		}
		return 404, "1104", nil
	case "terms":
		if m.terms == nil {
			return 404, "1107", nil
		}
		return 200, "", string(m.terms)
	case "reward programs", "reward program", "reward categories":
		var all []any
		for _, p := range w.programs {
			v := projected(p.whole, "RewardProgram", set(fdx.Rewards))
			var members []any
			for _, member := range p.memberships {
				var ids []any
				var clusters fdx.Clusters
				for _, id := range member.accounts {
					if given, ok := may[id]; ok {
						ids, clusters = append(ids, string(id)), clusters.Union(given)
					}
				}
				if ids == nil {
					continue
				}
				one := decode(member.whole).(map[string]any)
				prune(one, "memberships[].", rows["RewardProgram"], clusters)
				one["accountIds"] = ids
				members = append(members, one)
			}
			if members == nil {
				continue
			}
			v["memberships"] = members
			all = append(all, v)
			if p.id != named['P'] {
				continue
			}
			if op.name == "reward program" {
				return 200, "", v
			}
			if op.name == "reward categories" {
				if len(p.categories) == 0 {
					return 404, "1102", nil
				}
				return 200, "", each(p.categories, "RewardCategory", clusters.Union(set(fdx.Rewards)))
			}
		}
		if op.name != "reward programs" {
			return 404, "1101", nil
		}
		return 200, "", all
	}
	// Customers: what all their accounts here give, of others contact alone.
	var all []any
	for _, c := range w.customers {
		var clusters fdx.Clusters
		for _, id := range c.accounts {
			clusters = clusters.Union(may[id])
		}
		if c.id != string(consumer) {
			clusters = clusters.Intersect(set(fdx.CustomerContact))
		}
		if clusters.Empty() {
			continue
		}
		v := projected(c.whole, "Customer", clusters)
		if tax, ok := v["taxId"].(string); ok {
			v["taxId"] = strings.Repeat("*", len(tax)-4) + tax[len(tax)-4:]
		}
		parts, _ := v["accounts"].([]any)
		var kept []any
		for _, part := range parts {
			one := part.(map[string]any)
			id := fdx.AccountID(one["accountId"].(string))
			if may[id].Has(fdx.CustomerContact) {
				to := link("account", href(id))
				to["types"] = []any{"application/json"}
				one["links"] = []any{to}
				kept = append(kept, one)
			}
		}
		if delete(v, "accounts"); kept != nil {
			v["accounts"] = kept
		}
		if op.name == "current customer" && c.id == string(consumer) || op.name == "customer" && c.id == named['C'] {
			return 200, "", v
		}
		all = append(all, v)
	}
	if op.name != "customers" {
		return 404, "601", nil
	}
	return 200, "", all
}
