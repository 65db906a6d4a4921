package main

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/journal"
	"github.com/headgate/headgate/internal/postgres"
)

type journalCmd struct {
	Replay journalReplayCmd `cmd:"" help:"End every consent that changed after the backup from which the database was restored, and bring back the states of clients and people."`
	Check  journalCheckCmd  `cmd:"" help:"Say whether the database is older than the journal; exit code 1 if it is."`
}

// journals names a folder of journals and a database.
type journals struct {
	target
	Dir string `arg:"" help:"Folder of the journals (journal_dir)." type:"existingdir"`
}

// with reads the journals and opens the database.
func (c journals) with(ctx context.Context, do func(journal.Contents, postgres.Journal) error) error {
	contents, err := journal.Read(c.Dir)
	if err != nil {
		return err
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return do(contents, db.Journal())
}

// journalTime is how times are printed.
const journalTime = "2006-01-02 15:04:05 MST"

type journalReplayCmd struct{ journals }

// Run ends what the journal knows in a later version than the database, and
// says which clients have another state than in the backup.
func (c journalReplayCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(contents journal.Contents, store postgres.Journal) error {
		done, err := contents.Replay(ctx, store)
		for _, t := range done.Turned {
			if t.Of == consent.TurnOfRecipient {
				fmt.Printf("The client %s was %s since %s.\n", t.ID, t.State, t.Since.UTC().Format(journalTime))
			}
		}
		if err != nil {
			return err
		}
		fmt.Printf("%d consents were ended: they had changed after the backup. %d states of clients and people were brought up, %d people erased. The journal ends at %s.\n",
			done.Ended, len(done.Turned), done.Erased, contents.Until.UTC().Format(journalTime))
		return nil
	})
}

type journalCheckCmd struct{ journals }

// Run compares the database with the journal.
func (c journalCheckCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(contents journal.Contents, store postgres.Journal) error {
		if err := contents.Check(ctx, store); err != nil {
			return err
		}
		fmt.Printf("The database knows all %d consents and %d states of clients and people that the journal tells of.\n", len(contents.Epochs), contents.Turns())
		return nil
	})
}
