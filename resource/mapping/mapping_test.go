package mapping_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/mapping"
)

var update = flag.Bool("update", false, "write the golden files")

func core(t testing.TB) *mapping.Mapping {
	t.Helper()
	text, err := os.ReadFile("testdata/core.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func record(t testing.TB, text string) mapping.Source {
	t.Helper()
	s, err := mapping.JSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What each entity's records become. The golden file is the wire form.
func TestRecords(t *testing.T) {
	t.Parallel()
	m := core(t)
	type result struct {
		Name   string
		Value  any `json:",omitempty"`
		Reason string
	}
	var results []result
	add := func(name string, v any, err error) {
		r := result{Name: name, Value: v}
		if err != nil {
			r.Value, r.Reason = nil, err.Error()
		}
		results = append(results, r)
	}
	for _, c := range []struct{ name, text string }{
		{"checking", `{"ref":"a-1","prod":{"art":"01","name":"Giro","code":"G"},"iban":"DE02120300000000202051","st":"A","whg":"EUR","saldo":-123456,"verf":"1.234,56-","stand":1767225600000,"dispo":"J"}`},
		{"a short balance and a code of no table", `{"ref":17,"prod":{"art":"01","code":"?"},"iban":"123","st":"?","saldo":"5"}`},
		{"a card", `{"ref":"a-2","prod":{"art":"07"},"iban":"4111111111111111","st":"A","saldo":"-0000010050","limit":200000,"faellig":"260115"}`},
		{"a loan", `{"ref":"a-3","prod":{"art":"12"},"iban":"99887766","st":"E","saldo":-9999,"zins":"4,250","monate":360}`},
		{"a category of no table", `{"ref":"a-3","prod":{"art":"99"},"iban":"99887766","st":"E"}`},
		{"no id", `{"prod":{"art":"12"},"iban":"99887766","st":"E","saldo":-9999,"zins":"4,250","monate":360}`},
		{"an amount in words", `{"ref":"a-3","prod":{"art":"12"},"iban":"99887766","st":"E","saldo":"SECRET","zins":"4,250","monate":360}`},
		{"an object for a text", `{"ref":{"x":"SECRET"},"prod":{"art":"12"}}`},
	} {
		a, err := m.Account(record(t, c.text))
		add("account: "+c.name, a, err)
	}
	for _, c := range []struct {
		name     string
		category fdx.AccountCategory
		text     string
	}{
		{"posted", fdx.DepositCategory, `{"id":901,"zeit":"31.12.2025 23:30","valuta":"20260102","text":" Miete ","sh":"S","fest":"1","betrag":"1.050,00","an":{"name":["Hausverwaltung"]},"teile":[{"was":"kalt","wieviel":90000},{"was":"warm","wieviel":15000}]}`},
		{"pending", fdx.DepositCategory, `{"id":902,"zeit":"01.07.2026 00:30","sh":"H","fest":0,"betrag":"7,5"}`},
		{"of a card, by its sign", fdx.LineOfCreditCategory, `{"id":903,"zeit":"01.07.2026 00:30","valuta":"20260701","fest":1,"betrag":"-12,00"}`},
		{"negative", fdx.DepositCategory, `{"id":904,"zeit":"01.07.2026 00:30","valuta":"20260701","sh":"S","fest":1,"betrag":"-12,00"}`},
		{"pending with a booking day", fdx.DepositCategory, `{"id":905,"zeit":"01.07.2026 00:30","valuta":"20260701","sh":"S","fest":0,"betrag":"12,00"}`},
		{"posted without one", fdx.DepositCategory, `{"id":906,"zeit":"01.07.2026 00:30","sh":"S","fest":1,"betrag":"12,00"}`},
		{"of a category without rules", fdx.InsuranceCategory, `{"id":906}`},
		{"a part that is wrong", fdx.DepositCategory, `{"id":907,"zeit":"01.07.2026 00:30","valuta":"20260701","sh":"S","fest":1,"betrag":"12,00","teile":[{"was":"SECRET","wieviel":"1.5"}]}`},
		{"a day that the calendar lacks", fdx.DepositCategory, `{"id":908,"zeit":"31.06.2026 00:30"}`},
		{"thousands that are none", fdx.DepositCategory, `{"id":909,"zeit":"01.07.2026 00:30","valuta":"20260701","sh":"S","fest":1,"betrag":"12.00"}`},
		{"NaN", fdx.DepositCategory, `{"id":910,"zeit":"01.07.2026 00:30","valuta":"20260701","sh":"S","fest":1,"betrag":"NaN"}`},
		{"an exponent", fdx.DepositCategory, `{"id":911,"zeit":"01.07.2026 00:30","valuta":"20260701","sh":"S","fest":1,"betrag":1e3}`},
		{"NUL in a text", fdx.DepositCategory, `{"id":912,"zeit":"01.07.2026 00:30","valuta":"20260701","text":"a\u0000b","sh":"S","fest":1,"betrag":"1"}`},
	} {
		x, err := m.Transaction(c.category, record(t, c.text))
		add("transaction: "+c.name, x, err)
	}
	st, err := m.Statement(record(t, `{"nr":"2026-01","bis":"2026-01-31"}`))
	add("statement", st, err)
	cu, err := m.Customer(record(t, `{"kd":5,"nachname":"Meier","vorname":null,"geb":"3.7.1980","mail1":"","mail2":"m@example.com","tel":[{"nr":"49301","erst":true},{"nr":"49302"}]}`))
	add("customer", cu, err)
	ho, err := m.Holder(record(t, `{"rolle":"GEM"}`))
	add("holder", ho, err)
	co, err := m.Contact(record(t, `{"mails":["a@example.com",null,"b@example.com"],"inhaber":[{"name":"Meier","rolle":"INH"},{"name":"Huber","rolle":"VOLL"}]}`))
	add("contact", co, err)
	co, err = m.Contact(record(t, `{"inhaber":[{"name":"Meier","rolle":"?"}]}`))
	add("contact: a part of no table", co, err)
	pn, err := m.PaymentNetwork(record(t, `{"blz":"021000021","tok":"tok-1","raus":false,"max":0}`))
	add("payment network", pn, err)
	an, err := m.AssetTransferNetwork(record(t, `{"blz":"0021","depot":"d-1"}`))
	add("asset transfer network", an, err)

	got, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), "SECRET") {
		t.Error("an error shows a value of the record")
	}
	golden(t, "records.json", string(got)+"\n")
	for _, r := range results {
		// What passes is what an FDX reader takes.
		switch v := r.Value.(type) {
		case fdx.Account:
			again(t, v)
		case fdx.Transaction:
			again(t, v)
		}
	}
}

