package upstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource"
)

// Alarm says that the bank answered with what it must not. It holds nothing of
// the answer.
type Alarm struct {
	Operation fdx.OperationID
	Kind      Kind
	// RequestID is that of the recipient's request, as web.RequestID has it;
	// all zero when there is none.
	RequestID [16]byte
}

// Kind is what was wrong with an answer.
type Kind string

// The kinds of alarms.
const (
	// Foreign: data of an account, customer or program that was not asked
	// for. Somebody should look at once.
	Foreign Kind = "foreign"
	// Outside: days that were not asked for.
	Outside Kind = "outside"
	// Disorder: records that are repeated, or not in the order that pages
	// have to be in.
	Disorder Kind = "disorder"
	// Unpaged: more records than were asked for, or a next page that cannot
	// be.
	Unpaged Kind = "unpaged"
	// Unreadable: not what this operation answers: another content type, a
	// redirect, too large, no JSON, a member missing, repeated or malformed.
	Unreadable Kind = "unreadable"
)

// wrongAnswer is resource.ErrWrongAnswer with its kind.
type wrongAnswer struct {
	kind Kind
	what string // fixed text, and names of members
}

func (w *wrongAnswer) Error() string { return fmt.Sprintf("upstream: %s answer: %s", w.kind, w.what) }
func (w *wrongAnswer) Unwrap() error { return resource.ErrWrongAnswer }

// wrong is an answer that cannot be read. what is fixed text.
func wrong(what string) error { return &wrongAnswer{Unreadable, what} }

// tell raises the alarm that an error calls for, and returns the error.
func (p *Provider) tell(ctx context.Context, op fdx.OperationID, err error) error {
	if w, ok := asWrong(err); ok {
		p.alarm(Alarm{Operation: op, Kind: w.kind, RequestID: web.RequestID(ctx)})
	}
	return err
}

func asWrong(err error) (*wrongAnswer, bool) { return errors.AsType[*wrongAnswer](err) }
