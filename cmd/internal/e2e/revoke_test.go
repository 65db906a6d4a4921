package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/services"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/sandbox"
)

// The race of a stop against reads. In each round a grant of its own is read
// by six clients on two gateways at once, with a cold or a warm cache, and is
// stopped in the middle, while the window between a gateway's look at the
// truth and its fill of the cache is held open. A read that was given data
// although it began after the stop had answered is a violation.

const (
	fetchers   = 6 // half of them on each gateway
	readsAfter = 3 // reads of each that begin after the stop has answered
)

// read is one request as its sender saw it. Times are of one monotonic clock.
type read struct {
	gateway    int
	start, end time.Duration
	status     int
}

// round is the history of one stop.
type round struct {
	name  string
	ended time.Duration // when the stop had answered
	reads []read
	// spanned counts the looks at the truth that came before the stop and
	// whose result was used after it.
	spanned int
}

// violations returns the reads that were given data though they began after
// the stop had answered.
func violations(history []round) []string {
	var found []string
	for i, r := range history {
		for _, v := range r.reads {
			if v.status >= 200 && v.status < 300 && v.start > r.ended {
				found = append(found, fmt.Sprintf("round %d (%s): a read on gateway %d began %v after the stop and was given data",
					i, r.name, v.gateway, v.start-r.ended))
			}
		}
	}
	return found
}

