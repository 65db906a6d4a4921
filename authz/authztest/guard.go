package authztest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
)

// Guard is the contract of token.Guard. open returns a guard, which may be
// the same one each time: every case uses keys of its own. The guard's clock
// must be within a minute of time.Now.
func Guard(t *testing.T, open func(*testing.T) token.Guard) {
	cases := map[string]func(*testing.T, token.Guard){
		"a proof is spent once":                     spentOnce,
		"a longer time does not revive a proof":     spentLonger,
		"proofs do not get in each other's way":     spentApart,
		"a proof whose time is over is refused":     spentLate,
		"of many uses of one proof one is accepted": spendRace,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t))
		})
	}
}

func newProof() token.Proof {
	return token.Proof{Key: newHash(), ExpiresAt: time.Now().Add(10 * time.Minute)}
}

func spentOnce(t *testing.T, g token.Guard) {
	p := newProof()
	if err := g.Spend(context.Background(), p); err != nil {
		t.Fatalf("first use: %v", err)
	}
	for range 3 {
		if err := g.Spend(context.Background(), p); !errors.Is(err, token.ErrReplayed) {
			t.Errorf("second use: got %v, want ErrReplayed", err)
		}
	}
}

func spentLonger(t *testing.T, g token.Guard) {
	p := newProof()
	if err := g.Spend(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	p.ExpiresAt = p.ExpiresAt.Add(time.Hour)
	if err := g.Spend(context.Background(), p); !errors.Is(err, token.ErrReplayed) {
		t.Errorf("got %v, want ErrReplayed", err)
	}
}

func spentApart(t *testing.T, g token.Guard) {
	one := newProof()
	for i := range one.Key {
		other := one
		other.Key[i] ^= 1
		if err := g.Spend(context.Background(), other); err != nil {
			t.Fatalf("a key that differs in byte %d: %v", i, err)
		}
	}
	if err := g.Spend(context.Background(), one); err != nil {
		t.Errorf("the key itself: %v", err)
	}
}

func spentLate(t *testing.T, g token.Guard) {
	p := newProof()
	p.ExpiresAt = time.Now().Add(-10 * time.Minute)
	if err := g.Spend(context.Background(), p); err == nil {
		t.Error("a proof whose copies may be forgotten was accepted")
	}
}

func spendRace(t *testing.T, g token.Guard) {
	p := newProof()
	errs := consenttest.Race(func(int) error { return g.Spend(context.Background(), p) })
	consenttest.OneWinner(t, errs, token.ErrReplayed)
}
