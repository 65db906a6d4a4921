package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/consent"
)

type recipientBenefitCmd struct {
	Show     benefitShowCmd     `cmd:"" help:"Show what a client says that people get, and whether they see it."`
	Approve  benefitApproveCmd  `cmd:"" help:"Let people see these words, as the client's own, while it registers no others."`
	Withdraw benefitWithdrawCmd `cmd:"" help:"Take the approval back."`
}

// benefitInWords says what the outcomes mean to an operator.
func benefitInWords(err error) error {
	if errors.Is(err, consent.ErrConflict) {
		return errors.New("nothing was changed: the client registers no benefit, or other words by now")
	}
	return inWords(err)
}

type benefitShowCmd struct{ one }

// Run shows the words.
func (c benefitShowCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	b, err := db.Registrations().Benefit(ctx, consent.RecipientID(c.ID))
	if err != nil {
		return inWords(err)
	}
	switch {
	case b.Words == "":
		fmt.Println("The client says nothing.")
	case b.Approved:
		fmt.Println("approved:", b.Words)
	default:
		fmt.Println("not approved, shown to nobody:", b.Words)
	}
	return nil
}

type benefitApproveCmd struct {
	one
	Yes bool `help:"Approve without asking."`
}

// Run approves the words that it shows: when the client registers others in
// between, nothing happens.
func (c benefitApproveCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	b, err := db.Registrations().Benefit(ctx, consent.RecipientID(c.ID))
	switch {
	case err != nil:
		return inWords(err)
	case b.Words == "":
		return errors.New("the client says nothing that could be approved")
	}
	if err := confirmed(c.Yes, "People will read, as the client's words: "+b.Words+"\n"); err != nil {
		return err
	}
	if err := db.Registrations().ApproveBenefit(ctx, consent.RecipientID(c.ID), b.Words); err != nil {
		return benefitInWords(err)
	}
	fmt.Println("approved:", b.Words)
	return nil
}

type benefitWithdrawCmd struct{ one }

// Run takes an approval back, from the next page on.
func (c benefitWithdrawCmd) Run(ctx context.Context) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Registrations().WithdrawBenefit(ctx, consent.RecipientID(c.ID)); err != nil {
		return benefitInWords(err)
	}
	fmt.Println("The approval is withdrawn.")
	return nil
}