func TestViolationsAreReadsThatBeganAfterTheStop(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		read read
		want int
	}{
		"given before the stop":             {read{start: 1, end: 5, status: 200}, 0},
		"begun before and given after it":   {read{start: 9, end: 15, status: 200}, 0},
		"begun at the instant of its end":   {read{start: 10, end: 15, status: 200}, 0},
		"begun after it and given":          {read{start: 11, end: 15, status: 200}, 1},
		"begun after it and given in parts": {read{start: 11, end: 15, status: 206}, 1},
		"begun after it and refused":        {read{start: 11, end: 15, status: 401}, 0},
		"begun after it and out of order":   {read{start: 11, end: 15, status: 503}, 0},
	} {
		history := []round{{ended: 20}, {ended: 10, reads: []read{c.read}}}
		if got := violations(history); len(got) != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// course is what a race takes place on: two gateways with pools of their own
// on one database and one Redis.
type course struct {
	db       *postgres.DB
	sql      *sql.DB
	dsn      string
	redis    *services.Redis
	cache    *present     // of the one who stops, and of both gateways
	cutOff   *redis.Cache // of one who stops and cannot reach Redis
	hasher   *token.Hasher
	key      *recipient.DPoPKey
	terms    terms
	public   string
	gateways [2]*http.Client
	window   *window
	clock    time.Time
}

// window holds looks at the truth open after PostgreSQL has answered.
type window struct{ now atomic.Pointer[held] }

// held is a window during one round.
type held struct {
	stopped chan struct{} // closed when the stop has answered
	spanned atomic.Int64
}

// hold keeps the caller for a while: until the stop has answered and a little
// longer, or for a random time.
func (w *window) hold() {
	h := w.now.Load()
	if h == nil {
		return
	}
	select {
	case <-h.stopped:
		return
	default:
	}
	patience := time.Duration(rand.IntN(6000)) * time.Microsecond
	if rand.IntN(2) == 0 {
		patience = 50 * time.Millisecond
	}
	select {
	case <-h.stopped:
		pause(2000)
	case <-time.After(patience):
	}
	select {
	case <-h.stopped:
		h.spanned.Add(1)
	default:
	}
}

// pause waits for a random time, at most that many microseconds: what races
// must be able to come in any order.
func pause(most int) { time.Sleep(time.Duration(rand.IntN(most)) * time.Microsecond) }

// heldTokens is the truth with the window behind it.
type heldTokens struct {
	resource.Tokens
	window *window
}

func (h heldTokens) Live(ctx context.Context, hash token.Hash) (token.Live, error) {
	live, err := h.Tokens.Live(ctx, hash)
	h.window.hold()
	return live, err
}

// newCourse opens the two gateways. bend, if not nil, changes them first.
func newCourse(t *testing.T, bend func(*course, *resource.Config)) *course {
	t.Helper()
	c := &course{dsn: env.Postgres(t), window: &window{}, cache: &present{}, clock: time.Now()}
	var bank *sandbox.Store
	sealKeys := filepath.Join(t.TempDir(), "seal-keys.json")
	must(t, certs.GenerateSealKeys(sealKeys))
	c.db, c.sql, bank = openStores(t, c.dsn, sealKeys)
	register(t, c.db, "alpha")
	c.terms = c.someones(t, bank, "saver")

	var err error
	c.hasher, err = token.NewHasher([]token.Key{{ID: "k1", Secret: bytes.Repeat([]byte{7}, 32)}})
	must(t, err)
	c.key, err = recipient.NewDPoPKey(jose.ES256)
	must(t, err)
	c.startRedis(t)
	gone := testenv.Redis(t)
	gone.Kill()
	c.cutOff = openCache(t, gone.URL())

	pair, ca := certificates(t, t.TempDir())
	serverTLS, err := certs.ServerTLS(certs.Config{CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientAuth: certs.RequestedClientCert})
	must(t, err)
	for i := range c.gateways {
		socket := listen(t)
		if i == 0 {
			c.public = "https://" + address(socket)
		}
		g := c.gateway(t, i, bend)
		server := web.NewServer(g.Handler(), serverTLS.Clone(), slog.New(slog.DiscardHandler))
		run(t, func(ctx context.Context) error {
			return web.Serve(ctx, web.Drain{}, web.Listener{Server: server, Socket: socket})
		})
		c.gateways[i] = via(t, address(socket), trust(t, ca))
	}
	return c
}

// startRedis replaces the Redis by a fresh one.
func (c *course) startRedis(t *testing.T) {
	c.redis = testenv.Redis(t)
	c.cache.is.Store(openCache(t, c.redis.URL()))
}

// present is the cache on the present Redis of a course.
type present struct{ is atomic.Pointer[redis.Cache] }

func (p *present) Look(ctx context.Context, q resource.Lookup) (resource.Cached, error) {
	return p.is.Load().Look(ctx, q)
}

func (p *present) Fill(ctx context.Context, lease resource.Lease, l token.Live) error {
	return p.is.Load().Fill(ctx, lease, l)
}

func (p *present) Ended(ctx context.Context, id consent.GrantID, epoch int64) error {
	return p.is.Load().Ended(ctx, id, epoch)
}

func (p *present) Stopped(ctx context.Context, id consent.RecipientID) error {
	return p.is.Load().Stopped(ctx, id)
}

func (c *course) gateway(t *testing.T, i int, bend func(*course, *resource.Config)) *resource.Gateway {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{DSN: c.dsn, MaxConns: 8, Name: instances[i]})
	must(t, err)
	t.Cleanup(db.Close)
	gate := postgres.NewGate(db, postgres.GateConfig{})
	t.Cleanup(gate.Close)
	bank, err := sandbox.Open(t.Context(), c.dsn)
	must(t, err)
	t.Cleanup(bank.Close)
	proofs, err := dpop.New(dpop.Config{})
	must(t, err)
	config := resource.Config{
		Public: c.public, Issuer: "https://issuer.example", Instance: instances[i], Log: slog.New(slog.DiscardHandler),
		Hasher: c.hasher, Proofs: proofs, Tokens: heldTokens{db.Tokens(), c.window},
		Cache: c.cache, Provider: bank, Gate: gate, PageKeys: [][]byte{bytes.Repeat([]byte{9}, 32)},
	}
	if bend != nil {
		bend(c, &config)
	}
	g, err := resource.New(config)
	must(t, err)
	return g
}

