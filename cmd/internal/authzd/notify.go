package authzd

import (
	"context"
	"time"

	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/consent/portal"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/outbox"
	"github.com/headgate/headgate/internal/postgres"
)

const (
	// attemptTimeout bounds one call of a recipient; with the time that a job
	// goes on for, it fits into a drain.
	attemptTimeout = 5 * time.Second
	// notifyConns are connections besides those that answer requests: carrying
	// notifications must not keep anybody waiting.
	notifyConns = 4
)

// carry wires what carries notifications to recipients and notices to people.
func (p *Process) carry(ctx context.Context, c Config, dsn string, b *bank.Bank, pages *portal.Portal, rules *policy.Book) error {
	db, err := postgres.Open(ctx, postgres.Config{DSN: dsn, MaxConns: notifyConns, Name: "authzd notify"})
	if err != nil {
		return err
	}
	p.closers = append(p.closers, db.Close)
	out, err := newOutbound(c, attemptTimeout)
	if err != nil {
		return err
	}
	box, err := outbox.New(outbox.Config{
		Deliveries: db.Notices(), Recipients: db.Recipients(), Post: out, Sign: p.keys, Issuer: c.Issuer,
		Publisher: fdx.Party{Name: c.BankName, Type: fdx.DataProvider, HomeURI: c.BankHomeURI},
		Log:       p.log, Now: time.Now,
	})
	if err != nil {
		return err
	}
	courier, err := p.newCourier(c, db.Inbox(), b, pages)
	if err != nil {
		return err
	}
	p.notify = func(ctx context.Context) error {
		return db.RunJobs(ctx, postgres.JobsConfig{Deliver: box.Work, Mail: courier, Rules: rules, Workers: c.NotifyWorkers, Grace: c.LameDuck, Log: p.log})
	}
	return nil
}
