package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	netmail "net/mail"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// SMTPConfig says which server takes the mail.
type SMTPConfig struct {
	Host string // required
	// Port 465 speaks TLS from the start, any other one STARTTLS; 587 when
	// zero. Nothing is ever sent without TLS.
	Port int
	// User and Password sign in; an empty user does not.
	User, Password string
	// From is the sender, with or without a name; required.
	From string
	// TLS says whom to trust; nil is the system's authorities.
	TLS *tls.Config
	// Timeout bounds one message; 20 seconds when zero.
	Timeout time.Duration
}

const (
	implicitTLS    = 465
	submission     = 587
	defaultTimeout = 20 * time.Second
)

// SMTP sends through a mail server. It is safe for concurrent use: each
// message has a connection of its own.
type SMTP struct{ c SMTPConfig }

// NewSMTP returns a Sender. It does no I/O.
func NewSMTP(c SMTPConfig) (*SMTP, error) {
	if c.Host == "" || c.From == "" {
		return nil, errors.New("mail: host and sender are required")
	}
	if _, err := netmail.ParseAddress(c.From); err != nil || !clean(c.From) {
		return nil, errors.New("mail: the sender is not an address")
	}
	if c.User == "" && c.Password != "" {
		return nil, errors.New("mail: a password without a user")
	}
	c.Port, c.Timeout = cmp.Or(c.Port, submission), cmp.Or(c.Timeout, defaultTimeout)
	s := &SMTP{c}
	_, err := s.client()
	return s, err
}

func (s *SMTP) client() (*gomail.Client, error) {
	trust := &tls.Config{}
	if s.c.TLS != nil {
		trust = s.c.TLS.Clone()
	}
	trust.ServerName, trust.MinVersion = s.c.Host, tls.VersionTLS12
	opts := []gomail.Option{
		gomail.WithPort(s.c.Port), gomail.WithTimeout(s.c.Timeout), gomail.WithTLSConfig(trust), gomail.WithTLSPolicy(gomail.TLSMandatory),
	}
	if s.c.Port == implicitTLS {
		opts = append(opts, gomail.WithSSL())
	}
	if s.c.User != "" {
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.c.User), gomail.WithPassword(s.c.Password))
	}
	c, err := gomail.NewClient(s.c.Host, opts...)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return c, nil
}

// Send implements Sender. Errors hold no address.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg, err := build(s.c.From, m)
	if err != nil {
		return err
	}
	c, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.Timeout)
	defer cancel()
	err = c.DialAndSendWithContext(ctx, msg)
	var failed *gomail.SendError
	if !errors.As(err, &failed) {
		if err != nil {
			return fmt.Errorf("mail: send: %w", err)
		}
		return nil
	}
	// The server's words may quote the address: only its code is passed on.
	if failed.Reason == gomail.ErrSMTPRcptTo && !failed.IsTemp() && failed.ErrorCode() >= 500 {
		return fmt.Errorf("%w: code %d", ErrRefused, failed.ErrorCode())
	}
	return fmt.Errorf("mail: send: %s, code %d", failed.Reason, failed.ErrorCode())
}
