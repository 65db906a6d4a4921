package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// A recipient with many consents is suspended while two gateways give it data
// and another process answers introspections from the same Redis.

const (
	// manyConsents is how many consents the recipient holds.
	manyConsents = 50_000
	// usedConsents is how many of them have a token that is used.
	usedConsents = 24
	// suspensionTime is the most that a suspension may take.
	suspensionTime = time.Second
)

// crowded makes a recipient hold many consents and returns a token for each of
// some. What is copied is what the stores have written.
func (c *course) crowded(t *testing.T) []recipient.Token {
	t.Helper()
	model, err := issue(t.Context(), c.db, c.hasher, c.key, c.terms)
	must(t, err)
	exec := func(statement string, args ...any) {
		t.Helper()
		_, err := c.sql.ExecContext(t.Context(), statement, args...)
		must(t, err)
	}
	exec(`INSERT INTO consent_grant SELECT (jsonb_populate_record(g, jsonb_build_object('grant_id', md5('many' || i)::uuid::text))).*
		FROM consent_grant g, generate_series(1, $2::int) i WHERE g.grant_id = $1`, model.GrantID, manyConsents)
	tokens := make([]recipient.Token, usedConsents)
	for i := range tokens {
		secret, hash := c.hasher.New(token.KindAccess)
		tokens[i] = model
		tokens[i].AccessToken = recipient.Secret(secret.Reveal())
		exec(`INSERT INTO oauth_access SELECT (jsonb_populate_record(a, jsonb_build_object('access_hash', '\x' || $2::text, 'grant_id', md5('many' || $3::int)::uuid::text))).*
			FROM oauth_access a WHERE a.grant_id = $1`, model.GrantID, fmt.Sprintf("%x", hash[:]), 1+i*(manyConsents/usedConsents))
	}
	exec("ANALYZE consent_grant")
	n, err := c.db.Registrations().CountActiveGrants(t.Context(), c.terms.recipient)
	must(t, err)
	if n < manyConsents {
		t.Fatalf("%d consents", n)
	}
	return tokens
}

// introspection is what an authorization server says of a token: active, on
// the word of the cache while that is fresh.
func (c *course) introspection(ctx context.Context, tok recipient.Token) (bool, error) {
	hash, err := c.hasher.Hash(token.KindAccess, string(tok.AccessToken))
	if err != nil {
		return false, err
	}
	live, err := c.cache.is.Load().Recent(ctx, hash, func(ctx context.Context) (token.Live, error) {
		live, err := c.db.Tokens().Live(ctx, hash)
		c.window.hold() // so that what was read before the stop is filled after it
		return live, err
	})
	return err == nil && live.Active(time.Now()), err
}

// suspension is what is tried, and the history of it.
type suspension struct {
	// before, during and after, if not nil, happen right before the call, at
	// the same time, and right after it has answered.
	before, during, after func()

	took   time.Duration // of the call
	given  int           // data and introspections, before the call had answered
	late   int           // operations that began after it had
	read   int           // those of them that were given data
	active int           // and those that said active
}

// use uses tokens until enough operations have begun after the call had
// answered; even users introspect, odd ones read.
func (c *course) use(t *testing.T, user int, tokens []recipient.Token, h *held, tell func(func(*suspension))) {
	for late := 0; late < usedConsents; {
		begun := false
		select {
		case <-h.stopped:
			begun = true
			late++
		default:
		}
		tok, introspects := tokens[rand.IntN(len(tokens))], user%2 == 0
		var yes bool
		var err error
		if introspects {
			yes, err = c.introspection(t.Context(), tok)
		} else {
			var v read
			v, err = c.ask(t.Context(), user/2%2, tok)
			if yes = v.status == http.StatusOK; err == nil && !yes && v.status != http.StatusUnauthorized {
				err = fmt.Errorf("a read was answered with %d", v.status)
			}
		}
		if err != nil {
			t.Errorf("user %d: %v", user, err)
			return
		}
		tell(func(s *suspension) {
			switch {
			case !begun && yes:
				s.given++
			case begun:
				s.late++
				if yes && introspects {
					s.active++
				} else if yes {
					s.read++
				}
			}
		})
	}
}

