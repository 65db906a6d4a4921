package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/headgate/headgate/resource/sandbox"
	"github.com/headgate/headgate/resource/sandbox/csv"
)

type bankCmd struct {
	Import bankImportCmd `cmd:"" help:"Load bank files."`
}

type bankImportCmd struct {
	OFX bankOFXCmd `cmd:"" name:"ofx" help:"Load OFX 1.x and 2.x statements for one customer."`
	CSV bankCSVCmd `cmd:"" name:"csv" help:"Load tables that a mapping file describes."`
}

func (t target) bank(ctx context.Context) (*sandbox.Store, error) {
	dsn, err := t.dsn()
	if err != nil {
		return nil, err
	}
	if err := sandbox.Migrate(ctx, dsn); err != nil {
		return nil, err
	}
	return sandbox.Open(ctx, dsn)
}

type bankOFXCmd struct {
	target
	Files    []string `arg:"" name:"file" help:"OFX files; each is loaded whole or not at all." type:"existingfile"`
	Customer string   `required:"" help:"Username of the customer; made if there is none." placeholder:"NAME"`
}

// Run loads each file by itself and goes on after a broken one; the command
// fails when any was.
func (c bankOFXCmd) Run(ctx context.Context) error {
	store, err := c.bank(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	broken := 0
	for _, path := range c.Files {
		if err := importOFX(ctx, store, c.Customer, path); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n", err)
			broken++
		}
	}
	if broken > 0 {
		return fmt.Errorf("%d of %d files were not loaded", broken, len(c.Files))
	}
	fmt.Printf("Sign in as %s with password %s.\n", c.Customer, sandbox.DevPassword(c.Customer))
	return nil
}

func importOFX(ctx context.Context, store *sandbox.Store, customer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	report, err := sandbox.ImportOFX(ctx, store, customer, filepath.Base(path), f)
	if err != nil {
		return err
	}
	printReport(filepath.Base(path), report)
	return nil
}

func printReport(name string, r sandbox.Report) {
	if !r.Changed() {
		fmt.Printf("%s: nothing new, %d transactions were here before\n", name, r.SeenTransactions)
	} else {
		fmt.Printf("%s: %d customers, %d accounts, %d transactions are new; %d accounts updated, %d transactions were here before\n",
			name, r.NewCustomers, r.NewAccounts, r.NewTransactions, r.UpdatedAccounts, r.SeenTransactions)
	}
	for _, note := range r.Notes {
		fmt.Printf("  note: %s\n", note)
	}
}

type bankCSVCmd struct {
	target
	Folder  string `arg:"" help:"Folder that holds the files of the mapping; files may be compressed (.gz)." type:"existingdir"`
	Mapping string `required:"" help:"Mapping file: which columns are what." type:"existingfile" placeholder:"FILE"`
}

// Run loads the tables, all or nothing.
func (c bankCSVCmd) Run(ctx context.Context) error {
	text, err := os.ReadFile(c.Mapping)
	if err != nil {
		return err
	}
	mapping, err := csv.ParseMapping(filepath.Base(c.Mapping), text)
	if err != nil {
		return err
	}
	store, err := c.bank(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	bar := &progressBar{out: os.Stderr}
	report, err := sandbox.ImportCSV(ctx, store, mapping, os.DirFS(c.Folder), func(p csv.Progress) { bar.show(p.Stage, p.Done, p.Total) })
	bar.end()
	if err != nil {
		return err
	}
	printReport(filepath.Base(c.Folder), report)
	return nil
}
