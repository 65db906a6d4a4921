package outbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/outbound"
)

const (
	// SignatureHeader carries the signature of a delivery.
	SignatureHeader = "Headgate-Signature"
	// SignatureType is the typ of that signature, so that nothing else that we
	// sign is taken for one.
	SignatureType = "fdx-notification+jws"

	defaultLanes = 2
	defaultAlg   = "ES256"

	// lease is for how long a claimed delivery is hidden from others: longer
	// than an attempt of five seconds takes, and no longer than needed, because
	// it is what a killed process leaves behind.
	lease = 8 * time.Second
	// patience is for how long one call of Work goes on; together with an
	// attempt that had just begun it fits into a drain.
	patience = 2 * time.Second
	// turnedAway is when to come back to a subscription whose lanes are full.
	turnedAway = time.Second
)

// Poster makes the call; outbound.Client is one.
type Poster interface {
	// Post delivers a body once; see outbound.Client.Post.
	Post(ctx context.Context, url, contentType string, body []byte, header http.Header) (outbound.Receipt, error)
}

// Signer signs with our published keys; certs.Rotator is one.
type Signer interface {
	// SignDetached returns a JWS over content without content; see
	// certs.Rotator.SignDetached.
	SignDetached(ctx context.Context, alg, typ string, header map[string]any, content []byte) (string, error)
}

// Config is what New needs.
type Config struct {
	Deliveries notice.Deliveries  // required
	Recipients consent.Recipients // required
	Post       Poster             // required; its timeout bounds an attempt and must stay well below 8 seconds
	Sign       Signer             // required
	Issuer     string             // iss of the signatures; required
	Publisher  fdx.Party          // the bank
	// Lanes bounds how many deliveries for one subscription this process has
	// on the way at a time, so that a slow recipient holds up nobody else; 2
	// when zero.
	Lanes int
	Log   *slog.Logger     // required; one line per attempt
	Now   func() time.Time // time.Now when nil
	// Jitter returns a number from 0 to 1; random when nil.
	Jitter func() float64
}

// Outbox delivers notifications. Safe for concurrent use.
type Outbox struct {
	cfg Config

	mu   sync.Mutex
	busy map[fdx.SubscriptionID]int // lanes in use; guarded by mu
}

// New returns an Outbox. It does no I/O.
func New(c Config) (*Outbox, error) {
	if c.Deliveries == nil || c.Recipients == nil || c.Post == nil || c.Sign == nil || c.Issuer == "" || c.Log == nil {
		return nil, errors.New("outbox: Deliveries, Recipients, Post, Sign, Issuer and Log are required")
	}
	if c.Lanes < 0 {
		return nil, errors.New("outbox: Lanes must not be negative")
	}
	c.Lanes = cmp.Or(c.Lanes, defaultLanes)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	return &Outbox{cfg: c, busy: map[fdx.SubscriptionID]int{}}, nil
}

// Work is what a job for a delivery does: it makes the attempts that are due
// for the delivery's subscription, in any lane that is free. It returns after
// how long to call it again for this delivery; 0 when that is over. An error
// is of the store, and means the same job again later. When ctx ends it makes
// no further attempt.
func (o *Outbox) Work(ctx context.Context, k notice.Key) (again time.Duration, err error) {
	start := o.cfg.Now()
	if o.enter(k.Subscription) {
		defer o.leave(k.Subscription)
		for {
			d, err := o.cfg.Deliveries.Claim(ctx, k.Subscription, o.cfg.Now(), lease)
			if errors.Is(err, notice.ErrNone) {
				break
			}
			if err != nil {
				return 0, fmt.Errorf("deliver: %w", err)
			}
			if err := o.attempt(ctx, d); err != nil {
				return 0, err
			}
			if o.cfg.Now().Sub(start) >= patience {
				break
			}
		}
	}
	at, err := o.cfg.Deliveries.DueAt(ctx, k)
	if errors.Is(err, notice.ErrNone) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	// What is due already waits for a lane.
	return max(at.Sub(o.cfg.Now()), turnedAway), nil
}

// enter takes a lane of a subscription, if one is free.
func (o *Outbox) enter(s fdx.SubscriptionID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy[s] >= o.cfg.Lanes {
		return false
	}
	o.busy[s]++
	return true
}

