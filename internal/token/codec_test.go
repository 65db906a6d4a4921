package token

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

func sampleLive() Live {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	return Live{
		Access: Access{
			Hash: Hash{1, 2, 3}, Grant: "g-1", Recipient: "app", RequestID: "chain",
			Scopes:        []fdx.Scope{fdx.AccountBasic.Scope(), fdx.ScopeOfflineAccess},
			KeyThumbprint: strings.Repeat("k", 43),
			IssuedAt:      at, ExpiresAt: at.Add(15 * time.Minute),
		},
		Share: consent.Share{
			Grant: "g-1", Epoch: 7, Recipient: "app", Consumer: "c-1", Status: consent.StatusActive,
			ExpiresAt: at.AddDate(1, 0, 0), LookbackDays: 90,
			Accounts: []consent.AccountShare{
				{ID: "a-1", Clusters: fdx.NewClusters(fdx.AccountBasic, fdx.Transactions)},
				{ID: "a-2", Clusters: fdx.NewClusters(fdx.Transfers)},
			},
			Customer: fdx.NewClusters(fdx.CustomerContact),
		},
	}
}

func TestLiveSurvivesItsForm(t *testing.T) {
	t.Parallel()
	revoked := sampleLive()
	revoked.Access.RevokedAt = revoked.Access.IssuedAt.Add(time.Microsecond)
	narrowed := sampleLive()
	narrowed.Access.Resources = []consent.Resource{
		{Type: consent.ResourceAccount, ID: "a-1", Clusters: fdx.NewClusters(fdx.Transactions)},
		{Type: consent.ResourceCustomer, ID: "c-1", Clusters: fdx.NewClusters(fdx.CustomerContact)},
	}
	paused, onHold := sampleLive(), sampleLive()
	paused.Share.PausedUntil = paused.Access.IssuedAt.Add(time.Hour)
	onHold.Share.Held = true
	odd := sampleLive()
	odd.Share.LookbackDays, odd.Share.Epoch = -1, 1<<62
	integers := sampleLive()
	integers.IntegerCodes, integers.Quota = true, 1200
	for name, l := range map[string]Live{"integers": integers, "sample": sampleLive(), "narrowed": narrowed, "revoked": revoked, "paused": paused, "held": onHold, "zero": {}, "odd numbers": odd} {
		got, err := ParseLive(string(AppendLive(nil, l)))
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got := AppendLive([]byte("before"), Live{}); !strings.HasPrefix(string(got), "before") {
		t.Error("what was there before is gone")
	}
}

func TestDamagedLiveIsRefused(t *testing.T) {
	t.Parallel()
	whole := string(AppendLive(nil, sampleLive()))
	for i := range whole {
		if _, err := ParseLive(whole[:i]); !errors.Is(err, ErrRecord) {
			t.Errorf("cut after %d of %d bytes: %v", i, len(whole), err)
		}
	}
	for name, s := range map[string]string{
		"one byte more":   whole + "\x00",
		"other version":   "\x01" + whole[1:],
		"doubled":         whole + whole,
		"earlier version": "\x02" + whole[1:],
		"unknown cluster": whole[:len(whole)-3] + "\x80\x80\x80\x08\x00\x00",
		"long spelling":   whole[:len(whole)-3] + "\x90\x00\x00\x00",
		"other flag":      whole[:len(whole)-1] + "\x02",
		"huge list":       whole[:33+4+4+6] + "\xff\xff\xff\x7f" + whole[33+4+4+7:],
	} {
		if _, err := ParseLive(s); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever the bytes, what is read writes the same bytes again.
func FuzzParseLive(f *testing.F) {
	f.Add(string(AppendLive(nil, sampleLive())))
	f.Add(string(AppendLive(nil, Live{})))
	f.Add("")
	f.Add("\x03")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLive(s)
		if err != nil {
			if !reflect.DeepEqual(l, Live{}) {
				t.Error("a record beside an error")
			}
			return
		}
		if again := string(AppendLive(nil, l)); again != s {
			t.Errorf("%q was read but is written as %q", s, again)
		}
	})
}

func BenchmarkParseLive(b *testing.B) {
	s := string(AppendLive(nil, sampleLive()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseLive(s); err != nil {
			b.Fatal(err)
		}
	}
}
