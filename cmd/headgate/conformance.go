package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/headgate/headgate/cmd/internal/dev"
	"github.com/headgate/headgate/conformance/cases"
	"github.com/headgate/headgate/conformance/suite"
)

type conformanceCmd struct {
	Run     conformanceRunCmd     `cmd:"" help:"Run cases against a target. Exit code: 0 all that apply passed, 1 something failed or could not run, 2 nothing was run: a wrong target file, nobody there, no such case."`
	List    conformanceListCmd    `cmd:"" help:"List the cases."`
	Explain conformanceExplainCmd `cmd:"" help:"Say what a case demands, why, and how to mend it."`
	Target  conformanceTargetCmd  `cmd:"" help:"Print a target file for a running development stack, to begin from."`
}

type conformanceRunCmd struct {
	Target     string   `help:"Target file, or the dev.json of headgate dev. Without one, a stack is brought up for the run and taken down again." type:"path" placeholder:"FILE"`
	DPoPNonces bool     `name:"dpop-nonces" help:"Without --target: have the stack demand a nonce of its own in every DPoP proof."`
	Group      []string `help:"Only these groups; * stands for any characters." placeholder:"GROUP"`
	Case       []string `help:"Only these cases; * stands for any characters." placeholder:"CASE"`
	Browser    string   `help:"In the place of what the target file says: forms or chromium." enum:",forms,chromium" default:"" placeholder:"BROWSER"`
	Parallel   int      `help:"Cases at once." default:"4"`
	State      string   `help:"Keep results here as they come; a second run with it does only what did not pass." type:"path" placeholder:"FILE"`
	JSON       string   `name:"json" help:"Write the report as JSON." type:"path" placeholder:"FILE"`
	JUnit      string   `name:"junit" help:"Write the report as JUnit XML." type:"path" placeholder:"FILE"`
	HTML       string   `name:"html" help:"Write the report as one page that needs nothing else." type:"path" placeholder:"FILE"`
	Earlier    string   `help:"JSON report of an earlier run, to compare with." type:"path" placeholder:"FILE"`
	Verbose    bool     `help:"Print the exchanges of what did not pass."`
}

// How a run ends in which not all passed; the report has said what.
var (
	errConformance = errors.New("the deployment does not do all that it has to")
	errUnknown     = errors.New("cases could not run: nothing is known of what they check")
)

// errNotBegun: nothing was run.
var errNotBegun = errors.New("nothing was run")

// Run runs the cases.
func (c conformanceRunCmd) Run(ctx context.Context) error {
	if c.Target == "" {
		home, stop, err := throwAway(ctx, c.DPoPNonces)
		if err != nil {
			return err
		}
		defer stop()
		c.Target = filepath.Join(home, dev.FileName)
	}
	target, err := suite.ReadTarget(c.Target)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotBegun, err)
	}
	target.Browser, target.BrowserPath = cmp.Or(c.Browser, target.Browser), cmp.Or(target.BrowserPath, os.Getenv("CHROMIUM"))
	earlier, err := c.earlier()
	if err != nil {
		return err
	}
	terminal := isTerminal(os.Stderr)
	begin := time.Now()
	report, err := suite.Run(ctx, cases.All(), suite.Options{
		Target: target, Groups: c.Group, IDs: c.Case, Parallel: c.Parallel, StateFile: c.State,
		Done: func(r suite.Result, done, of int) {
			if terminal {
				fmt.Fprintf(os.Stderr, "\r\x1b[K%d of %d, %.0f s  %s", done, of, time.Since(begin).Seconds(), r.ID)
			}
		},
	})
	if terminal {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	if err != nil && len(report.Results) == 0 {
		return fmt.Errorf("%w: %w", errNotBegun, err)
	}
	if c.Verbose {
		printExchanges(report)
	}
	err = errors.Join(err, report.WriteText(os.Stdout))
	for file, write := range map[string]func(io.Writer) error{
		c.JSON: report.WriteJSON, c.JUnit: report.WriteJUnit,
		c.HTML: func(w io.Writer) error { return report.WriteHTML(w, earlier) },
	} {
		if file != "" {
			err = errors.Join(err, writeFile(file, write))
		}
	}
	if earlier != nil {
		printChanges(report.Compare(*earlier))
	}
	switch {
	case err != nil || !report.Bad():
		return err
	case report.Count(suite.Failed) == 0:
		return errUnknown
	}
	return errConformance
}

