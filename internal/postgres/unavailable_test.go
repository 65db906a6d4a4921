package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/authz/authztest"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// calls is one call of every method that speaks with the server.
func calls(db *DB, gate *Gate) map[string]func(context.Context) error {
	g := consenttest.NewGrant("consumer", time.Now())
	a := consenttest.NewAuthorization("pushed", "browser", time.Now())
	access := token.Access{Hash: token.Hash{1}, Grant: g.ID, Recipient: g.Recipient, KeyThumbprint: "k"}
	return map[string]func(context.Context) error{
		"Subscribe":      func(ctx context.Context) error { return db.Notices().Subscribe(ctx, notice.Subscription{}) },
		"Subscription":   func(ctx context.Context) error { _, err := db.Notices().Subscription(ctx, "r", "s"); return err },
		"Unsubscribe":    func(ctx context.Context) error { return db.Notices().Unsubscribe(ctx, "r", "s") },
		"Feed":           func(ctx context.Context) error { _, err := db.Notices().Feed(ctx, "r", "", 1); return err },
		"Claim":          func(ctx context.Context) error { _, err := db.Notices().Claim(ctx, "s", time.Now(), 1); return err },
		"Settle":         func(ctx context.Context) error { return db.Notices().Settle(ctx, notice.Key{}, notice.Outcome{}) },
		"DueAt":          func(ctx context.Context) error { _, err := db.Notices().DueAt(ctx, notice.Key{}); return err },
		"DeadLetters":    func(ctx context.Context) error { _, err := db.Notices().DeadLetters(ctx, "", 1); return err },
		"Replay":         func(ctx context.Context) error { _, err := db.Notices().Replay(ctx, "n", ""); return err },
		"AccountRemoved": func(ctx context.Context) error { _, err := db.Notices().AccountRemoved(ctx, "a"); return err },
		"Outage": func(ctx context.Context) error {
			_, err := db.Notices().Outage(ctx, "m", time.Now(), time.Now(), "")
			return err
		},
		"Upkeep":   func(ctx context.Context) error { return db.Notices().Upkeep(ctx) },
		"Check":    db.Check,
		"Create":   func(ctx context.Context) error { return db.Grants().Create(ctx, g) },
		"Grant":    func(ctx context.Context) error { _, err := db.Grants().Grant(ctx, g.ID); return err },
		"GrantsOf": func(ctx context.Context) error { _, err := db.Grants().GrantsOf(ctx, g.Consumer); return err },
		"GrantsOfRecipient": func(ctx context.Context) error {
			_, err := db.Grants().GrantsOfRecipient(ctx, g.Recipient, consent.Filter{At: g.CreatedAt}, consent.Place{}, 1)
			return err
		},
		"Moved": func(ctx context.Context) error {
			_, err := db.Grants().Moved(ctx, consent.Within(time.Minute))
			return err
		},
		"Stopped": func(ctx context.Context) error {
			_, err := db.Grants().Stopped(ctx, consent.Within(time.Minute))
			return err
		},
		"Events":     func(ctx context.Context) error { _, err := db.Grants().Events(ctx, g.ID); return err },
		"End":        func(ctx context.Context) error { return endGrant(ctx, db, g.ID) },
		"Recipient":  func(ctx context.Context) error { _, err := db.Recipients().Recipient(ctx, "r"); return err },
		"Recipients": func(ctx context.Context) error { _, err := db.Recipients().ListRecipients(ctx); return err },
		"PutRecipient": func(ctx context.Context) error {
			return db.Recipients().PutRecipient(ctx, consenttest.Registrations()[0])
		},
		"Register": func(ctx context.Context) error { return db.Registrations().Register(ctx, operators("u")) },
		"Registration": func(ctx context.Context) error {
			_, err := db.Registrations().Registration(ctx, token.Hash{})
			return err
		},
		"ByID":   func(ctx context.Context) error { _, err := db.Registrations().ByID(ctx, "r"); return err },
		"Update": func(ctx context.Context) error { return db.Registrations().Update(ctx, operators("u")) },
		"Enrol":  func(ctx context.Context) error { _, err := db.Registrations().Enrol(ctx, operators("u")); return err },
		"Move": func(ctx context.Context) error {
			return db.Registrations().Move(ctx, "r", consent.RecipientPending, consent.RecipientActive, time.Time{})
		},
		"ActiveGrants": func(ctx context.Context) error {
			_, err := db.Registrations().ActiveGrants(ctx, "r", "", 1)
			return err
		},
		"CountActiveGrants": func(ctx context.Context) error {
			_, err := db.Registrations().CountActiveGrants(ctx, "r")
			return err
		},
		"Open": func(ctx context.Context) error { _, err := db.Authorizations().Open(ctx, a); return err },
		"Authorization": func(ctx context.Context) error {
			_, err := db.Authorizations().Authorization(ctx, a.ID, "b")
			return err
		},
		"Extend": func(ctx context.Context) error {
			return db.Authorizations().Extend(ctx, a.ID, a.Browser, time.Now(), time.Now())
		},
		"Replace": func(ctx context.Context) error { _, err := db.Authorizations().Replace(ctx, a); return err },
		"Push":    func(ctx context.Context) error { return db.Requests().Push(ctx, token.Pushed{}) },
		"Pushed":  func(ctx context.Context) error { _, err := db.Requests().Pushed(ctx, token.Hash{}); return err },
		"Opened":  func(ctx context.Context) error { _, err := db.Requests().Opened(ctx, token.Hash{}); return err },
		"Approve": func(ctx context.Context) error {
			return db.Requests().Approve(ctx, token.Approval{Authorization: a, Grant: g, Code: token.Code{Grant: g.ID, Recipient: g.Recipient}})
		},
		"Refuse": func(ctx context.Context) error { return db.Requests().Refuse(ctx, token.Hash{}, a) },
		"Code":   func(ctx context.Context) error { _, err := db.Tokens().Code(ctx, token.Hash{}); return err },
		"Redeem": func(ctx context.Context) error {
			_, err := db.Tokens().Redeem(ctx, token.Redemption{Access: access})
			return err
		},
		"Refresh": func(ctx context.Context) error { _, err := db.Tokens().Refresh(ctx, token.Hash{}); return err },
		"Renew":   func(ctx context.Context) error { _, err := db.Tokens().Renew(ctx, token.Hash{}, access); return err },
		"Live":    func(ctx context.Context) error { _, err := db.Tokens().Live(ctx, token.Hash{}); return err },
		"PresentedCode": func(ctx context.Context) error {
			_, err := db.Tokens().PresentedCode(ctx, "r", token.Hash{})
			return err
		},
		"PresentedRefresh": func(ctx context.Context) error {
			_, err := db.Tokens().PresentedRefresh(ctx, "r", token.Hash{})
			return err
		},
		"IssueClient":  func(ctx context.Context) error { return db.Tokens().IssueClient(ctx, token.ClientAccess{}) },
		"ClientAccess": func(ctx context.Context) error { _, err := db.Tokens().ClientAccess(ctx, token.Hash{}); return err },
		"RevokeClient": func(ctx context.Context) error { return db.Tokens().RevokeClient(ctx, "r", token.Hash{}) },
		"Turned":       func(ctx context.Context) error { _, err := db.Journal().Turned(ctx, time.Hour); return err },
		"Behind":       func(ctx context.Context) error { _, err := db.Journal().Behind(ctx, nil); return err },
		"Turn": func(ctx context.Context) error {
			return db.Journal().Turn(ctx, consent.Turn{Of: consent.TurnOfPerson, ID: "p", State: consent.TurnErased, Since: time.Now()})
		},
		"RevokeAccess": func(ctx context.Context) error {
			_, _, err := db.Tokens().RevokeAccess(ctx, "r", token.Hash{})
			return err
		},
		"RevokeRefresh": func(ctx context.Context) error {
			_, _, err := db.Tokens().RevokeRefresh(ctx, "r", token.Hash{})
			return err
		},
		"Spend": func(ctx context.Context) error {
			return db.Guard().Spend(ctx, token.Proof{ExpiresAt: time.Now().Add(time.Hour)})
		},
		"Find": func(ctx context.Context) error {
			_, err := db.Reads().Find(ctx, "c", audit.Filter{}, audit.Cursor{}, 1)
			return err
		},
		"Read":    func(ctx context.Context) error { _, _, err := db.Reads().Read(ctx, "c", [16]byte{}); return err },
		"Changes": func(ctx context.Context) error { _, err := db.Reads().Changes(ctx, "c", time.Time{}, 1); return err },
		"LookUps": func(ctx context.Context) error { _, err := db.Reads().LookUps(ctx, "c", time.Time{}, 1); return err },
		"Usage": func(ctx context.Context) error {
			_, err := db.Reads().Usage(ctx, "c", time.UTC, time.Now(), 9)
			return err
		},
		"Pulse":   func(ctx context.Context) error { _, err := db.Reads().Pulse(ctx, "c"); return err },
		"Care":    func(ctx context.Context) error { _, err := db.Care().Show(ctx, "c", "op", "why"); return err },
		"FindCtx": func(ctx context.Context) error { _, _, err := db.Sessions().FindCtx(ctx, "t"); return err },
		"CommitCtx": func(ctx context.Context) error {
			return db.Sessions().CommitCtx(ctx, "t", web.SessionRecord{New: true, Data: nil, Expiry: time.Now()})
		},
		"DeleteCtx": func(ctx context.Context) error { return db.Sessions().DeleteCtx(ctx, "t") },
		"Sweep":     func(ctx context.Context) error { _, err := db.Sweep(ctx, 1); return err },
		"Release": func(ctx context.Context) error {
			_, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})
			return err
		},
	}
}

