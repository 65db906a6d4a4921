package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/token"
)

// noticeEndpoints returns the rows of the notification endpoints.
// publishNotification is missing on purpose: recipients have nothing to tell.
func noticeEndpoints() []endpoint {
	subscription := func(status int, about string) openapi.Answer {
		return openapi.Answer{Status: status, About: about, Type: reflect.TypeFor[fdx.NotificationSubscription]()}
	}
	created := subscription(http.StatusCreated, "The subscription, with its id.")
	created.Headers = map[string]string{"Location": "The address of the subscription."}
	return []endpoint{
		{
			id: fdx.CreateNotificationSubscription, method: http.MethodPost, path: "/notification-subscriptions",
			about: "Subscribes to the notifications of one type and category. callbackUrl is at the host of a registered redirect URI or of the registered home page; subscriptionId is not for the caller to give.",
			scope: token.ScopeNotifications, body: reflect.TypeFor[fdx.NotificationSubscription](),
			given:  created,
			within: shortly, serve: createSubscription,
		},
		{
			id: fdx.GetNotificationSubscription, method: http.MethodGet, path: "/notification-subscriptions/:subscriptionId",
			about: "Returns a subscription of the caller.",
			scope: token.ScopeNotifications,
			given: subscription(http.StatusOK, "The subscription."), more: unknown, within: shortly, serve: getSubscription,
		},
		{
			id: fdx.DeleteNotificationSubscription, method: http.MethodDelete, path: "/notification-subscriptions/:subscriptionId",
			about: "Ends a subscription of the caller. Once it has answered, no delivery begins; pending ones are given up.",
			scope: token.ScopeNotifications,
			given: openapi.Answer{Status: http.StatusNoContent, About: "The subscription is gone."}, more: unknown,
			within: shortly, serve: deleteSubscription,
		},
		{
			id: fdx.GetNotifications, method: http.MethodGet, path: "/notifications",
			about: "Lists what the caller was told in the last 30 days, oldest first, whether it was delivered or not and subscribed to or not.",
			scope: token.ScopeNotifications, query: notificationsParameters,
			given: given[fdx.NotificationsAnswer]("A page of the feed, which may hold nothing."), within: shortly, serve: getNotifications,
		},
	}
}

// createSubscription answers createNotificationSubscription: calls at an
// address that the registration vouches for, about what is told at all.
func createSubscription(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal) {
	asked, invalid := fdx.ParseNotificationSubscription(c.body)
	if invalid != nil {
		return answer{}, fdxhttp.Denied(invalid)
	}
	s := notice.Subscription{
		ID: fdx.SubscriptionID(uuid.NewString()), Recipient: c.who, Topic: notice.Topic{Type: asked.Type, Category: asked.Category},
		CallbackURL: asked.CallbackURL, Subscriber: asked.Subscriber, EffectiveDate: asked.EffectiveDate,
	}
	if !s.Topic.Told() {
		return answer{}, fdxhttp.Malformed("there are no notifications of this type and category")
	}
	if s.EffectiveDate.IsZero() {
		s.EffectiveDate = fdx.DateOf(a.now())
	}
	r, err := a.notices.Recipients.Recipient(ctx, c.who)
	if err != nil {
		return answer{}, noticeFailed(err)
	}
	if !notice.Callable(r, s.CallbackURL) {
		return answer{}, fdxhttp.Malformed("callbackUrl must be at the host of a registered redirect URI or of the registered home page")
	}
	if err := a.notices.Subscriptions.Subscribe(ctx, s); err != nil {
		return answer{}, noticeFailed(err)
	}
	return answer{http.StatusCreated, subscriptionEntity(s), "/notification-subscriptions/" + string(s.ID)}, nil
}

