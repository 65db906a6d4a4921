package fdx_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/fdx"
)

var now = time.Date(2024, 5, 14, 23, 59, 59, 0, time.UTC)

func values(t testing.TB, query string) fdx.Query {
	t.Helper()
	v, err := fdx.Query(nil).Parse(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func TestTransactionsWindow(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		claim      string
		query      string
		start, end string
		err        *fdx.Error
	}{
		{claim: "no dates mean the last seven days", query: "", start: "2024-05-08", end: "2024-05-14"},
		{claim: "both ends count", query: "startDate=2024-05-01&endDate=2024-05-10", start: "2024-05-01", end: "2024-05-10"},
		{claim: "the older pair means the same", query: "startTime=2024-05-01&endTime=2024-05-10", start: "2024-05-01", end: "2024-05-10"},
		{claim: "one day is a window", query: "startDate=2024-05-10&endDate=2024-05-10", start: "2024-05-10", end: "2024-05-10"},
		{claim: "today alone is a window", query: "startDate=2024-05-14&endDate=2024-05-14", start: "2024-05-14", end: "2024-05-14"},
		{claim: "a later end means today", query: "startDate=2024-05-10&endDate=2030-01-01", start: "2024-05-10", end: "2024-05-14"},
		{claim: "24 months ago is in the history", query: "startDate=2022-05-14&endDate=2022-05-20", start: "2022-05-14", end: "2022-05-20"},
		{claim: "a day more is not", query: "startDate=2022-05-13&endDate=2022-05-20", err: fdx.ErrInvalidDateRange},
		{claim: "the first date ever is not", query: "startDate=0001-01-01&endDate=2024-05-14", err: fdx.ErrInvalidDateRange},
		{claim: "a start after the end is refused", query: "startDate=2024-05-11&endDate=2024-05-10", err: fdx.ErrInvalidDateRange},
		{claim: "a start after today is refused", query: "startDate=2024-05-15&endDate=2024-05-16", err: fdx.ErrInvalidDateRange},
		{claim: "a start alone is refused", query: "startDate=2024-05-10", err: fdx.ErrInvalidDateRange},
		{claim: "an end alone is refused", query: "endDate=2024-05-10", err: fdx.ErrInvalidDateRange},
		{claim: "an older start alone is refused", query: "startTime=2024-05-10", err: fdx.ErrInvalidDateRange},
		{claim: "an older end alone is refused", query: "endTime=2024-05-10", err: fdx.ErrInvalidDateRange},
		{claim: "an empty date is no date", query: "startDate=&endDate=2024-05-10", err: fdx.ErrInvalidDate},
		{claim: "a malformed start is no date", query: "startDate=10.05.2024&endDate=2024-05-10", err: fdx.ErrInvalidDate},
		{claim: "a malformed end is no date", query: "startDate=2024-05-10&endDate=soon", err: fdx.ErrInvalidDate},
		{claim: "a day the month lacks is no date", query: "startDate=2024-02-30&endDate=2024-05-10", err: fdx.ErrInvalidDate},
		{claim: "a date-time is no date", query: "startTime=2024-05-01T00:00:00Z&endTime=2024-05-10T00:00:00Z", err: fdx.ErrInvalidDate},
		{claim: "both pairs at once are refused", query: "startDate=2024-05-01&endDate=2024-05-10&startTime=2024-05-01&endTime=2024-05-10", err: fdx.ErrInvalidInput},
		{claim: "half of each pair is refused", query: "startDate=2024-05-01&endTime=2024-05-10", err: fdx.ErrInvalidInput},
		{claim: "one pair with a stray of the other is refused", query: "startDate=2024-05-01&endDate=2024-05-10&endTime=2024-05-10", err: fdx.ErrInvalidInput},
		{claim: "a repeated start is refused", query: "startDate=2024-05-01&startDate=2022-06-01&endDate=2024-05-10", err: fdx.ErrInvalidInput},
		{claim: "a start repeated with the same date is refused", query: "startDate=2024-05-01&startDate=2024-05-01&endDate=2024-05-10", err: fdx.ErrInvalidInput},
		{claim: "a repeated end is refused", query: "startDate=2024-05-01&endDate=2024-05-10&endDate=2024-05-11", err: fdx.ErrInvalidInput},
		{claim: "a repeated older end is refused", query: "startTime=2024-05-01&endTime=2024-05-10&endTime=2024-05-11", err: fdx.ErrInvalidInput},
		{claim: "unknown parameters are ignored", query: "fromDate=yesterday&fromDate=today", start: "2024-05-08", end: "2024-05-14"},
		{claim: "names in another case are unknown", query: "startdate=2024-05-01", start: "2024-05-08", end: "2024-05-14"},
	} {
		t.Run(row.claim, func(t *testing.T) {
			t.Parallel()
			got, err := fdx.ParseTransactionsQuery(values(t, row.query), now)
			if row.err != nil {
				if err == nil || !errors.Is(err, row.err) || got != (fdx.TransactionsQuery{}) {
					t.Fatalf("got %v, %v, want %v", got, err, row.err)
				}
				return
			}
			want := fdx.Window{Start: date(t, row.start), End: date(t, row.end)}
			if err != nil || got.Window != want {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
}

func TestTodayIsTheDateInUTC(t *testing.T) {
	t.Parallel()
	newYork := time.FixedZone("", -4*3600)
	got, err := fdx.ParseTransactionsQuery(nil, time.Date(2024, 5, 14, 21, 0, 0, 0, newYork))
	if err != nil || got.Window.End != date(t, "2024-05-15") {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestHistoryFromALeapDay(t *testing.T) {
	t.Parallel()
	leap := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	if _, err := fdx.ParseTransactionsQuery(values(t, "startDate=2022-02-28&endDate=2024-02-29"), leap); err != nil {
		t.Errorf("24 months before a leap day: %v", err)
	}
	if _, err := fdx.ParseTransactionsQuery(values(t, "startDate=2022-02-27&endDate=2024-02-29"), leap); !errors.Is(err, fdx.ErrInvalidDateRange) {
		t.Errorf("a day more: %v", err)
	}
}

func TestPageParameters(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		claim   string
		query   string
		limit   int
		pageKey string
		ok      bool
	}{
		{"no limit means 100", "", 100, "", true},
		{"a limit of one is taken", "limit=1", 1, "", true},
		{"the largest limit is taken", "limit=500", 500, "", true},
		{"a limit with leading zeros is taken", "limit=0000050", 50, "", true},
		{"a limit over the largest is refused", "limit=501", 0, "", false},
		{"a limit of zero is refused", "limit=0", 0, "", false},
		{"a negative limit is refused", "limit=-1", 0, "", false},
		{"a signed limit is refused", "limit=%2B5", 0, "", false},
		{"an empty limit is refused", "limit=", 0, "", false},
		{"a limit that is a word is refused", "limit=ten", 0, "", false},
		{"a fractional limit is refused", "limit=10.0", 0, "", false},
		{"a spaced limit is refused", "limit=+10", 0, "", false},
		{"a huge limit is refused", "limit=99999999999999999999999999", 0, "", false},
		{"a limit that would wrap around is refused", "limit=18446744073709551617", 0, "", false},
		{"a repeated limit is refused", "limit=10&limit=10", 0, "", false},
		{"a page key is taken as it is", "pageKey=a%2Bb%3D", 100, "a+b=", true},
		{"the older name is taken too", "offset=abc", 100, "abc", true},
		{"both names with one value are taken", "pageKey=abc&offset=abc", 100, "abc", true},
		{"both names with two values are refused", "pageKey=abc&offset=abd", 0, "", false},
		{"a page key beside an empty offset is refused", "pageKey=abc&offset=", 0, "", false},
		{"an empty page key is refused", "pageKey=", 0, "", false},
		{"an empty offset is refused", "offset=", 0, "", false},
		{"a repeated page key is refused", "pageKey=abc&pageKey=abc", 0, "", false},
		{"a repeated offset is refused", "offset=abc&offset=abc", 0, "", false},
		{"the longest page key is taken", "pageKey=" + strings.Repeat("k", 2048), 100, strings.Repeat("k", 2048), true},
		{"a longer page key is refused", "pageKey=" + strings.Repeat("k", 2049), 0, "", false},
	} {
		t.Run(row.claim, func(t *testing.T) {
			t.Parallel()
			transactions, err := fdx.ParseTransactionsQuery(values(t, row.query), now)
			accounts, accountsErr := fdx.ParseAccountsQuery(values(t, row.query))
			if !row.ok {
				if !errors.Is(err, fdx.ErrInvalidInput) || !errors.Is(accountsErr, fdx.ErrInvalidInput) {
					t.Fatalf("got %v and %v, want ErrInvalidInput", err, accountsErr)
				}
				return
			}
			if err != nil || transactions.Limit != row.limit || transactions.PageKey != row.pageKey {
				t.Errorf("transactions: got %v, %v", transactions, err)
			}
			if accountsErr != nil || accounts.Limit != row.limit || accounts.PageKey != row.pageKey {
				t.Errorf("accounts: got %v, %v", accounts, accountsErr)
			}
		})
	}
}

func TestAccountsQuery(t *testing.T) {
	t.Parallel()
	ids := make([]string, fdx.MaxAccountIDs+1)
	for i := range ids {
		ids[i] = "a" + strconv.Itoa(i)
	}
	most := make([]fdx.AccountID, fdx.MaxAccountIDs)
	for i := range most {
		most[i] = fdx.AccountID(ids[i])
	}
	for _, row := range []struct {
		claim  string
		query  string
		result fdx.ResultType
		ids    []fdx.AccountID
		ok     bool
	}{
		{"no parameter means lightweight and all accounts", "", fdx.Lightweight, nil, true},
		{"lightweight is taken", "resultType=lightweight", fdx.Lightweight, nil, true},
		{"details is taken", "resultType=details", fdx.Details, nil, true},
		{"another result type is refused", "resultType=full", "", nil, false},
		{"a result type in another case is refused", "resultType=Details", "", nil, false},
		{"an empty result type is refused", "resultType=", "", nil, false},
		{"a repeated result type is refused", "resultType=details&resultType=lightweight", "", nil, false},
		{"one id is taken", "accountIds=a", fdx.Lightweight, []fdx.AccountID{"a"}, true},
		{"ids keep their order", "accountIds=b,a", fdx.Lightweight, []fdx.AccountID{"b", "a"}, true},
		{"an id named twice counts once", "accountIds=a,b,a", fdx.Lightweight, []fdx.AccountID{"a", "b"}, true},
		{"a hundred ids are taken", "accountIds=" + strings.Join(ids[:fdx.MaxAccountIDs], ","), fdx.Lightweight, most, true},
		{"a hundred and one are refused", "accountIds=" + strings.Join(ids, ","), "", nil, false},
		{"no id is refused", "accountIds=", "", nil, false},
		{"an empty id is refused", "accountIds=a,,b", "", nil, false},
		{"a trailing comma is refused", "accountIds=a,", "", nil, false},
		{"an id with a control character is refused", "accountIds=a%0Ab", "", nil, false},
		{"an oversized id is refused", "accountIds=" + strings.Repeat("a", 257), "", nil, false},
		{"repeated ids parameters are refused", "accountIds=a&accountIds=b", "", nil, false},
		{"dates are ignored", "startTime=x&endTime=y", fdx.Lightweight, nil, true},
	} {
		t.Run(row.claim, func(t *testing.T) {
			t.Parallel()
			got, err := fdx.ParseAccountsQuery(values(t, row.query))
			if !row.ok {
				if !errors.Is(err, fdx.ErrInvalidInput) || got.ResultType != "" || got.AccountIDs != nil || got.Limit != 0 {
					t.Fatalf("got %v, %v, want ErrInvalidInput", got, err)
				}
				return
			}
			if err != nil || got.ResultType != row.result || !slices.Equal(got.AccountIDs, row.ids) {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
}

func TestQueryErrorsDoNotRepeatTheRequest(t *testing.T) {
	t.Parallel()
	const secret = "4111111111111111"
	for _, name := range []string{"limit", "pageKey", "offset", "startDate", "endDate", "startTime", "endTime", "resultType", "accountIds"} {
		v := fdx.Query{{Name: name, Value: secret + "\n"}, {Name: name, Value: secret}}
		one := fdx.Query{{Name: name, Value: secret + "\n"}}
		if name == "startDate" || name == "endDate" {
			one = fdx.Query{{Name: "startDate", Value: secret}, {Name: "endDate", Value: secret}}
		}
		for _, v := range []fdx.Query{v, one} {
			_, accountsErr := fdx.ParseAccountsQuery(v)
			_, err := fdx.ParseTransactionsQuery(v, now)
			body, marshalErr := json.Marshal([]*fdx.Error{accountsErr, err})
			if marshalErr != nil || strings.Contains(string(body), secret) {
				t.Errorf("%s: %s, %v", name, body, marshalErr)
			}
		}
	}
}

func FuzzParseTransactionsQuery(f *testing.F) {
	for _, seed := range []string{
		"", "limit=500", "limit=501", "limit=1&limit=2", "pageKey=a&offset=b", "pageKey=",
		"startDate=2024-05-01&endDate=2024-05-10", "startTime=2024-05-01&endTime=2030-05-10",
		"startDate=2022-05-13&endDate=2022-05-14", "startDate=2024-05-01&endTime=2024-05-10",
		"startDate=2024-05-01", "accountIds=a,b&resultType=details",
	} {
		f.Add(seed)
	}
	today := fdx.DateOf(now)
	f.Fuzz(func(t *testing.T, query string) {
		v, err := fdx.Query(nil).Parse(query)
		if err != nil {
			return
		}
		q, refused := fdx.ParseTransactionsQuery(v, now)
		switch {
		case refused != nil:
			if refused.Status != 400 || q != (fdx.TransactionsQuery{}) {
				t.Fatalf("%v and %v", refused, q)
			}
		case q.Limit < 1 || q.Limit > fdx.MaxLimit || len(q.PageKey) > fdx.MaxPageKeyLength:
			t.Fatalf("out of bounds: %v", q)
		case q.Window.Empty() || q.Window.End.After(today) || q.Window.Start.Before(today.AddMonths(-fdx.HistoryMonths)):
			t.Fatalf("window out of bounds: %v", q)
		}
		a, refused := fdx.ParseAccountsQuery(v)
		if refused == nil && (a.Limit < 1 || a.Limit > fdx.MaxLimit || len(a.AccountIDs) > fdx.MaxAccountIDs) {
			t.Fatalf("out of bounds: %v", a)
		}
	})
}

// A query is read as by url.ParseQuery, and memory that is lent holds no more
// than it has room for.
func FuzzQuery(f *testing.F) {
	for _, raw := range []string{"", "a=1&b=2&c", "a=1&a=2", "a=%31", "a;b", "&&=&=x", "a=1=2", "a=b+c", "1&2&3&4&5&6&7&8&9&10", "%", "a&a"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if strings.Count(raw, "&") > 1000 {
			return // more than url.ParseQuery takes
		}
		var room [3]fdx.Parameter
		got, err := fdx.Query(room[:0]).Parse(raw)
		want, wantErr := url.ParseQuery(raw)
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("%q: %v, want %v", raw, err, wantErr)
		}
		if err != nil {
			return
		}
		values := url.Values{}
		for _, p := range got {
			values.Add(p.Name, p.Value)
			if value, given := got.Get(p.Name); !given || value != want.Get(p.Name) {
				t.Fatalf("%q: %s is %q", raw, p.Name, value)
			}
		}
		if !reflect.DeepEqual(values, want) {
			t.Fatalf("%q: %v, want %v", raw, values, want)
		}
	})
}
