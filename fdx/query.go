package fdx

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds on read parameters. FDX leaves them to the provider to document.
const (
	// DefaultLimit is the page size when the request names none.
	DefaultLimit = 100
	// MaxLimit is the largest page size a request may name.
	MaxLimit = 500
	// MaxAccountIDs is the largest number of ids in accountIds.
	MaxAccountIDs = 100
	// MaxPageKeyLength bounds a page key in bytes.
	MaxPageKeyLength = 2048
	// HistoryMonths is how far back a window may start.
	HistoryMonths = 24
	// DefaultDays is the length of the window when the request names none,
	// today included.
	DefaultDays = 7
)

// Query holds the parameters of a request, in the order in which they were
// sent; nil is none.
type Query []Parameter

// Parameter is one of them, without its escapes.
type Parameter struct{ Name, Value string }

// ErrQuery: escapes of a query are broken, or it holds a semicolon, which some
// readers take for the end of a parameter.
var ErrQuery = errors.New("fdx: malformed query")

// Parse appends the parameters of a query to q, as url.ParseQuery reads
// them. Its error is ErrQuery.
func (q Query) Parse(raw string) (Query, error) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if strings.Contains(pair, ";") {
			return nil, ErrQuery
		}
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return nil, ErrQuery
		}
		q = append(q, Parameter{name, value})
	}
	return q, nil
}