func endGrant(ctx context.Context, db *DB, id consent.GrantID) error {
	_, err := db.Grants().End(ctx, consent.End{Grant: id, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction})
	return err
}

func TestEveryMethodSaysUnavailable(t *testing.T) {
	t.Parallel()
	away, err := Open(context.Background(), Config{DSN: "postgres://127.0.0.1:1/none", Sealer: sealer()})
	if err != nil {
		t.Fatal(err)
	}
	closed := openDB(t)
	closed.Close()
	for name, db := range map[string]*DB{"no server": away, "closed": closed} {
		gate := NewGate(db, GateConfig{})
		for method, call := range calls(db, gate) {
			if err := call(context.Background()); !errors.Is(err, consent.ErrUnavailable) {
				t.Errorf("%s: %s: got %v, want ErrUnavailable", name, method, err)
			}
		}
		gate.Close()
	}
	db := openDB(t)
	gate := NewGate(db, GateConfig{})
	t.Cleanup(gate.Close)
	done, cancel := context.WithCancel(context.Background())
	cancel()
	for method, call := range calls(db, gate) {
		if err := call(done); !errors.Is(err, consent.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("no time left: %s: got %v, want ErrUnavailable and Canceled", method, err)
		}
	}
	away.Close()
}

func TestTransient(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"08006": true,  // connection failure
		"25006": true,  // read only
		"25P03": true,  // idle in transaction
		"40001": true,  // serialization failure
		"40P01": true,  // deadlock
		"53100": true,  // disk full
		"53300": true,  // too many connections
		"55P03": true,  // lock timeout
		"57014": true,  // statement timeout
		"57P01": true,  // shutdown
		"57P03": true,  // starting up
		"58030": true,  // I/O
		"22021": false, // not UTF-8
		"23505": false, // unique
		"23514": false, // check
		"25P02": false, // a bug of ours
		"28P01": false, // wrong password
		"42P01": false, // no table
	} {
		err := classify(&pgconn.PgError{Code: code})
		if errors.Is(err, consent.ErrUnavailable) != want {
			t.Errorf("%s: unavailable is %v, want %v", code, !want, want)
		}
	}
	for _, outcome := range []error{nil, consent.ErrNotFound, token.ErrUsed, errors.New("other")} {
		if err := classify(outcome); err != outcome {
			t.Errorf("%v became %v", outcome, err)
		}
	}
}

