package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/dev"
)

type keysCmd struct {
	New    keysNewCmd    `cmd:"" help:"Make every key file of a new deployment; files that exist are kept."`
	List   keysListCmd   `cmd:"" help:"List the signing keys of a file, and what comes next for each."`
	Rotate keysRotateCmd `cmd:"" help:"Make the next signing key the current one, once every verifier knows it."`
	Public keysPublicCmd `cmd:"" help:"Print the public halves of the signing keys of a file, as a JWK Set for whoever verifies."`
	Retire keysRetireCmd `cmd:"" help:"Emergency: take a signing key out of use at once, because its private half may be known."`
}

type keysNewCmd struct {
	Dir string `arg:"" help:"Folder for hash-keys.json, signing-keys.json, page-keys.json, nonce-keys.json, seal-keys.json, subject-key.json and audit-key, with audit-key.pub for whoever verifies what it signs. Back up seal-keys.json and subject-key.json: what is sealed, and the names under which recipients know consumers, cannot be made again without them." type:"path"`
}

// Run makes what a deployment needs and has not.
func (c keysNewCmd) Run() error { return c.run(os.Stdout) }

func (c keysNewCmd) run(out io.Writer) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	files, err := dev.Keys(c.Dir)
	if err != nil {
		return err
	}
	for _, path := range []string{files.HashKeys, files.SigningKeys, files.PageKeys, files.NonceKeys, files.SealKeys, files.SubjectKey, files.AuditKey, files.AuditPublic} {
		fmt.Fprintln(out, path)
	}
	return nil
}

type keysPublicCmd struct {
	File string   `arg:"" help:"File of signing keys." type:"path"`
	Make bool     `help:"Make the file first, with new keys; one that exists is an error."`
	Alg  []string `help:"What the new keys are for: ES256, PS256 or both." default:"ES256" enum:"ES256,PS256"`
}

// Run prints a JWK Set (RFC 7517 section 5).
func (c keysPublicCmd) Run() error { return c.run(os.Stdout) }

func (c keysPublicCmd) run(out io.Writer) error {
	if c.Make {
		if err := certs.GenerateSigningKeys(c.File, c.Alg...); err != nil {
			return err
		}
	}
	keys, err := certs.LoadSigningKeys(c.File)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", keys.Public())
	return err
}

// keyTimes are the settings that the tool and the servers must agree on.
type keyTimes struct {
	PublishAhead time.Duration `help:"How long a key is published before it signs, as the servers have it." default:"10m"`
	Retain       time.Duration `help:"How long a retired key stays published, as the servers have it." default:"24h"`
}

func (k keyTimes) open(ctx context.Context, file string, now func() time.Time) (*certs.KeyFile, *certs.Rotator, error) {
	keys := certs.NewKeyFile(file)
	r, err := certs.NewRotator(ctx, certs.RotatorConfig{
		Provider: keys, PublishAhead: k.PublishAhead, Retain: k.Retain, Now: now,
	})
	return keys, r, err
}

type keysListCmd struct {
	keyTimes
	File string `arg:"" help:"File of the signing keys." type:"existingfile"`
	JSON bool   `help:"Print JSON."`
}

// listedKey is a key as keys list shows it.
type listedKey struct {
	KID            string         `json:"kid"`
	Alg            string         `json:"alg"`
	State          certs.KeyState `json:"state"`
	Since          time.Time      `json:"since"`
	SignsFrom      time.Time      `json:"signs_from,omitzero"`      // of a next key: the earliest
	PublishedUntil time.Time      `json:"published_until,omitzero"` // of a retired key
}

// Run lists the keys.
func (c keysListCmd) Run(ctx context.Context) error { return c.run(ctx, os.Stdout) }

