package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

func randomHash() token.Hash {
	var h token.Hash
	_, _ = rand.Read(h[:])
	return h
}

func newProof() *token.Proof {
	return &token.Proof{Key: randomHash(), ExpiresAt: time.Now().Add(5 * time.Minute)}
}

// inAnHour is the end of an access token that is not over.
func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// newRecord returns the record of a read under the first version of a grant.
func newRecord(g consent.Grant) audit.Record {
	return audit.Record{
		RequestID: uuid.Must(uuid.NewV7()), Recipient: g.Recipient, Grant: g.ID, Epoch: 1, Consumer: g.Consumer,
		Operation: "searchForAccounts", Accounts: []fdx.AccountID{"account-1", `q"u\o,te{}`, "NULL"},
		Clusters: fdx.NewClusters(fdx.Balances, fdx.AccountBasic),
		Window:   fdx.Window{Start: fdx.DateOf(time.Unix(1700000000, 0)), End: fdx.DateOf(time.Unix(1800000000, 0))},
		Count:    3, Bytes: 1 << 33, BodyHash: randomHash(), Outcome: audit.Given, Attended: true,
		Interaction: uuid.NewString(), Instance: "gw-1",
	}
}

func newGate(t testing.TB, db *DB, c GateConfig) *Gate {
	t.Helper()
	g := NewGate(db, c)
	t.Cleanup(g.Close)
	return g
}

func newGrant(t testing.TB, db *DB) consent.Grant {
	t.Helper()
	g := consenttest.NewGrant(consent.ConsumerID("consumer-"+uuid.NewString()), time.Now())
	if err := db.Grants().Create(context.Background(), g); err != nil {
		t.Fatal(err)
	}
	return g
}

func expect(t testing.TB, g *Gate, r resource.Release, want resource.Verdict) {
	t.Helper()
	got, err := g.Release(context.Background(), r)
	if err != nil || got != want {
		t.Errorf("got verdict %d, %v, want %d", got, err, want)
	}
}

func records(t testing.TB, db *DB, who consent.ConsumerID) []audit.Record {
	t.Helper()
	all, err := db.Reads().Find(context.Background(), who, audit.Filter{}, audit.Cursor{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestGateStoresTheRecord(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	gate, g := newGate(t, db, GateConfig{}), newGrant(t, db)
	full := newRecord(g)
	bare := audit.Record{RequestID: uuid.Must(uuid.NewV7()), Recipient: g.Recipient, Grant: g.ID, Epoch: 1, Consumer: g.Consumer, Outcome: audit.Clipped}
	before := time.Now().Add(-time.Minute)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: full, Proof: newProof()}, resource.Released)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: bare}, resource.Released)
	got := records(t, db, g.Consumer)
	if len(got) != 2 {
		t.Fatalf("got %d records, want 2", len(got))
	}
	for i, want := range []audit.Record{bare, full} {
		if got[i].At.Before(before) || got[i].At.After(time.Now().Add(time.Minute)) {
			t.Errorf("recorded at %v", got[i].At)
		}
		want.At = got[i].At
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("got  %+v\nwant %+v", got[i], want)
		}
	}
}