// Get returns the first value of a parameter and whether it is given at all.
func (q Query) Get(name string) (value string, given bool) {
	for _, p := range q {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// ResultType tells how much of each account an account list holds, and of
// each operation a capability.
type ResultType string

const (
	// Lightweight lists descriptors or names only. It is the default.
	Lightweight ResultType = "lightweight"
	// Details lists everything the grant lets through.
	Details ResultType = "details"
)

// AccountsQuery holds the parameters of searchForAccounts.
type AccountsQuery struct {
	ResultType ResultType
	// AccountIDs restricts the list, in the order asked for and each id
	// once; nil when the request names none.
	AccountIDs []AccountID
	// Limit is the page size, from 1 to MaxLimit.
	Limit int
	// PageKey is the opaque key of the page, "" for the first. Whether it
	// is genuine is for the issuer of the key to check.
	PageKey string
}

// TransactionsQuery holds the parameters of searchForAccountTransactions.
type TransactionsQuery struct {
	// Window is what the request asks for: never empty, never past today,
	// and not yet cut to what the grant allows.
	Window Window
	// Limit is the page size, from 1 to MaxLimit.
	Limit int
	// PageKey is the opaque key of the page, "" for the first. Whether it
	// is genuine is for the issuer of the key to check.
	PageKey string
}

// ParseAccountsQuery reads the parameters of searchForAccounts. Unknown
// parameters are ignored; a known one that is repeated, empty or malformed
// is ErrInvalidInput and never replaced by a default.
func ParseAccountsQuery(v Query) (AccountsQuery, *Error) {
	var q AccountsQuery
	var err *Error
	if q.ResultType, err = parseResultType(v); err != nil {
		return AccountsQuery{}, err
	}
	if q.AccountIDs, err = parseAccountIDs(v); err != nil {
		return AccountsQuery{}, err
	}
	if q.Limit, q.PageKey, err = parsePage(v); err != nil {
		return AccountsQuery{}, err
	}
	return q, nil
}

// ParseTransactionsQuery reads the parameters of
// searchForAccountTransactions. Unknown parameters are ignored; a known one
// that is repeated, or a malformed limit or page key, is ErrInvalidInput and
// never replaced by a default.
//
// The window is startDate and endDate, or the older startTime and endTime
// with the same meaning, as dates with both ends included; a mix of the two
// pairs is ErrInvalidInput. Without either it is the last DefaultDays days.
// "Today" is the UTC date of now, and a later end means today. A date that
// is none is ErrInvalidDate. One date without the other, a start after the
// end or after today, or a start more than HistoryMonths before today is
// ErrInvalidDateRange.
func ParseTransactionsQuery(v Query, now time.Time) (TransactionsQuery, *Error) {
	var q TransactionsQuery
	var err *Error
	if q.Window, err = parseWindow(v, DateOf(now)); err != nil {
		return TransactionsQuery{}, err
	}
	if q.Limit, q.PageKey, err = parsePage(v); err != nil {
		return TransactionsQuery{}, err
	}
	return q, nil
}

// StatementsQuery holds the parameters of searchForAccountStatements. Its
// window selects by the date of the statement.
type StatementsQuery = TransactionsQuery

// ParseStatementsQuery reads the parameters of searchForAccountStatements,
// which are those of searchForAccountTransactions with the same limits: see
// ParseTransactionsQuery.
func ParseStatementsQuery(v Query, now time.Time) (StatementsQuery, *Error) {
	return ParseTransactionsQuery(v, now)
}

// PageQuery holds the parameters of a list that has none but pages: payment
// networks, asset transfer networks, customers, reward programs and their
// categories.
type PageQuery struct {
	// Limit is the page size, from 1 to MaxLimit.
	Limit int
	// PageKey is the opaque key of the page, "" for the first. Whether it
	// is genuine is for the issuer of the key to check.
	PageKey string
}

// ParsePageQuery reads limit, from 1 to MaxLimit with DefaultLimit when the
// request names none, and pageKey or the older offset, of at most
// MaxPageKeyLength bytes. Unknown parameters are ignored; a known one that is
// repeated, empty or malformed is ErrInvalidInput.
func ParsePageQuery(v Query) (PageQuery, *Error) {
	limit, pageKey, err := parsePage(v)
	if err != nil {
		return PageQuery{}, err
	}
	return PageQuery{Limit: limit, PageKey: pageKey}, nil
}

// single returns the one value of a parameter and whether it is given at
// all. Two values are refused: picking one would let two readers of the same
// request see different things.
func single(v Query, name string) (value string, given bool, err *Error) {
	for _, p := range v {
		if p.Name != name {
			continue
		}
		if given {
			return "", false, ErrInvalidInput.WithDebug(name + " is repeated")
		}
		value, given = p.Value, true
	}
	return value, given, nil
}

func parseResultType(v Query) (ResultType, *Error) {
	text, given, err := single(v, "resultType")
	if err != nil || !given {
		return Lightweight, err
	}
	if r := ResultType(text); r == Lightweight || r == Details {
		return r, nil
	}
	return "", ErrInvalidInput.WithDebug("resultType is neither lightweight nor details")
}

func parsePage(v Query) (limit int, pageKey string, err *Error) {
	limit = DefaultLimit
	text, given, err := single(v, "limit")
	if err != nil {
		return 0, "", err
	}
	if given {
		// ParseUint, because Atoi would also take a sign.
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n < 1 || n > MaxLimit {
			return 0, "", ErrInvalidInput.WithDebug("limit is not a whole number from 1 to 500")
		}
		limit = int(n)
	}
	key, keyGiven, err := single(v, "pageKey")
	if err != nil {
		return 0, "", err
	}
	// offset is the name FDX deprecated in 6.4; older clients still send it.
	offset, offsetGiven, err := single(v, "offset")
	if err != nil {
		return 0, "", err
	}
	if keyGiven && offsetGiven && key != offset {
		return 0, "", ErrInvalidInput.WithDebug("pageKey and offset differ")
	}
	if !keyGiven {
		key = offset
	}
	if (keyGiven || offsetGiven) && (key == "" || len(key) > MaxPageKeyLength) {
		return 0, "", ErrInvalidInput.WithDebug("pageKey is malformed")
	}
	return limit, key, nil
}

func parseAccountIDs(v Query) ([]AccountID, *Error) {
	text, given, err := single(v, "accountIds")
	if err != nil || !given {
		return nil, err
	}
	var ids []AccountID
	for part := range strings.SplitSeq(text, ",") {
		id, err := ParseAccountID(part)
		if err != nil {
			return nil, ErrInvalidInput.WithDebug("accountIds holds a malformed id")
		}
		// An id named twice would list the account twice.
		if slices.Contains(ids, id) {
			continue
		}
		if len(ids) == MaxAccountIDs {
			return nil, ErrInvalidInput.WithDebug("accountIds holds more than 100 ids")
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func parseWindow(v Query, today Date) (Window, *Error) {
	var text [4]string
	var given [4]bool
	for i, name := range [4]string{"startDate", "endDate", "startTime", "endTime"} {
		var err *Error
		if text[i], given[i], err = single(v, name); err != nil {
			return Window{}, err
		}
	}
	dates, times := given[0] || given[1], given[2] || given[3]
	if !dates && !times {
		return Window{Start: today.AddDays(1 - DefaultDays), End: today}, nil
	}
	if dates && times {
		return Window{}, ErrInvalidInput.WithDebug("startDate and endDate do not mix with startTime and endTime")
	}
	first, last := 0, 1
	if times {
		first, last = 2, 3
	}
	if !given[first] || !given[last] {
		return Window{}, ErrInvalidDateRange.WithDebug("start and end go together")
	}
	start, startErr := ParseDate(text[first])
	end, endErr := ParseDate(text[last])
	switch {
	case startErr != nil || endErr != nil:
		return Window{}, ErrInvalidDate.WithDebug("dates have the form YYYY-MM-DD")
	case start.After(end):
		return Window{}, ErrInvalidDateRange.WithDebug("start is after end")
	case start.After(today):
		return Window{}, ErrInvalidDateRange.WithDebug("start is in the future")
	case start.Before(today.AddMonths(-HistoryMonths)):
		return Window{}, ErrInvalidDateRange.WithDebug("start is more than 24 months ago")
	case end.After(today):
		end = today
	}
	return Window{Start: start, End: end}, nil
}