func openCache(t *testing.T, url string) *redis.Cache {
	t.Helper()
	cache, err := redis.Open(redis.Config{URL: url, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { _ = cache.Close() })
	return cache
}

// someones are the terms under which a customer of the bank shares all that
// can be shared.
func (c *course) someones(t *testing.T, bank *sandbox.Store, username string) terms {
	t.Helper()
	who, accounts := holder(t, bank, username)
	return terms{
		recipient: "alpha", consumer: who, accounts: accounts, lookback: 60,
		clusters: fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Transactions),
	}
}

// holder returns a customer of the bank and the accounts of that customer.
func holder(t *testing.T, bank *sandbox.Store, username string) (consent.ConsumerID, []fdx.AccountID) {
	t.Helper()
	who, err := bank.Customer(t.Context(), username)
	must(t, err)
	held, err := bank.AccountsOf(t.Context(), who.ID)
	must(t, err)
	var ids []fdx.AccountID
	for _, h := range held {
		ids = append(ids, h.Account.ID())
	}
	return consent.ConsumerID(who.ID), ids
}

// ask reads the accounts of a grant once.
func (c *course) ask(ctx context.Context, gateway int, tok recipient.Token) (read, error) {
	const path = "/fdx/v6/accounts"
	proof, err := tok.Key.Sign(tok.Key.Claims(http.MethodGet, c.public+path, tok.AccessToken, "", time.Now()))
	if err != nil {
		return read{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.public+path, nil)
	if err != nil {
		return read{}, err
	}
	req.Header.Set("Authorization", "DPoP "+string(tok.AccessToken))
	req.Header.Set("DPoP", proof)
	v := read{gateway: gateway, start: time.Since(c.clock)}
	resp, err := receive(c.gateways[gateway].Do(req))
	if err != nil {
		return read{}, err
	}
	v.end, v.status = time.Since(c.clock), resp.Status
	return v, nil
}

// conditions are what a round takes place under.
type conditions struct {
	warm bool
	// cutOff: whoever stops cannot reach Redis.
	cutOff bool
	// during, if not nil, happens to Redis before the stop, at the same time
	// or right after it.
	during func()
	// rest, if not nil, is what is raced in place of a stop.
	rest func(ctx context.Context, s *consent.Service, who consent.ConsumerID, id consent.GrantID) error
}

func (c conditions) String() string {
	s := "cold cache"
	if c.warm {
		s = "warm cache"
	}
	if c.cutOff {
		s += ", stopped without Redis"
	}
	return s
}

// usual are the conditions of a round without faults of Redis: cold and warm
// in turn, and every third stop by somebody who cannot reach Redis.
func usual(i int) conditions { return conditions{warm: i%2 == 1, cutOff: i%3 == 2} }

// race runs one round.
func (c *course) race(t *testing.T, i int, told consent.Cache, cond conditions) round {
	t.Helper()
	tok, err := issue(t.Context(), c.db, c.hasher, c.key, c.terms)
	must(t, err)
	if cond.cutOff && told != nil {
		told = c.cutOff
	}
	// The gate stops reads, so nothing here may depend on the wait for a cache.
	atOnce := func(time.Duration) <-chan time.Time { over := make(chan time.Time); close(over); return over }
	stop, err := consent.NewService(consent.ServiceConfig{Store: c.db.Grants(), Cache: told, After: atOnce})
	must(t, err)
	if cond.warm {
		for gateway := range c.gateways {
			v, err := c.ask(t.Context(), gateway, tok)
			must(t, err)
			if v.status != http.StatusOK {
				t.Fatalf("round %d: a read of an active grant was answered with %d", i, v.status)
			}
		}
	}
	h := &held{stopped: make(chan struct{})}
	c.window.now.Store(h)
	defer c.window.now.Store(nil)

	r := round{name: cond.String()}
	begun := make(chan struct{}, 1000)
	var mu sync.Mutex
	var all sync.WaitGroup
	for f := range fetchers {
		all.Go(func() {
			for after := 0; after < readsAfter; {
				select {
				case <-h.stopped:
					after++
				default:
					begun <- struct{}{}
				}
				v, err := c.ask(t.Context(), f%2, tok)
				if err != nil {
					t.Errorf("round %d: %v", i, err)
					return
				}
				mu.Lock()
				r.reads = append(r.reads, v)
				mu.Unlock()
			}
		})
	}
	for range 1 + rand.IntN(fetchers) {
		<-begun
	}
	pause(3000)
	fault := func(moment int) {
		if cond.during != nil && moment == i/2%3 { // every moment with a cold and with a warm cache
			cond.during()
		}
	}
	fault(0)
	all.Go(func() { fault(1) })
	if cond.rest != nil {
		err = cond.rest(t.Context(), stop, c.terms.consumer, consent.GrantID(tok.GrantID))
	} else {
		_, err = stop.StopByConsumer(t.Context(), c.terms.consumer, consent.GrantID(tok.GrantID))
	}
	r.ended = time.Since(c.clock)
	if err != nil {
		t.Errorf("round %d: stop: %v", i, err)
	}
	fault(2)
	close(h.stopped)
	all.Wait()
	r.spanned = int(h.spanned.Load())
	return r
}

// summary is what a history must show besides its violations, or the race
// has proven nothing.
type summary struct{ given, refused, spanned, late int }

func summarise(t *testing.T, history []round) summary {
	t.Helper()
	var s summary
	for i, r := range history {
		s.spanned += r.spanned
		for _, v := range r.reads {
			switch v.status {
			case http.StatusOK:
				s.given++
			case http.StatusUnauthorized, http.StatusForbidden: // 403 while sharing rests
				s.refused++
			default:
				t.Errorf("round %d (%s): a read was answered with %d", i, r.name, v.status)
			}
			if v.start > r.ended {
				s.late++
			}
		}
	}
	if s.given == 0 || s.refused == 0 || s.spanned == 0 || s.late < len(history)*fetchers*readsAfter {
		t.Errorf("the race did not take place: %+v in %d rounds", s, len(history))
	}
	t.Logf("%d rounds: %+v", len(history), s)
	return s
}

func report(t *testing.T, found []string) {
	t.Helper()
	for _, v := range found[:min(5, len(found))] {
		t.Error(v)
	}
	if len(found) > 0 {
		t.Errorf("%d violations", len(found))
	}
}

// The races are not parallel: they are about what overtakes what.

func TestNothingIsReadAfterAStop(t *testing.T) {
	c := newCourse(t, nil)
	var history []round
	for i := range rounds(300) {
		history = append(history, c.race(t, i, c.cache, usual(i)))
	}
	summarise(t, history)
	report(t, violations(history))
}

func TestNothingIsReadAfterAStopWhileRedisIsEmptied(t *testing.T) {
	c := newCourse(t, nil)
	raw := dialRedis(t, c.redis.URL())
	var history []round
	for i := range rounds(36) {
		cond := usual(i)
		cond.during = func() {
			if err := raw.empty(); err != nil {
				t.Error(err)
			}
		}
		history = append(history, c.race(t, i, c.cache, cond))
	}
	summarise(t, history)
	report(t, violations(history))
}

func TestNothingIsReadAfterAStopWhileRedisIsKilled(t *testing.T) {
	c := newCourse(t, nil)
	var history []round
	for i := range rounds(18) {
		c.startRedis(t)
		cond := usual(i)
		cond.during = c.redis.Kill
		history = append(history, c.race(t, i, c.cache, cond))
		history = append(history, c.race(t, i, c.cache, conditions{})) // and without it
	}
	summarise(t, history)
	report(t, violations(history))
}

// Whatever the cache does, the gate alone keeps the promise.
func TestTheGateAloneStopsReadsFromAStaleCache(t *testing.T) {
	aside := newCacheAside()
	c := newCourse(t, func(_ *course, config *resource.Config) { config.Cache = aside })
	var history []round
	for i := range rounds(40) {
		history = append(history, c.race(t, i, aside, conditions{warm: i%2 == 1}))
	}
	summarise(t, history)
	report(t, violations(history))
	if aside.late.Load() == 0 {
		t.Error("no stale share was ever filled in: the cache was not worse than ours")
	}
}

// The same races on gateways that are broken on purpose, so that no violation
// above means something.
func TestTheRaceCatchesAGateThatTrustsTheCache(t *testing.T) {
	t.Run("on the cache of production", func(t *testing.T) {
		c := newCourse(t, func(c *course, config *resource.Config) { config.Gate = cachedGate{c.sql} })
		var history []round
		for i := range rounds(36) {
			history = append(history, c.race(t, i, c.cache, usual(i)))
		}
		caught(t, history)
	})
	t.Run("on a cache that forgets on a stop", func(t *testing.T) {
		aside := newCacheAside()
		c := newCourse(t, func(c *course, config *resource.Config) { config.Cache, config.Gate = aside, cachedGate{c.sql} })
		var history []round
		for i := range rounds(36) {
			history = append(history, c.race(t, i, aside, conditions{warm: i%2 == 1}))
		}
		caught(t, history)
	})
}

func caught(t *testing.T, history []round) {
	t.Helper()
	summarise(t, history)
	found := violations(history)
	if len(found) == 0 {
		t.Error("a gateway without the gate went unnoticed")
		return
	}
	t.Logf("%d violations, such as: %s", len(found), found[0])
}

// cachedGate is the mutant: the share in the cache said active, so the answer
// leaves, and the record is stored without a look at the grant.
type cachedGate struct{ sql *sql.DB }

func (g cachedGate) Release(ctx context.Context, r resource.Release) (resource.Verdict, error) {
	if r.Record.Outcome == audit.Refused {
		return resource.Released, nil
	}
	_, err := g.sql.ExecContext(ctx, `
		INSERT INTO access_record (
		    request_id, at, recipient_id, grant_id, epoch, consumer_id, operation, accounts, clusters, record_count,
		    body_bytes, body_hash, outcome, reason, attended, interaction_id, instance_id)
		VALUES ($1, clock_timestamp(), $2, $3, $4, $5, $6, '{}', '{}', $7, $8, $9, $10, '', false, '', $11)`,
		fmt.Sprintf("%x", r.Record.RequestID), string(r.Record.Recipient), string(r.Record.Grant), r.Record.Epoch,
		string(r.Record.Consumer), r.Record.Operation, r.Record.Count, r.Record.Bytes, r.Record.BodyHash[:],
		string(r.Record.Outcome), r.Record.Instance)
	if err != nil {
		return resource.Withheld, err
	}
	return resource.Released, nil
}

// cacheAside is the usual cache: filled on a miss, deleted on a stop, with
// nothing that keeps a late fill out. Both gateways share it.
type cacheAside struct {
	mu     sync.Mutex
	tokens map[token.Hash]token.Live
	ended  map[consent.GrantID]bool
	late   atomic.Int64 // fills that came after the deletion
}

func newCacheAside() *cacheAside {
	return &cacheAside{tokens: map[token.Hash]token.Live{}, ended: map[consent.GrantID]bool{}}
}

func (c *cacheAside) Look(_ context.Context, q resource.Lookup) (resource.Cached, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	live, found := c.tokens[q.Hash]
	if !found {
		return resource.Cached{Lease: "any"}, nil
	}
	return resource.Cached{Found: true, Live: live}, nil
}

func (c *cacheAside) Fill(_ context.Context, _ resource.Lease, l token.Live) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended[l.Share.Grant] {
		c.late.Add(1)
	}
	c.tokens[l.Access.Hash] = l
	return nil
}

func (c *cacheAside) Stopped(_ context.Context, id consent.RecipientID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for h, l := range c.tokens {
		if l.Share.Recipient == id {
			delete(c.tokens, h)
		}
	}
	return nil
}

func (c *cacheAside) Ended(_ context.Context, id consent.GrantID, _ int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended[id] = true
	for h, l := range c.tokens {
		if l.Share.Grant == id {
			delete(c.tokens, h)
		}
	}
	return nil
}
