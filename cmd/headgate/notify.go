package main

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

type notifyCmd struct {
	Outage         outageCmd         `cmd:"" help:"Tell every recipient of a planned outage."`
	AccountRemoved accountRemovedCmd `cmd:"" help:"Tell the recipients that may read an account that it is gone; ends no consent."`
	Dead           deadCmd           `cmd:"" help:"List notifications that were given up."`
	Replay         replayCmd         `cmd:"" help:"Deliver notifications that were given up once more."`
}

type outageCmd struct {
	target
	From    time.Time `required:"" help:"When it begins, such as 2026-12-01T02:00:00Z."`
	To      time.Time `required:"" help:"When it ends."`
	Message string    `required:"" help:"A sentence for people, at most 200 characters."`
}

// Run tells every recipient that may read.
func (c outageCmd) Run(ctx context.Context) error {
	switch {
	case !c.From.Before(c.To):
		return errors.New("the outage must end after it begins")
	case !shortText(c.Message):
		return errors.New("the message must be 1 to 200 characters of text")
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	id := uuid.NewString()
	n, err := db.Notices().Outage(ctx, id, c.From, c.To, c.Message)
	if err != nil {
		return err
	}
	fmt.Printf("%d recipients are told of outage %s.\n", n, id)
	return nil
}

// shortText reports whether a text is short and printable.
func shortText(text string) bool {
	n := 0
	for _, r := range text {
		if n++; !unicode.IsPrint(r) {
			return false
		}
	}
	return n >= 1 && n <= 200 && utf8.ValidString(text)
}

type accountRemovedCmd struct {
	target
	Account string `required:"" help:"Id of the account, as recipients know it."`
}

// Run tells the holders of active grants that hold the account, once.
func (c accountRemovedCmd) Run(ctx context.Context) error {
	account, err := fdx.ParseAccountID(c.Account)
	if err != nil {
		return err
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	n, err := db.Notices().AccountRemoved(ctx, account)
	if err != nil {
		return err
	}
	fmt.Printf("The holders of %d consents are told.\n", n)
	return nil
}

// maxListed is how many dead letters are listed.
const maxListed = 1000

type deadCmd struct {
	target
	Recipient string `help:"Only those of this client."`
}

// Run lists dead letters, oldest first.
func (c deadCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	letters, err := db.Notices().DeadLetters(ctx, consent.RecipientID(c.Recipient), maxListed)
	if err != nil {
		return err
	}
	if len(letters) == 0 {
		fmt.Println("There are none.")
		return nil
	}
	for _, l := range letters {
		fmt.Printf("%s  %s  %s  since %s  %d attempts, last status %d, subscription %s\n",
			l.Notification, l.Recipient, l.Topic.Type, l.Since.Format(time.RFC3339), l.Attempts, l.Status, l.Subscription)
	}
	return nil
}

type replayCmd struct {
	target
	Notification string `arg:"" optional:"" help:"Id of the notification."`
	All          bool   `help:"All of one client; needs --recipient."`
	Recipient    string `help:"Only those of this client."`
}

// Run makes dead letters as new.
func (c replayCmd) Run(ctx context.Context) error {
	if (c.Notification == "") != c.All || c.All && c.Recipient == "" {
		return errors.New("name a notification, or --all and --recipient")
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	n, err := db.Notices().Replay(ctx, fdx.NotificationID(c.Notification), consent.RecipientID(c.Recipient))
	if err != nil {
		return err
	}
	fmt.Printf("%d deliveries begin again.\n", n)
	return nil
}