// getSubscription answers getNotificationSubscription.
func getSubscription(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal) {
	if !isUUID(c.id) { // stores need not see anything else
		return answer{}, noticeFailed(consent.ErrNotFound)
	}
	s, err := a.notices.Subscriptions.Subscription(ctx, c.who, fdx.SubscriptionID(c.id))
	if err != nil {
		return answer{}, noticeFailed(err)
	}
	return answer{status: http.StatusOK, body: subscriptionEntity(s)}, nil
}

// deleteSubscription answers deleteNotificationSubscription: no delivery
// begins once it has answered.
func deleteSubscription(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal) {
	if !isUUID(c.id) {
		return answer{}, noticeFailed(consent.ErrNotFound)
	}
	if err := a.notices.Subscriptions.Unsubscribe(ctx, c.who, fdx.SubscriptionID(c.id)); err != nil {
		return answer{}, noticeFailed(err)
	}
	return answer{status: http.StatusNoContent}, nil
}

// getNotifications answers getNotifications: all that the caller was told,
// oldest first, whether it was delivered or not and subscribed to or not. The
// id of any notification is the pageKey of what comes after it, so that a
// client that polls goes on from the last one that it has.
func getNotifications(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal) {
	q, invalid := fdx.ParseNotificationsQuery(c.query)
	switch {
	case invalid != nil:
		return answer{}, fdxhttp.Denied(invalid)
	case q.DataRecipientID != "" && q.DataRecipientID != string(c.who):
		return answer{}, fdxhttp.Malformed("dataRecipientId must be your own client id")
	case q.PageKey != "" && !isUUID(q.PageKey):
		return answer{}, noFeedKey()
	}
	feed, err := a.notices.Subscriptions.Feed(ctx, c.who, fdx.NotificationID(q.PageKey), q.Limit+1) // one more tells whether there is more
	if errors.Is(err, consent.ErrNotFound) {
		return answer{}, noFeedKey()
	}
	if err != nil {
		return answer{}, noticeFailed(err)
	}
	var out fdx.NotificationsAnswer
	if len(feed) > q.Limit {
		feed = feed[:q.Limit]
		out.Page.NextPageKey = string(feed[q.Limit-1].ID)
		next := url.Values{"pageKey": {out.Page.NextPageKey}}
		for _, name := range []string{"dataRecipientId", "limit"} {
			if value, given := c.query.Get(name); given {
				next.Set(name, value)
			}
		}
		out.Links.Next.Href = a.public + c.path + "?" + next.Encode()
	}
	for _, n := range feed {
		out.Notifications = append(out.Notifications, n.FDX(a.notices.Publisher, fdx.Party{}))
	}
	return answer{status: http.StatusOK, body: out}, nil
}

// tooManyWait is when to come back with one subscription too many: not before
// somebody had the time to delete one.
const tooManyWait = time.Minute

func isUUID(id string) bool { return len(id) == 36 && uuid.Validate(id) == nil }

// noFeedKey is the answer to a pageKey that was never given out to the caller,
// or so long ago that what it names is gone.
func noFeedKey() *fdxhttp.Refusal {
	return fdxhttp.Malformed("pageKey is not the id of a notification in your feed; start again without it")
}

func subscriptionEntity(s notice.Subscription) fdx.NotificationSubscription {
	return fdx.NotificationSubscription{
		SubscriptionID: s.ID, Type: s.Topic.Type, Category: s.Topic.Category,
		CallbackURL: s.CallbackURL, Subscriber: s.Subscriber, EffectiveDate: s.EffectiveDate,
	}
}

// noticeFailed words what a store says. A subscription that is unknown and one
// that is somebody else's are the same.
func noticeFailed(err error) *fdxhttp.Refusal {
	switch {
	case errors.Is(err, consent.ErrNotFound):
		return fdxhttp.Denied(fdx.ErrDataNotFound.WithDebug("you have no such subscription"))
	case errors.Is(err, notice.ErrTooMany):
		refused := fdxhttp.Denied(fdx.ErrTooManyRequests.WithDebug("you have 20 subscriptions, which is the most; delete one first"))
		refused.Wait = tooManyWait
		return refused
	}
	return failed(err)
}