func TestGateWithholds(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	gate := newGate(t, db, GateConfig{})
	put := func(spoil func(*consent.Grant)) consent.Grant {
		g := consenttest.NewGrant(consent.ConsumerID("consumer-"+uuid.NewString()), time.Now())
		spoil(&g)
		if err := db.Grants().Create(ctx, g); err != nil {
			t.Fatal(err)
		}
		return g
	}
	active := newGrant(t, db)
	revoked := newGrant(t, db)
	if err := endGrant(ctx, db, revoked.ID); err != nil {
		t.Fatal(err)
	}
	over := put(func(g *consent.Grant) {
		g.CreatedAt, g.ExpiresAt = g.CreatedAt.Add(-time.Hour), g.CreatedAt.Add(-time.Minute)
	})
	suspendedRecipient := consenttest.Registrations()[0]
	suspendedRecipient.ID, suspendedRecipient.Status = "suspended", consent.RecipientSuspended
	if err := db.Recipients().PutRecipient(ctx, suspendedRecipient); err != nil {
		t.Fatal(err)
	}
	suspended := put(func(g *consent.Grant) { g.Recipient = "suspended" })
	moved := newGrant(t, db)
	exec(t, db, "UPDATE consent_grant SET epoch = 2 WHERE grant_id = $1", string(moved.ID))
	other := newGrant(t, db)

	cases := map[string]audit.Record{}
	add := func(name string, g consent.Grant, spoil func(*audit.Record)) {
		r := newRecord(g)
		if spoil != nil {
			spoil(&r)
		}
		cases[name] = r
	}
	add("grant revoked", revoked, nil)
	add("grant revoked, its last epoch", revoked, func(r *audit.Record) { r.Epoch = 2 })
	add("grant's time over", over, nil)
	add("recipient suspended", suspended, nil)
	add("older epoch", moved, nil)
	add("newer epoch", moved, func(r *audit.Record) { r.Epoch = 3 })
	add("no epoch", active, func(r *audit.Record) { r.Epoch = 0 })
	add("unknown grant", active, func(r *audit.Record) { r.Grant = consent.NewGrantID() })
	add("no grant", active, func(r *audit.Record) { r.Grant = "" })
	add("another consumer's grant", active, func(r *audit.Record) { r.Grant = other.ID })
	add("another consumer", active, func(r *audit.Record) { r.Consumer = other.Consumer })
	add("another recipient", active, func(r *audit.Record) { r.Recipient = consenttest.OtherRecipient })

	for name, r := range cases {
		for _, outcome := range []audit.Outcome{audit.Given, audit.Clipped} {
			r.RequestID, r.Outcome = uuid.Must(uuid.NewV7()), outcome
			proof := newProof()
			if got, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: r, Proof: proof}); err != nil || got != resource.Withheld {
				t.Errorf("%s: got verdict %d, %v, want Withheld", name, got, err)
			}
			if got, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: r}); err != nil || got != resource.Withheld {
				t.Errorf("%s: without a proof: got verdict %d, %v, want Withheld", name, got, err)
			}
			// What gave nothing costs nothing.
			if err := db.Guard().Spend(ctx, *proof); err != nil {
				t.Errorf("%s: the proof was spent: %v", name, err)
			}
		}
	}
	if n := count(t, db, "SELECT count(*) FROM access_record"); n != 0 {
		t.Errorf("%d records of reads that were withheld", n)
	}
	// The same proof once more, for the present version.
	r := newRecord(moved)
	r.Epoch = 2
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: r, Proof: newProof()}, resource.Released)
}

func TestGateSpendsProofs(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	gate, g := newGate(t, db, GateConfig{}), newGrant(t, db)
	proof := newProof()
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: proof}, resource.Released)
	for range 2 {
		expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: proof}, resource.Replayed)
	}
	longer := *proof
	longer.ExpiresAt = longer.ExpiresAt.Add(time.Hour)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: &longer}, resource.Replayed)
	if err := db.Guard().Spend(ctx, *proof); !errors.Is(err, token.ErrReplayed) {
		t.Errorf("guard after gate: got %v, want ErrReplayed", err)
	}
	elsewhere := newProof()
	if err := db.Guard().Spend(ctx, *elsewhere); err != nil {
		t.Fatal(err)
	}
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: elsewhere}, resource.Replayed)

	over := newProof()
	over.ExpiresAt = time.Now().Add(-time.Minute)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: over}, resource.Replayed)

	// A row whose time is over says nothing any more, until it is taken over.
	old := newProof()
	exec(t, db, "INSERT INTO proof_seen (proof, expires_at) VALUES ($1, clock_timestamp() - interval '1 second')", old.Key[:])
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: old}, resource.Released)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: old}, resource.Replayed)

	if n := len(records(t, db, g.Consumer)); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

