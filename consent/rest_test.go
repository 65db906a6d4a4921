package consent_test

import (
	"errors"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
)

// resting returns a service on a store with one active grant of alice's.
func resting(t *testing.T, cache consent.Cache) (*consent.Service, *consenttest.Memory, consent.Grant) {
	t.Helper()
	m := consenttest.NewMemory(time.Now)
	g := consenttest.NewGrant("alice", time.Now())
	if err := m.Create(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	c := consent.ServiceConfig{Store: m}
	if cache != nil {
		c.Cache = cache
	}
	s, err := consent.NewService(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, m, g
}

func TestRestAt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		bend   func(*consent.Grant)
		want   consent.Rest
		active bool
	}{
		"nothing":                 {func(*consent.Grant) {}, "", true},
		"paused":                  {func(g *consent.Grant) { g.PausedUntil = noon.Add(1) }, consent.RestPaused, false},
		"the instant of its end":  {func(g *consent.Grant) { g.PausedUntil = noon }, "", true},
		"held":                    {func(g *consent.Grant) { g.HeldAt = noon.Add(-time.Hour) }, consent.RestHeld, false},
		"held from a later clock": {func(g *consent.Grant) { g.HeldAt = noon.Add(time.Hour) }, consent.RestHeld, false},
		"held and paused":         {func(g *consent.Grant) { g.HeldAt, g.PausedUntil = noon, noon.Add(1) }, consent.RestHeld, false},
		"revoked while held":      {func(g *consent.Grant) { g.HeldAt, g.Status = noon, consent.StatusRevoked }, "", false},
		"over while paused":       {func(g *consent.Grant) { g.PausedUntil, g.ExpiresAt = noon.Add(1), noon }, "", false},
	} {
		g := consent.Grant{Status: consent.StatusActive, ExpiresAt: noon.Add(time.Hour)}
		tt.bend(&g)
		var rests *consent.RestingError
		err := g.Resting(noon)
		if g.RestAt(noon) != tt.want || g.Share().Active(noon) != tt.active || (err != nil) != (tt.want != "") {
			t.Errorf("%s: rest %s, active %v, %v", name, g.RestAt(noon), g.Share().Active(noon), err)
		}
		if errors.As(err, &rests) && (rests.Rest != tt.want || rests.Until.IsZero() != (tt.want == consent.RestHeld)) {
			t.Errorf("%s: %+v", name, rests)
		}
	}
}

func TestHowLongAPauseIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for name, tt := range map[string]struct {
			until time.Time
			want  error
		}{
			"a second":         {now.Add(time.Second), nil},
			"a week":           {now.AddDate(0, 0, 7), nil},
			"until now":        {now, consent.ErrUntil},
			"no time":          {time.Time{}, consent.ErrUntil},
			"the past":         {now.Add(-time.Hour), consent.ErrUntil},
			"within a second":  {now.Add(time.Second - 1), consent.ErrUntil},
			"more than a pack": {now.Add(consent.MaxPause + time.Second), consent.ErrUntil},
			"as the grant":     {now.AddDate(0, 0, 30), consent.ErrUntil},
			"just before that": {now.AddDate(0, 0, 30).Add(-time.Second), nil},
		} {
			s, m, g := resting(t, nil)
			got, err := s.PauseByConsumer(t.Context(), "alice", g.ID, tt.until)
			if !errors.Is(err, tt.want) || tt.want == nil && !got.PausedUntil.Equal(tt.until.Truncate(time.Second)) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			if kept, _ := m.Grant(t.Context(), g.ID); (kept.Epoch == 2) != (tt.want == nil) {
				t.Errorf("%s: epoch %d", name, kept.Epoch)
			}
		}
	})
}

