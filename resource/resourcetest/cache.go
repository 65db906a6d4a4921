package resourcetest

import (
	"context"
	"crypto/rand"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// CacheFixture is one empty cache as a contract test sees it.
type CacheFixture struct {
	// A and B are two instances on the same data.
	A, B resource.Cache
	// Ended is how the cache is told of an end.
	Ended consent.Cache
	// Restart loses all data, as a crash does.
	Restart func()
	// Advance lets time pass for the cache; nil when it cannot, and then the
	// lives of entries are not checked.
	Advance func(time.Duration)
}

// Cache checks the contract of resource.Cache together with consent.Cache.
// open returns an empty cache.
func Cache(t *testing.T, open func(t *testing.T) CacheFixture) {
	// sample returns a token of a new grant at that epoch.
	sample := func(epoch int64) token.Live {
		now := time.Now().UTC().Truncate(time.Second)
		l := token.Live{
			Access: token.Access{
				Grant: consent.NewGrantID(), Recipient: "app", RequestID: "chain",
				Scopes:        []fdx.Scope{fdx.AccountBasic.Scope(), fdx.Transactions.Scope()},
				KeyThumbprint: "thumbprint", IssuedAt: now, ExpiresAt: now.Add(15 * time.Minute),
			},
			Share: consent.Share{
				Epoch: epoch, Recipient: "app", Consumer: "someone", Status: consent.StatusActive,
				ExpiresAt: now.AddDate(1, 0, 0), LookbackDays: 30,
				Accounts: []consent.AccountShare{{ID: "one", Clusters: fdx.NewClusters(fdx.AccountBasic)}},
			},
		}
		l.Share.Grant = l.Access.Grant
		_, _ = rand.Read(l.Access.Hash[:])
		return l
	}
	at := func(l token.Live, epoch int64) token.Live {
		l.Share.Epoch = epoch
		return l
	}
	look := func(t *testing.T, c resource.Cache, h token.Hash, p *token.Proof) resource.Cached {
		t.Helper()
		got, err := c.Look(t.Context(), resource.Lookup{Hash: h, Proof: p})
		if err != nil {
			t.Fatalf("look: %v", err)
		}
		return got
	}
	fill := func(t *testing.T, c resource.Cache, lease resource.Lease, l token.Live) {
		t.Helper()
		if err := c.Fill(t.Context(), lease, l); err != nil {
			t.Fatalf("fill: %v", err)
		}
	}
	ended := func(t *testing.T, c consent.Cache, id consent.GrantID, epoch int64) {
		t.Helper()
		if err := c.Ended(t.Context(), id, epoch); err != nil {
			t.Fatalf("ended: %v", err)
		}
	}
	found := func(t *testing.T, c resource.Cache, l token.Live, want bool) {
		t.Helper()
		got := look(t, c, l.Access.Hash, nil)
		got.Live.At = time.Time{} // of each look-up its own
		if got.Found != want || want && !reflect.DeepEqual(got.Live, l) {
			t.Errorf("found %v, want %v", got.Found, want)
		}
	}
	of := func(recipient string) token.Live {
		l := sample(1)
		l.Access.Recipient, l.Share.Recipient = consent.RecipientID(recipient), consent.RecipientID(recipient)
		return l
	}
	filled := func(t *testing.T, f CacheFixture, all ...token.Live) {
		t.Helper()
		for _, l := range all {
			fill(t, f.A, look(t, f.A, l.Access.Hash, nil).Lease, l)
		}
	}
	newProof := func() *token.Proof {
		p := &token.Proof{ExpiresAt: time.Now().Add(2 * time.Minute)}
		_, _ = rand.Read(p.Key[:])
		return p
	}

	t.Run("what one instance fills the other finds", func(t *testing.T) {
		t.Parallel()
		f, l := open(t), sample(1)
		miss := look(t, f.A, l.Access.Hash, nil)
		if miss.Found {
			t.Fatal("found in an empty cache")
		}
		fill(t, f.A, miss.Lease, l)
		found(t, f.B, l, true)
		found(t, f.B, sample(1), false)
	})

	t.Run("a lease of another look-up serves as well", func(t *testing.T) {
		t.Parallel()
		f, l := open(t), sample(1)
		first := look(t, f.A, l.Access.Hash, nil)
		second := look(t, f.B, l.Access.Hash, nil)
		fill(t, f.B, second.Lease, l)
		fill(t, f.A, first.Lease, l)
		found(t, f.A, l, true)
	})

	t.Run("a proof is spent once on all instances", func(t *testing.T) {
		t.Parallel()
		f, l, p := open(t), sample(1), newProof()
		fill(t, f.A, look(t, f.A, l.Access.Hash, nil).Lease, l)
		if look(t, f.A, l.Access.Hash, p).Replayed {
			t.Error("the first use is called a replay")
		}
		for _, c := range []resource.Cache{f.A, f.B} {
			if got := look(t, c, l.Access.Hash, p); !got.Found || !got.Replayed {
				t.Error("a second use is not called a replay")
			}
		}
		if look(t, f.A, l.Access.Hash, newProof()).Replayed {
			t.Error("another proof is called a replay")
		}
		other := sample(1)
		fill(t, f.A, look(t, f.A, other.Access.Hash, nil).Lease, other)
		if !look(t, f.A, other.Access.Hash, p).Replayed {
			t.Error("the proof is fresh again with another token")
		}
	})

	t.Run("a proof is not spent when the token is not found", func(t *testing.T) {
		t.Parallel()
		f, l, p := open(t), sample(1), newProof()
		fill(t, f.A, look(t, f.A, l.Access.Hash, p).Lease, l)
		if look(t, f.A, l.Access.Hash, p).Replayed {
			t.Error("spent by a miss")
		}
	})

	t.Run("a grant that moved on is not found", func(t *testing.T) {
		t.Parallel()
		f, l := open(t), sample(3)
		fill(t, f.A, look(t, f.A, l.Access.Hash, nil).Lease, l)
		ended(t, f.Ended, l.Share.Grant, 3)
		found(t, f.A, l, true) // not below 3
		ended(t, f.Ended, l.Share.Grant, 4)
		found(t, f.A, l, false)
		ended(t, f.Ended, l.Share.Grant, 2) // told late
		found(t, f.A, l, false)
	})

	t.Run("nothing of a recipient that was stopped is found", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		one, two, other := of("stopped-one"), of("stopped-one"), of("stopped-two")
		filled(t, f, one, two, other)
		found(t, f.A, two, true)
		if err := f.Ended.Stopped(t.Context(), "stopped-one"); err != nil {
			t.Fatal(err)
		}
		for _, c := range []resource.Cache{f.A, f.B} {
			found(t, c, one, false)
			found(t, c, two, false)
			found(t, c, other, true)
		}
	})

	t.Run("a fill from before a recipient was stopped is refused", func(t *testing.T) {
		t.Parallel()
		f, l := open(t), of("stopped-late")
		miss := look(t, f.A, l.Access.Hash, nil)
		if err := f.Ended.Stopped(t.Context(), "stopped-late"); err != nil {
			t.Fatal(err)
		}
		fill(t, f.B, miss.Lease, l)
		found(t, f.A, l, false)
		found(t, f.B, l, false)
	})

	t.Run("a recipient that was stopped before a restart", func(t *testing.T) {
		t.Parallel()
		f, l, late := open(t), of("stopped-lost"), of("stopped-lost")
		filled(t, f, l)
		miss := look(t, f.A, late.Access.Hash, nil)
		if err := f.Ended.Stopped(t.Context(), "stopped-lost"); err != nil {
			t.Fatal(err)
		}
		f.Restart() // the tombstone is lost
		found(t, f.A, l, false)
		fill(t, f.A, miss.Lease, late)
		found(t, f.A, late, false)
	})

	t.Run("the end of one grant is not the end of another", func(t *testing.T) {
		t.Parallel()
		f, l := open(t), sample(1)
		fill(t, f.A, look(t, f.A, l.Access.Hash, nil).Lease, l)
		ended(t, f.Ended, sample(1).Share.Grant, 9)
		found(t, f.A, l, true)
	})

	t.Run("a fill from before the end is refused", func(t *testing.T) {
		t.Parallel()
		f, l := open(t), sample(1)
		miss := look(t, f.A, l.Access.Hash, nil)
		ended(t, f.Ended, l.Share.Grant, 2)
		fill(t, f.A, miss.Lease, l)
		found(t, f.A, l, false)
		fill(t, f.A, miss.Lease, at(l, 2)) // read after it
		found(t, f.A, at(l, 2), true)
	})

	t.Run("a fill never replaces a later version", func(t *testing.T) {
		t.Parallel()
		f, l := open(t), sample(1)
		miss := look(t, f.A, l.Access.Hash, nil)
		fill(t, f.B, miss.Lease, at(l, 2))
		fill(t, f.A, miss.Lease, l)
		found(t, f.A, at(l, 2), true)
	})

	t.Run("a fill from before a restart is refused", func(t *testing.T) {
		t.Parallel()
		f, l := open(t), sample(1)
		miss := look(t, f.A, l.Access.Hash, nil)
		ended(t, f.Ended, l.Share.Grant, 2)
		f.Restart() // the tombstone is lost
		again := look(t, f.B, l.Access.Hash, nil)
		if again.Found {
			t.Fatal("found after a restart")
		}
		fill(t, f.A, miss.Lease, l)
		found(t, f.A, l, false)
		fill(t, f.B, again.Lease, at(l, 2))
		found(t, f.A, at(l, 2), true)
	})

	t.Run("no lease fills nothing", func(t *testing.T) {
		t.Parallel()
		f, l := open(t), sample(1)
		for _, lease := range []resource.Lease{"", "0:0", "made up", look(t, f.A, l.Access.Hash, nil).Lease + "0"} {
			fill(t, f.A, lease, l)
			found(t, f.A, l, false)
		}
	})

	t.Run("a token that is over is not remembered", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		oldToken, oldGrant := sample(1), sample(1)
		oldToken.Access.ExpiresAt = time.Now().Add(-time.Second).UTC().Truncate(time.Second)
		oldGrant.Share.ExpiresAt = oldToken.Access.ExpiresAt
		for _, l := range []token.Live{oldToken, oldGrant} {
			fill(t, f.A, look(t, f.A, l.Access.Hash, nil).Lease, l)
			found(t, f.A, l, false)
		}
	})

	// take is a look that takes from quotas, as the holder of the token.
	take := func(t *testing.T, c resource.Cache, l token.Live, q resource.Quotas) resource.Cached {
		t.Helper()
		got, err := c.Look(t.Context(), resource.Lookup{Hash: l.Access.Hash, Bound: l.Access.KeyThumbprint, Quotas: q})
		if err != nil || !got.Found || !got.Counted {
			t.Fatalf("found %v, counted %v, %v", got.Found, got.Counted, err)
		}
		return got
	}
	t.Run("a quota is one for all instances, tokens and consents", func(t *testing.T) {
		t.Parallel()
		f, one, two, other := open(t), of("x"), of("x"), of("y")
		filled(t, f, one, two, other)
		q := resource.Quotas{Recipient: 7} // a minute has no seventh in whole microseconds
		for i := range 7 {
			c, l := f.A, one
			if i%2 == 1 {
				c, l = f.B, two
			}
			if got := take(t, c, l, q).Levels.Recipient; got.Wait != 0 || got.Left != 6-i || got.Quota != 7 || got.Whole <= 0 || got.Whole > time.Minute {
				t.Fatalf("request %d: %+v", i, got)
			}
		}
		for _, c := range []resource.Cache{f.A, f.B} {
			if got := take(t, c, two, q).Levels.Recipient; got.Wait <= 0 || got.Wait > 9*time.Second || got.Left != 0 {
				t.Errorf("over the quota: %+v", got)
			}
		}
		if got := take(t, f.A, other, q).Levels.Recipient; got.Wait != 0 || got.Left != 6 {
			t.Errorf("another recipient: %+v", got)
		}
	})

	t.Run("a quota of its own stands in place of the others'", func(t *testing.T) {
		t.Parallel()
		f, own, usual := open(t), of("own-quota"), of("usual-quota")
		own.Quota = 2
		filled(t, f, own, usual)
		found(t, f.B, own, true)
		for i, q := range []resource.Quotas{{Recipient: 50, Bank: 100}, {}} { // also where nobody else has one
			got := take(t, f.A, own, q).Levels
			if got.Recipient.Quota != 2 || got.Recipient.Left != 1-i || got.Recipient.Wait != 0 {
				t.Fatalf("request %d: %+v", i, got)
			}
		}
		if got := take(t, f.B, own, resource.Quotas{Recipient: 50}).Levels.Recipient; got.Wait <= 0 {
			t.Errorf("over its own quota: %+v", got)
		}
		if got := take(t, f.B, usual, resource.Quotas{Recipient: 50, Bank: 100}).Levels; got.Recipient.Left != 49 || got.Bank.Left != 98 {
			t.Errorf("another recipient: %+v", got)
		}
	})

	t.Run("all quotas are taken from, or none", func(t *testing.T) {
		t.Parallel()
		f, one, two, other := open(t), of("x"), of("x"), of("y")
		filled(t, f, one, two, other)
		q := resource.Quotas{Recipient: 10, Consent: 1, Bank: 3}
		if got := take(t, f.A, one, q).Levels; got.Recipient.Left != 9 || got.Consent.Left != 0 || got.Bank.Left != 2 {
			t.Errorf("%+v", got)
		}
		for range 5 {
			got := take(t, f.B, one, q).Levels
			if got.Consent.Wait <= 0 || got.Recipient.Wait != 0 || got.Bank.Wait != 0 || got.Recipient.Left != 9 || got.Bank.Left != 2 {
				t.Fatalf("refused: %+v", got)
			}
		}
		if got := take(t, f.A, two, q).Levels; got.Recipient.Left != 8 || got.Bank.Left != 1 {
			t.Errorf("another consent: %+v", got)
		}
		if got := take(t, f.A, other, q).Levels; got.Recipient.Left != 9 || got.Bank.Left != 0 {
			t.Errorf("another recipient: %+v", got)
		}
		third := of("z")
		filled(t, f, third)
		if got := take(t, f.B, third, q).Levels; got.Bank.Wait <= 0 || got.Recipient.Wait != 0 {
			t.Errorf("the bank's quota: %+v", got)
		}
	})

	t.Run("only the holder and a fresh proof take from a quota", func(t *testing.T) {
		t.Parallel()
		f, l, p := open(t), of("x"), newProof()
		q := resource.Lookup{Hash: l.Access.Hash, Bound: l.Access.KeyThumbprint, Proof: p, Quotas: resource.Quotas{Recipient: 5, Consent: 5, Bank: 5}}
		ask := func(q resource.Lookup) resource.Cached {
			t.Helper()
			got, err := f.A.Look(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := ask(q); got.Counted || got.Found {
			t.Error("a token that is not there is counted")
		}
		filled(t, f, l)
		for name, change := range map[string]func(*resource.Lookup){
			"another key": func(q *resource.Lookup) { q.Bound, q.Proof = "another", newProof() },
			"no key":      func(q *resource.Lookup) { q.Bound, q.Proof = "", nil },
			"no quota":    func(q *resource.Lookup) { q.Quotas, q.Proof = resource.Quotas{}, nil },
		} {
			q := q
			change(&q)
			if got := ask(q); !got.Found || got.Counted || got.Levels != (resource.Levels{}) {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if got := ask(q); !got.Counted || got.Levels.Bank.Left != 4 {
			t.Errorf("%+v", got.Levels)
		}
		if got := ask(q); !got.Replayed || got.Counted {
			t.Error("a replayed proof is counted")
		}
		q.Proof = newProof()
		if got := ask(q); got.Levels.Bank.Left != 3 || got.Levels.Consent.Left != 3 || got.Levels.Recipient.Left != 3 {
			t.Errorf("%+v", got.Levels)
		}
	})

	t.Run("each of many look-ups at the same time has its own answer", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		const tokens, uses = 8, 8
		var known [tokens]token.Live
		var proofs [tokens]*token.Proof
		for i := range known {
			known[i], proofs[i] = sample(1), newProof()
		}
		filled(t, f, known[:tokens-1]...) // the last one is unknown
		var got [tokens][uses]resource.Cached
		var all sync.WaitGroup
		for n := range uses {
			for i, l := range known {
				c := f.A
				if n%2 == 1 {
					c = f.B
				}
				all.Go(func() {
					var err error
					if got[i][n], err = c.Look(t.Context(), resource.Lookup{Hash: l.Access.Hash, Proof: proofs[i]}); err != nil {
						t.Errorf("look: %v", err)
					}
				})
			}
		}
		all.Wait()
		for i, l := range known {
			fresh := 0
			for _, g := range got[i] {
				if !g.Replayed {
					fresh++
				}
				g.Live.At = time.Time{}
				switch {
				case i == tokens-1:
					if g.Found || g.Lease == "" {
						t.Errorf("unknown: %+v", g)
					}
				case !g.Found || !reflect.DeepEqual(g.Live, l):
					t.Errorf("token %d: %+v", i, g)
				}
			}
			if want := map[bool]int{true: uses, false: 1}[i == tokens-1]; fresh != want {
				t.Errorf("token %d: %d of %d uses of one proof are called fresh", i, fresh, uses)
			}
		}
	})

	t.Run("a cancelled call fails", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.A.Look(ctx, resource.Lookup{Hash: token.Hash{1}}); !errors.Is(err, context.Canceled) {
			t.Errorf("look: %v", err)
		}
	})

	t.Run("time", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		if f.Advance == nil {
			return
		}
		// All on one clock that goes forward, so one after the other.
		l, p := sample(1), newProof()
		fill(t, f.A, look(t, f.A, l.Access.Hash, nil).Lease, l)
		look(t, f.A, l.Access.Hash, p)
		f.Advance(59 * time.Second)
		found(t, f.A, l, true)
		f.Advance(time.Second)
		found(t, f.A, l, false)

		fill(t, f.A, look(t, f.A, l.Access.Hash, nil).Lease, l)
		if !look(t, f.A, l.Access.Hash, p).Replayed {
			t.Error("the proof was forgotten before its end")
		}

		quick := of("quick")
		filled(t, f, quick)
		six := resource.Quotas{Recipient: 6}
		for range 6 {
			take(t, f.A, quick, six)
		}
		wait := take(t, f.A, quick, six).Levels.Recipient.Wait
		if wait != 10*time.Second {
			t.Errorf("wait for %s", wait)
		}
		f.Advance(wait - time.Millisecond)
		if take(t, f.B, quick, six).Levels.Recipient.Wait == 0 {
			t.Error("let through too early")
		}
		f.Advance(time.Millisecond)
		if got := take(t, f.B, quick, six).Levels.Recipient; got.Wait != 0 || got.Left != 0 || got.Whole != time.Minute {
			t.Errorf("not let through in time: %+v", got)
		}

		back := of("back")
		filled(t, f, back)
		for range 2 { // the second time it is told again
			if err := f.Ended.Stopped(t.Context(), "back"); err != nil {
				t.Fatal(err)
			}
			found(t, f.A, back, false)
			f.Advance(1001 * time.Millisecond)
			found(t, f.A, back, false) // looked for before
			filled(t, f, back)         // and after
			found(t, f.A, back, true)
			found(t, f.B, sample(1), false)
		}
		if err := f.Ended.Stopped(t.Context(), "back"); err != nil {
			t.Fatal(err)
		}
		f.Advance(58 * time.Second)
		found(t, f.A, back, false) // as long as an entry may live

		late := sample(1)
		miss := look(t, f.A, late.Access.Hash, nil)
		f.Advance(5 * time.Second)
		fill(t, f.A, miss.Lease, late)
		found(t, f.A, late, true)
		late = sample(1)
		miss = look(t, f.A, late.Access.Hash, nil)
		f.Advance(5*time.Second + time.Millisecond)
		fill(t, f.A, miss.Lease, late)
		found(t, f.A, late, false)
	})
}
