package postgres

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/audit/ledger"
)

// kept is a keeper of a database, with a clock that the test turns.
type kept struct {
	*ledger.Keeper
	mu     sync.Mutex
	now    time.Time
	alarms []string
}

func keeper(t testing.TB, db *DB, s ledger.Signer, outside ...ledger.Outside) *kept {
	t.Helper()
	k := &kept{now: time.Now()}
	var err error
	k.Keeper, err = ledger.NewKeeper(ledger.KeeperConfig{
		Store: db.Ledger(), Signer: s, Outside: outside, Log: slog.New(slog.DiscardHandler), Every: time.Millisecond,
		Alarm: func(name string) { k.mu.Lock(); k.alarms = append(k.alarms, name); k.mu.Unlock() },
		Now:   func() time.Time { k.mu.Lock(); defer k.mu.Unlock(); return k.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *kept) pass(d time.Duration) { k.mu.Lock(); k.now = k.now.Add(d); k.mu.Unlock() }

func (k *kept) round(t testing.TB) {
	t.Helper()
	if err := k.Round(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func checkpoints(t testing.TB, d ledger.Dir) (all []string) {
	t.Helper()
	err := d.All(func(path string, _ []byte) error { all = append(all, filepath.Base(path)); return nil })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

func TestKeeperSignsEveryTenSecondsAndAtTheEnd(t *testing.T) {
	t.Parallel()
	dsn, dir := env.Postgres(t), ledger.Dir(t.TempDir())
	db := openAt(t, dsn)
	s, v := key(t)
	k := keeper(t, db, s, dir)
	k.round(t)
	if got := checkpoints(t, dir); got != nil {
		t.Errorf("of an empty tree: %v", got)
	}
	insertRecords(t, db, 20)
	k.round(t)
	if head, err := db.Ledger().Head(t.Context()); err != nil || head.Size != 20 {
		t.Errorf("%+v, %v", head, err)
	}
	if got := checkpoints(t, dir); got != nil {
		t.Errorf("after a moment: %v", got)
	}
	k.pass(10 * time.Second)
	k.round(t)
	if got := checkpoints(t, dir); !slices.Equal(got, []string{"0000000000000000020.note"}) {
		t.Errorf("after ten seconds: %v", got)
	}
	k.pass(10 * time.Second)
	k.round(t)
	if got := checkpoints(t, dir); len(got) != 1 {
		t.Errorf("of a tree that has not grown: %v", got)
	}
	insertRecords(t, db, 5)
	ended, end := context.WithCancel(context.Background())
	end()
	if err := k.Run(ended); err != nil {
		t.Error(err)
	}
	if got := checkpoints(t, dir); len(got) != 2 {
		t.Errorf("at the end: %v", got)
	}
	if r := verify(t, dsn, v, dir); r.Found != 0 || r.Size != 25 || r.Checkpoints != 4 || r.Unsigned != 0 {
		t.Errorf("%+v", r)
	}
	if k.alarms != nil {
		t.Errorf("alarms: %v", k.alarms)
	}
}

func TestKeeperRefusesAnOlderBackup(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), ledger.Dir(t.TempDir())
	now, backup := openDB(t), openDB(t)
	s, _ := key(t)
	for _, db := range []*DB{now, backup} {
		insertRecords(t, db, 300)
		k := keeper(t, db, s)
		k.round(t)
		k.pass(10 * time.Second)
		k.round(t)
	}
	k := keeper(t, now, s, dir)
	k.pass(10 * time.Second)
	k.round(t)
	if len(checkpoints(t, dir)) != 1 {
		t.Fatal("nothing was copied")
	}
	if err := keeper(t, now, s, dir).Check(ctx); err != nil {
		t.Errorf("the database as it is: %v", err)
	}
	// As long, with other records.
	if err := keeper(t, backup, s, dir).Check(ctx); !errors.Is(err, ledger.ErrRolledBack) || !ledger.Refuses(err) {
		t.Errorf("another tree: got %v, want ErrRolledBack", err)
	}
	// Longer, with other records.
	insertRecords(t, backup, 100)
	keeper(t, backup, s).round(t)
	if err := keeper(t, backup, s, dir).Check(ctx); !errors.Is(err, ledger.ErrRolledBack) {
		t.Errorf("another, longer tree: got %v, want ErrRolledBack", err)
	}
	// Without Check, the first round finds it and does nothing.
	old := keeper(t, backup, s, dir)
	if err := old.Run(ctx); !errors.Is(err, ledger.ErrRolledBack) || !slices.Equal(old.alarms, []string{ledger.AlarmRolledBack}) {
		t.Errorf("got %v with alarms %v, want ErrRolledBack", err, old.alarms)
	}
	// The same database, restored.
	insertRecords(t, now, 10)
	k.pass(10 * time.Second)
	k.round(t)
	if len(checkpoints(t, dir)) != 2 {
		t.Fatal("nothing was copied")
	}
	asSuperuser(t, now, "DELETE FROM access_record WHERE request_id IN (SELECT request_id FROM access_leaf WHERE leaf_index >= 300)",
		"DELETE FROM access_leaf WHERE leaf_index >= 300", "DELETE FROM access_checkpoint WHERE size > 300")
	shorten(t, now, 300)
	if err := keeper(t, now, s, dir).Check(ctx); !errors.Is(err, ledger.ErrRolledBack) {
		t.Errorf("an older backup: got %v, want ErrRolledBack", err)
	}
	// And while it runs.
	k.pass(10 * time.Second)
	if err := k.Round(ctx); !errors.Is(err, ledger.ErrRolledBack) {
		t.Errorf("restored under a running process: got %v, want ErrRolledBack", err)
	}
	// Another key's checkpoints are no proof of anything.
	other, _ := key(t)
	if err := keeper(t, now, other, dir).Check(ctx); !errors.Is(err, ledger.ErrCheckpoint) || !ledger.Refuses(err) {
		t.Errorf("another key: got %v, want ErrCheckpoint", err)
	}
}

// shorten sets the tree back to its first leaves.
func shorten(t testing.TB, db *DB, size int) {
	t.Helper()
	leaves, err := db.Ledger().Leaves(context.Background(), 0, size)
	if err != nil {
		t.Fatal(err)
	}
	var tree ledger.Tree
	for _, l := range leaves {
		tree.Append(l, nil)
	}
	var edge []byte
	for _, h := range tree.Edge() {
		edge = append(edge, h[:]...)
	}
	root := tree.Root()
	exec(t, db, "UPDATE access_tree SET size = $1, root = $2, edge = $3", size, root[:], edge)
}

func TestKeeperGoesOnWhenTheOutsideIsAway(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := ledger.Dir(filepath.Join(root, "checkpoints"))
	db := openDB(t)
	s, _ := key(t)
	k := keeper(t, db, s, dir)
	k.round(t)
	// A file where the folder should be.
	if err := os.WriteFile(string(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	insertRecords(t, db, 20)
	k.pass(10 * time.Second)
	k.round(t)
	if !slices.Equal(k.alarms, []string{ledger.AlarmCopy}) {
		t.Errorf("alarms: %v", k.alarms)
	}
	if n := count(t, db, "SELECT count(*) FROM access_checkpoint"); n != 1 {
		t.Errorf("%d checkpoints in the database", n)
	}
	if err := os.Remove(string(dir)); err != nil {
		t.Fatal(err)
	}
	k.pass(10 * time.Second)
	k.round(t)
	if len(checkpoints(t, dir)) != 1 || len(k.alarms) != 1 {
		t.Errorf("when it is back: %v, alarms %v", checkpoints(t, dir), k.alarms)
	}
}

func TestKeepersOfOneDatabase(t *testing.T) {
	t.Parallel()
	dsn, one, two := env.Postgres(t), ledger.Dir(t.TempDir()), ledger.Dir(t.TempDir())
	db := openAt(t, dsn)
	s, v := key(t)
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	keepers := []*kept{keeper(t, db, s, one), keeper(t, db, s, two)}
	for _, k := range keepers {
		running.Go(func() {
			if err := k.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for i := 0; i < 20 || i < 2000 && (checkpoints(t, one) == nil || checkpoints(t, two) == nil); i++ {
		exec(t, db, sqlInsertRecords, 1, 3)
		for _, k := range keepers {
			k.pass(10 * time.Second)
		}
	}
	end()
	running.Wait()
	sequence(t, db, s)
	if r := verify(t, dsn, v, one, two); r.Found != 0 || r.Checkpoints < 3 {
		t.Errorf("%+v", r)
	}
	for _, k := range keepers {
		if i := slices.IndexFunc(k.alarms, func(a string) bool { return a != ledger.AlarmProbe }); i >= 0 {
			t.Errorf("alarms: %v", k.alarms)
		}
	}
}

func TestKeeperReadsBackAProbe(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	s, _ := key(t)
	k := keeper(t, db, s)
	probes := func() int {
		return count(t, db, "SELECT count(*) FROM access_record WHERE operation = $1", ProbeOperation)
	}
	k.round(t)
	if probes() != 0 {
		t.Error("a probe at the start")
	}
	k.pass(time.Minute)
	for range 6 { // written, in the tree, under a checkpoint, found
		k.round(t)
		k.pass(10 * time.Second)
	}
	if probes() != 1 || k.alarms != nil {
		t.Errorf("%d probes, alarms %v", probes(), k.alarms)
	}
	k.round(t)
	if probes() != 2 {
		t.Errorf("%d probes a minute later", probes())
	}
	// One that disappears.
	asSuperuser(t, db, "DELETE FROM access_record WHERE operation = '"+ProbeOperation+"'")
	k.pass(61 * time.Second)
	k.round(t)
	if !slices.Equal(k.alarms, []string{ledger.AlarmProbe}) {
		t.Errorf("alarms: %v", k.alarms)
	}
}