// rowsOf converts releases as the lanes do.
func rowsOf(t testing.TB, releases ...resource.Release) []gateRow {
	t.Helper()
	var rows []gateRow
	for _, r := range releases {
		row, err := newGateRow(r)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestOneStatementTellsRowsApart(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g, ended := newGrant(t, db), newGrant(t, db)
	if err := endGrant(ctx, db, ended.ID); err != nil {
		t.Fatal(err)
	}
	shared, endedFirst, replayed, refusedProof := newProof(), newProof(), newProof(), newProof()
	if err := db.Guard().Spend(ctx, *replayed); err != nil {
		t.Fatal(err)
	}
	refused := newRecord(ended)
	refused.Outcome, refused.Reason = audit.Refused, "603"
	repeated := newRecord(g)
	if v, err := db.releaseRows(ctx, numbering{}, rowsOf(t, resource.Release{TokenExpires: inAnHour(), Record: repeated})); err != nil || v[0] != verdictReleased {
		t.Fatalf("got %v, %v", v, err)
	}
	repeatedRefusal := repeated
	repeatedRefusal.Outcome = audit.Refused

	want := []gateVerdict{}
	var releases []resource.Release
	add := func(r audit.Record, p *token.Proof, v gateVerdict) {
		releases = append(releases, resource.Release{TokenExpires: inAnHour(), Record: r, Proof: p})
		want = append(want, v)
	}
	add(newRecord(g), shared, verdictReleased)
	add(newRecord(ended), nil, verdictWithheld)
	add(newRecord(g), shared, verdictReplayed)
	add(newRecord(ended), endedFirst, verdictWithheld)
	add(newRecord(g), endedFirst, verdictReleased) // its first use gave nothing
	add(newRecord(g), nil, verdictReleased)
	add(refused, refusedProof, verdictReleased)
	add(newRecord(g), refusedProof, verdictReleased)
	add(newRecord(g), replayed, verdictReplayed)
	add(repeated, newProof(), verdictRepeated)
	add(newRecord(g), newProof(), verdictReleased)
	got, err := db.releaseRows(ctx, numbering{}, rowsOf(t, releases...))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got  %v (%v)\nwant %v", got, err, want)
	}
	if got, err := db.releaseRows(ctx, numbering{}, rowsOf(t, resource.Release{TokenExpires: inAnHour(), Record: repeatedRefusal})); err != nil || got[0] != verdictRepeated {
		t.Errorf("refusal under a recorded id: got %v, %v", got, err)
	}
	released := 0
	for _, v := range want {
		if v == verdictReleased {
			released++
		}
	}
	if n := count(t, db, "SELECT count(*) FROM access_record"); n != released+1 {
		t.Errorf("%d records, want %d", n, released+1)
	}
}

func TestGateStoresRefusals(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	gate, g := newGate(t, db, GateConfig{}), newGrant(t, db)
	given := newRecord(g)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: given}, resource.Released)
	proof := newProof()
	refuse := func() audit.Record {
		r := newRecord(g)
		r.Outcome, r.Reason, r.Accounts, r.Clusters = audit.Refused, "603", nil, 0
		expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: r, Proof: proof}, resource.Released)
		return r
	}
	refuse() // the grant is active, the request was not allowed
	if err := endGrant(ctx, db, g.ID); err != nil {
		t.Fatal(err)
	}
	refused := refuse()
	got := records(t, db, g.Consumer)
	if len(got) != 3 || got[0].RequestID != refused.RequestID || got[0].Reason != "603" {
		t.Errorf("got %+v", got)
	}
	last, err := db.Reads().LastReads(ctx, []consent.GrantID{g.ID})
	if err != nil || last[g.ID].RequestID != given.RequestID {
		t.Errorf("last read: got %+v, %v, want the given one", last, err)
	}
	if err := db.Guard().Spend(ctx, *proof); err != nil {
		t.Errorf("the refusal spent the proof: %v", err)
	}
}

