package authzd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/consent/portal"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/mail"
	"github.com/headgate/headgate/resource/sandbox"
)

// Option changes a process in a way that no setting can.
type Option func(*Process)

// WithMailbox keeps mail in a mailbox, which the browser host shows to
// everybody, in place of sending it. It is for development, and no setting for
// that reason.
func WithMailbox(b *mail.Mailbox) Option { return func(p *Process) { p.mailbox = b } }

// addresses returns where people get mail: what the sandbox bank has on file,
// and at any other bank what they were added with ('headgate login add').
func (p *Process) addresses(b *bank.Bank) inbox.Addresses {
	if b.Sandbox == nil {
		return p.db.SignIns()
	}
	return sandboxAddresses{b.Sandbox}
}

// sandboxAddresses is where customers of the sandbox bank get mail.
type sandboxAddresses struct{ store *sandbox.Store }

// Address implements inbox.Addresses.
func (a sandboxAddresses) Address(ctx context.Context, who consent.ConsumerID) (string, error) {
	address, err := a.store.Email(ctx, fdx.CustomerID(who))
	if errors.Is(err, sandbox.ErrNoCustomer) {
		return "", consent.ErrNotFound
	}
	return address, err
}

// newCourier returns what sends a mail; nil when none is to be sent.
func (p *Process) newCourier(c Config, mails inbox.Mails, b *bank.Bank, pages *portal.Portal) (func(context.Context, inbox.MailID) (time.Duration, error), error) {
	if c.MailLanguage != "" && !slices.Contains(portal.Languages(), c.MailLanguage) {
		return nil, errors.New("mail_language: not a language of the pages")
	}
	send, err := p.newSender(c)
	if send == nil || err != nil {
		return nil, err
	}
	courier, err := mail.New(mail.Config{
		Mails: mails, Addresses: p.addresses(b), Send: send, Log: p.log, Now: time.Now,
		Write: func(m inbox.Mail) (mail.Message, error) {
			l, err := pages.Letter(m)
			return mail.Message{Lang: l.Lang, Subject: l.Subject, Text: l.Text, HTML: l.HTML, Unsubscribe: l.Unsubscribe}, err
		},
	})
	if err != nil {
		return nil, err
	}
	return courier.Work, nil
}

// newSender returns the way that mail goes; nil when there is none.
func (p *Process) newSender(c Config) (mail.Sender, error) {
	switch {
	case p.mailbox != nil:
		return p.mailbox, nil
	case c.SMTPHost == "":
		return nil, nil
	}
	return newSMTP(c)
}

func newSMTP(c Config) (*mail.SMTP, error) {
	trust, err := certs.ClientTLS(c.SMTPCAFile)
	if err != nil {
		return nil, fmt.Errorf("smtp_ca_file: %w", err)
	}
	sc := mail.SMTPConfig{Host: c.SMTPHost, Port: c.SMTPPort, User: c.SMTPUser, From: c.MailFrom, TLS: trust}
	if c.SMTPPassword != "" {
		if sc.Password, err = config.Secret(c.SMTPPassword); err != nil {
			return nil, fmt.Errorf("smtp_password_file: %w", err)
		}
	}
	return mail.NewSMTP(sc)
}
