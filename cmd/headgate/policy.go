package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"encoding/json"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/policy"
)

type policyCmd struct {
	List   policyListCmd   `cmd:"" help:"List the policy packs with their versions."`
	Show   policyShowCmd   `cmd:"" help:"Print one pack."`
	DryRun policyDryRunCmd `cmd:"" help:"Count the active grants that a version of a pack would not allow; changes nothing."`
}

type policyListCmd struct{}

// Run prints a line for each version of each pack.
func (policyListCmd) Run() error {
	books, err := policy.Books()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PACK\tVERSION\tFROM\tABOUT")
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(books)) {
		for _, p := range books[name].Versions() {
			about := p.About
			if p.Version == books[name].At(now).Version {
				about = "(in force) " + about
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", p.Name, p.Version, p.Effective, about)
		}
	}
	return w.Flush()
}

// chosen is a version of a pack.
type chosen struct {
	Pack    string `arg:"" help:"Name of the pack, or a file with one (.json)."`
	Version int    `help:"Version of the pack; default: the newest."`
}

func (c chosen) pack() (policy.Pack, error) {
	if strings.HasSuffix(c.Pack, ".json") {
		if c.Version != 0 {
			return policy.Pack{}, errors.New("a file holds one version: leave --version out")
		}
		data, err := os.ReadFile(c.Pack)
		if err != nil {
			return policy.Pack{}, err
		}
		return policy.Parse(data)
	}
	b, err := policy.Load(c.Pack)
	if err != nil {
		return policy.Pack{}, err
	}
	versions := b.Versions()
	if c.Version == 0 {
		return versions[len(versions)-1], nil
	}
	if c.Version < 0 || c.Version > len(versions) {
		return policy.Pack{}, fmt.Errorf("there are versions 1 to %d", len(versions))
	}
	return versions[c.Version-1], nil
}

type policyShowCmd struct{ chosen }

// Run prints a pack as it is written.
func (c policyShowCmd) Run() error {
	p, err := c.pack()
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	fmt.Println(string(b))
	return nil
}

type policyDryRunCmd struct {
	target
	chosen
}

// Run counts, by recipient, the grants that the version would not allow if
// they were asked for now.
func (c policyDryRunCmd) Run(ctx context.Context) error {
	p, err := c.pack()
	if err != nil {
		return err
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	t := tally{pack: p, now: time.Now(), by: map[consent.RecipientID]*affected{}}
	if err := db.Grants().EachActive(ctx, t.add); err != nil {
		return err
	}
	return t.print(os.Stdout)
}

// tally counts what a version of a pack would forbid.
type tally struct {
	pack policy.Pack
	now  time.Time
	seen int
	by   map[consent.RecipientID]*affected
}

// affected are the grants of one recipient.
type affected struct {
	grants  int // each once
	effects map[policy.Effect]int
}

func (t *tally) add(g consent.Grant) error {
	if g.StatusAt(t.now) != consent.StatusActive {
		return nil
	}
	t.seen++
	effects := t.pack.Effects(g, t.now)
	if len(effects) == 0 {
		return nil
	}
	a := t.by[g.Recipient]
	if a == nil {
		a = &affected{effects: map[policy.Effect]int{}}
		t.by[g.Recipient] = a
	}
	a.grants++
	for _, e := range effects {
		a.effects[e]++
	}
	return nil
}

func (t *tally) print(out io.Writer) error {
	total := 0
	for _, a := range t.by {
		total += a.grants
	}
	fmt.Fprintf(out, "%s version %d, from %s: %d of %d active grants would not be allowed. Nothing was changed.\n", t.pack.Name, t.pack.Version, t.pack.Effective, total, t.seen)
	if total == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nRECIPIENT\tGRANTS\tTERM TOO LONG\tDATA NOT ALLOWED\tPURPOSE NOT ALLOWED")
	for _, id := range slices.Sorted(maps.Keys(t.by)) {
		a := t.by[id]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", id, a.grants, a.effects[policy.EffectTerm], a.effects[policy.EffectClusters], a.effects[policy.EffectPurpose])
	}
	return w.Flush()
}