// A lock that nobody gives back ends in a refusal, not in a queue.
func TestHeldLockIsUnavailable(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g := consenttest.NewGrant("consumer", time.Now())
	if err := db.Grants().Create(ctx, g); err != nil {
		t.Fatal(err)
	}
	holder, err := db.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(ctx) }()
	if _, err := holder.Exec(ctx, sqlShareGrant, string(g.ID)); err != nil {
		t.Fatal(err)
	}
	if err := endGrant(ctx, db, g.ID); !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

// deaf is a connection that loses what the server says while lost is set.
type deaf struct {
	net.Conn
	lost *atomic.Bool
}

func (c deaf) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.lost.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// An answer that never arrives leaves open whether the write was done.
func TestLostAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pc, err := poolConfig(Config{DSN: env.Postgres(t), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	var lost atomic.Bool
	dial := pc.ConnConfig.DialFunc
	pc.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return deaf{c, &lost}, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		t.Fatal(err)
	}
	db := &DB{pool: pool, sealer: sealer()}
	t.Cleanup(db.Close)
	gate := newGate(t, db, GateConfig{Lanes: 1})
	for method, call := range calls(db, gate) {
		if err := db.Check(ctx); err != nil { // makes a connection
			t.Fatal(err)
		}
		lost.Store(true)
		if err := call(ctx); !errors.Is(err, consent.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", method, err)
		}
		lost.Store(false)
	}
}

