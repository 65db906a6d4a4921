package mail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/login"
)

// codeTimeout bounds how long a page waits for the mail server.
const codeTimeout = 8 * time.Second

// CodesConfig is what NewCodes needs.
type CodesConfig struct {
	Addresses inbox.Addresses // required
	// Write puts a code into words: everything of the message but ID, To and
	// At. Required.
	Write func(login.Message) (Message, error)
	Send  Sender           // required
	Now   func() time.Time // time.Now when nil
}

// Codes brings one-time codes to people by mail. A code is not kept for another
// attempt, as notices are: nobody waits that long, and so nothing of it has to
// be stored. Safe for concurrent use.
type Codes struct{ c CodesConfig }

var _ login.Sender = (*Codes)(nil)

// NewCodes returns Codes. It does no I/O.
func NewCodes(c CodesConfig) (*Codes, error) {
	if c.Addresses == nil || c.Write == nil || c.Send == nil {
		return nil, errors.New("mail: codes need Addresses, Write and Send")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Codes{c}, nil
}

// Send implements login.Sender: one attempt of at most 8 seconds. It returns
// consent.ErrNotFound for a person without an address, and ErrRefused for an
// address that takes no mail.
func (c *Codes) Send(ctx context.Context, m login.Message) error {
	ctx, cancel := context.WithTimeout(ctx, codeTimeout)
	defer cancel()
	to, err := c.c.Addresses.Address(ctx, m.Consumer)
	if err != nil {
		return fmt.Errorf("address for a code: %w", err)
	}
	msg, err := c.c.Write(m)
	if err != nil {
		return fmt.Errorf("write a code: %w", err)
	}
	msg.ID, msg.To, msg.At = uuid.NewString(), to, c.c.Now()
	return c.c.Send.Send(ctx, msg)
}
