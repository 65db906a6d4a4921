package erasure_test

import (
	"testing"
	"time"

	"github.com/headgate/headgate/consent/erasure"
	"github.com/headgate/headgate/consent/inbox"
)

func TestStateOfARequest(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	over := asked.Add(erasure.AnswerTime)
	for name, c := range map[string]struct {
		answer erasure.Answer
		now    time.Time
		want   erasure.State
	}{
		"just asked":          {"", asked, erasure.StateAsked},
		"last moment":         {"", over.Add(-1), erasure.StateAsked},
		"no answer in time":   {"", over, erasure.StateSilent},
		"done":                {erasure.Done, asked, erasure.StateDone},
		"refused":             {erasure.Refused, asked, erasure.StateRefused},
		"done late":           {erasure.Done, over.AddDate(1, 0, 0), erasure.StateDone},
		"an unknown answer":   {"perhaps", asked, erasure.StateAsked},
		"an unknown and late": {"perhaps", over, erasure.StateSilent},
	} {
		if got := (erasure.Request{AskedAt: asked, Answer: c.answer}).State(c.now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestNobodyIsErasedBeforeTheLetterIsGivenUp(t *testing.T) {
	t.Parallel()
	if _, again := inbox.RetryAfter(1, time.Unix(0, 0), time.Unix(0, 0).Add(erasure.Wait)); again {
		t.Error("the letter may still be on its way")
	}
}