func TestRequestIDIsUnique(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	gate, g := newGate(t, db, GateConfig{}), newGrant(t, db)
	r := newRecord(g)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: r}, resource.Released)
	for name, again := range map[string]resource.Release{
		"given":              {TokenExpires: inAnHour(), Record: r},
		"given with a proof": {TokenExpires: inAnHour(), Record: r, Proof: newProof()},
	} {
		if got, err := gate.Release(ctx, again); err == nil || errors.Is(err, consent.ErrUnavailable) || got != resource.Withheld {
			t.Errorf("%s: got verdict %d, %v, want a plain error", name, got, err)
		}
	}
	same := newRecord(g)
	errs := consenttest.Race(func(int) error {
		_, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: same})
		return err
	})
	consenttest.OneWinner(t, errs, errRepeatedID)
	if n := len(records(t, db, g.Consumer)); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

// What the server would refuse is refused before it can spoil the batch of
// others.
func TestGateRefusesWhatCannotBeStored(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	gate, g := newGate(t, db, GateConfig{}), newGrant(t, db)
	for name, spoil := range map[string]func(*audit.Record){
		"no request id":        func(r *audit.Record) { r.RequestID = [16]byte{} },
		"no outcome":           func(r *audit.Record) { r.Outcome = "" },
		"unknown outcome":      func(r *audit.Record) { r.Outcome = "maybe" },
		"NUL in interaction":   func(r *audit.Record) { r.Interaction = "a\x00b" },
		"not UTF-8 in reason":  func(r *audit.Record) { r.Reason = "\xff" },
		"NUL in account":       func(r *audit.Record) { r.Accounts = []fdx.AccountID{"a\x00"} },
		"not UTF-8 in account": func(r *audit.Record) { r.Accounts = []fdx.AccountID{"\xc3"} },
	} {
		r := newRecord(g)
		spoil(&r)
		if got, err := gate.Release(context.Background(), resource.Release{TokenExpires: inAnHour(), Record: r}); err == nil || errors.Is(err, consent.ErrUnavailable) || got != resource.Withheld {
			t.Errorf("%s: got verdict %d, %v, want a plain error", name, got, err)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM access_record"); n != 0 {
		t.Errorf("%d records, want 0", n)
	}
}

// Once a stop has answered, nothing that starts later is released, and what
// was released was recorded.
func TestStopAgainstReads(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	gate := newGate(t, db, GateConfig{})
	for range 10 {
		g := newGrant(t, db)
		var stopped atomic.Bool
		var released atomic.Int64
		var readers sync.WaitGroup
		for range 6 {
			readers.Go(func() {
				for {
					late := stopped.Load()
					v, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: newProof()})
					switch {
					case err != nil:
						t.Error(err)
						return
					case v == resource.Released && late:
						t.Error("a read that started after the stop was released")
					case v == resource.Released:
						released.Add(1)
					}
					if late {
						return
					}
				}
			})
		}
		for released.Load() < 20 && !t.Failed() {
			expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}, resource.Released)
			released.Add(1)
		}
		if err := endGrant(ctx, db, g.ID); err != nil {
			t.Error(err)
		}
		stopped.Store(true)
		readers.Wait()
		if n := count(t, db, "SELECT count(*) FROM access_record WHERE grant_id = $1", string(g.ID)); n != int(released.Load()) {
			t.Errorf("%d records of %d released reads", n, released.Load())
		}
	}
}

func TestOneProofReleasesOnce(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	for _, c := range []GateConfig{{}, {Lanes: 1}, {Lanes: 16, MaxBatch: 1}} {
		gate := newGate(t, db, c)
		for range 5 {
			g, proof := newGrant(t, db), newProof()
			errs := consenttest.Race(func(int) error {
				v, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: proof})
				if err == nil && v == resource.Replayed {
					err = token.ErrReplayed
				}
				return err
			})
			consenttest.OneWinner(t, errs, token.ErrReplayed)
			if n := len(records(t, db, g.Consumer)); n != 1 {
				t.Errorf("%d records, want 1", n)
			}
		}
	}
}

