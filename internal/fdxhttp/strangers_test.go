package fdxhttp_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/limit"
)

// noon is when the tests take place.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestStrangers(t *testing.T) {
	t.Parallel()
	s, err := fdxhttp.NewStrangers(2, nil)
	if err != nil {
		t.Fatal(err)
	}
	from := func(remote string, stop, unknown bool) *fdxhttp.Refusal {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		who, refused := s.Look(r, stop, noon)
		if unknown {
			who.Unknown()
		}
		return refused
	}
	for range 5 { // known tokens do not count
		if refused := from("192.0.2.1:1", false, false); refused != nil {
			t.Fatal(refused)
		}
	}
	for i, row := range []struct {
		remote        string
		stop, refused bool
	}{
		{"192.0.2.1:1", false, false},
		{"192.0.2.1:2", false, false}, // another connection
		{"192.0.2.1:3", false, true},
		{"192.0.2.2:1", false, false},
		{"192.0.2.1:4", true, false}, // nothing else uses up those of ends
		{"192.0.2.1:4", true, false},
		{"192.0.2.1:4", true, true},
	} {
		refused := from(row.remote, row.stop, true)
		if (refused != nil) != row.refused {
			t.Errorf("%d: %+v", i, refused)
		}
		if refused != nil && (refused.Reason != "limit_address" || refused.Wait != 30*time.Second) {
			t.Errorf("%d: %+v", i, refused)
		}
	}
}

func TestStrangersWithoutLimit(t *testing.T) {
	t.Parallel()
	none, err := fdxhttp.NewStrangers(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*fdxhttp.Strangers{nil, none} {
		for range 10 {
			who, refused := s.Look(httptest.NewRequest("GET", "/", nil), false, noon)
			if refused != nil {
				t.Fatal(refused)
			}
			who.Unknown()
		}
	}
	for _, quota := range []int{-1, limit.MaxQuota + 1} {
		if _, err := fdxhttp.NewStrangers(quota, nil); err == nil {
			t.Errorf("%d is taken", quota)
		}
	}
}
