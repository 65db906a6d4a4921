package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/dev"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/token"
)

type recipientCmd struct {
	Add       recipientAddCmd       `cmd:"" help:"Register a client from a JSON record and print its client id."`
	List      recipientListCmd      `cmd:"" help:"List registered clients."`
	Show      recipientShowCmd      `cmd:"" help:"Show what a client registered and how many consents it holds."`
	Approve   recipientApproveCmd   `cmd:"" help:"Make a client active: one that is pending, restricted or suspended."`
	Restrict  recipientRestrictCmd  `cmd:"" help:"Let a client read under the consents it has and obtain no new ones."`
	Suspend   recipientSuspendCmd   `cmd:"" help:"Stop a client at once; its consents stay. Approve brings it back."`
	Limit     recipientLimitCmd     `cmd:"" help:"Give a client a quota of its own, or that of the gateways again."`
	Rotate    recipientRotateCmd    `cmd:"" help:"Replace a client's public keys."`
	Remove    recipientRemoveCmd    `cmd:"" help:"End all consents of a client and close its registration, for good."`
	Benefit   recipientBenefitCmd   `cmd:"" help:"Look at, approve or withdraw what a client says that people get."`
	Statement recipientStatementCmd `cmd:"" help:"Sign a software statement, with which a client can register itself once."`
}

// readFile reads a file, or standard input for "-".
func readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	}
	return os.ReadFile(name)
}

// inWords says what the known outcomes mean to an operator.
func inWords(err error) error {
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return errors.New("no client has that id")
	case errors.Is(err, consent.ErrClosed):
		return errors.New("the client is closed, for good: register it under another id")
	case errors.Is(err, consent.ErrConflict):
		return errors.New("the client was changed meanwhile: look at it and repeat the command")
	default:
		return err
	}
}

// confirmed asks on standard error and reads the answer from standard input.
func confirmed(yes bool, question string) error {
	if yes {
		return nil
	}
	fmt.Fprint(os.Stderr, question+" Type yes to go on: ")
	line, err := bufio.NewReader(io.LimitReader(os.Stdin, 100)).ReadString('\n')
	if strings.TrimSpace(line) != "yes" {
		if errors.Is(err, io.EOF) && line == "" {
			return errors.New("nothing was changed: nobody answered; --yes goes on without asking")
		}
		return errors.New("nothing was changed")
	}
	return nil
}

type recipientAddCmd struct {
	target
	File string `short:"f" required:"" help:"JSON record of the client (client metadata, RFC 7591); - reads standard input." placeholder:"FILE"`
}

