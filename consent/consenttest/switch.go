package consenttest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
)

// Switch is the contract of consent.Switch; open as for Store.
func Switch(t *testing.T, open func(*testing.T) consent.Switch) {
	for name, run := range map[string]func(*testing.T, consent.Switch, consent.ConsumerID){
		"new sharing is on until somebody switches it off": switchBegins,
		"what is so already is no change":                  switchTwice,
		"the switch of another person stays as it is":      switchForeign,
		"of many who switch one changes it":                switchRace,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t), consent.ConsumerID("switcher-"+uuid.NewString()))
		})
	}
}

func switchTo(t *testing.T, s consent.Switch, who consent.ConsumerID, off bool) {
	t.Helper()
	if err := s.SwitchSharing(context.Background(), who, off); err != nil {
		t.Fatal(err)
	}
	at, err := s.SharingOff(context.Background(), who)
	if err != nil || at.IsZero() == off || off && time.Since(at).Abs() > time.Minute {
		t.Fatalf("off since %v (%v), want off %v", at, err, off)
	}
}

// switchings returns what the switch became, newest first.
func switchings(t *testing.T, s consent.Switch, who consent.ConsumerID, until time.Time, limit int) []bool {
	t.Helper()
	all, err := s.Switchings(context.Background(), who, until, limit)
	if err != nil {
		t.Fatal(err)
	}
	var list []bool
	ids := map[[16]byte]bool{}
	for i, c := range all {
		if c.Consumer != who || ids[c.ID] || i > 0 && c.At.After(all[i-1].At) {
			t.Errorf("change %d: %+v", i, c)
		}
		ids[c.ID] = true
		list = append(list, c.Off)
	}
	return list
}

func switchBegins(t *testing.T, s consent.Switch, who consent.ConsumerID) {
	if at, err := s.SharingOff(context.Background(), who); err != nil || !at.IsZero() {
		t.Fatalf("off since %v (%v)", at, err)
	}
	if list := switchings(t, s, who, time.Time{}, 10); list != nil {
		t.Errorf("changes: %v", list)
	}
	switchTo(t, s, who, true)
	switchTo(t, s, who, false)
	switchTo(t, s, who, true)
	if list := switchings(t, s, who, time.Time{}, 10); !slices.Equal(list, []bool{true, false, true}) {
		t.Errorf("changes: %v", list)
	}
	if list := switchings(t, s, who, time.Time{}, 2); !slices.Equal(list, []bool{true, false}) {
		t.Errorf("the newest two: %v", list)
	}
	if list := switchings(t, s, who, time.Now().Add(-time.Hour), 10); list != nil {
		t.Errorf("an hour ago: %v", list)
	}
}

func switchTwice(t *testing.T, s consent.Switch, who consent.ConsumerID) {
	switchTo(t, s, who, false)
	if list := switchings(t, s, who, time.Time{}, 10); list != nil {
		t.Errorf("switched on what was on: %v", list)
	}
	switchTo(t, s, who, true)
	since, _ := s.SharingOff(context.Background(), who)
	switchTo(t, s, who, true)
	if again, _ := s.SharingOff(context.Background(), who); !again.Equal(since) {
		t.Errorf("off since %v, then since %v", since, again)
	}
	if list := switchings(t, s, who, time.Time{}, 10); len(list) != 1 {
		t.Errorf("changes: %v", list)
	}
}

func switchForeign(t *testing.T, s consent.Switch, who consent.ConsumerID) {
	other := who + "-other"
	switchTo(t, s, other, true)
	if at, err := s.SharingOff(context.Background(), who); err != nil || !at.IsZero() {
		t.Errorf("off since %v (%v)", at, err)
	}
	if list := switchings(t, s, who, time.Time{}, 10); list != nil {
		t.Errorf("changes: %v", list)
	}
}

func switchRace(t *testing.T, s consent.Switch, who consent.ConsumerID) {
	for _, err := range Race(func(int) error { return s.SwitchSharing(context.Background(), who, true) }) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if list := switchings(t, s, who, time.Time{}, 100); !slices.Equal(list, []bool{true}) {
		t.Errorf("changes: %v", list)
	}
}
