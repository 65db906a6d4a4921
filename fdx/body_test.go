package fdx_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func TestParseConsentRevocationRequest(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		claim string
		body  string
		ok    bool
	}{
		{"both members are taken", `{"reason":"USER_ACTION","initiator":"INDIVIDUAL"}`, true},
		{"every kind of initiator is taken", `{"reason":"USER_ACTION","initiator":"DATA_ACCESS_PLATFORM"}`, true},
		{"order and spaces do not matter", " {\n\"initiator\":\"INDIVIDUAL\", \"reason\":\"USER_ACTION\"}\n", true},
		{"unknown members are ignored", `{"reason":"USER_ACTION","initiator":"INDIVIDUAL","why":[{"a":1},{"a":2}]}`, true},
		{"nothing is refused", ``, false},
		{"an empty object is refused", `{}`, false},
		{"no initiator is refused", `{"reason":"USER_ACTION"}`, false},
		{"no reason is refused", `{"initiator":"INDIVIDUAL"}`, false},
		{"an unknown reason is refused", `{"reason":"WHIM","initiator":"INDIVIDUAL"}`, false},
		{"a reason in lower case is refused", `{"reason":"user_action","initiator":"INDIVIDUAL"}`, false},
		{"an unknown initiator is refused", `{"reason":"USER_ACTION","initiator":"CAT"}`, false},
		{"a null reason is refused", `{"reason":null,"initiator":"INDIVIDUAL"}`, false},
		{"a number as reason is refused", `{"reason":4111111111111111,"initiator":"INDIVIDUAL"}`, false},
		{"a repeated member is refused", `{"reason":"USER_ACTION","reason":"USER_ACTION","initiator":"INDIVIDUAL"}`, false},
		{"a member repeated in another case is refused", `{"reason":"USER_ACTION","Reason":"BUSINESS_RULE","initiator":"INDIVIDUAL"}`, false},
		{"a member repeated with a long s is refused", `{"reason":"USER_ACTION","reaſon":"BUSINESS_RULE","initiator":"INDIVIDUAL"}`, false},
		{"a member repeated deep inside is refused", `{"reason":"USER_ACTION","initiator":"INDIVIDUAL","x":[{"y":{"a":1,"a":2}}]}`, false},
		{"an escaped repetition is refused", `{"reason":"USER_ACTION","\u0072eason":"BUSINESS_RULE","initiator":"INDIVIDUAL"}`, false},
		{"a list is refused", `[{"reason":"USER_ACTION","initiator":"INDIVIDUAL"}]`, false},
		{"null is refused", `null`, false},
		{"text is refused", `"USER_ACTION"`, false},
		{"two objects are refused", `{"reason":"USER_ACTION","initiator":"INDIVIDUAL"}{}`, false},
		{"a truncated object is refused", `{"reason":"USER_ACTION","initiator":"INDIVIDUAL"`, false},
		{"the longest body is taken", `{"reason":"USER_ACTION","initiator":"INDIVIDUAL"}` + strings.Repeat(" ", fdx.MaxBodyLength-49), true},
		{"a longer body is refused", `{"reason":"USER_ACTION","initiator":"INDIVIDUAL"}` + strings.Repeat(" ", fdx.MaxBodyLength-48), false},
		{"deep nesting is refused", `{"x":` + strings.Repeat("[", fdx.MaxBodyLength-10), false},
	} {
		t.Run(row.claim, func(t *testing.T) {
			t.Parallel()
			got, err := fdx.ParseConsentRevocationRequest([]byte(row.body))
			if row.ok {
				if err != nil || got.Reason != fdx.UserAction || got.Initiator == "" {
					t.Fatalf("got %v, %v", got, err)
				}
				return
			}
			if !errors.Is(err, fdx.ErrInvalidInput) || got != (fdx.ConsentRevocationRequest{}) {
				t.Fatalf("got %v, %v, want ErrInvalidInput", got, err)
			}
			if strings.Contains(err.Error(), "4111") {
				t.Errorf("the error repeats the body: %v", err)
			}
		})
	}
}