func again[T any](t *testing.T, v T) {
	t.Helper()
	var back T
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("%s: %v", b, err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s differs (run with -update and look at the difference): %v\n%s", path, err, got)
	}
}

// Every fault of a file is reported at once, with its line.
func TestFaults(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/faults.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = mapping.Parse(text, "views")
	var faults mapping.Faults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	golden(t, "faults.txt", err.Error()+"\n")
}

func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "a list": "- a", "a word": "account", "two documents": "a: 1\n---\nb: 2", "broken": "account: {", "tabs": "a:\n\t- b",
		"an alias": "account: &a {fields: {}}\ntransaction: *a", "a merge": "account:\n  <<: {fields: {}}", "null": "account: ~\ntransaction: ",
		"very deep": strings.Repeat("[", 100_000), "very deep maps": strings.Repeat("{a: ", 50_000), "very deep lists": strings.Repeat("- ", 100_000), "a long line": "# " + strings.Repeat("x", 5000) + "\na: b",
		"too long": strings.Repeat("# x\n", 1<<17), "deep": strings.Repeat("{a: ", 40) + "1" + strings.Repeat("}", 40),
		"a tag": "account: !!binary aGFsbG8=",
	} {
		if _, err := mapping.Parse([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		} else if !errors.As(err, new(mapping.Faults)) {
			t.Errorf("%s: %T", name, err)
		}
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/core.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "views:\n  rows: 5\n  names: {a: x}\n"...)
	if _, err := mapping.Parse(text); err == nil {
		t.Error("took a section that nobody reads")
	}
	m, err := mapping.Parse(text, "views", "api")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Line  int
		Rows  int               `yaml:"rows"`
		Names map[string]string `yaml:"names"`
	}
	if ok, err := m.Section("views", &v); !ok || err != nil || v.Rows != 5 || v.Names["a"] != "x" || v.Line == 0 {
		t.Errorf("%v %v %+v", ok, err, v)
	}
	if ok, err := m.Section("api", &v); ok || err != nil {
		t.Error(ok, err)
	}
	var other struct {
		Rows bool `yaml:"rows"`
	}
	if _, err := m.Section("views", &other); err == nil || !strings.Contains(err.Error(), "views.names") || !strings.Contains(err.Error(), "views.rows") {
		t.Error(err)
	}
	if !m.Has(mapping.Holder) || m.Path(mapping.Account, "accountId") != "ref" || m.Path(mapping.Account, "nickname") != "" {
		t.Error("what the file has")
	}
	if got := strings.Join(m.Paths(mapping.Contact), " "); got != "inhaber mails" {
		t.Error(got)
	}
	if got := strings.Join(m.Paths(mapping.Account), " "); got != "dispo faellig iban limit monate prod.art prod.code prod.name ref saldo st stand verf whg zins" {
		t.Error(got)
	}
}