func (c keysListCmd) run(ctx context.Context, out io.Writer) error {
	all, err := certs.NewKeyFile(c.File).Keys(ctx)
	if err != nil {
		return err
	}
	list := make([]listedKey, 0, len(all))
	for _, k := range all {
		l := listedKey{KID: k.ID, Alg: k.Algorithm, State: k.State}
		switch k.State {
		case certs.KeyNext:
			l.Since, l.SignsFrom = k.Created.UTC(), k.Created.Add(c.PublishAhead).UTC()
		case certs.KeyCurrent:
			l.Since = k.Activated.UTC()
		case certs.KeyRetired:
			l.Since, l.PublishedUntil = k.Retired.UTC(), k.Retired.Add(c.Retain).UTC()
		}
		list = append(list, l)
	}
	if c.JSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KID\tALG\tSTATE\tSINCE\tTHEN")
	for _, l := range list {
		then := "signs until it is rotated"
		switch l.State {
		case certs.KeyNext:
			then = "may sign from " + clock(l.SignsFrom)
		case certs.KeyRetired:
			then = "published until " + clock(l.PublishedUntil)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.KID, l.Alg, l.State, clock(l.Since), then)
	}
	return w.Flush()
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

type keysRotateCmd struct {
	keyTimes
	File  string `arg:"" help:"File of the signing keys, to be changed as the user it belongs to. Running servers follow by themselves." type:"existingfile"`
	Alg   string `help:"Rotate the key of this algorithm only: ES256, PS256 or EdDSA; one without keys is added. Default: all that have keys."`
	Force bool   `help:"For emergencies: rotate to a key that not every verifier knows yet. Those that fetched the keys before it was published refuse what it signs until they fetch them again, up to 5 minutes."`
}

// Run rotates the signing keys.
func (c keysRotateCmd) Run(ctx context.Context) error { return c.run(ctx, os.Stdout, time.Now) }

func (c keysRotateCmd) run(ctx context.Context, out io.Writer, now func() time.Time) error {
	switch c.Alg {
	case "", "ES256", "PS256", "EdDSA":
	default:
		return errors.New("--alg is none of ES256, PS256, EdDSA")
	}
	_, r, err := c.open(ctx, c.File, now)
	if err != nil {
		return err
	}
	err = r.Rotate(ctx, c.Alg, c.Force)
	if early := (*certs.TooEarlyError)(nil); errors.As(err, &early) {
		return fmt.Errorf("not rotated: the next key is published, but not every verifier can know it before %s. "+
			"Run this again in %s; with --force, verifiers refuse what the new key signs until they fetch the keys again",
			clock(early.At), early.At.Sub(now()).Truncate(time.Second)+time.Second)
	}
	if err != nil {
		return err
	}
	if c.Force {
		fmt.Fprintf(out, "Forced: until about %s, verifiers that have not fetched the new key may refuse its signatures.\n",
			clock(now().Add(certs.JWKSMaxAge+certs.DefaultRefresh)))
	}
	return keysListCmd{keyTimes: c.keyTimes, File: c.File}.run(ctx, out)
}

type keysRetireCmd struct {
	keyTimes
	File string `arg:"" help:"File of the signing keys." type:"existingfile"`
	KID  string `arg:"" name:"kid" help:"The kid of the key, as keys list shows it; put -- before one that begins with a dash."`
	Yes  bool   `help:"Do not ask."`
}

// Run takes a key out of use.
func (c keysRetireCmd) Run(ctx context.Context) error {
	return c.run(ctx, os.Stdin, os.Stdout, time.Now)
}

func (c keysRetireCmd) run(ctx context.Context, in io.Reader, out io.Writer, now func() time.Time) error {
	keys, r, err := c.open(ctx, c.File, now)
	if err != nil {
		return err
	}
	all, err := keys.Keys(ctx)
	if err != nil {
		return err
	}
	consequence := ""
	for _, k := range all {
		if k.ID == c.KID {
			consequence = c.consequence(k, all, now())
		}
	}
	if consequence == "" {
		return fmt.Errorf("%w: see 'headgate keys list %s'", certs.ErrNoKey, c.File)
	}
	fmt.Fprint(out, consequence)
	if !c.Yes {
		fmt.Fprint(out, "Type the kid to go on: ")
		answer, _ := bufio.NewReader(in).ReadString('\n')
		if strings.TrimSpace(answer) != c.KID {
			return errors.New("nothing was changed")
		}
	}
	if err := r.Retire(ctx, c.KID); err != nil {
		return err
	}
	fmt.Fprintln(out, "Retired. Running servers follow within their refresh time, 30 seconds unless configured otherwise.")
	return keysListCmd{keyTimes: c.keyTimes, File: c.File}.run(ctx, out)
}

// consequence says what will not work any more once k is gone.
func (c keysRetireCmd) consequence(k certs.KeyInfo, all []certs.KeyInfo, now time.Time) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s is the %s key for %s. Its private half is deleted and cannot be had back.\n", k.ID, k.State, k.Algorithm)
	if k.State == certs.KeyNext {
		fmt.Fprintln(&text, "It has signed nothing, so nothing stops verifying. A new next key is made.")
		return text.String()
	}
	fmt.Fprintf(&text, "Everything it signed stops verifying, by %s at the latest, when copies of our key set have expired:\n"+
		"ID tokens, signed authorization responses, introspection answers and notices that are still in use.\n",
		clock(now.Add(certs.JWKSMaxAge+certs.DefaultRefresh)))
	if k.State == certs.KeyRetired {
		return text.String()
	}
	for _, n := range all {
		if n.State == certs.KeyNext && n.Algorithm == k.Algorithm && !now.Before(n.Created.Add(c.PublishAhead)) {
			fmt.Fprintln(&text, "The next key takes over; every verifier can know it.")
			return text.String()
		}
	}
	fmt.Fprintln(&text, "The key that takes over is not known to every verifier: some refuse what it signs until they fetch our keys again, within that time.")
	return text.String()
}
