package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// fault is one thing that goes wrong for a while.
type fault struct {
	name string
	// begin returns when it is in effect, end when it is over.
	begin, end func(context.Context) error
	// often is done again and again meanwhile; nil for nothing.
	often func(context.Context)
	hold  time.Duration // at least this long; 0 is the plan's

	cache bool     // Redis cannot be used as it should: V1 holds
	dark  []string // gateways that cannot store a record: V2 holds
	bank  bool     // the bank is away as well: it is in the same PostgreSQL
	down  []string // processes that do not answer
	keys  bool     // a key is replaced: K1 holds
	// overload: more is asked than there is room for: V4 holds.
	overload bool
}

var bothGateways = []string{gatewayA, gatewayB}

// faults is the catalogue.
func (s *stack) faults() []fault {
	var list []fault
	add := func(f fault) {
		nothing := func(context.Context) error { return nil }
		if f.begin == nil {
			f.begin = nothing
		}
		if f.end == nil {
			f.end = nothing
		}
		list = append(list, f)
	}
	set := func(t trouble, edges ...*proxy) func(context.Context) error {
		return func(context.Context) (err error) {
			for _, e := range edges {
				err = errors.Join(err, e.set(t))
			}
			return err
		}
	}
	edge := func(name string, t trouble, f fault, edges ...*proxy) {
		f.name, f.begin, f.end = name, set(t, edges...), set(trouble{}, edges...)
		add(f)
	}
	do := func(command string) func(context.Context) error {
		return func(context.Context) error { return s.redis.do(command) }
	}

	// Redis.
	add(fault{name: "redis killed", cache: true,
		begin: func(context.Context) error { s.redis.kill(); return nil },
		end:   func(context.Context) error { return s.redis.begin() }})
	add(fault{name: "redis frozen", cache: true,
		begin: func(context.Context) error { s.redis.signal(syscall.SIGSTOP); return nil },
		end:   func(context.Context) error { s.redis.signal(syscall.SIGCONT); return nil }})
	add(fault{name: "redis emptied ten times a second", cache: true,
		often: func(context.Context) { _ = s.redis.do("FLUSHALL"); time.Sleep(100 * time.Millisecond) }})
	add(fault{name: "redis killed and restarted empty again and again", cache: true,
		often: func(context.Context) { s.redis.kill(); _ = s.redis.begin(); time.Sleep(300 * time.Millisecond) }})
	add(fault{name: "redis out of memory", cache: true, begin: do("CONFIG SET maxmemory 1"), end: do("CONFIG SET maxmemory 0")})
	add(fault{name: "redis read-only", cache: true, begin: do("REPLICAOF 127.0.0.1 1"), end: do("REPLICAOF NO ONE")})
	all := []*proxy{s.toRedis[gatewayA], s.toRedis[gatewayB], s.toRedis[authzd]}
	edge("redis black hole for gateway-a", trouble{hold: true}, fault{cache: true}, s.toRedis[gatewayA])
	edge("redis black hole for gateway-b", trouble{hold: true}, fault{cache: true}, s.toRedis[gatewayB])
	edge("redis black hole for who stops", trouble{hold: true}, fault{cache: true}, s.toRedis[authzd])
	edge("redis black hole for all", trouble{hold: true}, fault{cache: true}, all...)
	edge("redis hears all and is not heard", trouble{mute: true}, fault{cache: true}, all...)
	edge("redis slow by 30 ms", trouble{delay: 30 * time.Millisecond}, fault{cache: true}, all...)
	edge("redis slow by 2 s", trouble{delay: 2 * time.Second}, fault{cache: true}, all...)
	edge("redis resets", trouble{refuse: true}, fault{cache: true}, all...)
	edge("redis answers half", trouble{cut: 700}, fault{cache: true}, all...)

	// PostgreSQL.
	add(fault{name: "postgres killed", dark: bothGateways, bank: true,
		begin: func(context.Context) error { s.postgres.killAll(); return nil },
		end:   s.postgres.begin})
	add(fault{name: "postgres frozen", dark: bothGateways, bank: true,
		begin: func(context.Context) error {
			// Once more, for those that were being born.
			s.postgres.signalAll(syscall.SIGSTOP)
			s.postgres.signalAll(syscall.SIGSTOP)
			return nil
		},
		end: func(context.Context) error { s.postgres.signalAll(syscall.SIGCONT); return nil }})
	add(fault{name: "postgres connections ended", often: func(ctx context.Context) {
		_ = s.postgres.exec(ctx, "headgate", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = 'headgate' AND pid <> pg_backend_pid() AND random() < 0.5`)
		time.Sleep(150 * time.Millisecond)
	}})
	one := s.backendKilled()
	add(fault{name: "postgres processes killed", hold: 5 * time.Second, often: func(ctx context.Context) {
		_ = one.begin(ctx)
		time.Sleep(1500 * time.Millisecond)
	}, end: s.postgres.answers})
	edge("postgres black hole for gateway-a", trouble{hold: true}, fault{dark: []string{gatewayA}}, s.toPostgres[gatewayA])
	edge("postgres black hole for all", trouble{hold: true}, fault{dark: bothGateways},
		s.toPostgres[gatewayA], s.toPostgres[gatewayB], s.toPostgres[authzd])
	edge("postgres hears gateway-a and is not heard", trouble{mute: true}, fault{dark: []string{gatewayA}}, s.toPostgres[gatewayA])
	edge("postgres resets for gateway-b", trouble{refuse: true}, fault{dark: []string{gatewayB}}, s.toPostgres[gatewayB])
	edge("postgres slow by 40 ms", trouble{delay: 40 * time.Millisecond}, fault{}, s.toPostgres[gatewayA], s.toPostgres[gatewayB])
	edge("postgres answers half", trouble{cut: 20_000}, fault{}, s.toPostgres[gatewayA], s.toPostgres[gatewayB])
	add(s.locked("consent_grant"))
	add(fault{name: "postgres refuses every seventh record",
		begin: func(ctx context.Context) error {
			return s.postgres.exec(ctx, "headgate", `
				CREATE SEQUENCE fault_seventh;
				CREATE FUNCTION fault_raise() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN IF nextval('fault_seventh') % 7 = 0 THEN RAISE EXCEPTION 'on purpose'; END IF; RETURN NEW; END $$;
				CREATE TRIGGER fault_raise BEFORE INSERT ON access_record FOR EACH ROW EXECUTE FUNCTION fault_raise()`)
		},
		end: func(ctx context.Context) error {
			return s.postgres.exec(ctx, "headgate",
				"DROP TRIGGER fault_raise ON access_record; DROP FUNCTION fault_raise; DROP SEQUENCE fault_seventh")
		}})

	// The product.
	for _, name := range []string{gatewayA, gatewayB, authzd} {
		add(fault{name: name + " killed", down: []string{name},
			begin: func(context.Context) error { s.procs[name].kill(); return nil },
			end:   func(context.Context) error { return s.bring(name) }})
		add(fault{name: name + " frozen", down: []string{name},
			begin: func(context.Context) error { s.procs[name].signal(syscall.SIGSTOP); return nil },
			end:   func(context.Context) error { s.procs[name].signal(syscall.SIGCONT); return nil }})
	}
	add(fault{name: gatewayA + " killed again and again", down: []string{gatewayA}, hold: 5 * time.Second,
		often: func(context.Context) {
			time.Sleep(400 * time.Millisecond)
			s.procs[gatewayA].kill()
			_ = s.bring(gatewayA)
		}})
	add(fault{name: "callbacks refused",
		begin: func(context.Context) error { s.sink.set(true); return nil },
		end:   func(context.Context) error { s.sink.set(false); return nil }})
	add(fault{name: "server certificate replaced", keys: true, begin: func(context.Context) error { return s.newCertificate() }})
	add(fault{name: "signing keys rotated", keys: true, begin: func(context.Context) error {
		tool := server{name: "headgate", path: filepath.Join(s.bin, "headgate"), dir: s.dir, env: s.env,
			args: []string{"keys", "rotate", s.signingKeys(), "--force"}}
		_, err := tool.run()
		return err
	}})
	if f, ok := s.full(); ok {
		add(f)
	}
	return list
}

// newCertificate puts another server certificate in place, first the key: a
// process that looks in between finds that they do not fit, and looks again.
func (s *stack) newCertificate() error {
	ca, err := s.authority()
	if err != nil {
		return err
	}
	pair, err := ca.issue("localhost", true)
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return err
	}
	certFile, keyFile := s.certificate()
	put := func(name, kind string, der []byte) error {
		return putFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return errors.Join(put(keyFile, "PRIVATE KEY", key), put(certFile, "CERTIFICATE", pair.Certificate[0]))
}

// crowd is how many more ask at a time under overload, each as fast as it is
// answered.
const crowd = 120

// overload has a crowd ask besides those who ask at a constant rate.
func (d *driver) overload() fault {
	var stop context.CancelFunc
	var wg sync.WaitGroup
	return fault{name: "overload", overload: true, hold: 5 * time.Second,
		begin: func(ctx context.Context) error {
			var loaded context.Context
			loaded, stop = context.WithCancel(ctx)
			for range crowd {
				wg.Go(func() {
					for loaded.Err() == nil {
						d.history.add(d.any(context.WithoutCancel(loaded)))
					}
				})
			}
			return nil
		},
		end: func(context.Context) error {
			stop()
			wg.Wait()
			return nil
		}}
}

// backendKilled kills one process of PostgreSQL: all others go with it, and the
// server recovers.
func (s *stack) backendKilled() fault {
	return fault{name: "one process of postgres killed", end: s.postgres.answers, begin: func(context.Context) error {
		if list := children(s.postgres.pid()); len(list) > 6 {
			_ = syscall.Kill(list[len(list)-1], syscall.SIGKILL)
		}
		return nil
	}}
}

// doom is the file that names the point at which processes die.
func (s *stack) doom() string { return filepath.Join(s.dir, "doom") }

// die has the processes die at a point of their work; "" is none.
func (s *stack) die(point string) error { return putFile(s.doom(), []byte(point)) }

// leastDeaths at a point are enough to say that it does no harm there.
const leastDeaths = 3

// dying has the processes die at a point again and again, starts them anew each
// time and counts how often.
func (s *stack) dying(point string, deaths *int) fault {
	raise := func() (err error) {
		for _, name := range []string{gatewayA, gatewayB, authzd} {
			if s.procs[name].ended() {
				*deaths++
				err = errors.Join(err, s.bring(name))
			}
		}
		return err
	}
	return fault{name: point, down: []string{gatewayA, gatewayB, authzd}, hold: 10 * time.Second,
		begin: func(context.Context) error { return s.die(point) },
		often: func(context.Context) { _ = raise(); time.Sleep(20 * time.Millisecond) },
		end: func(ctx context.Context) error {
			// It is left to chance when: some take longer to be as many.
			for over := time.Now().Add(20 * time.Second); *deaths < leastDeaths && time.Now().Before(over); {
				if err := errors.Join(raise(), rest(ctx, 20*time.Millisecond)); err != nil {
					return err
				}
			}
			return errors.Join(s.die(""), raise())
		}}
}

// locked holds a lock on a table against everybody.
func (s *stack) locked(table string) fault {
	var conn *pgx.Conn
	return fault{name: "postgres table " + table + " locked", dark: bothGateways, hold: 5 * time.Second,
		begin: func(ctx context.Context) (err error) {
			if conn, err = s.postgres.connect(ctx); err != nil {
				return err
			}
			_, err = conn.Exec(ctx, "BEGIN; LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
			return err
		},
		end: func(ctx context.Context) error {
			_, err := conn.Exec(ctx, "COMMIT")
			_ = conn.Close(ctx)
			return err
		}}
}

// play has one fault happen.
func (s *stack) play(ctx context.Context, h *history, f fault, hold time.Duration) error {
	h.mark(f.name, starting)
	if err := f.begin(ctx); err != nil {
		return fmt.Errorf("%s: begin: %w", f.name, err)
	}
	h.mark(f.name, began)
	for over := time.Now().Add(max(hold, f.hold)); time.Now().Before(over); {
		if f.often == nil {
			time.Sleep(time.Until(over))
		} else {
			f.often(ctx)
		}
	}
	h.mark(f.name, ending)
	err := f.end(ctx)
	h.mark(f.name, healed)
	if err != nil {
		return fmt.Errorf("%s: end: %w", f.name, err)
	}
	return nil
}