// Statements that share proofs in opposite orders must not deadlock: that
// would let one recipient fail the reads of others.
func TestLanesDoNotDeadlock(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g := newGrant(t, db)
	for range 10 {
		var proofs []*token.Proof
		for range 100 {
			proofs = append(proofs, newProof())
		}
		var released atomic.Int64
		for _, err := range consenttest.Race(func(i int) error {
			if i >= 4 {
				return nil
			}
			var releases []resource.Release
			for j := range proofs {
				k := j
				if i%2 == 1 {
					k = len(proofs) - 1 - j
				}
				releases = append(releases, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: proofs[k]})
			}
			verdicts, err := db.releaseRows(ctx, numbering{}, rowsOf(t, releases...))
			for _, v := range verdicts {
				if v == verdictReleased {
					released.Add(1)
				}
			}
			return err
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if released.Load() != int64(len(proofs)) {
			t.Errorf("%d released, want %d", released.Load(), len(proofs))
		}
	}
}

// idle returns a gate whose lanes have not started.
func idle(db *DB, queue, maxBatch int, wait time.Duration) *Gate {
	return &Gate{db: db, maxBatch: maxBatch, crowd: queue + 1, wait: wait, queue: make(chan *release, queue), help: make(chan struct{}, 1)}
}

func queued(row gateRow) *release {
	return &release{row: row, done: make(chan struct{})}
}

func TestBatchesFillWithoutWaiting(t *testing.T) {
	t.Parallel()
	g := consenttest.NewGrant("consumer", time.Now())
	gate := idle(nil, 10, 4, time.Second)
	for range 6 {
		gate.queue <- queued(rowsOf(t, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})[0])
	}
	if n := len(gate.fill(<-gate.queue)); n != 4 {
		t.Errorf("the first batch has %d, want 4", n)
	}
	gone := queued(gateRow{})
	gone.state.Store(abandoned)
	gate.queue <- gone
	if n := len(gate.fill(<-gate.queue)); n != 2 {
		t.Errorf("the second batch has %d, want 2 without the one whose caller has gone", n)
	}
	gate.queue <- gone
	if n := len(gate.fill(<-gate.queue)); n != 0 {
		t.Errorf("the third batch has %d, want 0", n)
	}
	one := queued(rowsOf(t, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})[0])
	same := queued(one.row)
	gate.queue <- same
	if n := len(gate.fill(one)); n != 1 {
		t.Errorf("two with one request id in a batch of %d", n)
	}
	select {
	case <-same.done:
		if !errors.Is(same.err, errRepeatedID) {
			t.Errorf("got %v, want errRepeatedID", same.err)
		}
	default:
		t.Error("the second was not answered")
	}
}

// One lane serves a few; a further one is called by a crowd, or by a release
// that has waited.
func TestFurtherLanesHelpACrowd(t *testing.T) {
	t.Parallel()
	g := consenttest.NewGrant("consumer", time.Now())
	next := func() *release {
		return queued(rowsOf(t, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})[0])
	}
	gate := idle(nil, 10, 10, time.Hour)
	gate.crowd = 3
	for n, called := range []int{0, 0, 1, 1} {
		if err := gate.enqueue(next()); err != nil {
			t.Fatal(err)
		}
		if len(gate.help) != called {
			t.Errorf("%d wait: called %d times, want %d", n+1, len(gate.help), called)
		}
	}
	<-gate.help
	if !gate.needed() || len(gate.fill(<-gate.queue)) != 4 || gate.needed() {
		t.Error("a lane is needed for a crowd, and for no crowd that was taken")
	}
	gate.wake()
	if <-gate.help; !gate.needed() || gate.needed() {
		t.Error("a lane is needed once for one who has waited long")
	}
	ctx, leave := context.WithCancel(t.Context())
	lonely := idle(nil, 10, 10, time.Hour)
	answered := make(chan error)
	go func() {
		_, err := lonely.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})
		answered <- err
	}()
	<-lonely.help // or the test ends by its time limit
	leave()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A pause is as long as it is said to be, and over when a crowd waits or the
