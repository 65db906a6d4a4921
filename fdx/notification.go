package fdx

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Notification tells a subscriber that something happened. It holds no data
// of a customer, only the id by which to fetch it. Delivery is at least once;
// NotificationID tells copies apart.
type Notification struct {
	NotificationID NotificationID       `json:"notificationId"`
	Type           NotificationType     `json:"type"`
	SentOn         Timestamp            `json:"sentOn"`
	Category       NotificationCategory `json:"category"`
	Severity       NotificationSeverity `json:"severity,omitzero"`
	Priority       NotificationPriority `json:"priority,omitzero"`
	Publisher      Party                `json:"publisher"`
	Subscriber     Party                `json:"subscriber,omitzero"`
	Payload        NotificationPayload  `json:"notificationPayload"`
	// URL is where to fetch what the notification is about.
	URL HateoasLink `json:"url,omitzero"`
}

// NotificationPayload names what a notification is about.
type NotificationPayload struct {
	ID     string                    `json:"id,omitzero"`
	IDType NotificationPayloadIDType `json:"idType,omitzero"`
	// CustomField is a single one, although the name of the member is a
	// plural. A consent event has INITIATOR with the type of the party.
	CustomField CustomField `json:"customFields,omitzero"`
}

// CustomField is a name and a value (FDX FiAttribute).
type CustomField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// InitiatorField is the name of the custom field of consent events.
const InitiatorField = "INITIATOR"

// NotificationPayloadIDType is what the id of a payload identifies.
type NotificationPayloadIDType string

// The kinds of ids in payloads.
const (
	AccountPayload     NotificationPayloadIDType = "ACCOUNT"
	ConsentPayload     NotificationPayloadIDType = "CONSENT"
	CustomerPayload    NotificationPayloadIDType = "CUSTOMER"
	MaintenancePayload NotificationPayloadIDType = "MAINTENANCE"
	PartyPayload       NotificationPayloadIDType = "PARTY"
)

// NotificationType is what happened: the event types of FDX.
type NotificationType string

// The event types.
const (
	BalanceEvent        NotificationType = "BALANCE"
	ConsentRevokedEvent NotificationType = "CONSENT_REVOKED"
	ConsentUpdatedEvent NotificationType = "CONSENT_UPDATED"
	CustomEvent         NotificationType = "CUSTOM"
	PlannedOutageEvent  NotificationType = "PLANNED_OUTAGE"
	RiskEvent           NotificationType = "RISK"
	ServiceEvent        NotificationType = "SERVICE"
)

func (t NotificationType) known() bool {
	return slices.Contains([]NotificationType{
		BalanceEvent, ConsentRevokedEvent, ConsentUpdatedEvent, CustomEvent, PlannedOutageEvent, RiskEvent, ServiceEvent,
	}, t)
}

// NotificationCategory groups event types.
type NotificationCategory string

// The categories of notifications.
const (
	ConsentNotification     NotificationCategory = "CONSENT"
	FraudNotification       NotificationCategory = "FRAUD"
	MaintenanceNotification NotificationCategory = "MAINTENANCE"
	NewDataNotification     NotificationCategory = "NEW_DATA"
	SecurityNotification    NotificationCategory = "SECURITY"
)

func (c NotificationCategory) known() bool {
	return slices.Contains([]NotificationCategory{
		ConsentNotification, FraudNotification, MaintenanceNotification, NewDataNotification, SecurityNotification,
	}, c)
}

// NotificationSeverity is how bad it is, as in RFC 5424 section 6.2.1.
type NotificationSeverity string

// The severities, worst first.
const (
	SeverityEmergency NotificationSeverity = "EMERGENCY"
	SeverityAlert     NotificationSeverity = "ALERT"
	SeverityWarning   NotificationSeverity = "WARNING"
	SeverityNotice    NotificationSeverity = "NOTICE"
	SeverityInfo      NotificationSeverity = "INFO"
)

// NotificationPriority is how soon to look at a notification.
type NotificationPriority string

// The priorities.
const (
	PriorityHigh   NotificationPriority = "HIGH"
	PriorityMedium NotificationPriority = "MEDIUM"
	PriorityLow    NotificationPriority = "LOW"
)

