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
		"a proof is spent once":                                                  spentOnce,
		"a longer time does not revive a proof":                                  spentLonger,
		"proofs do not get in each other's way":                                  spentApart,
		"a proof whose time is over is refused":                                  spentLate,
		"of many uses of one proof one is accepted":                              spendRace,
		"of several proofs the first replayed is named and the others are spent": spentTogether,
		"of many uses of a pair in either order one is accepted":                 spendPairRace,
		"one proof does not stand for two":                                       spentTwice,
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

func spentTogether(t *testing.T, g token.Guard) {
	ctx := context.Background()
	if err := g.Spend(ctx); err != nil {
		t.Errorf("nothing: %v", err)
	}
	old, one, two := newProof(), newProof(), newProof()
	if err := g.Spend(ctx, old); err != nil {
		t.Fatal(err)
	}
	err := g.Spend(ctx, one, old, two)
	if replayed, ok := errors.AsType[*token.ReplayedError](err); !ok || replayed.Key != old.Key || !errors.Is(err, token.ErrReplayed) {
		t.Errorf("got %v, want the replayed proof by its key", err)
	}
	for _, p := range []token.Proof{one, two} {
		if err := g.Spend(ctx, p); !errors.Is(err, token.ErrReplayed) {
			t.Errorf("a proof beside a replayed one: got %v, want ErrReplayed", err)
		}
	}
}

func spendPairRace(t *testing.T, g token.Guard) {
	one, two := newProof(), newProof()
	errs := consenttest.Race(func(i int) error {
		if i%2 == 0 {
			return g.Spend(context.Background(), one, two)
		}
		return g.Spend(context.Background(), two, one)
	})
	consenttest.OneWinner(t, errs, token.ErrReplayed)
}

func spentTwice(t *testing.T, g token.Guard) {
	p := newProof()
	if err := g.Spend(context.Background(), p, p); !errors.Is(err, token.ErrReplayed) {
		t.Errorf("got %v, want ErrReplayed", err)
	}
}