// gate is closed.
func TestAPauseEnds(t *testing.T) {
	t.Parallel()
	g := consenttest.NewGrant("consumer", time.Now())
	const gather = 3 * time.Millisecond
	crowd := func(gate *Gate) {
		for range gate.crowd {
			if err := gate.enqueue(queued(rowsOf(t, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})[0])); err != nil {
				t.Error(err)
			}
		}
	}
	for name, c := range map[string]struct {
		gather    time.Duration
		before    func(*Gate)
		meanwhile func(*Gate) // a millisecond after the pause began
		want      time.Duration
	}{
		"nobody comes":           {gather: gather, want: gather},
		"one comes":              {gather: gather, meanwhile: func(gate *Gate) { gate.crowd++; gate.queue <- queued(gateRow{}) }, want: gather},
		"a crowd waits":          {gather: gather, before: crowd},
		"a crowd comes":          {gather: gather, meanwhile: crowd, want: time.Millisecond},
		"a crowd was taken":      {gather: gather, meanwhile: func(gate *Gate) { gate.help <- struct{}{} }, want: gather},
		"one has waited long":    {gather: gather, meanwhile: (*Gate).wake, want: time.Millisecond},
		"the gate closes":        {gather: gather, meanwhile: (*Gate).Close, want: time.Millisecond},
		"the gate is closed":     {gather: gather, before: (*Gate).Close},
		"nobody wants to gather": {gather: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gate := idle(nil, 10, 10, time.Hour)
				gate.crowd = 3
				if c.before != nil {
					c.before(gate)
				}
				go func() {
					time.Sleep(time.Millisecond)
					if c.meanwhile != nil {
						c.meanwhile(gate)
					}
				}()
				start := time.Now()
				gate.pause(c.gather)
				if took := time.Since(start); took != c.want {
					t.Errorf("paused for %v, want %v", took, c.want)
				}
				time.Sleep(time.Second) // until the other one has ended
			})
		})
	}
}

// What comes after a statement that was shared waits for company, and may
// leave meanwhile; a release that is alone waits for nobody; and the end of the
// gate for none of them.
func TestOnlyCompanyIsWaitedFor(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	g := newGrant(t, db)
	gate := idle(db, 100, 8, time.Hour)
	gate.gather, gate.each = time.Hour, time.Hour
	join := func() *release {
		w := queued(rowsOf(t, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})[0])
		if err := gate.enqueue(w); err != nil {
			t.Fatal(err)
		}
		return w
	}
	released := func(what string, w *release) {
		t.Helper()
		select {
		case <-w.done:
			if w.err != nil || w.verdict != resource.Released {
				t.Errorf("%s: got %d, %v, want Released", what, w.verdict, w.err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: not answered", what)
		}
	}
	alone := join()
	gate.lanes.Go(gate.lane)
	released("one alone", alone)
	released("the next one alone", join())
	released("and one more", join())
	gate.Close()

	gate = idle(db, 100, 8, time.Hour)
	gate.gather, gate.each = time.Hour, time.Hour
	pair := []*release{join(), join()}
	gate.lanes.Go(gate.lane)
	released("the first of two", pair[0])
	released("the second of two", pair[1])
	gone, stayed := join(), join()
	for range 10_000 {
		runtime.Gosched() // a lane that does not pause has taken them by then
	}
	if !gone.state.CompareAndSwap(waiting, abandoned) {
		t.Error("it was taken in a pause")
	}
	gate.Close()
	released("at the end", stayed)
	if n := len(records(t, db, g.Consumer)); n != 6 {
		t.Errorf("%d records, want 6", n)
	}
}

// A release that waits behind a statement that hangs is served by another
// lane.
func TestASlowStatementHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	gate, g := newGate(t, db, GateConfig{Lanes: 2}), newGrant(t, db)
	proof := newProof()
	holder, err := db.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback(ctx) //nolint:errcheck // that is the end of it either way
	if _, err := holder.Exec(ctx, "INSERT INTO proof_seen (proof, request_id, expires_at) VALUES ($1, gen_random_uuid(), now() + interval '1 hour')", proof.Key[:]); err != nil {
		t.Fatal(err)
	}
	stuck := make(chan error)
	go func() {
		_, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: proof})
		stuck <- err
	}()
	for db.pool.Stat().AcquiredConns() < 2 {
		runtime.Gosched() // nothing signals that the statement runs
	}
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}, resource.Released)
	if err := holder.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-stuck; err != nil {
		t.Error(err)
	}
}

