package resourcetest

import (
	"context"
	"crypto/rand"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// errRepeated: a request id was recorded before.
var errRepeated = errors.New("resourcetest: the request id was recorded before")

// GateFixture is one gate as a contract test sees it. Its functions act on
// the truth behind the gate and fail the test when they cannot.
type GateFixture struct {
	Gate resource.Gate
	// Grant stores a fresh active grant of a fresh active recipient that
	// ends at the given time, and returns its share.
	Grant func(t *testing.T, expires time.Time) consent.Share
	// End revokes a grant, Bump raises its epoch, Suspend makes a recipient
	// inactive.
	End func(t *testing.T, id consent.GrantID)
	// Pause writes down a pause of a grant until then, Hold a hold; neither
	// raises its epoch, so that the rest alone is what withholds.
	Pause   func(t *testing.T, id consent.GrantID, until time.Time)
	Hold    func(t *testing.T, id consent.GrantID)
	Bump    func(t *testing.T, id consent.GrantID)
	Suspend func(t *testing.T, id consent.RecipientID)
	// Records returns the records of a grant, oldest first, At included.
	Records func(t *testing.T, id consent.GrantID) []audit.Record
}

// Gate checks the contract of resource.Gate.
func Gate(t *testing.T, f GateFixture) {
	year := time.Now().Add(365 * 24 * time.Hour).UTC().Truncate(time.Second)

	t.Run("a read of an active grant is stored as it is and released", func(t *testing.T) {
		t.Parallel()
		s := f.Grant(t, year)
		for _, r := range []audit.Record{given(s), clipped(s), given(s)} {
			f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: r, Proof: proof()})
			f.stored(t, s.Grant, r)
		}
		f.count(t, s.Grant, 3)
	})
	t.Run("a read with a certificate has no proof", func(t *testing.T) {
		t.Parallel()
		s := f.Grant(t, year)
		f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: given(s)})
		f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: given(s)})
		f.count(t, s.Grant, 2)
	})
	for name, stop := range map[string]func(*testing.T, consent.Share) consent.Share{
		"a revoked grant": func(t *testing.T, s consent.Share) consent.Share {
			f.End(t, s.Grant)
			return s
		},
		"a revoked grant, by its new epoch": func(t *testing.T, s consent.Share) consent.Share {
			f.End(t, s.Grant)
			s.Epoch++
			return s
		},
		"an earlier epoch": func(t *testing.T, s consent.Share) consent.Share {
			f.Bump(t, s.Grant)
			return s
		},
		"an epoch to come": func(_ *testing.T, s consent.Share) consent.Share {
			s.Epoch++
			return s
		},
		"an expired grant": func(t *testing.T, _ consent.Share) consent.Share {
			return f.Grant(t, time.Now().Add(-time.Second).UTC().Truncate(time.Second))
		},
		"a paused grant": func(t *testing.T, s consent.Share) consent.Share {
			f.Pause(t, s.Grant, time.Now().Add(time.Hour).UTC().Truncate(time.Second))
			return s
		},
		"a held grant": func(t *testing.T, s consent.Share) consent.Share {
			f.Hold(t, s.Grant)
			return s
		},
		"a held grant whose pause is over": func(t *testing.T, s consent.Share) consent.Share {
			f.Pause(t, s.Grant, time.Now().Add(-time.Hour).UTC().Truncate(time.Second))
			f.Hold(t, s.Grant)
			return s
		},
		"a suspended recipient": func(t *testing.T, s consent.Share) consent.Share {
			f.Suspend(t, s.Recipient)
			return s
		},
		"another recipient": func(t *testing.T, s consent.Share) consent.Share {
			s.Recipient = f.Grant(t, year).Recipient
			return s
		},
		"an unknown grant": func(_ *testing.T, s consent.Share) consent.Share {
			s.Grant = consent.NewGrantID()
			return s
		},
	} {
		t.Run("a read is withheld and leaves nothing: "+name, func(t *testing.T) {
			t.Parallel()
			good := f.Grant(t, year)
			bad := stop(t, f.Grant(t, year))
			r, p := given(bad), proof()
			f.want(t, resource.Withheld, resource.Release{TokenExpires: inAnHour(), Record: r, Proof: p})
			f.want(t, resource.Withheld, resource.Release{TokenExpires: inAnHour(), Record: r})
			f.count(t, bad.Grant, 0)
			// Neither the request id nor the proof was used up.
			again := given(good)
			again.RequestID = r.RequestID
			f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: again, Proof: p})
		})
	}
	t.Run("the epoch that follows is released", func(t *testing.T) {
		t.Parallel()
		s := f.Grant(t, year)
		f.Bump(t, s.Grant)
		s.Epoch++
		f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: given(s)})
	})
	t.Run("a pause whose time is over withholds nothing", func(t *testing.T) {
		t.Parallel()
		s := f.Grant(t, year)
		f.Pause(t, s.Grant, time.Now().Add(-time.Second).UTC().Truncate(time.Second))
		f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: given(s), Proof: proof()})
	})
	for name, end := range map[string]func() time.Time{
		"is over":           func() time.Time { return time.Now().Add(-time.Millisecond) },
		"was over long ago": func() time.Time { return time.Now().Add(-5 * time.Minute) },
		"has no end":        func() time.Time { return time.Time{} },
	} {
		t.Run("a read with a token that "+name+" is withheld and leaves nothing", func(t *testing.T) {
			t.Parallel()
			s, p, r := f.Grant(t, year), proof(), refused(f.Grant(t, year))
			late := given(s)
			f.want(t, resource.Withheld, resource.Release{Record: late, TokenExpires: end(), Proof: p})
			f.want(t, resource.Withheld, resource.Release{Record: clipped(s), TokenExpires: end()})
			f.count(t, s.Grant, 0)
			f.want(t, resource.Released, resource.Release{Record: late, TokenExpires: inAnHour(), Proof: p})
			f.want(t, resource.Released, resource.Release{Record: r, TokenExpires: end()})
			f.count(t, r.Grant, 1)
		})
	}
	t.Run("a proof gives data once", func(t *testing.T) {
		t.Parallel()
		s, other, p := f.Grant(t, year), f.Grant(t, year), proof()
		f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: given(s), Proof: p})
		r := given(s)
		f.want(t, resource.Replayed, resource.Release{TokenExpires: inAnHour(), Record: r, Proof: p})
		f.want(t, resource.Replayed, resource.Release{TokenExpires: inAnHour(), Record: given(other), Proof: p})
		f.count(t, s.Grant, 1)
		f.count(t, other.Grant, 0)
		f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: r, Proof: proof()})
	})
	t.Run("a proof gives data once in a race", func(t *testing.T) {
		t.Parallel()
		s, p := f.Grant(t, year), proof()
		var mu sync.Mutex
		verdicts := map[resource.Verdict]int{}
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				v, err := f.Gate.Release(t.Context(), resource.Release{TokenExpires: inAnHour(), Record: given(s), Proof: p})
				if err != nil {
					t.Errorf("release: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				verdicts[v]++
			})
		}
		all.Wait()
		if verdicts[resource.Released] != 1 || verdicts[resource.Replayed] != 31 {
			t.Errorf("verdicts: %v", verdicts)
		}
		f.count(t, s.Grant, 1)
	})
	t.Run("no read is released after the end has been stored", func(t *testing.T) {
		t.Parallel()
		s := f.Grant(t, year)
		var released []audit.Record
		var mu sync.Mutex
		ended := make(chan struct{})
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for after := false; !after; {
					select {
					case <-ended:
						after = true // one more, which starts after the end
					default:
					}
					r := given(s)
					v, err := f.Gate.Release(t.Context(), resource.Release{TokenExpires: inAnHour(), Record: r})
					if err != nil {
						t.Errorf("release: %v", err)
						return
					}
					if v != resource.Released {
						continue
					}
					if after {
						t.Error("released a read that started after the end")
					}
					mu.Lock()
					released = append(released, r)
					mu.Unlock()
				}
			})
		}
		f.End(t, s.Grant)
		close(ended)
		all.Wait()
		f.count(t, s.Grant, len(released))
	})
	t.Run("a refusal is stored as it is, whatever became of the grant", func(t *testing.T) {
		t.Parallel()
		s, p := f.Grant(t, year), proof()
		f.End(t, s.Grant)
		r := refused(s)
		f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: r, Proof: p})
		f.stored(t, s.Grant, r)
		other := f.Grant(t, year)
		f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: given(other), Proof: p}) // not spent
	})
	t.Run("a request id is recorded once", func(t *testing.T) {
		t.Parallel()
		s, p := f.Grant(t, year), proof()
		r := given(s)
		f.want(t, resource.Released, resource.Release{TokenExpires: inAnHour(), Record: r})
		for _, again := range []resource.Release{{TokenExpires: inAnHour(), Record: r}, {TokenExpires: inAnHour(), Record: r, Proof: p}} {
			if v, err := f.Gate.Release(t.Context(), again); v == resource.Released && err == nil {
				t.Error("released twice under one request id")
			}
		}
		f.count(t, s.Grant, 1)
	})
	t.Run("a cancelled call releases nothing", func(t *testing.T) {
		t.Parallel()
		s := f.Grant(t, year)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if v, err := f.Gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: given(s)}); err == nil || v == resource.Released {
			t.Errorf("verdict %v, %v", v, err)
		}
		f.count(t, s.Grant, 0)
	})
}

