package consent_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
)

type moves struct {
	list []consent.Move
	err  error
}

func (m moves) Moved(_ context.Context, within time.Duration) ([]consent.Move, error) {
	if within != consent.Remembered {
		return nil, errors.New("another time")
	}
	return m.list, m.err
}

type toldAgain struct {
	told map[consent.GrantID]int64
	down consent.GrantID
}

func (c toldAgain) Ended(_ context.Context, id consent.GrantID, epoch int64) error {
	if id == c.down {
		return errCache
	}
	c.told[id] = epoch
	return nil
}

var errCache = errors.New("cache is down")

func TestRepeat(t *testing.T) {
	t.Parallel()
	list := []consent.Move{{Grant: "a", Epoch: 2}, {Grant: "b", Epoch: 7}, {Grant: "c", Epoch: 3}}
	c := toldAgain{told: map[consent.GrantID]int64{}}
	if err := consent.Repeat(t.Context(), moves{list: list}, c); err != nil || len(c.told) != 3 || c.told["b"] != 7 {
		t.Errorf("told %v (%v)", c.told, err)
	}
	// A cache that is down is asked no further: the next round is soon.
	c = toldAgain{map[consent.GrantID]int64{}, "b"}
	if err := consent.Repeat(t.Context(), moves{list: list}, c); !errors.Is(err, errCache) || len(c.told) != 1 {
		t.Errorf("cache down: told %v (%v)", c.told, err)
	}
	if err := consent.Repeat(t.Context(), moves{err: consent.ErrUnavailable}, c); !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("store down: %v", err)
	}
}