func TestParseNotificationSubscription(t *testing.T) {
	t.Parallel()
	const whole = `{"type":"CONSENT_REVOKED","category":"CONSENT","callbackUrl":"https://app.example/events","subscriber":{"name":"App","type":"DATA_RECIPIENT"}}`
	with := func(old, replacement string) string { return strings.Replace(whole, old, replacement, 1) }
	for _, row := range []struct {
		claim string
		body  string
		ok    bool
	}{
		{"the required members are enough", whole, true},
		{"a day to begin is taken", with(`{"type"`, `{"effectiveDate":"2024-05-14","type"`), true},
		{"a registry is taken", with(`"name":"App"`, `"name":"App","registry":"GLEIF"`), true},
		{"a port and a query are taken", with(`/events`, `:8443/events?a=b`), true},
		{"an empty object is refused", `{}`, false},
		{"no type is refused", with(`"type":"CONSENT_REVOKED",`, ``), false},
		{"an unknown type is refused", with(`CONSENT_REVOKED`, `WEATHER`), false},
		{"no category is refused", with(`"category":"CONSENT",`, ``), false},
		{"an unknown category is refused", with(`"CONSENT"`, `"WEATHER"`), false},
		{"no subscriber is refused", with(`,"subscriber":{"name":"App","type":"DATA_RECIPIENT"}`, ``), false},
		{"a subscriber without a name is refused", with(`"name":"App",`, ``), false},
		{"a subscriber with a long name is refused", with(`"App"`, `"`+strings.Repeat("a", 257)+`"`), false},
		{"a subscriber without a type is refused", with(`,"type":"DATA_RECIPIENT"`, ``), false},
		{"a subscriber of an unknown type is refused", with(`DATA_RECIPIENT`, `CAT`), false},
		{"an unknown registry is refused", with(`"name":"App"`, `"name":"App","registry":"PHONEBOOK"`), false},
		{"a subscription id is refused", with(`{"type"`, `{"subscriptionId":"s-1","type"`), false},
		{"a malformed day is refused", with(`{"type"`, `{"effectiveDate":"soon","type"`), false},
		{"no callback is refused", with(`https://app.example/events`, ``), false},
		{"plain http is refused", with(`https:`, `http:`), false},
		{"another scheme is refused", with(`https:`, `javascript:`), false},
		{"a relative callback is refused", with(`https://app.example`, ``), false},
		{"a callback without a host is refused", with(`app.example`, ``), false},
		{"a callback with only a port is refused", with(`app.example`, `:443`), false},
		{"an opaque callback is refused", with(`https://app.example/events`, `https:app.example`), false},
		{"a user in the callback is refused", with(`app.example`, `bank.example@app.example`), false},
		{"a fragment is refused", with(`/events`, `/events#x`), false},
		{"an empty fragment is refused", with(`/events`, `/events#`), false},
		{"a line break in the callback is refused", with(`/events`, `/ev\nents`), false},
		{"the longest callback is taken", with(`/events`, "/"+strings.Repeat("e", fdx.MaxURLLength-20)), true},
		{"a longer callback is refused", with(`/events`, "/"+strings.Repeat("e", fdx.MaxURLLength-19)), false},
		{"a repeated callback is refused", with(`{"type"`, `{"callbackUrl":"https://app.example/events","type"`), false},
		{"a long body is refused", with(`{"type"`, `{"x":"`+strings.Repeat("a", fdx.MaxBodyLength)+`","type"`), false},
	} {
		t.Run(row.claim, func(t *testing.T) {
			t.Parallel()
			got, err := fdx.ParseNotificationSubscription([]byte(row.body))
			if row.ok {
				if err != nil || got.Type != fdx.ConsentRevokedEvent || got.Subscriber.Name != "App" {
					t.Fatalf("got %v, %v", got, err)
				}
				return
			}
			if !errors.Is(err, fdx.ErrInvalidInput) || got != (fdx.NotificationSubscription{}) {
				t.Fatalf("got %v, %v, want ErrInvalidInput", got, err)
			}
		})
	}
}

func FuzzParseConsentRevocationRequest(f *testing.F) {
	f.Add([]byte(`{"reason":"USER_ACTION","initiator":"INDIVIDUAL"}`))
	f.Add([]byte(`{"reason":"USER_ACTION","Reason":"BUSINESS_RULE","initiator":"INDIVIDUAL"}`))
	f.Add([]byte(`{"a":[{"b":{}}],"a":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := fdx.ParseConsentRevocationRequest(body)
		if err != nil {
			if err.Status != 400 || r != (fdx.ConsentRevocationRequest{}) {
				t.Fatalf("%v and %v", err, r)
			}
			return
		}
		if r.Reason == "" || r.Initiator == "" || len(body) > fdx.MaxBodyLength || !json.Valid(body) {
			t.Fatalf("%s is taken as %v", body, r)
		}
	})
}

func FuzzParseNotificationSubscription(f *testing.F) {
	f.Add([]byte(`{"type":"CONSENT_REVOKED","category":"CONSENT","callbackUrl":"https://app.example/events","subscriber":{"name":"App","type":"DATA_RECIPIENT"}}`))
	f.Add([]byte(`{"type":"RISK","category":"FRAUD","callbackUrl":"https://u:p@app.example/#","subscriber":{"name":"App","type":"VENDOR"},"effectiveDate":"2024-05-14"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := fdx.ParseNotificationSubscription(body)
		if err != nil {
			if err.Status != 400 || s != (fdx.NotificationSubscription{}) {
				t.Fatalf("%v and %v", err, s)
			}
			return
		}
		if !strings.HasPrefix(strings.ToLower(s.CallbackURL), "https://") || strings.ContainsAny(s.CallbackURL, "#\r\n") || s.SubscriptionID != "" {
			t.Fatalf("%s is taken as %v", body, s)
		}
		readsBack(t, s)
	})
}