// A rest is the business of the person whose grant it is, and for everybody
// else the grant does not exist.
func TestOnlyItsPersonLetsAGrantRest(t *testing.T) {
	t.Parallel()
	until := time.Now().Add(time.Hour)
	for _, who := range []consent.ConsumerID{"bob", ""} {
		s, m, g := resting(t, nil)
		for name, try := range map[string]func(consent.GrantID) (consent.Grant, error){
			"pause":   func(id consent.GrantID) (consent.Grant, error) { return s.PauseByConsumer(t.Context(), who, id, until) },
			"resume":  func(id consent.GrantID) (consent.Grant, error) { return s.ResumeByConsumer(t.Context(), who, id) },
			"hold":    func(id consent.GrantID) (consent.Grant, error) { return s.HoldByConsumer(t.Context(), who, id) },
			"release": func(id consent.GrantID) (consent.Grant, error) { return s.ReleaseByConsumer(t.Context(), who, id) },
		} {
			for _, id := range []consent.GrantID{g.ID, consent.NewGrantID()} {
				if got, err := try(id); !errors.Is(err, consent.ErrNotFound) || got.ID != "" {
					t.Errorf("%s by %q: %+v, %v", name, string(who), got, err)
				}
			}
		}
		if kept, _ := m.Grant(t.Context(), g.ID); kept.Epoch != 1 {
			t.Errorf("epoch %d", kept.Epoch)
		}
	}
}

func TestAHoldHasACase(t *testing.T) {
	t.Parallel()
	s, _, g := resting(t, nil)
	first, err := s.HoldByConsumer(t.Context(), "alice", g.ID)
	if err != nil || !regexp.MustCompile(`^H-[A-Z2-7]{4}-[A-Z2-7]{4}$`).MatchString(first.Case) {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := s.HoldByConsumer(t.Context(), "alice", g.ID)
	if !errors.Is(err, consent.ErrConflict) || again.Case != first.Case {
		t.Errorf("a second hold: case %s, %v; want the first", again.Case, err)
	}
	if _, err := s.ReleaseByProvider(t.Context(), g.ID); err != nil {
		t.Error(err)
	}
	second, err := s.HoldByConsumer(t.Context(), "alice", g.ID)
	if err != nil || second.Case == first.Case {
		t.Errorf("case %s after %s, %v", second.Case, first.Case, err)
	}
	if _, err := s.StopByConsumer(t.Context(), "alice", g.ID); err != nil {
		t.Error(err)
	}
	if got, err := s.HoldByConsumer(t.Context(), "alice", g.ID); !errors.Is(err, consent.ErrEnded) || got.ID != g.ID {
		t.Errorf("after the end: %+v, %v", got, err)
	}
}

// What takes something away is done when no cache believes in the version
// before, also when it came second; what gives back need not wait.
func TestARestWaitsForTheCache(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		n     int
		took  time.Duration // at least; and at most half a second more
		twice bool
	}{
		"told at once":         {1, 0, false},
		"never told":           {0, consent.Freshness + time.Second, false},
		"second, never told":   {0, consent.Freshness + time.Second, true}, // which waited already
		"second, told at once": {1, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for kind, do := range map[string]func(s *consent.Service, id consent.GrantID) error{
					"pause": func(s *consent.Service, id consent.GrantID) error {
						_, err := s.PauseByConsumer(t.Context(), "alice", id, time.Now().Add(time.Hour))
						return err
					},
					"hold": func(s *consent.Service, id consent.GrantID) error {
						_, err := s.HoldByConsumer(t.Context(), "alice", id)
						return err
					},
				} {
					cache := &ears{n: tt.n}
					s, m, g := resting(t, cache)
					start := time.Now()
					err := do(s, g.ID)
					if tt.twice {
						if err = do(s, g.ID); !errors.Is(err, consent.ErrConflict) {
							t.Errorf("%s: %v", kind, err)
						}
						err = nil
					}
					if took := time.Since(start); err != nil || took < tt.took || took > tt.took+500*time.Millisecond || cache.told[0] != 2 {
						t.Errorf("%s: %v after %s, told %v", kind, err, took, cache.told)
					}
					told := len(cache.told)
					start = time.Now()
					if kind == "pause" {
						_, err = s.ResumeByConsumer(t.Context(), "alice", g.ID)
					} else {
						_, err = s.ReleaseByConsumer(t.Context(), "alice", g.ID)
					}
					if took := time.Since(start); err != nil || took != 0 || len(cache.told) != told {
						t.Errorf("end of %s: %v after %s, told %v", kind, err, took, cache.told)
					}
					if kept, _ := m.Grant(t.Context(), g.ID); kept.Epoch != 3 {
						t.Errorf("epoch %d", kept.Epoch)
					}
				}
			})
		})
	}
}
