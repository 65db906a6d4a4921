package consent_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestGrantIsOverFromItsEndOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		stored consent.Status
		at     time.Time
		want   consent.Status
	}{
		{"active before its end", consent.StatusActive, noon.Add(-time.Nanosecond), consent.StatusActive},
		{"expired at its end", consent.StatusActive, noon, consent.StatusExpired},
		{"expired after its end", consent.StatusActive, noon.Add(time.Hour), consent.StatusExpired},
		{"revoked stays revoked", consent.StatusRevoked, noon.Add(-time.Hour), consent.StatusRevoked},
		{"expired stays expired", consent.StatusExpired, noon.Add(-time.Hour), consent.StatusExpired},
		{"an unknown state is no yes", "PENDING", noon.Add(-time.Hour), consent.StatusRevoked},
		{"no state is no yes", "", noon.Add(-time.Hour), consent.StatusRevoked},
	} {
		g := consent.Grant{Status: tt.stored, ExpiresAt: noon}
		if got := g.StatusAt(tt.at); got != tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
		if got := g.Share().Active(tt.at); got != (tt.want == consent.StatusActive) {
			t.Errorf("%s: share active %v", tt.name, got)
		}
	}
	if (consent.Share{}).Active(noon) {
		t.Error("the zero share is active")
	}
}

func TestShareHoldsWhatIsImplied(t *testing.T) {
	t.Parallel()
	g := consent.Grant{Resources: []consent.Resource{
		{Type: consent.ResourceAccount, ID: "a", Clusters: fdx.NewClusters(fdx.AccountDetailed)},
		{Type: consent.ResourceAccount, ID: "b", Clusters: fdx.NewClusters(fdx.Transactions)},
		{Type: consent.ResourceCustomer, ID: "c", Clusters: fdx.NewClusters(fdx.CustomerPersonal)},
	}}
	s := g.Share()
	if got, ok := s.Account("a"); !ok || got != fdx.NewClusters(fdx.AccountDetailed, fdx.AccountBasic) {
		t.Errorf("a: %v %v", got.Names(), ok)
	}
	if got, ok := s.Account("b"); !ok || got != fdx.NewClusters(fdx.Transactions) {
		t.Errorf("b: %v %v", got.Names(), ok)
	}
	if _, ok := s.Account("c"); ok {
		t.Error("a customer id opened an account")
	}
	if s.Customer != fdx.NewClusters(fdx.CustomerPersonal, fdx.CustomerContact) {
		t.Errorf("customer: %v", s.Customer.Names())
	}
	s.LookbackDays = 10
	if got := s.Earliest(noon).String(); got != "2026-11-11" {
		t.Errorf("earliest %s", got)
	}
}

