package authztest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
)

// Requests is the contract of token.Requests. open returns stores, which may
// be the same ones each time: every case uses values of its own. They hold
// consenttest.Registrations if they check references. The stores' clock must
// be within a minute of time.Now.
func Requests(t *testing.T, open func(*testing.T) Stores) {
	cases := map[string]func(*testing.T, Stores){
		"a request comes back as it was pushed":                   pushedComesBack,
		"an unknown request is not found":                         pushedUnknown,
		"a request past its time can be decided, not opened":      pushedLate,
		"an approval writes everything":                           approveWrites,
		"a decided request is known as decided":                   decidedKnown,
		"a decided request is not decided again":                  decidedAgain,
		"an approval of an old version writes nothing":            approveStale,
		"an approval of an unknown request writes nothing":        approveUnknown,
		"an approval under a grant id that exists writes nothing": approveTwiceGranted,
		"a code of another grant is refused":                      approveForeignCode,
		"an approval for who may not ask writes nothing":          approveMayNotAsk,
		"an approval for whom sharing is off writes nothing":      approveSwitchedOff,
		"an approval and a switch leave nothing that began off":   approveAgainstSwitch,
		"a refusal makes no grant":                                refuseMakesNothing,
		"of many decisions one decides":                           decisionRace,
		"a change takes the place of the version before":          changeWrites,
		"a change withdraws what was issued before":               changeWithdraws,
		"a change of anything but the present version is refused": changeRefused,
		"of many changes one changes":                             changeRace,
		"a change and an end leave nothing usable":                changeAgainstEnd,
		"a change and a redemption leave no old token":            changeAgainstRedeem,
		"a change and a renewal leave no old token":               changeAgainstRenew,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t))
		})
	}
}

func pushedComesBack(t *testing.T, s Stores) {
	p := newPushed()
	if err := s.Requests.Push(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	got, err := s.Requests.Pushed(context.Background(), p.Hash)
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("got  %+v (%v)\nwant %+v", got, err, p)
	}
	got, err = s.Requests.Opened(context.Background(), p.Hash)
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("opened: got  %+v (%v)\nwant %+v", got, err, p)
	}
}

func pushedUnknown(t *testing.T, s Stores) {
	if _, err := s.Requests.Pushed(context.Background(), newHash()); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if _, err := s.Requests.Opened(context.Background(), newHash()); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("opened: got %v, want ErrNotFound", err)
	}
}

func pushedLate(t *testing.T, s Stores) {
	ctx, p := context.Background(), newPushed()
	p.ExpiresAt = second(time.Now()).Add(-10 * time.Minute)
	if err := s.Requests.Push(ctx, p); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Requests.Pushed(ctx, p.Hash); !errors.Is(err, token.ErrNotFound) || got.Recipient != "" {
		t.Errorf("got %+v, %v, want ErrNotFound", got, err)
	}
	if got, err := s.Requests.Opened(ctx, p.Hash); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("opened: got  %+v (%v)\nwant %+v", got, err, p)
	}
	a, err := s.Authorizations.Open(ctx, consenttest.NewAuthorization(p.Hash.String(), p.Hash.String(), time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Requests.Approve(ctx, decision{p, a}.approval()); err != nil {
		t.Errorf("approve: %v", err)
	}
}

func approveWrites(t *testing.T, s Stores) {
	ctx := context.Background()
	a := approved(t, s, nil)
	if got, err := s.Grants.Grant(ctx, a.Grant.ID); err != nil || !reflect.DeepEqual(got, a.Grant) {
		t.Errorf("grant: got  %+v (%v)\nwant %+v", got, err, a.Grant)
	}
	if got, err := s.Tokens.Code(ctx, a.Code.Hash); err != nil || !reflect.DeepEqual(got, a.Code) {
		t.Errorf("code: got  %+v (%v)\nwant %+v", got, err, a.Code)
	}
	want := a.Authorization
	want.Version++
	if got, err := s.Authorizations.Authorization(ctx, want.ID, want.Browser); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("authorization: got  %+v (%v)\nwant %+v", got, err, want)
	}
	events, err := s.Grants.Events(ctx, a.Grant.ID)
	if err != nil || len(events) != 1 || events[0].Kind != consent.EventGranted || events[0].Actor != consent.ActorConsumer {
		t.Errorf("events: got %+v (%v)", events, err)
	}
}