// Run registers a client, active. A record with a client_id that is known
// already replaces that registration; a client that is restricted or
// suspended stays so.
func (c recipientAddCmd) Run(ctx context.Context) error {
	record, err := readFile(c.File)
	if err != nil {
		return err
	}
	r, err := authz.Registration(record)
	if err != nil {
		return err
	}
	if r.ID == "" {
		r.ID = consent.RecipientID("app-" + strings.ToLower(rand.Text()))
	}
	kept, err := authz.Registered(r, record)
	if err != nil {
		return err
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	state, err := db.Registrations().Enrol(ctx, token.Registration{Recipient: r, Record: kept, IssuedAt: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return inWords(err)
	}
	if state != consent.RecipientActive {
		fmt.Fprintf(os.Stderr, "The client stays %s; 'headgate recipient approve' changes that.\n", state)
	}
	fmt.Println(r.ID)
	return nil
}

type recipientListCmd struct {
	target
	JSON bool `help:"Print JSON."`
}

// Run lists the registrations.
func (c recipientListCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.Recipients().ListRecipients(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(all)
	}
	for _, r := range all {
		fmt.Printf("%-24s %-10s %-16s %-28s %s\n", r.ID, r.Status, r.Role, r.AuthMethod, r.Name)
	}
	return nil
}

// one names a client.
type one struct {
	target
	ID string `arg:"" help:"Client id."`
}

// load returns the client and what it was found in.
func (o one) load(ctx context.Context) (*postgres.DB, token.Registration, error) {
	db, err := o.open(ctx)
	if err != nil {
		return nil, token.Registration{}, err
	}
	reg, err := db.Registrations().ByID(ctx, consent.RecipientID(o.ID))
	if err != nil {
		db.Close()
		return nil, token.Registration{}, inWords(err)
	}
	return db, reg, nil
}

type recipientShowCmd struct {
	one
	JSON bool `help:"Print JSON."`
}

// Run shows a client.
func (c recipientShowCmd) Run(ctx context.Context) error {
	db, reg, err := c.load(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	grants, err := db.Registrations().CountActiveGrants(ctx, reg.Recipient.ID)
	if err != nil {
		return err
	}
	answers, err := db.Answers().AnswersAbout(ctx, reg.Recipient.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{
			"client_id": reg.Recipient.ID, "role": reg.Recipient.Role, "status": reg.Recipient.Status, "active_grants": grants, "requests_per_minute": reg.Recipient.Quota,
			"registered": reg.Record, "statement_issuer": reg.StatementIssuer, "statement_id": reg.StatementID,
			"issued_at": reg.IssuedAt, "updated_at": reg.UpdatedAt, "manages_itself": !reg.Access.IsZero(),
			"stop_answers": answers,
		})
	}
	if err := show(os.Stdout, reg, grants); err != nil {
		return err
	}
	for _, a := range slices.Sorted(maps.Keys(answers)) {
		fmt.Printf("%-18s %s: %d\n", "stopped because", a, answers[a])
	}
	return nil
}

// show prints a client for people. Everything that others wrote was checked
// when it was registered; keys appear by their thumbprints.
func show(w io.Writer, reg token.Registration, grants int) error {
	r := reg.Recipient
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%-18s %s\n", name, text)
		}
	}
	line("client id", string(r.ID))
	line("state", fmt.Sprintf("%s, as %s, with %d active consents", r.Status, r.Role, grants))
	if r.Quota > 0 {
		line("quota", fmt.Sprintf("%d requests a minute", r.Quota))
	}
	line("name", r.Name)
	line("owner", r.LegalName)
	line("known as", strings.TrimSpace(r.Registry+" "+r.RegistryID))
	line("home", r.HomeURI)
	line("logo", r.LogoURI)
	line("authenticates by", strings.TrimSpace(string(r.AuthMethod)+" "+r.AssertionAlg))
	line("certificate", strings.TrimSpace(r.CertSubject.Member+" "+r.CertSubject.Value))
	line("keys at", r.JWKSURI)
	if len(r.JWKS) > 0 {
		set, err := certs.ParseJWKS(r.JWKS)
		if err != nil {
			return fmt.Errorf("stored keys: %w", err)
		}
		for _, k := range set.Keys {
			name, err := certs.Thumbprint(k)
			if err != nil {
				return err
			}
			line("key", certs.Algorithm(k)+" "+name)
		}
	}
	bound := "the client certificate"
	if r.DPoPBound {
		bound = "a DPoP key"
	}
	line("tokens bound to", bound)
	for _, u := range r.RedirectURIs {
		line("redirect", u)
	}
	for _, s := range r.Scopes {
		line("scope", string(s))
	}
	for _, p := range r.Purposes {
		var names []string
		for _, c := range p.Clusters.List() {
			names = append(names, c.String())
		}
		line("purpose", fmt.Sprintf("%s (%s): %s", p.Code, p.Label, strings.Join(names, " ")))
	}
	if len(r.Purposes) > 0 {
		line("at most", fmt.Sprintf("%d days, looking back %d days, %v", r.MaxDays, r.LookbackDays, r.Durations))
	}
	line("statement", strings.TrimSpace(reg.StatementIssuer+" "+reg.StatementID))
	return showRecord(line, reg.Record, r.Benefit)
}

