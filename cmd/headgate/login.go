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
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/mail"
)

type loginCmd struct {
	Add    loginAddCmd    `cmd:"" help:"Let a person sign in; the password is read from standard input."`
	Passwd loginPasswdCmd `cmd:"" help:"Replace a person's password; it is read from standard input."`
	List   loginListCmd   `cmd:"" help:"List who can sign in."`
	Remove loginRemoveCmd `cmd:"" help:"Take a person's username and password away, and their passkeys with the last username."`

	Passkeys loginPasskeysCmd `cmd:"" help:"List a person's passkeys, or remove one; the person is told."`
}

// loginInWords says what the known outcomes mean to an operator.
func loginInWords(err error) error {
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return errors.New("nobody has that username")
	case errors.Is(err, consent.ErrConflict):
		return errors.New("the username is taken: 'headgate login passwd' replaces its password")
	case errors.Is(err, login.ErrPassword):
		return errors.New("the password is empty, too long or not UTF-8")
	default:
		return err
	}
}

// minNewPassword is the least length of a new password, in characters (NIST
// SP 800-63B section 5.1.1.2). Nothing else is asked of it.
const minNewPassword = 8

// newPassword reads one line and returns its hash.
func newPassword(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 2048)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if utf8.RuneCountInString(line) < minNewPassword {
		return "", fmt.Errorf("the password must have at least %d characters; write it to standard input, in one line", minNewPassword)
	}
	return login.Hash(line)
}

type loginAddCmd struct {
	target
	Username string `arg:"" help:"What the person types."`
	Consumer string `arg:"" help:"The person's id at the bank, as in its customer data."`
	Mail     string `help:"Where one-time codes and notices go, such as ann@customer.example; not for people of the sandbox bank, whose addresses it knows."`
}

// Run adds a person.
func (c loginAddCmd) Run(ctx context.Context) error {
	if c.Username == "" || len(c.Username) > 256 || !utf8.ValidString(c.Username) || c.Consumer == "" {
		return errors.New("the username must have 1 to 256 bytes of UTF-8, and the person an id")
	}
	if c.Mail != "" {
		if err := mail.CheckAddress(c.Mail); err != nil {
			return fmt.Errorf("--mail: %w", err)
		}
	}
	hash, err := newPassword(os.Stdin)
	if err != nil {
		return loginInWords(err)
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return loginInWords(db.SignIns().AddLogin(ctx, c.Username, c.Mail, login.Credential{Consumer: consent.ConsumerID(c.Consumer), Hash: hash}))
}

type loginPasswdCmd struct {
	target
	Username string `arg:"" help:"What the person types."`
}

// Run replaces a password.
func (c loginPasswdCmd) Run(ctx context.Context) error {
	hash, err := newPassword(os.Stdin)
	if err != nil {
		return loginInWords(err)
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return loginInWords(db.SignIns().SetPassword(ctx, c.Username, hash))
}

type loginListCmd struct {
	target
	JSON bool `help:"Print JSON."`
}

// Run lists who can sign in, without the people of the sandbox bank.
func (c loginListCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.SignIns().Logins(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(all)
	}
	for _, a := range all {
		fmt.Printf("%-32q %-32q %s  passkeys: %d\n", a.Username, a.Consumer, a.ChangedAt.UTC().Format("2006-01-02"), a.Passkeys)
	}
	return nil
}

type loginRemoveCmd struct {
	target
	Username string `arg:"" help:"What the person types."`
}

// Run takes a username away. Whoever is signed in stays so until the session
// ends.
func (c loginRemoveCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return loginInWords(db.SignIns().RemoveLogin(ctx, c.Username))
}

type loginPasskeysCmd struct {
	target
	Person string `arg:"" help:"The person's id at the bank, as 'headgate login list' prints it."`
	Remove string `help:"Id of the passkey to remove, as this command prints it."`
}

// Run lists passkeys without what could be used to make one.
func (c loginPasskeysCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	who := consent.ConsumerID(c.Person)
	if c.Remove != "" {
		err := db.Passkeys().RemovePasskey(ctx, who, login.PasskeyID(c.Remove), login.SignIn{
			Event: login.PasskeyRemoved, Consumer: who, At: time.Now(), Method: login.Passkey,
		})
		if errors.Is(err, consent.ErrNotFound) {
			return errors.New("the person has no such passkey")
		}
		return err
	}
	all, err := db.Passkeys().PasskeysOf(ctx, who)
	if err != nil {
		return err
	}
	for _, k := range all {
		used := "never used"
		if !k.UsedAt.IsZero() {
			used = "used " + k.UsedAt.Format("2006-01-02")
		}
		fmt.Printf("%s  %q  made %s  %s\n", k.ID, k.Name, k.CreatedAt.Format("2006-01-02"), used)
	}
	return nil
}
