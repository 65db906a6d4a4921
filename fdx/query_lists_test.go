package fdx_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func TestPageQuery(t *testing.T) {
	t.Parallel()
	got, err := fdx.ParsePageQuery(values(t, "limit=7&offset=k"))
	if err != nil || got != (fdx.PageQuery{Limit: 7, PageKey: "k"}) {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = fdx.ParsePageQuery(nil)
	if err != nil || got != (fdx.PageQuery{Limit: fdx.DefaultLimit}) {
		t.Errorf("no parameters: got %v, %v", got, err)
	}
	for _, query := range []string{"limit=0", "limit=501", "limit=1&limit=1", "pageKey=", "pageKey=a&offset=b"} {
		if got, err := fdx.ParsePageQuery(values(t, query)); !errors.Is(err, fdx.ErrInvalidInput) || got != (fdx.PageQuery{}) {
			t.Errorf("%s: got %v, %v", query, got, err)
		}
	}
}

func TestStatementsQuery(t *testing.T) {
	t.Parallel()
	got, err := fdx.ParseStatementsQuery(values(t, "startDate=2024-01-01&endDate=2024-05-01&limit=5"), now)
	want := fdx.Window{Start: date(t, "2024-01-01"), End: date(t, "2024-05-01")}
	if err != nil || got.Window != want || got.Limit != 5 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := fdx.ParseStatementsQuery(values(t, "startDate=2024-01-01"), now); !errors.Is(err, fdx.ErrInvalidDateRange) {
		t.Errorf("a start alone: %v", err)
	}
}

func TestConsentsQuery(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		claim string
		query string
		want  fdx.ConsentsQuery
		ok    bool
	}{
		{"no parameter means all", "", fdx.ConsentsQuery{PageQuery: fdx.PageQuery{Limit: 100}}, true},
		{"all parameters are taken", "customerId=c&status=REVOKED&limit=5&pageKey=k", fdx.ConsentsQuery{CustomerID: "c", Status: fdx.ConsentRevoked, PageQuery: fdx.PageQuery{Limit: 5, PageKey: "k"}}, true},
		{"an expired consent is a status", "status=EXPIRED", fdx.ConsentsQuery{Status: fdx.ConsentExpired, PageQuery: fdx.PageQuery{Limit: 100}}, true},
		{"an active consent is a status", "status=ACTIVE", fdx.ConsentsQuery{Status: fdx.ConsentActive, PageQuery: fdx.PageQuery{Limit: 100}}, true},
		{"unknown parameters are ignored", "state=x&state=y", fdx.ConsentsQuery{PageQuery: fdx.PageQuery{Limit: 100}}, true},
		{"an unknown status is refused", "status=PENDING", fdx.ConsentsQuery{}, false},
		{"a status in lower case is refused", "status=active", fdx.ConsentsQuery{}, false},
		{"an empty status is refused", "status=", fdx.ConsentsQuery{}, false},
		{"a repeated status is refused", "status=ACTIVE&status=ACTIVE", fdx.ConsentsQuery{}, false},
		{"an empty customer is refused", "customerId=", fdx.ConsentsQuery{}, false},
		{"a malformed customer is refused", "customerId=a%00", fdx.ConsentsQuery{}, false},
		{"an oversized customer is refused", "customerId=" + strings.Repeat("c", 257), fdx.ConsentsQuery{}, false},
		{"a repeated customer is refused", "customerId=a&customerId=b", fdx.ConsentsQuery{}, false},
		{"a malformed limit is refused", "limit=ten", fdx.ConsentsQuery{}, false},
	} {
		t.Run(row.claim, func(t *testing.T) {
			t.Parallel()
			got, err := fdx.ParseConsentsQuery(values(t, row.query))
			if got != row.want || row.ok != (err == nil) || !row.ok && !errors.Is(err, fdx.ErrInvalidInput) {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
}

func TestNotificationsQuery(t *testing.T) {
	t.Parallel()
	got, err := fdx.ParseNotificationsQuery(values(t, "dataRecipientId=r&limit=5"))
	if err != nil || got != (fdx.NotificationsQuery{DataRecipientID: "r", PageQuery: fdx.PageQuery{Limit: 5}}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := fdx.ParseNotificationsQuery(nil); err != nil || got.DataRecipientID != "" || got.Limit != fdx.DefaultLimit {
		t.Errorf("no parameters: got %v, %v", got, err)
	}
	for _, query := range []string{
		"dataRecipientId=", "dataRecipientId=a&dataRecipientId=a", "dataRecipientId=a%0A",
		"dataRecipientId=" + strings.Repeat("r", 257), "limit=0",
	} {
		if got, err := fdx.ParseNotificationsQuery(values(t, query)); !errors.Is(err, fdx.ErrInvalidInput) || got != (fdx.NotificationsQuery{}) {
			t.Errorf("%s: got %v, %v", query, got, err)
		}
	}
}

func TestOperationsQuery(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		claim string
		query string
		want  fdx.OperationsQuery
		ok    bool
	}{
		{"no parameter means all, in short", "", fdx.OperationsQuery{ResultType: fdx.Lightweight}, true},
		{"all parameters are taken", "operationId=getAccount&fdxVersion=V5.0.1&resultType=details", fdx.OperationsQuery{OperationID: fdx.GetAccount, Version: "V5.0.1", ResultType: fdx.Details}, true},
		{"an operation of a later release is taken", "operationId=getWeather", fdx.OperationsQuery{OperationID: "getWeather", ResultType: fdx.Lightweight}, true},
		{"the longest operation is taken", "operationId=" + strings.Repeat("a", 64), fdx.OperationsQuery{OperationID: fdx.OperationID(strings.Repeat("a", 64)), ResultType: fdx.Lightweight}, true},
		{"a longer operation is refused", "operationId=" + strings.Repeat("a", 65), fdx.OperationsQuery{}, false},
		{"an empty operation is refused", "operationId=", fdx.OperationsQuery{}, false},
		{"an operation with a digit is refused", "operationId=get1", fdx.OperationsQuery{}, false},
		{"an operation with a slash is refused", "operationId=get%2F", fdx.OperationsQuery{}, false},
		{"a repeated operation is refused", "operationId=getAccount&operationId=getAccount", fdx.OperationsQuery{}, false},
		{"an empty version is refused", "fdxVersion=", fdx.OperationsQuery{}, false},
		{"a version with a space is refused", "fdxVersion=6+4", fdx.OperationsQuery{}, false},
		{"a repeated version is refused", "fdxVersion=6.4&fdxVersion=6.4", fdx.OperationsQuery{}, false},
		{"an unknown result type is refused", "resultType=light", fdx.OperationsQuery{}, false},
		{"a repeated result type is refused", "resultType=details&resultType=details", fdx.OperationsQuery{}, false},
	} {
		t.Run(row.claim, func(t *testing.T) {
			t.Parallel()
			got, err := fdx.ParseOperationsQuery(values(t, row.query))
			if got != row.want || row.ok != (err == nil) || !row.ok && !errors.Is(err, fdx.ErrInvalidInput) {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
}

func TestListQueryErrorsDoNotRepeatTheRequest(t *testing.T) {
	t.Parallel()
	const secret = "4111111111111111"
	for _, name := range []string{"customerId", "status", "dataRecipientId", "operationId", "fdxVersion", "resultType", "limit", "pageKey"} {
		for _, v := range []fdx.Query{{{Name: name, Value: secret + "\n"}, {Name: name, Value: secret}}, {{Name: name, Value: secret + "\n"}}} {
			_, consents := fdx.ParseConsentsQuery(v)
			_, notifications := fdx.ParseNotificationsQuery(v)
			_, operations := fdx.ParseOperationsQuery(v)
			_, page := fdx.ParsePageQuery(v)
			body, err := json.Marshal([]*fdx.Error{consents, notifications, operations, page})
			if err != nil || strings.Contains(string(body), secret) {
				t.Errorf("%s: %s, %v", name, body, err)
			}
		}
	}
}

func FuzzListQueries(f *testing.F) {
	for _, seed := range []string{
		"", "customerId=c&status=ACTIVE&limit=5&pageKey=k", "status=x", "dataRecipientId=r", "dataRecipientId=%00",
		"operationId=getAccount&fdxVersion=6.4&resultType=details", "operationId=&fdxVersion=", "limit=1&limit=2",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		v, err := fdx.Query(nil).Parse(query)
		if err != nil {
			return
		}
		bounded := func(q fdx.PageQuery) bool {
			return q.Limit >= 1 && q.Limit <= fdx.MaxLimit && len(q.PageKey) <= fdx.MaxPageKeyLength
		}
		if q, refused := fdx.ParseConsentsQuery(v); refused == nil {
			_, err := fdx.ParseCustomerID(string(q.CustomerID))
			if !bounded(q.PageQuery) || q.CustomerID != "" && err != nil {
				t.Fatalf("out of bounds: %v", q)
			}
		} else if refused.Status != 400 || q != (fdx.ConsentsQuery{}) {
			t.Fatalf("%v and %v", refused, q)
		}
		if q, refused := fdx.ParseNotificationsQuery(v); refused == nil {
			if !bounded(q.PageQuery) {
				t.Fatalf("out of bounds: %v", q)
			}
		} else if refused.Status != 400 || q != (fdx.NotificationsQuery{}) {
			t.Fatalf("%v and %v", refused, q)
		}
		if q, refused := fdx.ParseOperationsQuery(v); refused == nil {
			if len(q.OperationID) > 64 || len(q.Version) > 64 || q.ResultType != fdx.Lightweight && q.ResultType != fdx.Details {
				t.Fatalf("out of bounds: %v", q)
			}
		} else if refused.Status != 400 || q != (fdx.OperationsQuery{}) {
			t.Fatalf("%v and %v", refused, q)
		}
	})
}