// suspend suspends the recipient while its tokens are in use, and approves it
// again at the end.
func (c *course) suspend(t *testing.T, tokens []recipient.Token, told consent.Cache, s suspension) suspension {
	t.Helper()
	service, err := consent.NewService(consent.ServiceConfig{Store: c.db.Grants(), Cache: told})
	must(t, err)
	h := &held{stopped: make(chan struct{})}
	c.window.now.Store(h)
	defer c.window.now.Store(nil)
	var mu sync.Mutex
	busy := make(chan struct{})
	var users sync.WaitGroup
	for user := range 2 * fetchers {
		users.Go(func() {
			c.use(t, user, tokens, h, func(note func(*suspension)) {
				mu.Lock()
				defer mu.Unlock()
				before := s.given
				if note(&s); s.given == 4*usedConsents && before < s.given {
					close(busy)
				}
			})
		})
	}
	<-busy
	for _, f := range []*func(){&s.before, &s.during, &s.after} {
		if *f == nil {
			*f = func() {}
		}
	}
	s.before()
	users.Go(s.during)
	start := time.Now()
	err = service.MoveRecipient(t.Context(), c.db.Registrations(), c.terms.recipient, consent.RecipientActive, consent.RecipientSuspended, time.Time{})
	s.took = time.Since(start)
	must(t, err)
	s.after()
	close(h.stopped)
	users.Wait()
	must(t, c.db.Registrations().Move(t.Context(), c.terms.recipient, consent.RecipientSuspended, consent.RecipientActive, time.Time{}))
	return s
}

// deaf is the mutant: a cache that says that it has heard of the recipient.
type deaf struct{ consent.Cache }

func (deaf) Stopped(context.Context, consent.RecipientID) error { return nil }

// looping is the other: it tells of the consents one by one.
type looping struct {
	consent.Cache
	standing consent.Standing
}

func (l looping) Stopped(ctx context.Context, id consent.RecipientID) error {
	var last consent.GrantID
	for {
		ids, err := l.standing.ActiveGrants(ctx, id, last, 100)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, last = range ids {
			if err := l.Ended(ctx, last, 2); err != nil {
				return err
			}
		}
	}
}

// Not parallel: it is about what overtakes what.
func TestSuspendingARecipientWithFiftyThousandConsents(t *testing.T) {
	c := newCourse(t, nil)
	tokens := c.crowded(t)
	empty := func() {
		if err := dialRedis(t, c.redis.URL()).empty(); err != nil {
			t.Error(err)
		}
	}
	signal := func(s syscall.Signal) func() { return func() { must(t, syscall.Kill(c.redis.PID(), s)) } }
	for _, tt := range []struct {
		name string
		told consent.Cache
		s    suspension
		most time.Duration // that the call may take
	}{
		{"without a fault", c.cache, suspension{}, suspensionTime},
		{"and again", c.cache, suspension{}, suspensionTime},
		{"Redis is emptied meanwhile", c.cache, suspension{during: empty}, suspensionTime},
		{"Redis is emptied right after", c.cache, suspension{after: empty}, suspensionTime},
		{"whoever suspends cannot reach Redis", c.cutOff, suspension{}, 8 * time.Second},
		{"Redis is frozen and goes on right after", c.cache, suspension{before: signal(syscall.SIGSTOP), after: signal(syscall.SIGCONT)}, 8 * time.Second},
		{"Redis is killed meanwhile", c.cache, suspension{during: func() { c.redis.Kill() }}, 8 * time.Second},
	} {
		s := c.suspend(t, tokens, tt.told, tt.s)
		t.Logf("%s: %d given before, %d operations after, call %s", tt.name, s.given, s.late, s.took.Round(time.Millisecond))
		if s.read > 0 || s.active > 0 || s.took > tt.most {
			t.Errorf("%s: took %s; %d reads were given data after it, %d introspections said active", tt.name, s.took, s.read, s.active)
		}
	}
	c.startRedis(t)
	if s := c.suspend(t, tokens, deaf{c.cache}, suspension{}); s.active == 0 || s.read > 0 {
		t.Errorf("a cache that was not told went unnoticed: %d introspections said active, %d reads were given data", s.active, s.read)
	}
	if s := c.suspend(t, tokens, looping{c.cache, c.db.Registrations()}, suspension{}); s.took <= suspensionTime {
		t.Errorf("a loop over the consents took %s and went unnoticed", s.took)
	}
}