func decidedKnown(t *testing.T, s Stores) {
	ctx := context.Background()
	a := approved(t, s, nil)
	for name, load := range map[string]func(context.Context, token.Hash) (token.Pushed, error){
		"pushed": s.Requests.Pushed, "opened": s.Requests.Opened,
	} {
		got, err := load(ctx, a.Pushed)
		if !errors.Is(err, token.ErrUsed) || got.Recipient != a.Grant.Recipient || got.ConsumedAt.IsZero() {
			t.Errorf("%s: got %+v, %v, want the record with ErrUsed", name, got, err)
		}
	}
}

func decidedAgain(t *testing.T, s Stores) {
	ctx := context.Background()
	a := approved(t, s, nil)
	again := a
	again.Authorization.Version++
	again.Grant = consenttest.NewGrant(newConsumer(), time.Now())
	again.Code = newCode(again.Grant)
	if err := s.Requests.Approve(ctx, again); !errors.Is(err, consent.ErrConsumed) {
		t.Errorf("approve: got %v, want ErrConsumed", err)
	}
	if err := s.Requests.Refuse(ctx, again.Pushed, again.Authorization); !errors.Is(err, consent.ErrConsumed) {
		t.Errorf("refuse: got %v, want ErrConsumed", err)
	}
	nothingMade(t, s, again)
}

// nothingMade fails when an approval that was refused left something.
func nothingMade(t *testing.T, s Stores, a token.Approval) {
	t.Helper()
	ctx := context.Background()
	if _, err := s.Grants.Grant(ctx, a.Grant.ID); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("grant: got %v, want ErrNotFound", err)
	}
	if _, err := s.Tokens.Code(ctx, a.Code.Hash); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("code: got %v, want ErrNotFound", err)
	}
	if got, err := s.Authorizations.Authorization(ctx, a.Authorization.ID, a.Authorization.Browser); err != nil || got.Version != a.Authorization.Version {
		t.Errorf("authorization: got version %d (%v), want %d", got.Version, err, a.Authorization.Version)
	}
}

func approveStale(t *testing.T, s Stores) {
	ctx := context.Background()
	d := newDecision(t, s)
	present, err := s.Authorizations.Replace(ctx, d.authorization)
	if err != nil {
		t.Fatal(err)
	}
	a := d.approval()
	if err := s.Requests.Approve(ctx, a); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("approve: got %v, want ErrConflict", err)
	}
	if err := s.Requests.Refuse(ctx, a.Pushed, a.Authorization); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("refuse: got %v, want ErrConflict", err)
	}
	a.Authorization.Version = present.Version
	nothingMade(t, s, a)
	// The request was not consumed: the present version still decides it.
	if err := s.Requests.Approve(ctx, a); err != nil {
		t.Errorf("approve the present version: %v", err)
	}
}

func approveUnknown(t *testing.T, s Stores) {
	a := newDecision(t, s).approval()
	a.Pushed = newHash()
	if err := s.Requests.Approve(context.Background(), a); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	nothingMade(t, s, a)
}

func approveTwiceGranted(t *testing.T, s Stores) {
	ctx := context.Background()
	first := approved(t, s, nil)
	a := newDecision(t, s).approval()
	a.Grant.ID, a.Code.Grant = first.Grant.ID, first.Grant.ID
	if err := s.Requests.Approve(ctx, a); !errors.Is(err, consent.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if _, err := s.Tokens.Code(ctx, a.Code.Hash); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("code: got %v, want ErrNotFound", err)
	}
	if _, err := s.Requests.Pushed(ctx, a.Pushed); err != nil {
		t.Errorf("the request was consumed: %v", err)
	}
}

func approveForeignCode(t *testing.T, s Stores) {
	for name, spoil := range map[string]func(*token.Code){
		"grant":     func(c *token.Code) { c.Grant = consent.NewGrantID() },
		"recipient": func(c *token.Code) { c.Recipient = consenttest.OtherRecipient },
	} {
		a := newDecision(t, s).approval()
		spoil(&a.Code)
		if err := s.Requests.Approve(context.Background(), a); err == nil {
			t.Errorf("a code of another %s was stored", name)
		}
		nothingMade(t, s, a)
	}
}

func refuseMakesNothing(t *testing.T, s Stores) {
	ctx := context.Background()
	d := newDecision(t, s)
	a := d.authorization
	a.Consumer, a.Decision = newConsumer(), consent.Denied
	if err := s.Requests.Refuse(ctx, d.pushed.Hash, a); err != nil {
		t.Fatal(err)
	}
	if grants, err := s.Grants.GrantsOf(ctx, a.Consumer); err != nil || grants != nil {
		t.Errorf("got %d grants (%v), want none", len(grants), err)
	}
	if got, err := s.Authorizations.Authorization(ctx, a.ID, a.Browser); err != nil || got.Decision != consent.Denied || got.Version != a.Version+1 {
		t.Errorf("got %+v (%v)", got, err)
	}
	approval := d.approval()
	approval.Authorization.Version++
	if err := s.Requests.Approve(ctx, approval); !errors.Is(err, consent.ErrConsumed) {
		t.Errorf("approve after a refusal: got %v, want ErrConsumed", err)
	}
	nothingMade(t, s, approval)
}

