package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// counting is how long each line is asked while its round trips are counted,
// by one caller. A wait for the network does not get shorter by sharing the
// machine, so that how often there is one matters more than how long it took
// here.
const counting = 400 * time.Millisecond

// RoundTrips is how often a request waits for a server, on average. With one
// caller and warm connections nothing is shared and nothing is set up.
type RoundTrips struct {
	PostgreSQL float64 `json:"postgres"` // the bank's own included
	Redis      float64 `json:"redis"`
}

// count asks every line again, with one caller whose every word to PostgreSQL
// and Redis is heard.
func (s *stack) count(ctx context.Context, c Config, g *generator, d time.Duration) (_ map[string]RoundTrips, err error) {
	t, heard, err := s.tapped(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	c.Callers, c.Scale = 1, 0
	lines, err := t.lines(ctx, c, g)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]RoundTrips, len(lines))
	for _, l := range lines {
		var postgres, redis int64
		a, err := l.measure(ctx, d, func() error {
			postgres, redis = heard.postgres.trips.Load(), heard.redis.trips.Load()
			return nil
		})
		if err == nil && a.Count == 0 {
			err = errors.New("nothing was answered")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		n := float64(a.Count)
		counts[l.name] = RoundTrips{
			PostgreSQL: float64(heard.postgres.trips.Load()-postgres) / n,
			Redis:      float64(heard.redis.trips.Load()-redis) / n,
		}
	}
	return counts, nil
}

// taps are what a stack's servers are reached through.
type taps struct{ postgres, redis *tap }

// tapped returns a stack over the same services and data that reaches both
// through taps. It has one connection to each pool's database, because each
// connection learns its statements anew, and one token of each kind, which is
// known to Redis when the clock starts.
func (s *stack) tapped(ctx context.Context) (_ *stack, _ taps, err error) {
	t := *s
	t.closers = nil
	t.sides = nil // their round trips are those of the others
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	var heard taps
	var dsn, redisURL string
	if heard.postgres, dsn, err = tapInto(s.postgres.DSN(s.database)); err != nil {
		return nil, taps{}, err
	}
	t.later(heard.postgres.close)
	if heard.redis, redisURL, err = tapInto(s.redis.URL()); err != nil {
		return nil, taps{}, err
	}
	t.later(heard.redis.close)
	if err := t.connect(ctx, dsn, redisURL, 1); err != nil {
		return nil, taps{}, err
	}
	t.byCert, t.byKey = s.byCert.first(), s.byKey.first()
	return &t, heard, nil
}

// tap is a proxy that counts round trips: how often a client speaks after
// having listened.
type tap struct {
	listener        net.Listener
	network, server string
	trips           atomic.Int64
	stop            context.CancelFunc
	work            sync.WaitGroup
}

// tapInto returns a tap into the server at an address, a URL as services gives
// it, and the address that leads through it.
func tapInto(address string) (*tap, string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, "", err
	}
	t := &tap{network: "tcp", server: u.Host}
	if q := u.Query(); q.Has("host") { // PostgreSQL on a socket, in that folder
		t.network, t.server = "unix", filepath.Join(q.Get("host"), ".s.PGSQL.5432")
		q.Del("host")
		u.RawQuery = q.Encode()
	}
	if t.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, "", err
	}
	u.Host = t.listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	t.work.Go(func() { t.serve(ctx) })
	return t, u.String(), nil
}

// close ends what is left of the connections.
func (t *tap) close() error {
	t.stop()
	err := t.listener.Close()
	t.work.Wait()
	return err
}

func (t *tap) serve(ctx context.Context) {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return // closed
		}
		t.work.Go(func() { t.carry(ctx, client) })
	}
}

// carry connects a client until either side hangs up.
func (t *tap) carry(ctx context.Context, client net.Conn) {
	defer client.Close() //nolint:errcheck // both have hung up
	var d net.Dialer
	server, err := d.DialContext(ctx, t.network, t.server)
	if err != nil {
		return // the client sees that nobody is there
	}
	hangUp := func() {
		_ = client.Close() // ends the reads below
		_ = server.Close()
	}
	defer context.AfterFunc(ctx, hangUp)()
	var speaking atomic.Bool
	var answers sync.WaitGroup
	answers.Go(func() {
		defer hangUp()
		_, _ = io.Copy(client, overheard{server, func() { speaking.Store(false) }})
	})
	_, _ = io.Copy(server, overheard{client, func() {
		if !speaking.Swap(true) {
			t.trips.Add(1)
		}
	}})
	hangUp()
	answers.Wait()
}

// overheard tells of everything that is read before it is passed on.
type overheard struct {
	io.Reader
	heard func()
}

// Read implements io.Reader.
func (o overheard) Read(b []byte) (int, error) {
	n, err := o.Reader.Read(b)
	if n > 0 {
		o.heard()
	}
	return n, err
}
