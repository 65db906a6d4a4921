package authztest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/internal/token"
)

// Spends is the contract of every store method that spends one-time proofs in
// the same step as its effect: token.Requests.Push and token.Store's Redeem,
// Renew and IssueClient. open as for Requests.
func Spends(t *testing.T, open func(*testing.T) Stores) {
	for method, prepare := range map[string]func(*testing.T, Stores) effect{
		"Push": pushing, "Redeem": redeeming, "Renew": renewing, "IssueClient": issuingClient,
	} {
		t.Run(method, func(t *testing.T) {
			cases := map[string]func(*testing.T, Stores, func(*testing.T, Stores) effect){
				"spends every proof on success":                               spentByEffect,
				"does nothing with a replayed proof, names it, spends others": replayedNoEffect,
				"takes one proof for one":                                     doubledNoEffect,
				"happens once for one proof":                                  spentByOneEffect,
				"spends the proofs when it is refused":                        spentByRefusal,
			}
			for name, run := range cases {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					run(t, open(t), prepare)
				})
			}
		})
	}
}

// effect is a call that spends proofs, ready to be made once with success.
type effect struct {
	do func(spend ...token.Proof) error
	// done reports whether it has happened.
	done func() bool
	// refused is the same call about something that cannot be; nil when
	// there is no such thing.
	refused func(spend ...token.Proof) error
}

func pushing(_ *testing.T, s Stores) effect {
	ctx, p := context.Background(), newPushed()
	return effect{
		do: func(spend ...token.Proof) error { return s.Requests.Push(ctx, p, spend...) },
		done: func() bool {
			_, err := s.Requests.Pushed(ctx, p.Hash)
			return err == nil
		},
	}
}

func alive(s Stores, h token.Hash) bool {
	l, err := s.Tokens.Live(context.Background(), h)
	return err == nil && l.Active(time.Now())
}

func redeeming(t *testing.T, s Stores) effect {
	r := newRedemption(approved(t, s, nil).Code)
	redeem := func(r token.Redemption, spend []token.Proof) error {
		r.Spend = spend
		_, err := s.Tokens.Redeem(context.Background(), r)
		return err
	}
	return effect{
		do:   func(spend ...token.Proof) error { return redeem(r, spend) },
		done: func() bool { return alive(s, r.Access.Hash) },
		refused: func(spend ...token.Proof) error {
			bad := r
			bad.Code = newHash()
			return redeem(bad, spend)
		},
	}
}

func renewing(t *testing.T, s Stores) effect {
	a, r := redeemed(t, s)
	access := newAccess(a.Code)
	renew := func(h token.Hash, spend []token.Proof) error {
		_, err := s.Tokens.Renew(context.Background(), h, access, spend...)
		return err
	}
	return effect{
		do:      func(spend ...token.Proof) error { return renew(r.Refresh.Hash, spend) },
		done:    func() bool { return alive(s, access.Hash) },
		refused: func(spend ...token.Proof) error { return renew(newHash(), spend) },
	}
}

func issuingClient(t *testing.T, s Stores) effect {
	a := newClientAccess(consenttest.Recipient)
	suspended := newClientAccess(register(t, s, consent.RecipientSuspended))
	issue := func(a token.ClientAccess, spend []token.Proof) error {
		return s.Tokens.IssueClient(context.Background(), a, spend...)
	}
	return effect{
		do: func(spend ...token.Proof) error { return issue(a, spend) },
		done: func() bool {
			_, err := s.Tokens.ClientAccess(context.Background(), a.Hash)
			return err == nil
		},
		refused: func(spend ...token.Proof) error { return issue(suspended, spend) },
	}
}

// spent fails unless each proof has been spent.
func spent(t *testing.T, s Stores, proofs ...token.Proof) {
	t.Helper()
	for i, p := range proofs {
		if err := s.Guard.Spend(context.Background(), p); !errors.Is(err, token.ErrReplayed) {
			t.Errorf("proof %d: got %v, want ErrReplayed", i+1, err)
		}
	}
}

// names reports whether err is about the proof.
func names(err error, p token.Proof) bool {
	replayed, ok := errors.AsType[*token.ReplayedError](err)
	return ok && replayed.Key == p.Key
}

func spentByEffect(t *testing.T, s Stores, prepare func(*testing.T, Stores) effect) {
	e, one, two := prepare(t, s), newProof(), newProof()
	if err := e.do(one, two); err != nil || !e.done() {
		t.Fatalf("done %t, %v", e.done(), err)
	}
	spent(t, s, one, two)
	if e = prepare(t, s); e.do() != nil || !e.done() {
		t.Error("without proofs it did not happen")
	}
}

func replayedNoEffect(t *testing.T, s Stores, prepare func(*testing.T, Stores) effect) {
	e, old, older, fresh := prepare(t, s), newProof(), newProof(), newProof()
	if err := s.Guard.Spend(context.Background(), old, older); err != nil {
		t.Fatal(err)
	}
	if err := e.do(fresh, old, older); !names(err, old) || e.done() {
		t.Errorf("done %t, %v, want the first replayed proof by its key", e.done(), err)
	}
	spent(t, s, fresh)
	late := newProof()
	late.ExpiresAt = time.Now().Add(-10 * time.Minute)
	if err := e.do(late); !names(err, late) || e.done() {
		t.Errorf("a proof whose copies may be forgotten: done %t, %v", e.done(), err)
	}
	// Nothing but the proofs was used up.
	if err := e.do(newProof()); err != nil || !e.done() {
		t.Errorf("afterwards: done %t, %v", e.done(), err)
	}
}

func doubledNoEffect(t *testing.T, s Stores, prepare func(*testing.T, Stores) effect) {
	e, p := prepare(t, s), newProof()
	if err := e.do(p, p); !names(err, p) || e.done() {
		t.Errorf("done %t, %v, want the proof by its key", e.done(), err)
	}
}

func spentByOneEffect(t *testing.T, s Stores, prepare func(*testing.T, Stores) effect) {
	var all [32]effect
	for i := range all {
		all[i] = prepare(t, s)
	}
	p := newProof()
	errs := consenttest.Race(func(i int) error { return all[i].do(newProof(), p) })
	consenttest.OneWinner(t, errs, token.ErrReplayed)
	for i, err := range errs {
		if all[i].done() != (err == nil) {
			t.Errorf("caller %d: done %t, %v", i, all[i].done(), err)
		}
	}
}

func spentByRefusal(t *testing.T, s Stores, prepare func(*testing.T, Stores) effect) {
	e := prepare(t, s)
	if e.refused == nil {
		return
	}
	one, two := newProof(), newProof()
	if err := e.refused(one, two); err == nil || errors.Is(err, token.ErrReplayed) {
		t.Errorf("got %v, want a refusal", err)
	}
	spent(t, s, one, two)
	if err := e.refused(newProof(), one); !names(err, one) {
		t.Errorf("refused and replayed: got %v, want the proof by its key", err)
	}
}