func TestGateSheds(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	g := newGrant(t, db)
	ctx := context.Background()

	// Nobody takes what waits.
	gate := idle(db, 2, 4, time.Millisecond)
	r := resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}
	if v, err := gate.Release(ctx, r); v != resource.Withheld || !errors.Is(err, errGateWait) || !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("waiting: got %d, %v", v, err)
	}
	gate.wait = time.Hour
	leaving, leave := context.WithCancel(ctx)
	answered := make(chan error)
	go func() {
		_, err := gate.Release(leaving, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})
		answered <- err
	}()
	for len(gate.queue) < 2 {
		runtime.Gosched() // nothing signals that a send has happened
	}
	if v, err := gate.Release(ctx, r); v != resource.Withheld || !errors.Is(err, errGateFull) || !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("full: got %d, %v", v, err)
	}
	leave()
	if err := <-answered; !errors.Is(err, context.Canceled) || !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("leaving: got %v", err)
	}

	// Those who gave up left no record; the gate goes on.
	gate.lanes.Go(gate.lane)
	defer gate.Close()
	for len(gate.queue) > 0 {
		runtime.Gosched()
	}
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}, resource.Released)
	if n := len(records(t, db, g.Consumer)); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

func TestGateCloses(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g := newGrant(t, db)
	gate := idle(db, 100, 8, time.Minute)
	var waiting []*release
	for range 50 {
		w := queued(rowsOf(t, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)})[0])
		waiting = append(waiting, w)
		if err := gate.enqueue(w); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		gate.lanes.Go(gate.lane)
	}
	gate.Close()
	gate.Close()
	for _, w := range waiting {
		<-w.done
		if w.err != nil || w.verdict != resource.Released {
			t.Errorf("got %d, %v, want Released", w.verdict, w.err)
		}
	}
	if v, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}); v != resource.Withheld || !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("after Close: got %d, %v, want ErrUnavailable", v, err)
	}
}

// A connection that dies while a statement runs leaves everything unknown.
func TestLostConnectionReleasesNothing(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	gate, g := newGate(t, db, GateConfig{Lanes: 1}), newGrant(t, db)
	holder, err := db.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(ctx) }()
	if _, err := holder.Exec(ctx, "LOCK TABLE access_record IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error)
	for range 3 {
		go func() {
			v, err := gate.Release(ctx, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: newProof()})
			if v != resource.Withheld {
				err = fmt.Errorf("verdict %d", v)
			}
			errs <- err
		}()
	}
	killed := false
	for range 3 {
		for !killed {
			// The lane's backend is the one that waits for the lock.
			killed = count(t, db, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'`) > 0
		}
		if err := <-errs; !errors.Is(err, consent.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
	}
	_ = holder.Rollback(ctx)
	if n := len(records(t, db, g.Consumer)); n != 0 {
		t.Errorf("%d records, want 0", n)
	}
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}, resource.Released)
}