func TestJourneyOrder(t *testing.T) {
	t.Parallel()
	at := func(bend func(*consent.Authorization)) consent.Step {
		a := consent.Authorization{ExpiresAt: noon.Add(time.Minute)}
		bend(&a)
		return a.Next(noon)
	}
	in := func(a *consent.Authorization) { a.Consumer = "p" }
	chosen := func(a *consent.Authorization) { in(a); a.Accounts = []fdx.AccountID{"a"} }
	guarded := func(a *consent.Authorization) {
		chosen(a)
		a.Decision, a.Request.Account = consent.Approved, fdx.NewClusters(fdx.Balances, fdx.PaymentSupport)
	}
	proved := func(a *consent.Authorization) {
		guarded(a)
		a.AuthenticatedAt = noon.Add(-time.Minute)
		a.SecondFactor, a.SecondFactorAt = consent.FactorCode, noon.Add(-time.Minute)
	}
	for _, tt := range []struct {
		name string
		bend func(*consent.Authorization)
		want consent.Step
	}{
		{"starts with the sign-in", func(*consent.Authorization) {}, consent.StepLogin},
		{"then accounts", in, consent.StepAccounts},
		{"then review", chosen, consent.StepReview},
		{"approval issues", func(a *consent.Authorization) { chosen(a); a.Decision = consent.Approved }, consent.StepIssue},
		{"approval without accounts does not issue", func(a *consent.Authorization) { in(a); a.Decision = consent.Approved }, consent.StepAccounts},
		{"approval without sign-in does not issue", func(a *consent.Authorization) {
			a.Accounts = []fdx.AccountID{"a"}
			a.Decision = consent.Approved
		}, consent.StepLogin},
		{"what is guarded takes a second proof", guarded, consent.StepStepUp},
		{"on a person as on an account", func(a *consent.Authorization) {
			guarded(a)
			a.Request = consent.Request{Customer: fdx.NewClusters(fdx.CustomerPersonal)}
		}, consent.StepStepUp},
		{"not before the decision", func(a *consent.Authorization) { guarded(a); a.Decision = consent.Undecided }, consent.StepReview},
		{"not for a refusal", func(a *consent.Authorization) { guarded(a); a.Decision = consent.Denied }, consent.StepDeny},
		{"a second proof issues", proved, consent.StepIssue},
		{"a second proof that lasts still issues", func(a *consent.Authorization) {
			proved(a)
			a.AuthenticatedAt = noon.Add(-time.Hour)
			a.SecondFactorAt = noon.Add(time.Second - consent.StepUpTime)
		}, consent.StepIssue},
		{"a second proof grows old", func(a *consent.Authorization) {
			proved(a)
			a.AuthenticatedAt = noon.Add(-time.Hour)
			a.SecondFactorAt = noon.Add(-consent.StepUpTime)
		}, consent.StepStepUp},
		{"a second proof of an earlier sign-in is none", func(a *consent.Authorization) {
			proved(a)
			a.SecondFactorAt = a.AuthenticatedAt.Add(-time.Microsecond)
		}, consent.StepStepUp},
		{"a time without a proof is none", func(a *consent.Authorization) { proved(a); a.SecondFactor = "" }, consent.StepStepUp},
		{"a proof alone decides nothing", func(a *consent.Authorization) { proved(a); a.Decision = consent.Undecided }, consent.StepReview},
		{"refusal needs nothing before it", func(a *consent.Authorization) { a.Decision = consent.Denied }, consent.StepDeny},
		{"time runs out", func(a *consent.Authorization) { chosen(a); a.ExpiresAt = noon }, consent.StepExpired},
		{"time runs out even after approval", func(a *consent.Authorization) {
			chosen(a)
			a.Decision, a.ExpiresAt = consent.Approved, noon
		}, consent.StepExpired},
		{"an answered one only shows", func(a *consent.Authorization) { chosen(a); a.Decision, a.Answered = consent.Approved, true }, consent.StepDone},
		{"an unknown decision is none", func(a *consent.Authorization) { chosen(a); a.Decision = "maybe" }, consent.StepReview},
	} {
		if got := at(tt.bend); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestGuardedClusters(t *testing.T) {
	t.Parallel()
	all := fdx.NewClusters(fdx.AllClusters()...)
	want := fdx.NewClusters(fdx.CustomerPersonal, fdx.PaymentSupport, fdx.SocialSecurityNumber, fdx.Tax, fdx.Transfers)
	if got := (consent.Request{Account: all}).Guarded(); got != want {
		t.Errorf("guarded: %v, want %v", got, want)
	}
	if !(consent.Request{Account: all.Without(want)}).Guarded().Empty() {
		t.Error("the others are guarded")
	}
}

func TestGrantIsMadeFromAnApprovalOnly(t *testing.T) {
	t.Parallel()
	a := consent.Authorization{
		Recipient: "app", Consumer: "p", Accounts: []fdx.AccountID{"a", "b"}, ExpiresAt: noon.Add(time.Minute),
		Request: consent.Request{
			Purpose: consent.Purpose{Code: "budgeting"}, Duration: consent.TimeBound, DurationDays: 2, LookbackDays: 7,
			Account: fdx.NewClusters(fdx.Transactions), Customer: fdx.NewClusters(fdx.CustomerContact),
		},
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a grant came from an undecided authorization")
			}
		}()
		a.Grant("g", nil, noon)
	}()
	a.Decision = consent.Approved
	g := a.Grant("g", nil, noon)
	if g.Status != consent.StatusActive || g.Epoch != 1 || !g.ExpiresAt.Equal(noon.AddDate(0, 0, 2)) ||
		len(g.Resources) != 3 || len(g.Accounts()) != 2 || g.Resources[2].ID != "p" ||
		g.Clusters() != fdx.NewClusters(fdx.Transactions, fdx.CustomerContact) {
		t.Fatalf("grant %+v", g)
	}
}

// ends is a Store that knows one grant.
type ends struct {
	consent.Store
	g     consent.Grant
	err   error
	calls int
}

func (e *ends) Grant(_ context.Context, id consent.GrantID) (consent.Grant, error) {
	if id != e.g.ID {
		return consent.Grant{}, consent.ErrNotFound
	}
	return e.g, nil
}

