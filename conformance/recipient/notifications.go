package recipient

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// SubscriptionsPath is where subscriptions to notifications are, below
// GatewayBase; NotificationsPath is the feed. Both take a token of our own for
// scope fdx:notifications:subscribe.
const (
	SubscriptionsPath = "/notification-subscriptions"
	NotificationsPath = "/notifications"
)

// SubscribeRequest subscribes to the notifications of an FDX type and
// category (FDX createNotificationSubscription).
func (c *Client) SubscribeRequest(token Token, kind, category, callback string) (*Request, error) {
	body, err := json.Marshal(map[string]any{
		"type": kind, "category": category, "callbackUrl": callback,
		"subscriber": map[string]string{"name": c.cfg.ClientID, "type": "DATA_RECIPIENT"},
	})
	if err != nil {
		return nil, err
	}
	r, err := c.withToken(http.MethodPost, c.cfg.GatewayBase+SubscriptionsPath, token)
	if err != nil {
		return nil, err
	}
	r.Body = body
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(interactionID, newUUID())
	return r, nil
}

// Notification is a notification that the server sent.
type Notification struct {
	ID       string `json:"notificationId"` // the same in every copy
	Type     string `json:"type"`
	Category string `json:"category"`
	Payload  struct {
		ID           string `json:"id"`
		IDType       string `json:"idType"`
		CustomFields struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"customFields"`
	} `json:"notificationPayload"`
	// SignedAt is when this copy was sent.
	SignedAt time.Time `json:"-"`
}

const (
	signatureHeader = "Headgate-Signature"
	signatureType   = "fdx-notification+jws"
	// maxNotificationAge is how old a copy may be when it arrives: each
	// attempt is signed anew.
	maxNotificationAge = 5 * time.Minute
)

// ReadNotification checks what came to a callback: a detached signature of
// the server over the bytes of the body (RFC 7515 appendix F), typ, iss, aud
// and iat of its header, and that jti is the id in the body. It returns ErrJWT.
func (c *Client) ReadNotification(ctx context.Context, header http.Header, body []byte) (Notification, error) {
	head, signature, detached := strings.Cut(header.Get(signatureHeader), "..")
	if !detached || len(header.Values(signatureHeader)) != 1 {
		return Notification{}, fmt.Errorf("%w: there is not one detached signature", ErrJWT)
	}
	jws, err := jose.ParseSignedCompact(head+"."+base64.RawURLEncoding.EncodeToString(body)+"."+signature, allowedAlgs)
	if err != nil {
		return Notification{}, fmt.Errorf("%w: it is not signed by PS256, ES256 or EdDSA", ErrJWT)
	}
	protected := jws.Signatures[0].Protected
	keys, err := c.serverKeys(ctx, protected.KeyID, protected.Algorithm)
	if err != nil {
		return Notification{}, err
	}
	good := false
	for _, key := range keys {
		if _, err := jws.Verify(key); err == nil {
			good = true
		}
	}
	text, err := base64.RawURLEncoding.DecodeString(head)
	var said claims
	if !good || err != nil || json.Unmarshal(text, &said) != nil {
		return Notification{}, fmt.Errorf("%w: no key of the server has signed it", ErrJWT)
	}
	var n Notification
	if err := json.Unmarshal(body, &n); err != nil {
		return Notification{}, fmt.Errorf("%w: its body is no notification", ErrJWT)
	}
	now, issued := c.cfg.Now(), false
	n.SignedAt, issued = said.time("iat")
	switch {
	case said.text("typ") != signatureType:
		return Notification{}, fmt.Errorf("%w: its typ is not %s", ErrJWT, signatureType)
	case said.text("iss") != c.cfg.Issuer:
		return Notification{}, fmt.Errorf("%w: iss is not the server", ErrJWT)
	case said.text("aud") != c.cfg.ClientID:
		return Notification{}, fmt.Errorf("%w: aud is not us", ErrJWT)
	case !issued || n.SignedAt.After(now.Add(maxSkew)) || n.SignedAt.Before(now.Add(-maxNotificationAge)):
		return Notification{}, fmt.Errorf("%w: iat is not now", ErrJWT)
	case n.ID == "" || said.text("jti") != n.ID:
		return Notification{}, fmt.Errorf("%w: jti is not the notification's id", ErrJWT)
	}
	return n, nil
}