func TestGateUsesIndexesOnly(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	g := newGrant(t, db)
	for range 10 { // a busy machine does not manage all in one statement's time
		exec(t, db, `INSERT INTO consent_grant (grant_id, recipient_id, consumer_id, status, epoch, purpose, duration_type,
				duration_days, lookback_days, resources, parties, disclosure_version, disclosure_locale, disclosure_text, created_at, expires_at)
			SELECT gen_random_uuid()::text, recipient_id, consumer_id, status, epoch, purpose, duration_type, duration_days,
				lookback_days, resources, parties, disclosure_version, disclosure_locale, disclosure_text, created_at, expires_at
			FROM consent_grant, generate_series(1, 2000) WHERE grant_id = '`+string(g.ID)+`'`)
	}
	exec(t, db, `INSERT INTO recipient (recipient_id, status, name, legal_name, home_uri, logo_uri, registry, registry_id,
			auth_method, assertion_alg, jwks, redirect_uris, scopes, purposes, durations, max_days, lookback_days, dpop_bound)
		SELECT r.recipient_id || n, status, name, legal_name, home_uri, logo_uri, registry, registry_id,
			auth_method, assertion_alg, jwks, redirect_uris, scopes, purposes, durations, max_days, lookback_days, dpop_bound
		FROM recipient r, generate_series(1, 2000) n`)
	exec(t, db, `INSERT INTO person (bank_id) SELECT 'other-' || n FROM generate_series(1, 20000) n`)
	exec(t, db, "ANALYZE")
	for _, n := range []int{1, 16, 256} {
		var releases []resource.Release
		for range n {
			releases = append(releases, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: newProof()})
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			c, err := db.pool.Acquire(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Exec(ctx, "SET plan_cache_mode = "+mode); err != nil {
				t.Fatal(err)
			}
			rows, err := c.Query(ctx, "EXPLAIN "+sqlRelease, gateColumns(numbering{}, rowsOf(t, releases...))...)
			if err != nil {
				t.Fatal(err)
			}
			var plan []string
			for rows.Next() {
				var line string
				if err := rows.Scan(&line); err != nil {
					t.Fatal(err)
				}
				plan = append(plan, line)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			_ = c.Conn().Close(ctx)
			c.Release()
			text := strings.Join(plan, "\n")
			if strings.Contains(text, "Seq Scan") || !strings.Contains(text, "consent_grant_pkey") {
				t.Errorf("%d releases, %s:\n%s", n, mode, text)
			}
		}
	}
}

func TestRecordsAreNotRewritten(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	gate, g := newGate(t, db, GateConfig{}), newGrant(t, db)
	expect(t, gate, resource.Release{TokenExpires: inAnHour(), Record: newRecord(g)}, resource.Released)
	for _, sql := range []string{
		"UPDATE access_record SET outcome = 'refused'", "DELETE FROM access_record", "TRUNCATE access_record",
		"UPDATE consent_event SET reason = 'x'", "DELETE FROM consent_event", "TRUNCATE consent_event CASCADE",
	} {
		if _, err := db.pool.Exec(ctx, sql); err == nil {
			t.Errorf("%s went through", sql)
		}
	}
}

func TestArrayLiteral(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	nasty := []string{"", "a", `"`, `\`, `\\`, `\"`, `a,b`, `{}`, `{"a"}`, "NULL", "null", "\n", " ", " a ", "å", "\u2028", "'", "$1", "--"}
	lists := [][]string{{}, nasty}
	for _, one := range nasty {
		lists = append(lists, []string{one}, []string{one, one})
	}
	for _, want := range lists {
		var got []string
		if err := db.pool.QueryRow(context.Background(), "SELECT $1::text::text[]", arrayLiteral(want)).Scan(&got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q came back as %q (%v)", want, got, err)
		}
	}
}

// How many releases share a statement is what decides about their cost. Callers
// who do something else in between are what reads are.
func BenchmarkGate(b *testing.B) {
	db := openDB(b)
	var statements, releases atomic.Int64
	gate := newGate(b, db, GateConfig{Observe: func(n int, _ time.Duration) { statements.Add(1); releases.Add(int64(n)) }})
	var grants []consent.Grant
	for range 100 {
		grants = append(grants, newGrant(b, db))
	}
	for _, c := range []struct {
		callers int
		between time.Duration
	}{{2, 0}, {32, 0}, {128, 0}, {64, 15 * time.Millisecond}} {
		b.Run(fmt.Sprintf("callers-%d-between-%s", c.callers, c.between), func(b *testing.B) {
			b.SetParallelism(c.callers / runtime.GOMAXPROCS(0))
			statements.Store(0)
			releases.Store(0)
			var i atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					g := grants[i.Add(1)%int64(len(grants))]
					if v, err := gate.Release(context.Background(), resource.Release{TokenExpires: inAnHour(), Record: newRecord(g), Proof: newProof()}); err != nil || v != resource.Released {
						b.Errorf("got %d, %v", v, err)
					}
					time.Sleep(c.between)
				}
			})
			b.ReportMetric(float64(releases.Load())/float64(statements.Load()), "releases/statement")
		})
	}
}