func (e *ends) EndOfRecipient(ctx context.Context, who consent.RecipientID, end consent.End) (consent.Grant, error) {
	if who != e.g.Recipient {
		return consent.Grant{}, consent.ErrNotFound
	}
	return e.End(ctx, end)
}

func (e *ends) EndOfConsumer(ctx context.Context, who consent.ConsumerID, end consent.End) (consent.Grant, error) {
	if who != e.g.Consumer {
		return consent.Grant{}, consent.ErrNotFound
	}
	return e.End(ctx, end)
}

func (e *ends) End(_ context.Context, end consent.End) (consent.Grant, error) {
	if end.Grant != e.g.ID {
		return consent.Grant{}, consent.ErrNotFound
	}
	e.calls++
	if e.err != nil {
		return consent.Grant{}, e.err
	}
	g := e.g
	g.Status, g.Epoch, g.EndedBy, g.EndReason = end.Status, g.Epoch+1, end.Actor, end.Reason
	return g, nil
}

// ears is a cache that hears from its nth attempt on; never when n is 0.
type ears struct {
	n    int
	told []int64
}

func (e *ears) Ended(ctx context.Context, _ consent.GrantID, epoch int64) error {
	return e.hear(ctx, epoch)
}

func (e *ears) Stopped(ctx context.Context, _ consent.RecipientID) error { return e.hear(ctx, 0) }

func (e *ears) hear(ctx context.Context, epoch int64) error {
	e.told = append(e.told, epoch)
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("would wait for ever")
	}
	if e.n == 0 || len(e.told) < e.n {
		return errors.Join(errors.New("deaf"), ctx.Err())
	}
	return nil
}

func TestOnlyThoseWhoMayStopAGrant(t *testing.T) {
	t.Parallel()
	g := consent.Grant{ID: "g", Recipient: "app", Consumer: "p", Status: consent.StatusActive, Epoch: 4, ExpiresAt: noon}
	for _, tt := range []struct {
		name  string
		stop  func(*consent.Service) (consent.Grant, error)
		want  error
		calls int
	}{
		{"its consumer may", func(s *consent.Service) (consent.Grant, error) { return s.StopByConsumer(t.Context(), "p", "g") }, nil, 1},
		{"its recipient may", func(s *consent.Service) (consent.Grant, error) {
			return s.StopByRecipient(t.Context(), "app", "g", consent.ReasonUserAction)
		}, nil, 1},
		{"its recipient may for the consumer", func(s *consent.Service) (consent.Grant, error) {
			return s.StopForConsumer(t.Context(), "app", "g", consent.ReasonUserAction)
		}, nil, 1},
		{"the bank may", func(s *consent.Service) (consent.Grant, error) {
			return s.StopByProvider(t.Context(), "g", consent.ReasonBusinessRule)
		}, nil, 1},
		{"another consumer may not", func(s *consent.Service) (consent.Grant, error) { return s.StopByConsumer(t.Context(), "q", "g") }, consent.ErrNotFound, 0},
		{"nobody may not", func(s *consent.Service) (consent.Grant, error) { return s.StopByConsumer(t.Context(), "", "g") }, consent.ErrNotFound, 0},
		{"another recipient may not", func(s *consent.Service) (consent.Grant, error) {
			return s.StopByRecipient(t.Context(), "other", "g", consent.ReasonUserAction)
		}, consent.ErrNotFound, 0},
		{"another recipient may not for the consumer", func(s *consent.Service) (consent.Grant, error) {
			return s.StopForConsumer(t.Context(), "other", "g", consent.ReasonUserAction)
		}, consent.ErrNotFound, 0},
		{"an unknown grant is not found", func(s *consent.Service) (consent.Grant, error) { return s.StopByConsumer(t.Context(), "p", "h") }, consent.ErrNotFound, 0},
	} {
		store, cache := &ends{g: g}, &ears{n: 1}
		s, err := consent.NewService(consent.ServiceConfig{Store: store, Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		got, err := tt.stop(s)
		if !errors.Is(err, tt.want) || store.calls != tt.calls || len(cache.told) != tt.calls {
			t.Errorf("%s: %v, %d ends, told %v", tt.name, err, store.calls, cache.told)
		}
		if tt.want == nil && (got.Epoch != 5 || cache.told[0] != 5) {
			t.Errorf("%s: epoch %d, told %v", tt.name, got.Epoch, cache.told)
		}
	}
}

func TestStopThatDidNotHappenTellsNobody(t *testing.T) {
	t.Parallel()
	store, cache := &ends{g: consent.Grant{ID: "g", Consumer: "p"}, err: consent.ErrUnavailable}, &ears{n: 1}
	s, err := consent.NewService(consent.ServiceConfig{Store: store, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.StopByConsumer(t.Context(), "p", "g"); !errors.Is(err, consent.ErrUnavailable) || cache.told != nil {
		t.Errorf("got %v, told %v", err, cache.told)
	}
}

// A stop answers when the cache was told or has nothing left that it could
// serve, whichever comes first, and not before.
func TestAStopWaitsForTheCache(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ears  *ears
		ended bool          // somebody else's stop came first
		took  time.Duration // at least; and at most half a second more
		tries int           // at least
	}{
		"told at once":                  {&ears{n: 1}, false, 0, 1},
		"told at the third attempt":     {&ears{n: 3}, false, 200 * time.Millisecond, 3},
		"never told":                    {&ears{}, false, consent.Freshness + time.Second, 10},
		"no cache":                      {nil, false, 0, 0},
		"ended before, told at once":    {&ears{n: 1}, true, 0, 1},
		"ended before, never told":      {&ears{}, true, consent.Freshness + time.Second, 10},
		"ended before, without a cache": {nil, true, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				failures := 0
				c := consent.ServiceConfig{Store: &ends{g: consent.Grant{ID: "g", Consumer: "p", Epoch: 4}}, CacheFailed: func(error) { failures++ }}
				if tt.ears != nil {
					c.Cache = tt.ears
				}
				want, epoch := error(nil), int64(5)
				if tt.ended {
					c.Store, want, epoch = &ends{g: consent.Grant{ID: "g", Consumer: "p", Epoch: 4}, err: consent.ErrEnded}, consent.ErrEnded, 4
				}
				s, err := consent.NewService(c)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				g, err := s.StopByConsumer(t.Context(), "p", "g")
				took := time.Since(start)
				if !errors.Is(err, want) || g.Epoch != epoch || took < tt.took || took > tt.took+500*time.Millisecond {
					t.Errorf("%v after %s, epoch %d", err, took, g.Epoch)
				}
				if tt.ears == nil {
					return
				}
				if len(tt.ears.told) < tt.tries || tt.ears.told[0] != epoch {
					t.Errorf("told %v", tt.ears.told)
				}
				if reported := failures == 1; reported != (tt.ears.n != 1) {
					t.Errorf("%d failures reported", failures)
				}
			})
		})
	}
}

