package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/policy"
)

type retentionCmd struct {
	Run     retentionRunCmd     `cmd:"" help:"Delete the records whose time is over, as authzd does by itself."`
	Hold    retentionHoldCmd    `cmd:"" help:"Keep the records of a consent whatever their age."`
	Release retentionReleaseCmd `cmd:"" help:"Let the records of a consent go again when their time is over."`
	Holds   retentionHoldsCmd   `cmd:"" help:"List what is kept whatever its age."`
}

type retentionRunCmd struct {
	target
	Pack        string `help:"The policy pack that authzd has." default:"generic"`
	DryRun      bool   `help:"Delete nothing and say what would go."`
	Key         string `help:"File with the public key of the checkpoints (audit-key.pub); needed for months of reads." type:"existingfile"`
	Checkpoints string `help:"Folder that checkpoints were copied to; needed for months of reads." type:"existingdir"`
}

// Run deletes what authzd would.
func (c retentionRunCmd) Run(ctx context.Context) error { return c.run(ctx, os.Stdout, time.Now()) }

func (c retentionRunCmd) run(ctx context.Context, out io.Writer, now time.Time) error {
	rules, err := policy.Load(c.Pack)
	if err != nil {
		return err
	}
	if (c.Key == "") != (c.Checkpoints == "") {
		return errors.New("--key and --checkpoints go together")
	}
	var covered int64
	if c.Key != "" {
		newest, err := newestCheckpoint(ctx, c.Key, c.Checkpoints)
		if err != nil {
			return err
		}
		covered = newest.Size
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	done, err := db.Retain(ctx, rules, now, covered, c.DryRun)
	verb := "deleted"
	if c.DryRun {
		verb = "would be deleted"
	}
	fmt.Fprintf(out, "%d consents with their records: %s\n", done.Grants, verb)
	for _, m := range done.Months {
		fmt.Fprintf(out, "%s: %d reads %s\n", m.Name, m.Records, verb)
	}
	for _, name := range done.Waiting {
		fmt.Fprintf(out, "%s: stays, because it has reads under a consent that is kept\n", name)
	}
	return err
}

type retentionHoldCmd struct {
	target
	Grant  string `arg:"" help:"Id of the consent."`
	Reason string `required:"" help:"Why, such as the number of a case; at most 200 characters."`
}

// Run holds the records of a consent.
func (c retentionHoldCmd) Run(ctx context.Context) error {
	if !shortText(c.Reason) {
		return errors.New("--reason must be at most 200 characters")
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.HoldRecords(ctx, consent.GrantID(c.Grant), c.Reason); err != nil {
		return err
	}
	fmt.Printf("The records of %s stay until 'headgate retention release'.\n", c.Grant)
	return nil
}

type retentionReleaseCmd struct {
	target
	Grant string `arg:"" help:"Id of the consent."`
}

// Run ends a hold.
func (c retentionReleaseCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.ReleaseRecords(ctx, consent.GrantID(c.Grant)); err != nil {
		return err
	}
	fmt.Printf("The records of %s go when their time is over.\n", c.Grant)
	return nil
}

type retentionHoldsCmd struct{ target }

// Run lists holds, oldest first.
func (c retentionHoldsCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.Holds(ctx, maxListed)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Println("There are none.")
	}
	for _, h := range all {
		fmt.Printf("%s  %s  %s\n", h.Grant, h.At.Format(time.DateOnly), h.Reason)
	}
	return nil
}
