package recipient_test

import (
	"context"
	"fmt"
	"log"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
)

// The whole flow, against the stack that `headgate dev` has started.
func Example() {
	ctx := context.Background()
	stack, err := recipient.ReadStack(".headgate/dev.json")
	check(err)
	config, err := stack.Recipient(0)
	check(err)
	client, err := recipient.Connect(ctx, config)
	check(err)

	// Say what we want, to the server directly.
	attempt, err := recipient.Ask(recipient.ConsentRequest{
		DurationType:   recipient.TimeBound,
		DurationPeriod: 90,
		LookbackPeriod: 60,
		Resources: []recipient.Resource{{
			ResourceType: "ACCOUNT",
			DataClusters: []string{"ACCOUNT_BASIC", "TRANSACTIONS"},
		}},
	})
	check(err)
	pushed, err := client.Push(ctx, attempt)
	check(err)

	// Send the consumer to the bank. Here a program plays the consumer.
	tls, err := stack.TLS()
	check(err)
	person, err := browser.New(browser.Config{Home: []string{stack.Issuer, stack.PortalURL}, TLS: tls, Codes: browser.Mailbox(stack.MailboxURL, tls)})
	check(err)
	ada := stack.Personas[0]
	back, err := browser.ApproveAll(ctx, person, client.AuthorizationURL(pushed.RequestURI), ada.Username, ada.Password)
	check(err)

	// Trade what came back for a token, and read.
	code, err := client.ReadRedirect(back, attempt)
	check(err)
	token, err := client.Redeem(ctx, attempt, code)
	check(err)
	answer, err := client.Accounts(ctx, token, nil)
	check(err)
	fmt.Println(answer.Status, len(answer.Body), "bytes of accounts")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