// inAnHour is the end of an access token that is not over.
func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// given is the record of a read under a share, with something in every field.
func given(s consent.Share) audit.Record {
	r := audit.Record{
		RequestID: uuid.Must(uuid.NewV7()), Recipient: s.Recipient, Grant: s.Grant, Epoch: s.Epoch, Consumer: s.Consumer,
		Operation: "searchForAccountTransactions", Accounts: []fdx.AccountID{`a "quoted", \odd{} id`, "two"},
		Clusters: fdx.NewClusters(fdx.Transactions, fdx.AccountBasic),
		Window:   fdx.Window{Start: fdx.DateOf(time.Now()).AddDays(-7), End: fdx.DateOf(time.Now())},
		Count:    3, Bytes: 1234, Outcome: audit.Given, Attended: true,
		Interaction: uuid.NewString(), Instance: "instance",
	}
	_, _ = rand.Read(r.BodyHash[:])
	return r
}

func clipped(s consent.Share) audit.Record {
	r := given(s)
	r.Outcome = audit.Clipped
	return r
}

// refused is the record of a read that gave nothing.
func refused(s consent.Share) audit.Record {
	return audit.Record{
		RequestID: uuid.Must(uuid.NewV7()), Recipient: s.Recipient, Grant: s.Grant, Epoch: s.Epoch, Consumer: s.Consumer,
		Operation: "getAccount", Outcome: audit.Refused, Reason: "701", Interaction: uuid.NewString(), Instance: "instance",
	}
}