// Codes are text as they are written, whatever YAML takes them for.
func TestCodesAsWritten(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/core.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := strings.Replace(string(text), "state: {", "state: {01: OPEN, 0x1F: CLOSED, 1.10: PAID, true: RESTRICTED, 1_000: DELINQUENT, .5: PENDINGCLOSE, ", 1)
	m, err := mapping.Parse([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]fdx.AccountStatus{
		"01": fdx.StatusOpen, "0x1F": fdx.StatusClosed, "1.10": fdx.StatusPaid, "true": fdx.StatusRestricted, "1_000": fdx.StatusDelinquent, ".5": fdx.StatusPendingClose,
	} {
		a, err := m.Account(mapping.Columns{"ref": "a", "prod.art": "12", "iban": "x", "st": code, "saldo": "1", "zins": "1", "monate": "1"})
		if err != nil || a.Descriptor().Status != want {
			t.Errorf("%s: %v, %v", code, a.Descriptor(), err)
		}
	}
}

// A point in time that a driver has parsed already.
func TestTimeValues(t *testing.T) {
	t.Parallel()
	m := core(t)
	day := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	st, err := m.Statement(mapping.Columns{"nr": int64(4), "bis": day})
	if err != nil || st.StatementDate.String() != "2026-01-31" || st.StatementID != "4" {
		t.Error(st, err)
	}
	if _, err := m.Statement(mapping.Columns{"nr": 4.5, "bis": day}); err == nil {
		t.Error("took a binary fraction")
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	s := record(t, `{"a":{"b":[{"c":1},[2,3]]}}`)
	for path, want := range map[string]any{"a.b[0].c": json.Number("1"), "a.b[1][1]": json.Number("3"), "a.b[2]": nil, "a.b[0].d": nil, "a.c.d": nil, "a.b.c": nil, "x": nil} {
		if got, ok := s.Value(path); got != want || ok != (want != nil) {
			t.Errorf("%s: %v", path, got)
		}
	}
	for _, text := range []string{"", "[]", "1", "null", `{"a":1} x`, `{"a":1}{`, `{"a":`} {
		if _, err := mapping.JSON([]byte(text)); !errors.Is(err, mapping.ErrNotObject) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