// Whose patience is shorter than the wait is served when he comes back: what
// he has waited counts. It counts for that change alone, and only here.
func TestAStopThatIsRepeatedWaitsForWhatIsLeft(t *testing.T) {
	t.Parallel()
	const whole = consent.Freshness + time.Second
	for name, tt := range map[string]struct {
		between func(*ends)
		away    bool          // the second asks another instance
		after   time.Duration // between the two
		took    time.Duration // of the second; and at most a tenth of a second more
	}{
		"soon":                       {after: time.Second, took: whole - 3*time.Second},
		"late":                       {after: time.Minute, took: 0},
		"after another change":       {between: func(e *ends) { e.g.Epoch++ }, after: time.Minute, took: whole},
		"another grant of that time": {between: func(e *ends) { e.g.ID = "h" }, after: time.Minute, took: whole},
		"at another instance":        {away: true, after: time.Minute, took: whole},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &ends{g: consent.Grant{ID: "g", Consumer: "p", Epoch: 4}}
				service := func() *consent.Service {
					s, err := consent.NewService(consent.ServiceConfig{Store: store, Cache: &ears{}})
					if err != nil {
						t.Fatal(err)
					}
					return s
				}
				s := service()
				hasty, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				if _, err := s.StopByConsumer(hasty, "p", "g"); !errors.Is(err, consent.ErrUnavailable) {
					t.Fatalf("the first: %v", err)
				}
				time.Sleep(tt.after)
				store.g.Epoch, store.err = 5, consent.ErrEnded
				if tt.between != nil {
					tt.between(store)
				}
				if tt.away {
					s = service()
				}
				start := time.Now()
				g, err := s.StopByConsumer(t.Context(), "p", store.g.ID)
				if took := time.Since(start); !errors.Is(err, consent.ErrEnded) || g.ID != store.g.ID || took < tt.took || took > tt.took+100*time.Millisecond {
					t.Errorf("%v after %s", err, took)
				}
			})
		})
	}
}

