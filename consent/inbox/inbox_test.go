package inbox_test

import (
	"slices"
	"testing"
	"time"

	"github.com/headgate/headgate/consent/inbox"
)

func TestEveryKindHasATopic(t *testing.T) {
	t.Parallel()
	used := map[inbox.Topic]bool{}
	for _, k := range inbox.Kinds() {
		if !slices.Contains(inbox.Topics(), k.Topic()) {
			t.Errorf("%s belongs to %s", k, k.Topic())
		}
		used[k.Topic()] = true
	}
	if len(used) != len(inbox.Topics()) {
		t.Errorf("topics without a kind: %v", used)
	}
	if !inbox.Kind("made up").Topic().Fixed() || !inbox.Topic("made up").Fixed() {
		t.Error("what is unknown can be switched off")
	}
}

func TestWhatMattersCannotBeSwitchedOff(t *testing.T) {
	t.Parallel()
	p := inbox.Preferences{Off: append(inbox.Topics(), "made up"), Digest: inbox.Monthly}
	if got := p.Allowed(); len(got.Off) != 4 || slices.ContainsFunc(got.Off, inbox.Topic.Fixed) {
		t.Errorf("allowed to be off: %v", got.Off)
	}
	for _, k := range []inbox.Kind{inbox.Granted, inbox.Changed, inbox.Stopped, inbox.Held, inbox.Paused, inbox.Slowed, inbox.Browser, inbox.Export, inbox.Erase, inbox.SharingOff, inbox.SharingOn, "made up"} {
		if got := p.Way(k); got != inbox.Mailed {
			t.Errorf("%s goes out as %s", k, got)
		}
	}
	for _, k := range []inbox.Kind{inbox.Ending30, inbox.Ending(14), inbox.Ended, inbox.Unused, inbox.Review, inbox.Policy, inbox.Owner} {
		if got := p.Way(k); got != inbox.Off {
			t.Errorf("%s that is off goes out as %s", k, got)
		}
		if got := (inbox.Preferences{Digest: inbox.Weekly}).Way(k); got != inbox.Collected {
			t.Errorf("%s for a digest goes out as %s", k, got)
		}
		if got := (inbox.Preferences{Digest: "daily"}).Way(k); got != inbox.Mailed {
			t.Errorf("%s in an unknown way goes out as %s", k, got)
		}
	}
}

func TestDaysBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for kind, want := range map[inbox.Kind]int{
		inbox.Ending30: 30, inbox.Ending(14): 14, inbox.Ending(1): 1, inbox.Ended: 0, inbox.Unused: 0,
		"ending_": 0, "ending_0": 0, "ending_-1": 0, "ending_+7": 0, "ending_07": 0, "ending_7 ": 0, "xending_7": 0,
	} {
		if got := kind.Days(); got != want {
			t.Errorf("%q: %d, want %d", kind, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for attempts, want := range map[int]time.Duration{0: 30 * time.Second, 1: 30 * time.Second, 2: time.Minute, 7: 32 * time.Minute, 8: time.Hour, 1000: time.Hour} {
		if got, ok := inbox.RetryAfter(attempts, since, since.Add(time.Hour)); !ok || got != want {
			t.Errorf("after %d: %v, %v", attempts, got, ok)
		}
	}
	if _, ok := inbox.RetryAfter(1, since, since.Add(72*time.Hour-1)); !ok {
		t.Error("gave up too early")
	}
	if _, ok := inbox.RetryAfter(1, since, since.Add(72*time.Hour)); ok {
		t.Error("did not give up")
	}
}