// showRecord prints what was registered and changes nothing, but for the
// benefit, of which approved are the words that people may be shown.
func showRecord(line func(name, text string), record []byte, approved string) error {
	if record == nil {
		return nil
	}
	var m struct {
		Description       string   `json:"description"`
		ClientDescription string   `json:"client_description"`
		Benefit           string   `json:"benefit"`
		Contacts          []string `json:"contacts"`
		Terms             string   `json:"tos_uri"`
		Policy            string   `json:"policy_uri"`
		SoftwareID        string   `json:"software_id"`
		SoftwareVersion   string   `json:"software_version"`
		Intermediaries    []struct {
			Name string `json:"name"`
			URI  string `json:"uri"`
		} `json:"intermediaries"`
	}
	if err := json.Unmarshal(record, &m); err != nil {
		return fmt.Errorf("stored record: %w", err)
	}
	line("description", m.Description)
	line("description", m.ClientDescription)
	if m.Benefit != "" {
		state := "not approved"
		if m.Benefit == approved {
			state = "approved"
		}
		line("benefit", m.Benefit+" ("+state+")")
	}
	for _, c := range m.Contacts {
		line("contact", c)
	}
	line("terms", m.Terms)
	line("policy", m.Policy)
	line("software", strings.TrimSpace(m.SoftwareID+" "+m.SoftwareVersion))
	for _, i := range m.Intermediaries {
		line("intermediary", strings.TrimSpace(i.Name+" "+i.URI))
	}
	return nil
}

// move takes a client to another state and says so.
func move(reg token.Registration, to consent.RecipientStatus, how func(from, to consent.RecipientStatus) error) error {
	r := reg.Recipient
	if !r.Status.CanBecome(to) {
		return fmt.Errorf("the client is %s and cannot become %s", r.Status, to)
	}
	if err := how(r.Status, to); err != nil {
		return inWords(err)
	}
	fmt.Printf("The client was %s and is %s now.\n", r.Status, to)
	return nil
}

type recipientApproveCmd struct {
	one
	Yes bool `help:"Approve without asking."`
}