// A commit that the standby may not have is no commit: the server reports it
// as a success with a warning.
func TestUnreplicatedCommitIsUnavailable(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	for table, warning := range map[string]string{
		"consent_grant": "canceling wait for synchronous replication due to user request",
		"web_session":   "canceling the wait for synchronous replication and terminating connection due to administrator command",
		"proof_seen":    "something else",
	} {
		exec(t, db, `CREATE FUNCTION warn_`+table+`() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE WARNING '`+warning+`'; RETURN NULL; END $$`)
		exec(t, db, `CREATE TRIGGER warn AFTER INSERT ON `+table+` FOR EACH STATEMENT EXECUTE FUNCTION warn_`+table+`()`)
	}
	if err := db.Grants().Create(ctx, consenttest.NewGrant("consumer", time.Now())); !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("batch: got %v, want ErrUnavailable", err)
	}
	if err := db.Sessions().CommitCtx(ctx, "t", web.SessionRecord{New: true, Data: nil, Expiry: time.Now()}); !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("single statement: got %v, want ErrUnavailable", err)
	}
	s := stores(db)
	a := newApproval(t, s)
	if err := db.Requests().Approve(ctx, a); !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("transaction: got %v, want ErrUnavailable", err)
	}
	if err := db.Guard().Spend(ctx, token.Proof{ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		t.Errorf("another warning: %v", err)
	}
	// The mark does not outlive its connection.
	for range 20 {
		if _, err := db.Recipients().ListRecipients(ctx); err != nil {
			t.Fatalf("afterwards: %v", err)
		}
	}
}