// NotificationsAnswer is the answer to getNotifications.
type NotificationsAnswer struct {
	Page  PageMetadata `json:"page,omitzero"`
	Links Links        `json:"links,omitzero"`
	// Notifications may be empty, which is [] in the JSON and never null.
	Notifications []Notification `json:"notifications"`
}

// MarshalJSON writes no list as [].
func (a NotificationsAnswer) MarshalJSON() ([]byte, error) {
	type plain NotificationsAnswer
	a.Notifications = listed(a.Notifications)
	return json.Marshal(plain(a))
}

// NotificationSubscription asks for the notifications of one type.
type NotificationSubscription struct {
	// SubscriptionID is the provider's: none in a request, always given in
	// an answer.
	SubscriptionID SubscriptionID       `json:"subscriptionId,omitzero"`
	Type           NotificationType     `json:"type"`
	Category       NotificationCategory `json:"category"`
	// CallbackURL is an absolute https URL.
	CallbackURL string `json:"callbackUrl"`
	Subscriber  Party  `json:"subscriber"`
	// EffectiveDate is the first day, none for today.
	EffectiveDate Date `json:"effectiveDate,omitzero"`
}

// MaxURLLength bounds a URL in a request, in bytes.
const MaxURLLength = 2048

// ParseNotificationSubscription reads the body of
// createNotificationSubscription: a known type and category, a callback URL
// that is absolute, https, without user, password and fragment and of at most
// MaxURLLength bytes, and a subscriber with a name and a known type. Anything
// else, a subscription id, or a body of more than MaxBodyLength bytes is
// ErrInvalidInput. Members that FDX does not know are ignored. Whether the
// caller may have notifications there is not for this function to say.
func ParseNotificationSubscription(body []byte) (NotificationSubscription, *Error) {
	var s NotificationSubscription
	if err := parseBody(body, &s); err != nil {
		return NotificationSubscription{}, err
	}
	var wrong string
	switch {
	case s.SubscriptionID != "":
		wrong = "subscriptionId is for the provider to give"
	case !s.Type.known():
		wrong = "type is missing or unknown"
	case !s.Category.known():
		wrong = "category is missing or unknown"
	case !callback(s.CallbackURL):
		wrong = "callbackUrl is not an absolute https URL without user and fragment"
	case s.Subscriber.Name == "" || len(s.Subscriber.Name) > MaxIDLength:
		wrong = "subscriber has no name or a long one"
	case !s.Subscriber.Type.known():
		wrong = "type of subscriber is missing or unknown"
	case s.Subscriber.Registry != "" && !s.Subscriber.Registry.known():
		wrong = "registry of subscriber is unknown"
	}
	if wrong != "" {
		return NotificationSubscription{}, ErrInvalidInput.WithDebug(wrong)
	}
	return s, nil
}

func callback(text string) bool {
	u, err := url.Parse(text)
	return err == nil && len(text) <= MaxURLLength && u.Scheme == "https" && u.Hostname() != "" &&
		u.User == nil && !strings.Contains(text, "#")
}

// NotificationsQuery holds the parameters of getNotifications.
type NotificationsQuery struct {
	// DataRecipientID restricts the poll to one recipient behind an access
	// platform, "" to the caller itself.
	DataRecipientID string
	PageQuery
}

// ParseNotificationsQuery reads the parameters of getNotifications. Unknown
// parameters are ignored; a known one that is repeated, empty or malformed is
// ErrInvalidInput. dataRecipientId has at most MaxIDLength characters; the
// other limits are those of ParsePageQuery.
func ParseNotificationsQuery(v Query) (NotificationsQuery, *Error) {
	var q NotificationsQuery
	recipient, given, err := single(v, "dataRecipientId")
	if err != nil {
		return NotificationsQuery{}, err
	}
	if given {
		id, err := parseID[string](recipient)
		if err != nil {
			return NotificationsQuery{}, ErrInvalidInput.WithDebug("dataRecipientId is malformed")
		}
		q.DataRecipientID = id
	}
	if q.PageQuery, err = ParsePageQuery(v); err != nil {
		return NotificationsQuery{}, err
	}
	return q, nil
}
