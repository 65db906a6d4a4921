package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// look is the path of an introspection without its HTTP: the token's text in,
// the living record out.
type look struct {
	hasher *token.Hasher
	cache  *redis.Cache // nil asks PostgreSQL alone
	db     *postgres.DB
}

var errNotActive = errors.New("a token was not active")

func (l look) up(ctx context.Context, text string) error {
	h, err := l.hasher.Hash(token.KindAccess, text)
	if err != nil {
		return err
	}
	live, err := l.live(ctx, h)
	if err == nil && !live.Active(time.Now()) {
		err = errNotActive
	}
	return err
}

// live asks as the gateway does: Redis, then PostgreSQL, which also fills
// Redis. A Redis that cannot be asked is the same as one that does not know.
func (l look) live(ctx context.Context, h token.Hash) (token.Live, error) {
	var lease resource.Lease
	if l.cache != nil {
		cached, err := l.cache.Look(ctx, h, nil)
		if err == nil && cached.Found {
			return cached.Live, nil
		}
		lease = cached.Lease
	}
	live, err := l.truth(ctx, h)
	if err == nil && lease != "" {
		_ = l.cache.Fill(ctx, lease, live) // it only makes the next one faster
	}
	return live, err
}

func (l look) truth(ctx context.Context, h token.Hash) (token.Live, error) {
	live, err := l.db.Tokens().Live(ctx, h)
	if err != nil {
		return token.Live{}, err
	}
	r, err := l.db.Recipients().Recipient(ctx, live.Access.Recipient)
	if err == nil && r.Status != consent.RecipientActive {
		err = errNotActive
	}
	return live, err
}

// run has callers look tokens up for d.
func (l look) run(ctx context.Context, tokens []string, callers int, d time.Duration) (*measured, error) {
	var next atomic.Int64
	var wait sync.WaitGroup
	times := make([]histogram, callers)
	faults := make([]error, callers)
	start := time.Now()
	for i := range callers {
		wait.Go(func() {
			for now := start; now.Sub(start) < d && faults[i] == nil; {
				n := int(next.Add(1)) - 1
				faults[i] = l.up(ctx, tokens[n%len(tokens)])
				end := time.Now()
				times[i].record(end.Sub(now))
				now = end
			}
		})
	}
	wait.Wait()
	m := &measured{elapsed: time.Since(start)}
	for i := range times {
		if faults[i] != nil {
			return nil, faults[i]
		}
		m.times.merge(&times[i])
	}
	return m, nil
}
