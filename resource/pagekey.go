package resource

import (
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
)

// A page key is what FDX calls pageKey: the place where the next page starts,
// sealed. It carries no rights: the request that presents it is authenticated
// and allowed like any other. It is bound to grant, operation, account and
// filter, so that it is worth nothing in any other request, and encrypted,
// because the bank's own place may tell something.

// maxPlace is the longest place that a provider may return, in bytes.
const maxPlace = 200

// binding is what a page key goes with.
type binding struct {
	grant     consent.GrantID
	operation string
	account   fdx.AccountID
	// filter is the canonical form of the parameters that choose records,
	// as the client wrote them.
	filter filter
}

// filter is a text in pieces, which are put together when a key needs it.
type filter [3]string

func (b binding) parts() [4]string {
	return [...]string{string(b.grant), b.operation, string(b.account), b.filter[0] + b.filter[1] + b.filter[2]}
}

// place is what a page key holds.
type place struct {
	// after is the provider's own place.
	after string
	// window is the one the first page was asked for, so that the pages of
	// "the last seven days" do not shift at midnight; zero when there is
	// none.
	window fdx.Window
}

// pageKeys seals and opens places. Safe for concurrent use.
type pageKeys struct{ keys *fdxhttp.PageKeys }

func newPageKeys(secrets [][]byte, now func() time.Time) (*pageKeys, error) {
	keys, err := fdxhttp.NewPageKeys(secrets, now)
	return &pageKeys{keys}, err
}

// seal appends the page key of a place.
func (k *pageKeys) seal(to []byte, b binding, p place) []byte {
	parts, plain := b.parts(), make([]byte, 0, 64)
	if p.window == (fdx.Window{}) {
		plain = append(plain, 0)
	} else {
		plain = append(plain, 1)
		plain = append(plain, p.window.Start.String()...)
		plain = append(plain, p.window.End.String()...)
	}
	return k.keys.AppendSeal(to, parts[:], append(plain, p.after...))
}

// open returns the place in a page key; false for one that was made for
// something else, is damaged or is too old. The caller cannot tell which.
func (k *pageKeys) open(b binding, key string) (place, bool) {
	const date = len(time.DateOnly)
	parts := b.parts()
	plain, ok := k.keys.Open(parts[:], key)
	if !ok || len(plain) < 1 {
		return place{}, false
	}
	windowed, rest := plain[0], plain[1:]
	if windowed == 0 {
		return place{after: string(rest)}, true
	}
	if len(rest) < 2*date {
		return place{}, false
	}
	start, err1 := fdx.ParseDate(string(rest[:date]))
	end, err2 := fdx.ParseDate(string(rest[date : 2*date]))
	return place{after: string(rest[2*date:]), window: fdx.Window{Start: start, End: end}}, err1 == nil && err2 == nil
}
