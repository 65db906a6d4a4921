package main

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/internal/journal"
)

type journalCmd struct {
	Replay journalReplayCmd `cmd:"" help:"End every consent that changed after the backup from which the database was restored."`
	Check  journalCheckCmd  `cmd:"" help:"Say whether the database is older than the journal; exit code 1 if it is."`
}

type journalReplayCmd struct {
	target
	Dir string `arg:"" help:"Folder of the journals (journal_dir)." type:"existingdir"`
}

// Run ends what the journal knows in a later version than the database.
func (c journalReplayCmd) Run(ctx context.Context) error {
	contents, err := journal.Read(c.Dir)
	if err != nil {
		return err
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	n, err := contents.Replay(ctx, db.Grants())
	if err != nil {
		return err
	}
	fmt.Printf("%d consents were ended: they had changed after the backup. The journal ends at %s.\n", n, contents.Until.UTC().Format("2006-01-02 15:04:05 MST"))
	return nil
}

type journalCheckCmd struct {
	target
	Dir string `arg:"" help:"Folder of the journals (journal_dir)." type:"existingdir"`
}

// Run compares the database with the journal.
func (c journalCheckCmd) Run(ctx context.Context) error {
	contents, err := journal.Read(c.Dir)
	if err != nil {
		return err
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := contents.Check(ctx, db.Grants()); err != nil {
		return err
	}
	fmt.Printf("The database knows all %d consents that the journal tells of.\n", len(contents.Epochs))
	return nil
}
