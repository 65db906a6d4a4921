package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/receipt"
)

type receiptCmd struct {
	Verify receiptVerifyCmd `cmd:"" help:"Check the signature of a receipt and print what it says."`
}

type receiptVerifyCmd struct {
	File   string `arg:"" help:"File with the receipt: the document that the portal offers, or its compact form; - reads standard input."`
	JWKS   string `name:"jwks" required:"" help:"File or https address of the bank's receipt keys: /receipts/jwks.json on the host of its pages."`
	CAFile string `name:"ca-file" help:"PEM file of the authorities that the address must chain to; default: the system's." type:"existingfile"`
}

// errNotReal is what a script sees of a receipt that does not hold.
var errNotReal = errors.New("the receipt does not hold: do not rely on it")

// Run prints the receipt; it fails when the signature does not hold.
func (c receiptVerifyCmd) Run(ctx context.Context) error {
	document, err := c.keys(ctx)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	keys, err := receipt.ParseKeys(document)
	if err != nil {
		return err
	}
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, receipt.MaxBytes+1))
	if err != nil {
		return err
	}
	return verifyReceipt(os.Stdout, keys, data)
}

// verifyReceipt prints what a receipt says if it holds.
func verifyReceipt(out io.Writer, keys receipt.Keys, data []byte) error {
	jws, err := receipt.Find(data)
	if err != nil {
		return fmt.Errorf("%w (%w)", errNotReal, err)
	}
	r, err := receipt.Verify(keys, jws)
	if err != nil {
		return fmt.Errorf("%w (%w)", errNotReal, err)
	}
	c := r.Consent
	fmt.Fprintf(out, "The signature holds.\n\nissuer     %q\nreceipt    %q\ncheck code %s\nevent      %q by %q, %s\n",
		r.Issuer, r.ID, receipt.Code(jws), r.Event, r.By, time.Unix(r.At, 0).UTC().Format(time.RFC3339))
	fmt.Fprintf(out, "status     %q, from %s to %s\n", c.Status, c.CreatedAt.Format(time.RFC3339), c.ExpiresAt.Format(time.RFC3339))
	for _, p := range r.Parties {
		if p.Type == consent.PartyRecipient {
			fmt.Fprintf(out, "recipient  %q, %q\n", p.Name, p.RegisteredEntityName)
		}
	}
	fmt.Fprintf(out, "shares     %d accounts, %q, %d days back, for %q\n", c.Accounts, c.Clusters, c.LookbackDays, c.Purpose)
	fmt.Fprintf(out, "shown      wording %q in %q:\n\n", r.Disclosure.Version, r.Disclosure.Locale)
	for line := range strings.Lines(r.Disclosure.Text) {
		// Quoted where a terminal might act on it.
		if line = strings.TrimRight(line, "\n"); strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			line = fmt.Sprintf("%q", line)
		}
		fmt.Fprintln(out, "    "+line)
	}
	return nil
}

// keys reads the keys from a file or an address.
func (c receiptVerifyCmd) keys(ctx context.Context) ([]byte, error) {
	if !strings.HasPrefix(c.JWKS, "https://") {
		return os.ReadFile(c.JWKS)
	}
	trust, err := certs.ClientTLS(c.CAFile)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, c.JWKS, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: trust},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	a, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close() //nolint:errcheck // only read
	if a.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %d", a.StatusCode)
	}
	return io.ReadAll(io.LimitReader(a.Body, receipt.MaxKeysBytes+1))
}