// What time has ended has no version of its own yet: caches are told of the one
// that it will get, or they would keep the last.
func TestAStopAfterTheTimeTellsOfTheEnd(t *testing.T) {
	t.Parallel()
	store, cache := &ends{g: consent.Grant{ID: "g", Consumer: "p", Epoch: 4, Status: consent.StatusActive}, err: consent.ErrEnded}, &ears{n: 1}
	s, err := consent.NewService(consent.ServiceConfig{Store: store, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	if g, err := s.StopByConsumer(t.Context(), "p", "g"); !errors.Is(err, consent.ErrEnded) || g.Epoch != 4 || !slices.Equal(cache.told, []int64{5}) {
		t.Errorf("%v, epoch %d, told %v", err, g.Epoch, cache.told)
	}
}

// What is remembered of waits is bounded, and forgetting only costs time.
func TestWaitsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := consent.NewService(consent.ServiceConfig{Store: &ends{}, Cache: &ears{}})
		if err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		leave := func(id string) {
			if err := s.Settle(gone, consent.GrantID(id), 2); !errors.Is(err, consent.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		comeBack := func(id string, want time.Duration) {
			t.Helper()
			start := time.Now()
			if err := s.Settle(t.Context(), consent.GrantID(id), 2); err != nil || time.Since(start) != want {
				t.Errorf("%s: %v after %s, want %s", id, err, time.Since(start), want)
			}
		}
		for i := range 10_000 {
			leave(strconv.Itoa(i))
		}
		leave("one too many")
		time.Sleep(consent.Remembered)
		comeBack("9999", 0)
		comeBack("one too many", consent.Freshness+time.Second)
		leave("later")
		time.Sleep(consent.Remembered)
		comeBack("later", 0)
		comeBack("9999", consent.Freshness+time.Second)
	})
}

// Whoever leaves has stopped the grant all the same, and the cache hears of
// it, but nobody is told that it is done.
func TestStopOutlivesTheCaller(t *testing.T) {
	t.Parallel()
	for cache, want := range map[*ears]error{{n: 1}: nil, {}: consent.ErrUnavailable} {
		store := &ends{g: consent.Grant{ID: "g", Consumer: "p"}}
		s, err := consent.NewService(consent.ServiceConfig{
			Store: store, Cache: cache, After: func(time.Duration) <-chan time.Time { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.StopByConsumer(gone, "p", "g"); !errors.Is(err, want) || store.calls != 1 || len(cache.told) != 1 {
			t.Errorf("%d: %v, told %v", cache.n, err, cache.told)
		}
	}
}

// A recipient is stopped in one step: the truth, then the cache, once. While
// the cache cannot be told it waits as a stop does.
func TestMovingARecipientWaitsForTheCache(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		to    consent.RecipientStatus
		ears  *ears
		err   error
		took  time.Duration
		told  int // at least
		fails int
	}{
		"stopped and told":        {consent.RecipientSuspended, &ears{n: 1}, nil, 0, 1, 0},
		"stopped, told late":      {consent.RecipientSuspended, &ears{n: 3}, nil, 200 * time.Millisecond, 3, 1},
		"stopped, never told":     {consent.RecipientSuspended, &ears{}, nil, consent.Freshness + time.Second, 10, 1},
		"sent back to wait":       {consent.RecipientPending, &ears{n: 1}, nil, 0, 1, 0},
		"restricted, still reads": {consent.RecipientRestricted, &ears{}, nil, 0, 0, 0},
		"not moved":               {consent.RecipientSuspended, &ears{}, consent.ErrConflict, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fails := 0
				s, err := consent.NewService(consent.ServiceConfig{Store: &ends{}, Cache: tt.ears, CacheFailed: func(error) { fails++ }})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				err = s.MoveRecipient(t.Context(), standing{err: tt.err}, "app", consent.RecipientActive, tt.to, time.Time{})
				took := time.Since(start)
				if !errors.Is(err, tt.err) || took < tt.took || took > tt.took+500*time.Millisecond || len(tt.ears.told) < tt.told || tt.told == 0 && tt.ears.told != nil || fails != tt.fails {
					t.Errorf("%v after %s, told %d times, %d failures", err, took, len(tt.ears.told), fails)
				}
			})
		})
	}
}

// standing moves whom it is told to.
type standing struct {
	consent.Standing
	err error
}

func (s standing) Move(context.Context, consent.RecipientID, consent.RecipientStatus, consent.RecipientStatus, time.Time) error {
	return s.err
}