func decisionRace(t *testing.T, s Stores) {
	ctx := context.Background()
	d := newDecision(t, s)
	consumer := newConsumer()
	errs := consenttest.Race(func(i int) error {
		a := d.approval()
		a.Grant.Consumer = consumer
		if i%4 == 0 {
			return s.Requests.Refuse(ctx, a.Pushed, a.Authorization)
		}
		return s.Requests.Approve(ctx, a)
	})
	consenttest.OneWinner(t, errs, consent.ErrConsumed)
	if grants, err := s.Grants.GrantsOf(ctx, consumer); err != nil || len(grants) > 1 {
		t.Errorf("got %d grants (%v), want at most 1", len(grants), err)
	}
}

// An approval for a recipient that was stopped meanwhile writes nothing, and
// the request can still be refused.
// A change is new sharing, too.
func approveSwitchedOff(t *testing.T, s Stores) {
	ctx := context.Background()
	first := approved(t, s, nil)
	who := first.Grant.Consumer
	if err := s.Switch.SwitchSharing(ctx, who, true); err != nil {
		t.Fatal(err)
	}
	fresh := newDecision(t, s).approval()
	fresh.Authorization.Consumer, fresh.Grant.Consumer = who, who
	for name, a := range map[string]token.Approval{"a new grant": fresh, "a change": newChange(t, s, first.Grant)} {
		if err := s.Requests.Approve(ctx, a); !errors.Is(err, consent.ErrSharingOff) {
			t.Errorf("%s: got %v, want ErrSharingOff", name, err)
		}
		if _, err := s.Requests.Opened(ctx, a.Pushed); err != nil {
			t.Errorf("%s: the request was used up: %v", name, err)
		}
	}
	if _, err := s.Grants.Grant(ctx, fresh.Grant.ID); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("a grant was made: %v", err)
	}
	if g, err := s.Grants.Grant(ctx, first.Grant.ID); err != nil || g.Epoch != 1 || g.Status != consent.StatusActive {
		t.Errorf("what was shared already: %+v (%v)", g, err)
	}
	if err := s.Switch.SwitchSharing(ctx, who, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Requests.Approve(ctx, fresh); err != nil {
		t.Errorf("switched on again: %v", err)
	}
}

// Whoever comes first, no grant of somebody who has sharing off is younger
// than the switch. Nobody is known before.
func approveAgainstSwitch(t *testing.T, s Stores) {
	ctx := context.Background()
	for range 8 {
		a := newDecision(t, s).approval()
		errs := consenttest.Race(func(i int) error {
			if i == 0 {
				return s.Requests.Approve(ctx, a)
			}
			return s.Switch.SwitchSharing(ctx, a.Grant.Consumer, true)
		})
		_, err := s.Grants.Grant(ctx, a.Grant.ID)
		switch {
		case errs[0] == nil && err == nil:
		case errors.Is(errs[0], consent.ErrSharingOff) && errors.Is(err, consent.ErrNotFound):
		default:
			t.Errorf("approval %v, grant %v", errs[0], err)
		}
		if next := newDecision(t, s).approval(); true {
			next.Authorization.Consumer, next.Grant.Consumer = a.Grant.Consumer, a.Grant.Consumer
			if err := s.Requests.Approve(ctx, next); !errors.Is(err, consent.ErrSharingOff) {
				t.Errorf("after the switch: %v", err)
			}
		}
	}
}

func approveMayNotAsk(t *testing.T, s Stores) {
	ctx := context.Background()
	for status := range mayRead {
		who := register(t, s, consent.RecipientActive)
		a := newDecision(t, s).approval()
		a.Grant.Recipient, a.Code.Recipient = who, who
		setStatus(t, s, who, status)
		err := s.Requests.Approve(ctx, a)
		if status == consent.RecipientActive {
			if err != nil {
				t.Errorf("%s: %v", status, err)
			}
			continue
		}
		if !errors.Is(err, consent.ErrMayNotAsk) {
			t.Errorf("%s: got %v, want ErrMayNotAsk", status, err)
		}
		if _, err := s.Grants.Grant(ctx, a.Grant.ID); !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: a grant was made: %v", status, err)
		}
		if _, err := s.Requests.Opened(ctx, a.Pushed); err != nil {
			t.Errorf("%s: the request was used up: %v", status, err)
		}
	}
}