func (o *Outbox) leave(s fdx.SubscriptionID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy[s]--; o.busy[s] == 0 {
		delete(o.busy, s)
	}
}

// attempt delivers what was claimed, or decides not to, and writes down what
// became of it.
func (o *Outbox) attempt(ctx context.Context, d notice.Delivery) error {
	r, err := o.cfg.Recipients.Recipient(ctx, d.Subscription.Recipient)
	if err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	now := o.cfg.Now()
	wait := notice.Outcome{State: notice.Pending, Attempts: d.Attempts, Status: d.Status, NextAt: now.Add(held)}
	tried := d.Attempts > 0 || !r.Status.MayRead()
	switch {
	case r.Status == consent.RecipientClosed, tried && over(d.Since, now):
		wait.State = notice.Dead
		return o.settle(ctx, d, wait, nil)
	case !r.Status.MayRead(): // suspended, or not approved (any more)
		return o.settle(ctx, d, wait, nil)
	}
	receipt, cause := o.send(ctx, d, r)
	if cause != nil && ctx.Err() != nil {
		return fmt.Errorf("deliver: %w", ctx.Err()) // no fault of the other side: the lease runs out, and it is sent again
	}
	ctx = context.WithoutCancel(ctx) // what was answered is written down
	out := settle(d.Since, o.cfg.Now(), d.Attempts+1, receipt.Status, receipt.RetryAfter, o.cfg.Jitter())
	gone := receipt.Status == http.StatusGone
	if gone {
		out.State = notice.Dead
	}
	if err := o.settle(ctx, d, out, cause); err != nil || !gone {
		return err
	}
	// What was there does not want to be called any more (RFC 9110 section
	// 15.5.11). The recipient has its feed, and can subscribe again.
	err = o.cfg.Deliveries.Unsubscribe(ctx, d.Subscription.Recipient, d.Subscription.ID)
	if err != nil && !errors.Is(err, consent.ErrNotFound) {
		return fmt.Errorf("delete subscription: %w", err)
	}
	return nil
}

func (o *Outbox) settle(ctx context.Context, d notice.Delivery, out notice.Outcome, cause error) error {
	level, attrs := slog.LevelInfo, []slog.Attr{
		slog.String("subscription", string(d.Subscription.ID)), slog.String("notification", string(d.Notification.ID)),
		slog.String("recipient", string(d.Subscription.Recipient)), slog.String("state", string(out.State)),
		slog.Int("attempt", out.Attempts), slog.Int("status", out.Status),
	}
	if cause != nil {
		attrs = append(attrs, slog.String("cause", cause.Error()))
	}
	if out.State == notice.Dead {
		level = slog.LevelWarn
	}
	o.cfg.Log.LogAttrs(ctx, level, "notification", attrs...)
	if err := o.cfg.Deliveries.Settle(ctx, d.Key(), out); err != nil {
		return fmt.Errorf("settle delivery: %w", err)
	}
	return nil
}

// errElsewhere: the registration does not vouch for the callback's host any
// more.
var errElsewhere = errors.New("outbox: callback is not at a host of the registration")

// send makes one attempt.
func (o *Outbox) send(ctx context.Context, d notice.Delivery, r consent.Recipient) (outbound.Receipt, error) {
	if !notice.Callable(r, d.Subscription.CallbackURL) {
		return outbound.Receipt{}, errElsewhere
	}
	body, err := json.Marshal(d.Notification.FDX(o.cfg.Publisher, d.Subscription.Subscriber))
	if err != nil {
		return outbound.Receipt{}, fmt.Errorf("encode notification: %w", err)
	}
	alg := cmp.Or(r.Profile.IDTokenAlg, defaultAlg)
	signature, err := o.cfg.Sign.SignDetached(ctx, alg, SignatureType, map[string]any{
		"iss": o.cfg.Issuer, "aud": string(r.ID), "iat": o.cfg.Now().Unix(), "jti": string(d.Notification.ID),
	}, body)
	if err != nil {
		return outbound.Receipt{}, err
	}
	return o.cfg.Post.Post(ctx, d.Subscription.CallbackURL, "application/json", body, http.Header{
		http.CanonicalHeaderKey(SignatureHeader):         {signature},
		http.CanonicalHeaderKey("x-fapi-interaction-id"): {uuid.NewString()},
	})
}
