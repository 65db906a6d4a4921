package main

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/internal/journal"
	"github.com/headgate/headgate/internal/postgres"
)

type journalCmd struct {
	Replay journalReplayCmd `cmd:"" help:"End every consent that changed after the backup from which the database was restored."`
	Check  journalCheckCmd  `cmd:"" help:"Say whether the database is older than the journal; exit code 1 if it is."`
}

// journals names a folder of journals and a database.
type journals struct {
	target
	Dir string `arg:"" help:"Folder of the journals (journal_dir)." type:"existingdir"`
}

// with reads the journals and opens the database.
func (c journals) with(ctx context.Context, do func(journal.Contents, postgres.Grants) error) error {
	contents, err := journal.Read(c.Dir)
	if err != nil {
		return err
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return do(contents, db.Grants())
}

type journalReplayCmd struct{ journals }

// Run ends what the journal knows in a later version than the database.
func (c journalReplayCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(contents journal.Contents, grants postgres.Grants) error {
		n, err := contents.Replay(ctx, grants)
		if err != nil {
			return err
		}
		fmt.Printf("%d consents were ended: they had changed after the backup. The journal ends at %s.\n", n, contents.Until.UTC().Format("2006-01-02 15:04:05 MST"))
		return nil
	})
}

type journalCheckCmd struct{ journals }

// Run compares the database with the journal.
func (c journalCheckCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(contents journal.Contents, grants postgres.Grants) error {
		if err := contents.Check(ctx, grants); err != nil {
			return err
		}
		fmt.Printf("The database knows all %d consents that the journal tells of.\n", len(contents.Epochs))
		return nil
	})
}