// newApproval returns an approval that can be stored.
func newApproval(t *testing.T, s authztest.Stores) token.Approval {
	t.Helper()
	ctx := context.Background()
	p := token.Pushed{Hash: randomHash(), Recipient: consenttest.Recipient, ExpiresAt: time.Now().Add(time.Minute)}
	if err := s.Requests.Push(ctx, p); err != nil {
		t.Fatal(err)
	}
	a, err := s.Authorizations.Open(ctx, consenttest.NewAuthorization(p.Hash.String(), "browser", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	g := consenttest.NewGrant("consumer", time.Now())
	return token.Approval{Pushed: p.Hash, Authorization: a, Grant: g, Code: token.Code{
		Hash: randomHash(), Grant: g.ID, Recipient: g.Recipient, RequestID: "chain",
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Minute),
	}}
}

// newAccess stores a grant of its own and an access token under it.
func newAccess(t *testing.T, s authztest.Stores) token.Access {
	t.Helper()
	ctx := context.Background()
	a := newApproval(t, s)
	r := token.Redemption{Code: a.Code.Hash, Access: token.Access{
		Hash: randomHash(), Grant: a.Grant.ID, Recipient: a.Grant.Recipient, KeyThumbprint: "k",
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}}
	err := s.Requests.Approve(ctx, a)
	if err == nil {
		_, err = s.Tokens.Redeem(ctx, r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.Access
}

// The server's errors may quote values; what leaves this package as text must
// not hold what was asked for.
func TestErrorsDoNotQuote(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	secret := "canary-" + string(rune(0xe5))
	g := consenttest.NewGrant(consent.ConsumerID(secret), time.Now())
	g.Duration = consent.DurationType(secret) // refused by a CHECK
	err := db.Grants().Create(ctx, g)
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
}

func TestPlainErrorIsNotUnavailable(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g := consenttest.NewGrant("consumer", time.Now())
	g.Recipient = "unregistered"
	if err := db.Grants().Create(ctx, g); err == nil || errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("got %v, want a plain error", err)
	}
	if _, err := db.Grants().Grant(ctx, g.ID); !errors.Is(err, consent.ErrNotFound) || errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("got %v, want ErrNotFound alone", err)
	}
}

// The same with a server that really waits for a standby: the wait of a
// commit is cancelled, and the server says that all went well.
func TestCancelledWaitForStandby(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	cluster, err := testenv.StartCluster(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	dsn := cluster.DSN("postgres")
	if err := Migrate(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	db := openAt(t, dsn)
	gate, g := newGate(t, db, GateConfig{}), newGrant(t, db)
	issued := newAccess(t, stores(db))
	exec(t, db, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	exec(t, db, "SELECT pg_reload_conf()")
	for name, call := range map[string]func() error{
		"batch":       func() error { return db.Grants().Create(ctx, consenttest.NewGrant("c", time.Now())) },
		"statement":   func() error { return db.Guard().Spend(ctx, *newProof()) },
		"transaction": func() error { _, err := db.Registrations().Enrol(ctx, operators("enrolled")); return err },
		"change of a grant": func() error {
			id, err := localGrant(ctx, db)
			if err != nil {
				return err
			}
			return endGrant(ctx, db, id)
		},
		"client token that is not there": func() error {
			err := db.Tokens().RevokeClient(ctx, consenttest.Recipient, randomHash())
			if errors.Is(err, token.ErrNotFound) {
				return nil
			}
			return err
		},
		"look-up of a token": func() error {
			live, err := db.Tokens().Live(ctx, issued.Hash)
			if err != nil && live.Active(time.Now()) {
				t.Errorf("an active token with an error")
			}
			return err
		},
		"gate": func() error {
			v, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})
			if err != nil && v != resource.Withheld {
				t.Errorf("verdict %d with an error", v)
			}
			return err
		},
	} {
		for cancelled := false; !cancelled; {
			done := make(chan error, 1)
			go func() { done <- call() }()
			for waits := true; waits && !cancelled; {
				select {
				case err := <-done:
					// Not waited for: the new setting has not reached every
					// process of the server yet.
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					waits = false
				default:
					cancelled = count(t, db, "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") > 0
				}
			}
			if !cancelled {
				continue
			}
			if err := <-done; !errors.Is(err, consent.ErrUnavailable) || !errors.Is(err, errUnreplicated) {
				t.Errorf("%s: got %v, want ErrUnavailable because of the standby", name, err)
			}
		}
	}
}

// localGrant stores a grant without waiting for a standby.
func localGrant(ctx context.Context, db *DB) (consent.GrantID, error) {
	g := consenttest.NewGrant("consumer", time.Now())
	var b pgx.Batch
	b.Queue("SET LOCAL synchronous_commit = local")
	if err := queueGrant(&b, g); err != nil {
		return "", err
	}
	return g.ID, db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error { return tx.SendBatch(ctx, &b).Close() })
}
