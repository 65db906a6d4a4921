package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
)

func TestCopiesOfTheRecordAreCounted(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	x := db.Exports()
	begin := func(who consent.ConsumerID, want error) {
		t.Helper()
		if err := x.Begin(ctx, who); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", who, err, want)
		}
	}
	end := func() {
		t.Helper()
		if err := x.End(ctx, "ada"); err != nil {
			t.Fatal(err)
		}
	}
	begin("ada", nil)
	begin("ada", inbox.ErrExportBusy)
	begin("bob", nil) // somebody else's does not count
	end()
	for range inbox.ExportsADay - 1 {
		begin("ada", nil)
		end()
	}
	begin("ada", inbox.ErrExportsOver)
	exec(t, db, "UPDATE record_export SET day = day - 1")
	begin("ada", nil) // the next day
	begin("ada", inbox.ErrExportBusy)
	exec(t, db, "UPDATE record_export SET busy_until = clock_timestamp()") // its process died
	begin("ada", nil)
	end()
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		began int
	)
	for range 8 {
		all.Go(func() {
			err := x.Begin(ctx, "eve")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				began++
			} else if !errors.Is(err, inbox.ErrExportBusy) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if began != 1 {
		t.Errorf("%d at once", began)
	}
}