// throwAway brings a development stack up on free ports, whose state is gone
// when it is stopped.
func throwAway(ctx context.Context, nonces bool) (home string, stop func(), err error) {
	home, err = os.MkdirTemp("", "headgate-conformance-")
	if err != nil {
		return "", nil, err
	}
	stack, err := dev.Start(ctx, dev.Options{
		// One minute, so that a consent is seen to expire.
		Home: home, Ephemeral: true, FreePorts: true, Nonces: nonces, OneTimeMinutes: 1, Say: func(s string) { fmt.Println("  " + s) },
	})
	if err != nil {
		os.RemoveAll(home) //nolint:errcheck // a temporary folder
		return "", nil, err
	}
	return home, func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		if err := stack.Stop(ending); err != nil {
			fmt.Fprintln(os.Stderr, "stop the stack:", err)
		}
		os.RemoveAll(home) //nolint:errcheck // a temporary folder
	}, nil
}

// earlier is the report to compare with; nil for none. It is read before the
// run, which may overwrite it.
func (c conformanceRunCmd) earlier() (*suite.Report, error) {
	if c.Earlier == "" {
		return nil, nil
	}
	file, err := os.Open(c.Earlier)
	if err != nil {
		return nil, fmt.Errorf("read earlier report: %w", err)
	}
	defer file.Close()
	report, err := suite.ReadReport(file)
	return &report, err
}

func printChanges(changes []suite.Change) {
	fmt.Printf("\n%d cases ended otherwise than in the earlier run\n", len(changes))
	for _, c := range changes {
		sign := " "
		if c.Worse() {
			sign = "-"
		} else if c.Better() {
			sign = "+"
		}
		fmt.Printf("%s %-44s %s -> %s\n", sign, c.ID, cmp.Or(string(c.Was), "not there"), cmp.Or(string(c.Is), "not there"))
	}
}

func printExchanges(report suite.Report) {
	for _, r := range report.Results {
		for _, e := range r.Exchanges {
			fmt.Printf("\n%s: %s %s\n%s\n%s\n-> %d %v %s\n%s\n", r.ID, e.Method, e.URL, headers(e.Header), e.Body, e.Status, headers(e.AnswerHeader), e.Error, e.Answer)
		}
	}
}

func headers(h map[string][]string) string {
	var b strings.Builder
	for name, values := range h {
		fmt.Fprintf(&b, "  %s: %s\n", name, strings.Join(values, ", "))
	}
	return b.String()
}

type conformanceListCmd struct {
	Group []string `help:"Only these groups." placeholder:"GROUP"`
}

// Run lists the cases.
func (c conformanceListCmd) Run() error {
	all := suite.Pick(cases.All(), c.Group, nil)
	if len(all) == 0 {
		return suite.ErrNoCases
	}
	for _, one := range all {
		fmt.Printf("%-44s %s\n", one.ID, one.Title)
	}
	fmt.Printf("%d cases\n", len(all))
	return nil
}

type conformanceExplainCmd struct {
	Case string `arg:"" help:"ID of the case."`
}

// Run explains a case.
func (c conformanceExplainCmd) Run() error {
	for _, one := range cases.All() {
		if one.ID != c.Case {
			continue
		}
		severity := one.Severity
		if severity == "" {
			severity = suite.Must
		}
		fmt.Printf("%s\n\n  %s.\n\n  demanded by  %s\n  source       %s\n  severity     %s\n  to mend      %s\n", one.ID, one.Title, one.Spec, one.From(), severity, one.Mend)
		if len(one.Needs) > 0 {
			fmt.Printf("  applies to   targets that claim %v\n", one.Needs)
		}
		return nil
	}
	return fmt.Errorf("there is no case %s: see headgate conformance list", c.Case)
}

type conformanceTargetCmd struct {
	Dev string `help:"dev.json of the stack." default:".headgate/dev.json" type:"path"`
}

// Run prints the target file.
func (c conformanceTargetCmd) Run() error {
	target, err := suite.ReadTarget(c.Dev)
	if err != nil {
		return err
	}
	text, err := target.YAML()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}
