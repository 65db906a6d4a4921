package resourcetest_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

func TestBankKeepsTheContract(t *testing.T) {
	t.Parallel()
	_, f := resourcetest.Furnished(time.Now())
	resourcetest.Provider(t, f)
}

func TestTruthKeepsTheContract(t *testing.T) {
	t.Parallel()
	d := resourcetest.NewTruth(nil)
	resourcetest.Gate(t, resourcetest.GateFixture{
		Gate: d,
		Grant: func(_ *testing.T, expires time.Time) consent.Share {
			s := resourcetest.Everything("me", time.Now(), "one")
			s.Recipient, s.ExpiresAt = consent.RecipientID("app-"+rand.Text()), expires
			l := token.Live{Share: s}
			_, _ = rand.Read(l.Access.Hash[:])
			l.Access.Grant = s.Grant
			d.Issue(l)
			return s
		},
		End: func(_ *testing.T, id consent.GrantID) { d.End(id) },
		Pause: func(_ *testing.T, id consent.GrantID, until time.Time) {
			d.Change(id, func(s *consent.Share) { s.PausedUntil, s.Epoch = until, s.Epoch-1 })
		},
		Hold: func(_ *testing.T, id consent.GrantID) {
			d.Change(id, func(s *consent.Share) { s.Held, s.Epoch = true, s.Epoch-1 })
		},
		Bump:    func(_ *testing.T, id consent.GrantID) { d.Change(id, func(*consent.Share) {}) },
		Suspend: func(_ *testing.T, id consent.RecipientID) { d.Suspend(id) },
		Records: func(_ *testing.T, id consent.GrantID) []audit.Record {
			var out []audit.Record
			for _, r := range d.Records() {
				if r.Grant == id {
					out = append(out, r)
				}
			}
			return out
		},
	})
}

func TestPerformancesKeepTheContract(t *testing.T) {
	t.Parallel()
	resourcetest.Performance(t, func(*testing.T) resource.Performance { return &resourcetest.Performances{} })
}
