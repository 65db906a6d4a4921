package consent_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
)

// moves is a store in which something changed n times a second, for ever, and
// one recipient was stopped at the beginning.
type moves struct {
	now   func() time.Time
	begin time.Time
	n     int
	err   error
}

// times returns the instants of changes in a span.
func (m *moves) times(s consent.Span) (all []int) {
	age := m.now().Sub(m.begin)
	step := time.Second / time.Duration(m.n)
	for i := max(0, int((age-s.Most)/step)); time.Duration(i)*step < age; i++ {
		if old := age - time.Duration(i)*step; old > s.Over && old <= s.Most {
			all = append(all, i)
		}
	}
	return all
}

func (m *moves) Moved(_ context.Context, ages []consent.Span) (all []consent.Move, err error) {
	seen := map[int]bool{}
	for _, s := range ages {
		for _, i := range m.times(s) {
			if !seen[i] {
				seen[i] = true
				all = append(all, consent.Move{Grant: consent.GrantID(fmt.Sprint(i)), Epoch: 2})
			}
		}
	}
	return all, m.err
}

func (m *moves) Stopped(_ context.Context, ages []consent.Span) ([]consent.RecipientID, error) {
	for _, s := range ages {
		if old := m.now().Sub(m.begin); old > s.Over && old <= s.Most {
			return []consent.RecipientID{"app"}, m.err
		}
	}
	return nil, m.err
}

type toldAgain struct {
	now      func() time.Time
	told     map[consent.GrantID][]time.Time
	stopped  int
	commands int
	down     bool
}

func (c *toldAgain) EndedAll(_ context.Context, moved []consent.Move) error {
	if c.down {
		return errCache
	}
	c.commands++
	for _, m := range moved {
		c.told[m.Grant] = append(c.told[m.Grant], c.now())
	}
	return nil
}

func (c *toldAgain) Stopped(context.Context, consent.RecipientID) error {
	if c.down {
		return errCache
	}
	c.commands, c.stopped = c.commands+1, c.stopped+1
	return nil
}

var errCache = errors.New("cache is down")

// rounds is a repeater on such a store, with a round every five seconds.
func rounds(t *testing.T, perSecond int) (*moves, *toldAgain, func() error) {
	t.Helper()
	begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	at := begin
	now := func() time.Time { return at }
	m := &moves{now: now, begin: begin, n: perSecond}
	c := &toldAgain{now: now, told: map[consent.GrantID][]time.Time{}}
	r, err := consent.NewRepeater(consent.RepeaterConfig{Moves: m, Cache: c, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return m, c, func() error {
		at = at.Add(5 * time.Second)
		return r.Round(t.Context())
	}
}

// With a hundred stops a second each is told three or four times, not in each
// round of two minutes.
func TestEachChangeIsToldAFewTimes(t *testing.T) {
	t.Parallel()
	const perSecond, minutes = 100, 4
	m, c, round := rounds(t, perSecond)
	for range minutes * 12 {
		if err := round(); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for id, at := range c.told {
		total += len(at)
		var i int
		_, _ = fmt.Sscan(string(id), &i)
		born := m.begin.Add(time.Duration(i) * time.Second / perSecond)
		if m.now().Sub(born) < 71*time.Second {
			continue // not all of it yet
		}
		if len(at) < 3 || len(at) > 6 {
			t.Fatalf("a change was told %d times", len(at))
		}
		if first := at[0].Sub(born); first <= 5*time.Second || first > 10*time.Second {
			t.Fatalf("told first when it was %s old", first)
		}
		if last := at[len(at)-1].Sub(born); last <= time.Minute {
			t.Fatalf("told last when it was %s old", last)
		}
	}
	if c.stopped < 3 || c.stopped > 6 {
		t.Errorf("the recipient was told %d times", c.stopped)
	}
	seconds := minutes * 60
	t.Logf("at %d stops a second: %.1f changes and %.2f calls a second; each in every round of two minutes would be %d",
		perSecond, float64(total)/float64(seconds), float64(c.commands)/float64(seconds), perSecond*24)
	if total > 4*perSecond*seconds {
		t.Errorf("%d changes told in %d seconds", total, seconds)
	}
}

// While the cache or the store cannot be asked nothing is forgotten: the next
// round that succeeds tells of all that has passed a mark meanwhile.
func TestARoundThatFailsIsMadeUpFor(t *testing.T) {
	t.Parallel()
	m, c, round := rounds(t, 1)
	for range 4 {
		if err := round(); err != nil {
			t.Fatal(err)
		}
	}
	before := len(c.told)
	c.down = true
	for range 2 {
		if err := round(); !errors.Is(err, errCache) {
			t.Fatalf("cache down: %v", err)
		}
	}
	c.down, m.err = false, consent.ErrUnavailable
	if err := round(); !errors.Is(err, consent.ErrUnavailable) {
		t.Fatalf("store down: %v", err)
	}
	m.err = nil
	if err := round(); err != nil {
		t.Fatal(err)
	}
	if got := len(c.told) - before; got != 20 {
		t.Errorf("told of %d changes of the 20 seconds", got)
	}
}