func proof() *token.Proof {
	p := &token.Proof{ExpiresAt: time.Now().Add(3 * time.Minute)}
	_, _ = rand.Read(p.Key[:])
	return p
}

func (f GateFixture) want(t *testing.T, want resource.Verdict, r resource.Release) {
	t.Helper()
	if got, err := f.Gate.Release(t.Context(), r); err != nil || got != want {
		t.Errorf("verdict %d, %v; want %d", got, err, want)
	}
}

func (f GateFixture) count(t *testing.T, id consent.GrantID, want int) {
	t.Helper()
	if got := len(f.Records(t, id)); got != want {
		t.Errorf("%d records, want %d", got, want)
	}
}

// stored checks that the grant's records hold r, with a time of the store's.
func (f GateFixture) stored(t *testing.T, id consent.GrantID, r audit.Record) {
	t.Helper()
	records := f.Records(t, id)
	i := slices.IndexFunc(records, func(x audit.Record) bool { return x.RequestID == r.RequestID })
	if i < 0 {
		t.Error("not stored")
		return
	}
	got := records[i]
	if age := time.Since(got.At); age < -time.Minute || age > time.Minute {
		t.Errorf("stored at %s", got.At)
	}
	got.At = time.Time{}
	if !reflect.DeepEqual(got, r) {
		t.Errorf("stored %+v, want %+v", got, r)
	}
}
