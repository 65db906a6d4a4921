package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/cmd/internal/dev"
	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/headgate/headgate/internal/postgres"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Compute the tree over the records of reads anew and compare it with the signed checkpoints."`
	Retire auditRetireCmd `cmd:"" help:"Delete the records of months that are older than they must be kept."`
}

type auditRetireCmd struct {
	target
	Before      string `required:"" help:"First month that stays, such as 2021-12. All older months go, for good." placeholder:"YYYY-MM"`
	Years       int    `help:"How many years records are kept by law or contract: younger months are refused." default:"5"`
	Key         string `required:"" help:"File with the public key of the checkpoints (audit-key.pub)." type:"existingfile"`
	Checkpoints string `required:"" help:"Folder that checkpoints were copied to: the newest must cover what goes." type:"existingdir"`
	Yes         bool   `help:"Do not ask."`
}

// Run removes months of records. Their leaves stay.
func (c auditRetireCmd) Run(ctx context.Context) error {
	return c.run(ctx, os.Stdin, os.Stdout, time.Now())
}

func (c auditRetireCmd) run(ctx context.Context, in io.Reader, out io.Writer, now time.Time) error {
	before, err := time.Parse("2006-01", c.Before)
	if err != nil {
		return errors.New("--before is not a month such as 2021-12")
	}
	if before.After(now.UTC().AddDate(-c.Years, 0, 0)) {
		return fmt.Errorf("records are kept for %d years: %s is too late", c.Years, c.Before)
	}
	newest, err := newestCheckpoint(ctx, c.Key, c.Checkpoints)
	if err != nil {
		return err
	}
	if !c.Yes {
		fmt.Fprintf(out, "All records before %s will be deleted. Run 'headgate audit verify' first: nobody can afterwards.\nType the month to go on: ", c.Before)
		answer, _ := bufio.NewReader(in).ReadString('\n')
		if strings.TrimSpace(answer) != c.Before {
			return errors.New("nothing was changed")
		}
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	done, err := db.Retire(ctx, before, newest.Size)
	for _, r := range done {
		fmt.Fprintf(out, "%s: %d records deleted\n", r.Name, r.Records)
	}
	if err == nil && len(done) == 0 {
		fmt.Fprintln(out, "There is no month that ended before then.")
	}
	return err
}

func verifier(file string) (ledger.Verifier, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return ledger.Verifier{}, err
	}
	key, err := ledger.NewVerifier(string(text))
	if err != nil {
		return ledger.Verifier{}, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// newestCheckpoint opens the newest checkpoint in the folder with the public
// key in keyFile.
func newestCheckpoint(ctx context.Context, keyFile, folder string) (ledger.Checkpoint, error) {
	key, err := verifier(keyFile)
	if err != nil {
		return ledger.Checkpoint{}, err
	}
	note, err := ledger.Dir(folder).Newest(ctx)
	if err != nil {
		return ledger.Checkpoint{}, err
	}
	newest, err := key.Open(note)
	if err != nil {
		return ledger.Checkpoint{}, fmt.Errorf("the newest checkpoint in %s: %w", folder, err)
	}
	return newest, nil
}

type auditVerifyCmd struct {
	target
	Key         string        `help:"File with the public key of the checkpoints (audit-key.pub); default: the development stack's." type:"existingfile"`
	Checkpoints []string      `help:"Folder that checkpoints were copied to; may be repeated. Default: the development stack's. Without one, whoever has the key and the database is believed." type:"existingdir"`
	Consumer    string        `help:"Verify the records of this person only: that each is in the tree, as it is." xor:"what"`
	Record      string        `help:"Print the proof that the record with this request id is in the tree of a checkpoint." xor:"what"`
	Every       time.Duration `help:"Verify again and again, with this pause, until something is found." xor:"what"`
	Most        int           `help:"Print at most this many differences." default:"20"`
}

// errTampered: the records are not what the checkpoints say.
var errTampered = errors.New("the records do not agree with the tree")

// Run verifies. The exit code is 1 when anything is wrong.
func (c auditVerifyCmd) Run(ctx context.Context) error { return c.run(ctx, os.Stdout, os.Stderr) }

func (c auditVerifyCmd) run(ctx context.Context, out, progress io.Writer) error {
	dsn, err := c.dsn()
	if err != nil {
		return err
	}
	if c.PostgresDSNFile == "" {
		if c.Key == "" {
			c.Key = filepath.Join(c.Home, dev.PublicKeyFile)
		}
		if dir := filepath.Join(c.Home, dev.CheckpointsDir); len(c.Checkpoints) == 0 && isDir(dir) {
			c.Checkpoints = []string{dir}
		}
	}
	if c.Key == "" {
		return errors.New("name the public key of the checkpoints with --key")
	}
	key, err := verifier(c.Key)
	if err != nil {
		return err
	}
	for {
		if err := c.once(ctx, dsn, key, out, progress); err != nil || c.Every <= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(c.Every):
		}
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// once looks at the database as it is now.
func (c auditVerifyCmd) once(ctx context.Context, dsn string, key ledger.Verifier, out, progress io.Writer) error {
	r, err := postgres.OpenLedgerReader(ctx, dsn)
	if err != nil {
		return err
	}
	defer r.Close(context.WithoutCancel(ctx))
	switch {
	case c.Record != "":
		return c.record(ctx, r, key, out)
	case c.Consumer != "":
		return c.consumer(ctx, r, key, out)
	}
	var dirs []ledger.Dir
	for _, d := range c.Checkpoints {
		dirs = append(dirs, ledger.Dir(d))
	}
	began, said := time.Now(), time.Now()
	report, err := ledger.Verify(ctx, ledger.VerifyConfig{
		Source: r, Verifier: key, Outside: dirs, Most: c.Most,
		Progress: func(done, of int64) {
			if time.Since(said) >= time.Second {
				said = time.Now()
				fmt.Fprintf(progress, "%d of %d records, %.0f/s\n", done, of, float64(done)/time.Since(began).Seconds())
			}
		},
	})
	if err != nil {
		return err
	}
	return printVerified(out, report, len(dirs))
}

func printVerified(out io.Writer, r ledger.Report, dirs int) error {
	for _, d := range r.Differences {
		fmt.Fprintln(out, d)
	}
	if more := r.Found - len(r.Differences); more > 0 {
		fmt.Fprintf(out, "and %d more\n", more)
	}
	fmt.Fprintf(out, "%d records in %.1f s, %.0f/s; %d checkpoints compared, %d folders outside.\n", r.Size, r.Took.Seconds(),
		float64(r.Size)/r.Took.Seconds(), r.Checkpoints, dirs)
	if r.Retired > 0 {
		fmt.Fprintf(out, "%d records were retired by the operator: their leaves are there, they are not.\n", r.Retired)
	}
	if r.Newest.Size > 0 {
		fmt.Fprintf(out, "The newest checkpoint is of %d records, at %s; %d records wait for the next.\n", r.Newest.Size, clock(r.Newest.At), r.Unsigned)
	} else {
		fmt.Fprintln(out, "There is no checkpoint: nothing is proven.")
	}
	if r.Found > 0 {
		return fmt.Errorf("%w: %d differences", errTampered, r.Found)
	}
	fmt.Fprintln(out, "All records agree with the tree.")
	return nil
}

// printedProof is what --record prints. Together with the record and the
// public key it needs nothing of ours to be checked.
type printedProof struct {
	RequestID  string   `json:"request_id"`
	Index      int64    `json:"index"`
	Record     string   `json:"record"` // canonical form, hexadecimal
	Path       []string `json:"path"`   // base64, from the leaf up
	Checkpoint string   `json:"checkpoint"`
}

// record prints the proof of one record.
func (c auditVerifyCmd) record(ctx context.Context, r *postgres.LedgerReader, key ledger.Verifier, out io.Writer) error {
	id, err := uuid.Parse(c.Record)
	if err != nil {
		return errors.New("--record is not a request id")
	}
	p, rec, err := ledger.ProveRecord(ctx, r, key, ledger.ID(id))
	if err != nil {
		return fmt.Errorf("record %s: %w", id, err)
	}
	printed := printedProof{RequestID: id.String(), Index: p.Index, Record: hex.EncodeToString(rec.AppendTo(nil)), Checkpoint: string(p.Checkpoint)}
	for _, h := range p.Path {
		printed.Path = append(printed.Path, h.String())
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(printed)
}

// consumer verifies the records of one person.
func (c auditVerifyCmd) consumer(ctx context.Context, r *postgres.LedgerReader, key ledger.Verifier, out io.Writer) error {
	proven, waiting, bad := 0, 0, 0
	var ids []ledger.ID
	err := r.Of(ctx, c.Consumer, func(id ledger.ID) error { ids = append(ids, id); return nil })
	if err != nil {
		return err
	}
	for _, id := range ids {
		switch _, _, err := ledger.ProveRecord(ctx, r, key, id); {
		case err == nil:
			proven++
		case errors.Is(err, ledger.ErrNotCovered):
			waiting++
		case errors.Is(err, ledger.ErrProof), errors.Is(err, ledger.ErrTree), errors.Is(err, ledger.ErrCheckpoint):
			if bad++; bad <= c.Most {
				fmt.Fprintf(out, "record %s: %s\n", uuid.UUID(id), strings.TrimPrefix(err.Error(), "ledger: "))
			}
		default:
			return err
		}
	}
	fmt.Fprintf(out, "%d records: %d are proven to be in the tree of the newest checkpoint, %d wait for the next, %d are not in it.\n", len(ids), proven, waiting, bad)
	if bad > 0 {
		return errTampered
	}
	return nil
}
