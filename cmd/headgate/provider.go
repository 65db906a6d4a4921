package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/contract"
	"github.com/headgate/headgate/resource/sqlviews"
)

type providerCmd struct {
	Check providerCheckCmd `cmd:"" help:"Run the provider contract on a bank, before it goes live. Only reads. Exit code: 0 nothing failed, 1 something did, 2 wrong bank file."`
}

type providerCheckCmd struct {
	Config   string        `required:"" help:"Bank file, as gatewayd and authzd have it." type:"path" placeholder:"FILE"`
	Consumer string        `required:"" help:"Id of a consumer with accounts, as the bank knows it; for the sandbox a username will do. The more the accounts hold, the more is checked." placeholder:"ID"`
	Foreign  string        `help:"Id of another consumer, with an account that the first one does not hold: whether accounts of others stay closed is checked with it." placeholder:"ID"`
	JSON     bool          `help:"Print JSON when all is done, and no progress."`
	Causes   bool          `help:"Print the provider's own errors, too. They may hold personal data."`
	Patience time.Duration `help:"How long one call may take." default:"10s"`
}

// errFindings: the check ran and something failed. The report has said what.
var errFindings = errors.New("the provider does not keep the contract")

// Run checks the provider.
func (c providerCheckCmd) Run(ctx context.Context) error {
	return c.run(ctx, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
}

func (c providerCheckCmd) run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	b, err := bank.Open(ctx, bank.Config{File: c.Config, Log: log})
	if err != nil {
		return err
	}
	defer b.Close()
	p := &checkPrinter{out: out, causes: c.Causes, quiet: c.JSON}
	report, err := c.check(ctx, b, p.show)
	if c.JSON {
		if err := printJSON(out, b.Kind, report, err == nil); err != nil {
			return err
		}
	} else {
		p.summary(report)
	}
	if err != nil {
		return err
	}
	if len(report.Findings()) > 0 {
		return errFindings
	}
	return nil
}

// check makes all checks there are for a bank. The error says why it could
// not make them; the report has what was found before.
func (c providerCheckCmd) check(ctx context.Context, b *bank.Bank, show func(contract.Result)) (contract.Report, error) {
	var report contract.Report
	add := func(r contract.Result) {
		report.Results = append(report.Results, r)
		show(r)
	}
	if b.Views != nil {
		r, err := checkViews(ctx, b.Views)
		if err != nil {
			return report, err
		}
		add(r)
	}
	f, explored, err := contract.Explore(ctx, contract.Subject{
		Provider: b.Provider, Chooser: b.Accounts, Now: time.Now(), Patience: c.Patience,
		Consumer: person(ctx, b, c.Consumer), Foreign: person(ctx, b, c.Foreign),
	})
	if explored.Check != "" {
		add(explored)
	}
	if err != nil {
		return report, err
	}
	_, err = contract.Run(ctx, f, add)
	return report, err
}

// checkViews runs the provider's own check of a bank's views.
func checkViews(ctx context.Context, p *sqlviews.Provider) (contract.Result, error) {
	r := contract.Result{Check: "views, columns and rights"}
	found, err := p.Check(ctx)
	for _, f := range found {
		if !f.Fault {
			r.Notes = append(r.Notes, f.String())
			continue
		}
		r.Findings = append(r.Findings, contract.Finding{
			Rule: "views", What: strings.TrimPrefix(f.String(), "fault: "), Mend: "Mend the view, the mapping file or the rights of the role, as each line says.",
		})
	}
	return r, err
}

// person takes a username of the sandbox for the id that belongs to it.
func person(ctx context.Context, b *bank.Bank, id string) consent.ConsumerID {
	if b.Sandbox != nil && id != "" {
		if c, err := b.Sandbox.Customer(ctx, id); err == nil {
			return consent.ConsumerID(c.ID)
		}
	}
	return consent.ConsumerID(id)
}

// checkPrinter writes for people: a line per check, then the findings by
// rule.
type checkPrinter struct {
	out           io.Writer
	causes, quiet bool
	notOffered    []fdx.OperationID // said already
}

func (p *checkPrinter) show(r contract.Result) {
	if p.quiet {
		return
	}
	if r.NotOffered {
		if !slices.Contains(p.notOffered, r.Operation) {
			p.notOffered = append(p.notOffered, r.Operation)
			fmt.Fprintf(p.out, "  %-11s  %s\n", "not offered", r.Operation)
		}
		return
	}
	word, why := "ok", ""
	if r.Unchecked != "" {
		word, why = "not checked", " ("+r.Unchecked+")"
	}
	if len(r.Findings) > 0 {
		word = "FAILED"
	}
	fmt.Fprintf(p.out, "  %-11s  %s%s\n", word, r.Check, why)
	for _, note := range r.Notes {
		fmt.Fprintf(p.out, "  %-11s  %s\n", "", note)
	}
}

// summary prints what was found, and what was not looked at.
func (p *checkPrinter) summary(report contract.Report) {
	unchecked := 0
	for _, r := range report.Results {
		if r.Unchecked != "" && !r.NotOffered {
			unchecked++
		}
	}
	findings := report.Findings()
	fmt.Fprintf(p.out, "\n%d findings. %d checks could not be made in full; they have not passed.\n", len(findings), unchecked)
	var rules []string
	for _, f := range findings {
		if slices.Contains(rules, f.Rule) {
			continue
		}
		rules = append(rules, f.Rule)
		fmt.Fprintf(p.out, "\n%s\n", f.Rule)
		for _, g := range findings {
			if g.Rule != f.Rule {
				continue
			}
			where := ""
			if g.Operation != "" {
				where = g.Operation + ": "
			}
			fmt.Fprintf(p.out, "  %s%s\n", where, g.What)
			if p.causes && g.Cause != nil {
				fmt.Fprintf(p.out, "    cause: %v\n", g.Cause)
			}
		}
		fmt.Fprintf(p.out, "  To mend it: %s\n", f.Mend)
	}
}

// checkReport is the report as JSON.
type checkReport struct {
	Kind       bank.Kind          `json:"kind"`
	Passed     bool               `json:"passed"` // all were made and nothing failed
	Checks     int                `json:"checks"` // that were made, in full or in part
	Findings   []contract.Finding `json:"findings"`
	Unchecked  []uncheckedLine    `json:"unchecked"`
	NotOffered []fdx.OperationID  `json:"not_offered"`
	Notes      []string           `json:"notes"`
}

type uncheckedLine struct {
	Check string `json:"check"`
	Why   string `json:"why"`
}

func printJSON(out io.Writer, kind bank.Kind, report contract.Report, complete bool) error {
	findings := report.Findings()
	j := checkReport{
		Kind: kind, Passed: complete && len(findings) == 0, Findings: append([]contract.Finding{}, findings...),
		Unchecked: []uncheckedLine{}, NotOffered: []fdx.OperationID{}, Notes: []string{},
	}
	for _, r := range report.Results {
		switch {
		case r.NotOffered:
			if !slices.Contains(j.NotOffered, r.Operation) {
				j.NotOffered = append(j.NotOffered, r.Operation)
			}
			continue
		case r.Unchecked != "":
			j.Unchecked = append(j.Unchecked, uncheckedLine{r.Check, r.Unchecked})
		}
		j.Checks++
		j.Notes = append(j.Notes, r.Notes...)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(j)
}
