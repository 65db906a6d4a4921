// Command headgate is the operator's tool and the developer's stack.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/cmd/internal/bench"
	"github.com/headgate/headgate/internal/services"
)

type cli struct {
	Dev         devCmd         `cmd:"" help:"Run everything on this machine: PostgreSQL, Redis, authorization server, gateway, sandbox bank."`
	Demo        demoCmd        `cmd:"" help:"Bring everything up on free ports and walk a recipient through consent, read, stop."`
	Bench       benchCmd       `cmd:"" help:"Measure what enforcement costs, or make a constant load."`
	Migrate     migrateCmd     `cmd:"" help:"Create or update the database schema."`
	Recipient   recipientCmd   `cmd:"" help:"Register data recipients and resource servers, and say what they may do."`
	Bank        bankCmd        `cmd:"" help:"Load bank files into the sandbox bank."`
	Revoke      revokeCmd      `cmd:"" help:"End a grant on the bank's decision."`
	Notify      notifyCmd      `cmd:"" help:"Tell recipients of outages and removed accounts, and look after notifications that could not be delivered."`
	Provider    providerCmd    `cmd:"" help:"Check how a bank's data is connected."`
	Login       loginCmd       `cmd:"" help:"Prepare the built-in sign-in for trials."`
	Release     releaseCmd     `cmd:"" help:"Lift the hold that a consumer put on a grant."`
	Care        careCmd        `cmd:"" help:"See what somebody shares, on their behalf; they see that you did."`
	Keys        keysCmd        `cmd:"" help:"Make and rotate the keys of a deployment."`
	Receipt     receiptCmd     `cmd:"" help:"Check receipts that people were given."`
	Conformance conformanceCmd `cmd:"" help:"Prove from the outside that a deployment does what FAPI 2.0 and FDX ask."`
	Policy      policyCmd      `cmd:"" help:"Look at policy packs, and at whom a new version would affect."`
	Journal     journalCmd     `cmd:"" help:"Bring a restored database up to the stops that came after its backup."`
	Audit       auditCmd       `cmd:"" help:"Verify the records of reads."`
	Retention   retentionCmd   `cmd:"" help:"Delete records whose time is over, and hold those that must stay."`
	Erasure     erasureCmd     `cmd:"" help:"See what apps were asked to erase, and write down their answers."`
	SBOM        sbomCmd        `cmd:"" name:"sbom" help:"Print what a program was built from, as a CycloneDX bill of materials."`
}

// The exit codes besides 0 and 1, so that scripts can tell what to do next.
const (
	exitBankFile   = 2 // the bank file is wrong
	exitNotBegun   = 2 // no conformance case was run
	exitNoPostgres = 3 // no PostgreSQL was found on this machine
)

func main() {
	bench.Child() // does not return in the load generator's process
	var c cli
	parser := kong.Must(&c, kong.Name("headgate"),
		kong.Description("Open-finance data-sharing gateway: the operator's tool and the developer's stack."),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	cmd, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)

	// The first signal ends in order, a second one at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop()
	}()
	cmd.BindTo(ctx, (*context.Context)(nil))
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "headgate:", err)
		switch {
		case errors.Is(err, bank.ErrFile):
			os.Exit(exitBankFile)
		case errors.Is(err, errNotBegun):
			os.Exit(exitNotBegun)
		case errors.Is(err, services.ErrNoPostgres):
			os.Exit(exitNoPostgres)
		}
		os.Exit(1)
	}
}
