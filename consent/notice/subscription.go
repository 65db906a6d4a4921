package notice

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// MaxSubscriptions is how many subscriptions a recipient may have at a time.
const MaxSubscriptions = 20

// ErrTooMany: the recipient has MaxSubscriptions already.
var ErrTooMany = errors.New("notice: too many subscriptions")

// Subscription is a recipient's wish to be called about a topic.
type Subscription struct {
	ID            fdx.SubscriptionID
	Recipient     consent.RecipientID
	Topic         Topic
	CallbackURL   string // https, at a host of the registration (see Callable)
	Subscriber    fdx.Party
	EffectiveDate fdx.Date  // the first day, in UTC
	CreatedAt     time.Time // UTC
}

// Callable reports whether a recipient may be called at a URL: it must be
// https and have exactly the host name of one of the registered redirect URIs
// or of the registered home page. The port may differ. So nobody can have
// notices sent to a host that the registration does not vouch for.
func Callable(r consent.Recipient, callback string) bool {
	host := hostOf(callback)
	return host != "" && slices.ContainsFunc(append(slices.Clone(r.RedirectURIs), r.HomeURI), func(registered string) bool {
		return hostOf(registered) == host
	})
}

// hostOf returns the host name of an https URL in lower case, "" for any other.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// Subscriptions keeps subscriptions and the feeds of recipients.
// Implementations are safe for concurrent use; each method is one transaction.
type Subscriptions interface {
	// Subscribe stores a subscription; only what happens later is told.
	// ErrTooMany when the recipient has MaxSubscriptions, also under races.
	Subscribe(ctx context.Context, s Subscription) error

	// Subscription returns a recipient's subscription. One that is unknown,
	// deleted or another recipient's is consent.ErrNotFound.
	Subscription(ctx context.Context, who consent.RecipientID, id fdx.SubscriptionID) (Subscription, error)

	// Unsubscribe deletes a recipient's subscription: no delivery for it
	// begins any more, and those that were pending are dead.
	// consent.ErrNotFound as for Subscription.
	Unsubscribe(ctx context.Context, who consent.RecipientID, id fdx.SubscriptionID) error

	// Feed returns what a recipient was told after the notification with that
	// id, from the beginning for "", in order of Sequence, at most limit;
	// nil when there is none. Subscriptions and deliveries do not matter. It
	// lags by some seconds, so that a reader who goes on from the last one
	// misses none that is committed later. An id that is not (or no longer)
	// in the recipient's feed is consent.ErrNotFound.
	Feed(ctx context.Context, who consent.RecipientID, after fdx.NotificationID, limit int) ([]Notification, error)
}
