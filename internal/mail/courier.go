package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
)

// Config is what New needs.
type Config struct {
	Mails     inbox.Mails     // required
	Addresses inbox.Addresses // required
	// Write puts a mail into words: everything of the message but ID, To and
	// At. Required.
	Write func(inbox.Mail) (Message, error)
	Send  Sender           // required
	Log   *slog.Logger     // required; one line per attempt
	Now   func() time.Time // time.Now when nil
}

// Courier sends mail. Safe for concurrent use.
type Courier struct{ c Config }

// New returns a Courier. It does no I/O.
func New(c Config) (*Courier, error) {
	if c.Mails == nil || c.Addresses == nil || c.Write == nil || c.Send == nil || c.Log == nil {
		return nil, errors.New("mail: Mails, Addresses, Write, Send and Log are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Courier{c}, nil
}

// Work is what a job for a mail does: one attempt. It returns after how long
// to call it again; 0 when the mail is sent or given up. An error is of the
// store, and means the same job again later. A mail that was sent by a process
// that died before it could write that down is sent again, with the same
// Message-ID.
func (c *Courier) Work(ctx context.Context, id inbox.MailID) (again time.Duration, err error) {
	m, err := c.c.Mails.Mail(ctx, id)
	if errors.Is(err, consent.ErrNotFound) {
		return 0, nil // settled before
	}
	if err != nil {
		return 0, fmt.Errorf("courier: %w", err)
	}
	state, attempts, cause := inbox.MailSent, m.Attempts+1, c.attempt(ctx, m)
	switch {
	case cause == nil:
	case errors.Is(cause, consent.ErrNotFound):
		state = inbox.MailDropped
	case errors.Is(cause, ErrRefused):
		state = inbox.MailDead
	default:
		if ctx.Err() != nil {
			return 0, fmt.Errorf("courier: %w", ctx.Err())
		}
		var more bool
		if again, more = inbox.RetryAfter(attempts, m.Since, c.c.Now()); more {
			state = inbox.MailPending
		} else {
			state = inbox.MailDead
		}
	}
	level, attrs := slog.LevelInfo, []slog.Attr{slog.String("mail", id.String()), slog.String("state", string(state)), slog.Int("attempt", attempts)}
	if cause != nil {
		attrs = append(attrs, slog.String("cause", cause.Error()))
	}
	if state == inbox.MailDead {
		level = slog.LevelWarn
	}
	c.c.Log.LogAttrs(ctx, level, "mail", attrs...)
	// What was sent is written down, also when the job is to end.
	if err := c.c.Mails.SettleMail(context.WithoutCancel(ctx), id, state, attempts); err != nil {
		return 0, fmt.Errorf("courier: %w", err)
	}
	return again, nil
}

func (c *Courier) attempt(ctx context.Context, m inbox.Mail) error {
	to, err := c.c.Addresses.Address(ctx, m.Consumer)
	if err != nil {
		return err
	}
	msg, err := c.c.Write(m)
	if err != nil {
		return err
	}
	msg.ID, msg.To, msg.At = m.ID.String(), to, c.c.Now()
	return c.c.Send.Send(ctx, msg)
}
