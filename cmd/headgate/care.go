package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/consent"
)

type careCmd struct {
	Show careShowCmd `cmd:"" help:"Print somebody's grants. They see that staff looked, when and why."`
}

type careShowCmd struct {
	target
	Consumer string `required:"" help:"Id of the person."`
	Reason   string `required:"" help:"Why you look, in words for the person: they are shown it."`
	Staff    string `help:"Who looks; default: the account that runs the command."`
}

// maxReason is the longest reason in characters: what a page shows of it.
const maxReason = 240

// Run prints the grants and writes the look down, in one transaction.
func (c careShowCmd) Run(ctx context.Context) error {
	reason := strings.TrimSpace(c.Reason)
	switch n := utf8.RuneCountInString(reason); {
	case n < 3, !utf8.ValidString(reason):
		return errors.New("say why you look, in a few words")
	case n > maxReason:
		return fmt.Errorf("the reason is longer than %d characters", maxReason)
	}
	staff := c.Staff
	if staff == "" {
		who, err := user.Current()
		if err != nil {
			return fmt.Errorf("who are you: %w; name yourself with --staff", err)
		}
		staff = who.Username
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	grants, err := db.Care().Show(ctx, consent.ConsumerID(c.Consumer), staff, reason)
	if err != nil {
		return err
	}
	return printGrants(os.Stdout, grants, time.Now())
}

func printGrants(to io.Writer, grants []consent.Grant, now time.Time) error {
	w := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "GRANT\tRECIPIENT\tPURPOSE\tSTATUS\tVERSION\tACCOUNTS\tDATA\tSINCE\tUNTIL")
	for _, g := range grants {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", g.ID, g.Recipient, g.Purpose, g.StatusAt(now), g.Epoch,
			len(g.Accounts()), strings.Join(g.Clusters().Names(), ","), g.CreatedAt.UTC().Format(time.DateOnly), g.ExpiresAt.UTC().Format(time.DateOnly))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(to, "%d grants. The person sees that you looked.\n", len(grants))
	return err
}
