package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/erasure"
)

type erasureCmd struct {
	Open   erasureOpenCmd   `cmd:"" help:"List what a client was asked to erase and has not answered."`
	Answer erasureAnswerCmd `cmd:"" help:"Write down what a client says that it did; the person sees it."`
}

type erasureOpenCmd struct {
	target
	Recipient string `required:"" help:"The client."`
}

// Run lists open requests, oldest first.
func (c erasureOpenCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	open, err := db.Erasures().Open(ctx, consent.RecipientID(c.Recipient), maxListed)
	if err != nil {
		return err
	}
	if len(open) == 0 {
		fmt.Println("There are none.")
		return nil
	}
	for _, r := range open {
		fmt.Printf("%s  asked %s  due %s\n", r.Grant, r.AskedAt.Format(time.RFC3339), r.AskedAt.Add(erasure.AnswerTime).Format(time.DateOnly))
	}
	return nil
}

type erasureAnswerCmd struct {
	target
	Recipient string `required:"" help:"The client that answers."`
	Grant     string `arg:"" help:"Id of the consent."`
	Answer    string `arg:"" enum:"done,partly,refused" help:"done, partly or refused."`
	Reason    string `help:"Why it has not erased all, in a sentence that the person reads, at most 200 characters."`
}

// Run keeps the first answer.
func (c erasureAnswerCmd) Run(ctx context.Context) error {
	answer := erasure.Answer(c.Answer)
	if (answer == erasure.Done) != (c.Reason == "") || c.Reason != "" && !shortText(c.Reason) {
		return errors.New("partly and refused need --reason, a sentence of at most 200 characters; done has none")
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	err = db.Erasures().Answer(ctx, consent.RecipientID(c.Recipient), consent.GrantID(c.Grant), answer, c.Reason)
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return errors.New("the client was not asked to erase anything of this consent")
	case errors.Is(err, consent.ErrConflict):
		return errors.New("the client has answered before; the first answer stands")
	case err != nil:
		return err
	}
	fmt.Println("The answer is kept, and shown to the person.")
	return nil
}