// Run makes a client active. What is approved is what was shown: when the
// client changes its registration in between, nothing happens.
func (c recipientApproveCmd) Run(ctx context.Context) error {
	db, reg, err := c.load(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if !c.Yes {
		grants, err := db.Registrations().CountActiveGrants(ctx, reg.Recipient.ID)
		if err != nil {
			return err
		}
		if err := show(os.Stderr, reg, grants); err != nil {
			return err
		}
	}
	if err := confirmed(c.Yes, "Consumers will be asked in this name."); err != nil {
		return err
	}
	return approve(ctx, db, reg)
}

// approve makes a client active, as it was seen.
func approve(ctx context.Context, db *postgres.DB, reg token.Registration) error {
	return move(reg, consent.RecipientActive, func(from, to consent.RecipientStatus) error {
		return db.Registrations().Move(ctx, reg.Recipient.ID, from, to, reg.UpdatedAt)
	})
}

type recipientRestrictCmd struct{ one }

// Run keeps a client from obtaining new consents, whatever it changed about
// itself meanwhile.
func (c recipientRestrictCmd) Run(ctx context.Context) error {
	db, reg, err := c.load(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return move(reg, consent.RecipientRestricted, func(from, to consent.RecipientStatus) error {
		return db.Registrations().Move(ctx, reg.Recipient.ID, from, to, time.Time{})
	})
}

type recipientSuspendCmd struct{ one }

// Run stops a client, whatever it changed about itself meanwhile. When it
// returns, no read that starts later is given data and no introspection that
// starts later says that a token of the client is active.
func (c recipientSuspendCmd) Run(ctx context.Context) error {
	db, reg, err := c.load(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	s, done, err := c.service(db)
	if err != nil {
		return err
	}
	defer done()
	if reg.Recipient.Status == consent.RecipientSuspended {
		// Whoever suspended it may have broken off before the caches knew.
		if err := s.SettleRecipient(ctx, reg.Recipient.ID); err != nil {
			return err
		}
		fmt.Println("The client was suspended before.")
		return nil
	}
	return move(reg, consent.RecipientSuspended, func(from, to consent.RecipientStatus) error {
		err := s.MoveRecipient(ctx, db.Registrations(), reg.Recipient.ID, from, to, time.Time{})
		if errors.Is(err, consent.ErrUnavailable) && ctx.Err() != nil {
			return fmt.Errorf("the client is suspended; introspection follows within %s", consent.Freshness)
		}
		return err
	})
}

type recipientLimitCmd struct {
	one
	Quota int `arg:"" help:"Requests a minute at the gateways, 1 to 60000000; 0 is what their configuration says."`
}

// Run sets the quota of a client. Gateways go by it within a minute.
func (c recipientLimitCmd) Run(ctx context.Context) error {
	if c.Quota < 0 || c.Quota > limit.MaxQuota {
		return fmt.Errorf("the quota must be 0 to %d", limit.MaxQuota)
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Registrations().SetQuota(ctx, consent.RecipientID(c.ID), c.Quota); err != nil {
		return inWords(err)
	}
	if c.Quota == 0 {
		fmt.Println("The client has the quota of the gateways.")
		return nil
	}
	fmt.Printf("The client may make %d requests a minute.\n", c.Quota)
	return nil
}

type recipientRotateCmd struct {
	one
	File string `short:"f" required:"" help:"JSON Web Key Set of the new public keys; - reads standard input." placeholder:"JWKS"`
}

// Run replaces the public keys of a client. The old ones are worth nothing
// from then on.
func (c recipientRotateCmd) Run(ctx context.Context) error {
	jwks, err := readFile(c.File)
	if err != nil {
		return err
	}
	db, reg, err := c.load(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if reg, err = authz.Rekey(reg, jwks); err != nil {
		return err
	}
	if err := db.Registrations().Update(ctx, reg); err != nil {
		return inWords(err)
	}
	fmt.Println("The client's keys are replaced.")
	return nil
}

type recipientRemoveCmd struct {
	one
	Yes bool `help:"Remove without asking."`
}

// Run ends every grant of a client and closes its registration.
func (c recipientRemoveCmd) Run(ctx context.Context) error {
	db, reg, err := c.load(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if reg.Recipient.Status == consent.RecipientClosed {
		fmt.Println("The client was closed before.")
		return nil
	}
	grants, err := db.Registrations().CountActiveGrants(ctx, reg.Recipient.ID)
	if err != nil {
		return err
	}
	if err := confirmed(c.Yes, fmt.Sprintf("%s (%s) will be closed for good, and %d consents will end.", reg.Recipient.Name, reg.Recipient.ID, grants)); err != nil {
		return err
	}
	s, done, err := c.service(db)
	if err != nil {
		return err
	}
	defer done()
	ended, err := s.Close(ctx, consent.Closing{
		Recipients: db.Recipients(), Standing: db.Registrations(), ID: reg.Recipient.ID, By: consent.ActorProvider,
		Progress: func(n int) { fmt.Fprintf(os.Stderr, "%d of %d consents have ended\n", n, grants) },
	})
	if err != nil {
		return fmt.Errorf("%d of %d consents have ended; repeat the command to go on: %w", ended, grants, inWords(err))
	}
	fmt.Printf("%d consents have ended, and the client is closed.\n", ended)
	return nil
}

type recipientStatementCmd struct {
	Home        string        `help:"State folder of the development stack." default:".headgate" type:"path"`
	File        string        `short:"f" required:"" help:"JSON record of the client, whole or in part; - reads standard input." placeholder:"FILE"`
	SigningKeys string        `required:"" help:"File of the authorization server's signing keys." type:"existingfile"`
	Issuer      string        `help:"Issuer of the authorization server; default: the development stack's."`
	Valid       time.Duration `help:"How long the client has to register." default:"24h"`
}

// Run prints a software statement. Whoever holds it can register one client,
// which is active at once as far as the statement goes.
func (c recipientStatementCmd) Run(ctx context.Context) error {
	record, err := readFile(c.File)
	if err != nil {
		return err
	}
	if c.Issuer == "" {
		f, err := dev.Read(c.Home)
		if err != nil {
			return fmt.Errorf("name the --issuer: %w", err)
		}
		c.Issuer = f.Issuer
	}
	claims, err := authz.NewStatement(c.Issuer, record, time.Now(), c.Valid)
	if err != nil {
		return err
	}
	statement, err := sign(ctx, c.SigningKeys, authz.StatementType, claims)
	if err != nil {
		return err
	}
	fmt.Println(statement)
	return nil
}

// sign signs with the current key of a file.
func sign(ctx context.Context, path, typ string, claims any) (string, error) {
	keys, err := certs.LoadSigningKeys(path)
	if err != nil {
		return "", err
	}
	return keys.Sign(ctx, "ES256", typ, claims)
}
