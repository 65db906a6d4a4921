package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// gateCallers is how many releases wait for the gate at the same time.
const gateCallers = 128

// The lines of the gate alone.
const (
	gateSingle  = "gate-single"
	gateBatched = "gate-batched"
)

// gates returns the lines of the gate by itself: one statement per release, as
// many at once as there are connections; and statements that releases share,
// in as many lanes as in production and in others.
func (s *stack) gates(ctx context.Context, c Config) ([]line, error) {
	live, err := s.db.Tokens().Live(ctx, s.byCert.hashes[0])
	if err != nil {
		return nil, err
	}
	release := func() resource.Release { return s.release(live) }
	callers := gateCallers
	if c.Callers == 1 {
		callers = 1 // round trips are counted
	}
	of := func(name string, config postgres.GateConfig) line {
		config.Wait = 10 * time.Second // what waits is the measure here
		return line{name: name, reference: gateSingle, measure: func(ctx context.Context, d time.Duration, begin func() error) (answer, error) {
			d /= 2
			gate := postgres.NewGate(s.db, config)
			defer gate.Close()
			if _, err := releases(ctx, gate, release, callers, warm(d)); err != nil {
				return answer{}, err
			}
			if err := begin(); err != nil {
				return answer{}, err
			}
			m, err := releases(ctx, gate, release, callers, d)
			if err != nil {
				return answer{}, err
			}
			return m.answer(), nil
		}}
	}
	return []line{
		of(gateSingle, postgres.GateConfig{Lanes: conns, MaxBatch: 1}),
		of(gateBatched, postgres.GateConfig{}),
		of("gate-lanes-1", postgres.GateConfig{Lanes: 1}),
		of("gate-lanes-2", postgres.GateConfig{Lanes: 2}),
		of("gate-lanes-8", postgres.GateConfig{Lanes: 8}),
	}, nil
}

// release is one of a page with a token.
func (s *stack) release(live token.Live) resource.Release {
	share := &live.Share
	r := audit.Record{
		RequestID: uuid.Must(uuid.NewV7()), Recipient: share.Recipient, Grant: share.Grant, Epoch: share.Epoch, Consumer: share.Consumer,
		Operation: "searchForAccountTransactions", Accounts: []fdx.AccountID{s.access.Account()}, Clusters: clusters(), Window: s.access.Window(),
		Count: limit, Bytes: 14_000, Outcome: audit.Given, Interaction: uuid.NewString(), Instance: "bench",
	}
	_, _ = rand.Read(r.BodyHash[:]) // never fails
	return resource.Release{Record: r, TokenExpires: live.Access.ExpiresAt}
}

// releases has callers release one read after the other for d.
func releases(ctx context.Context, gate resource.Gate, next func() resource.Release, callers int, d time.Duration) (*measured, error) {
	var wait sync.WaitGroup
	times, faults := make([]histogram, callers), make([]error, callers)
	start := time.Now()
	for c := range callers {
		wait.Go(func() {
			for now := start; now.Sub(start) < d && faults[c] == nil; {
				verdict, err := gate.Release(ctx, next())
				if err == nil && verdict != resource.Released {
					err = fmt.Errorf("the gate said %d", verdict)
				}
				faults[c] = err
				end := time.Now()
				times[c].record(end.Sub(now))
				now = end
			}
		})
	}
	wait.Wait()
	m := &measured{elapsed: time.Since(start)}
	for c := range times {
		m.times.merge(&times[c])
	}
	return m, errors.Join(faults...)
}
