package cases

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// notifications: FDX notifications.
func notifications() []suite.Case {
	return slices.Concat(notificationSubscriptions(), notificationDelivery(), notificationFeed())
}

const subscribeScope = "fdx:notifications:subscribe"

// callback is an address that A's registration vouches for.
func callback(app *suite.App) string {
	u, err := url.Parse(app.RedirectURI)
	if err != nil {
		return ""
	}
	return "https://" + u.Host + "/notifications"
}

// subscribed makes a subscription of the case's own, and leaves its end to
// the case.
func subscribed(t *suite.T, own *suite.Grant) (id string, resp *suite.Response) {
	resp = t.Send(t.SubscribeRequest(own, "CONSENT_REVOKED", "CONSENT", callback(own.App)))
	t.Expect(resp, suite.Answer{Status: http.StatusCreated, Present: []string{"subscriptionId"}})
	return resp.Text("subscriptionId"), resp
}

// subscription is a call about one.
func subscription(t *suite.T, own *suite.Grant, method, id string) *suite.Request {
	return t.Call(own, method, t.Target.ResourceBase+"/notification-subscriptions/"+id)
}

func notificationSubscriptions() []suite.Case {
	needs := []suite.Claim{suite.FDX, suite.Notifications, suite.ClientCreds}
	malformed := suite.FDXRefused(400, "401")
	// bent is a case about bodies that are refused, beside the one that is not.
	bent := func(id, title, mend string, bodies func(app *suite.App) []map[string]any) suite.Case {
		return suite.Case{ID: "notification.subscribe." + id, Title: title, Spec: "FDX API 6, createNotificationSubscription", Needs: needs, Mend: mend, Run: func(t *suite.T) {
			own := t.Own(t.A(), subscribeScope)
			for _, change := range bodies(own.App) {
				r := t.SubscribeRequest(own, "CONSENT_REVOKED", "CONSENT", callback(own.App))
				var body map[string]any
				if err := json.Unmarshal(r.Body, &body); err != nil {
					t.Cannot("bend a body", err)
				}
				for name, value := range change {
					if body[name] = value; value == nil {
						delete(body, name)
					}
				}
				r.Body, _ = json.Marshal(body)
				resp := t.Send(r)
				if !t.Expect(resp, malformed) {
					t.Errorf("that was %v", change)
				}
				if stray := resp.Text("subscriptionId"); stray != "" {
					t.Send(subscription(t, own, "DELETE", stray))
				}
			}
			made, _ := subscribed(t, own)
			t.Expect(t.Send(subscription(t, own, "DELETE", made)), suite.Answer{Status: 204})
		}}
	}
	at := func(addresses ...string) (out []map[string]any) {
		for _, a := range addresses {
			out = append(out, map[string]any{"callbackUrl": a})
		}
		return out
	}
	return []suite.Case{
		{
			ID: "notification.subscribe.made", Title: "a subscription comes back as it was asked for, with an id, in the form of FDX", Spec: "FDX API 6, NotificationSubscription", Needs: needs, Mend: "Answer 201 with the subscription, and give it again to who asks.",
			Run: func(t *suite.T) {
				own := t.Own(t.A(), subscribeScope)
				id, made := subscribed(t, own)
				t.Expect(made, suite.Answer{JSON: map[string]any{"type": "CONSENT_REVOKED", "category": "CONSENT", "callbackUrl": callback(own.App), "subscriber.name": own.App.ClientID}})
				again := t.Send(subscription(t, own, "GET", id))
				t.Expect(again, suite.OK)
				t.Check(string(again.Body) == string(made.Body), "it comes back otherwise than it was made")
				s := newShape()
				s.fit("NotificationSubscription", again.Member(""))
				s.report(t)
				t.Expect(t.Send(subscription(t, own, "DELETE", id)), suite.Answer{Status: 204})
			},
		},
		{
			ID: "notification.subscription.deleted", Title: "a subscription that was deleted is gone, and deleting it again is 404", Spec: "FDX API 6, deleteNotificationSubscription", Needs: needs, Mend: "Delete it in the step that answers 204.",
			Run: func(t *suite.T) {
				own := t.Own(t.A(), subscribeScope)
				id, _ := subscribed(t, own)
				t.Expect(t.Send(subscription(t, own, "GET", id)), suite.OK)
				resp := t.Send(subscription(t, own, "DELETE", id))
				t.Expect(resp, suite.Answer{Status: 204})
				t.Check(len(resp.Body) == 0, "a 204 has a body")
				t.Expect(t.Send(subscription(t, own, "GET", id)), suite.FDXRefused(404, "1107"))
				t.Expect(t.Send(subscription(t, own, "DELETE", id)), suite.FDXRefused(404, "1107"))
			},
		},
		{
			ID: "notification.subscription.foreign", Title: "a subscription of another recipient is as unknown as one that does not exist, and stays", Spec: "FDX API 6, getNotificationSubscription", Needs: append(slices.Clone(needs), suite.Personas), Mend: "Look subscriptions up by id and recipient.",
			Run: func(t *suite.T) {
				mine, other := t.Own(t.A(), subscribeScope), t.Own(t.Named("homewards"), subscribeScope)
				id, _ := subscribed(t, mine)
				for _, method := range []string{"GET", "DELETE"} {
					foreign, unknown := t.Send(subscription(t, other, method, id)), t.Send(subscription(t, other, method, unknownAccount))
					t.Expect(foreign, suite.FDXRefused(404, "1107"))
					t.Expect(unknown, suite.FDXRefused(404, "1107"))
					t.Check(string(foreign.Body) == string(unknown.Body), "the two answers differ")
				}
				t.Expect(t.Send(subscription(t, mine, "GET", id)), suite.OK)
				t.Expect(t.Send(subscription(t, mine, "DELETE", id)), suite.Answer{Status: 204})
			},
		},
		{
			ID: "notification.subscription.limit", Title: "the twenty-first subscription is 429 with code 1207, also when many come at once", Spec: "FDX API 6, error 1207 (documented contract: 20)", Needs: append(slices.Clone(needs), suite.Personas), Mend: "Count in the statement that stores, so that a race makes no more.",
			Run: func(t *suite.T) {
				own := t.Own(t.Named("homewards"), subscribeScope)
				answers := t.Race(24, func(int) *suite.Request {
					return t.SubscribeRequest(own, "CONSENT_REVOKED", "CONSENT", callback(own.App))
				})
				made := 0
				for _, a := range answers {
					switch {
					case a == nil:
						t.Errorf("no answer")
					case a.Status == http.StatusCreated:
						made++
						defer t.TrySend(subscription(t, own, "DELETE", a.Text("subscriptionId")))
					default:
						t.Expect(a, suite.FDXRefused(429, "1207"))
					}
				}
				t.Check(made == 20, "%d of 24 subscriptions were made; expected 20", made)
			},
		},
		bent("foreign-host", "a callback at a host that the registration does not vouch for is refused", "Compare the host name of callbackUrl with those of the registered redirect URIs and of the home page, exactly.", func(app *suite.App) []map[string]any {
			u, _ := url.Parse(app.RedirectURI)
			return at("https://attacker.example/", "https://"+u.Hostname()+".attacker.example/", "https://sub."+u.Hostname()+"/", "https://attacker.example/?"+u.Hostname(), "https://"+u.Hostname()+"%2eattacker.example/", "https://169.254.169.254/latest/meta-data/", "https://[::1]/", "https://127.0.0.1/")
		}),
		bent("callback-form", "a callback that is not plain https is refused", "Take absolute https URLs without user and fragment.", func(app *suite.App) []map[string]any {
			u, _ := url.Parse(app.RedirectURI)
			return append(at("http://"+u.Host+"/n", "https://user:word@"+u.Host+"/n", "https://"+u.Host+"/n#f", "/n", "//"+u.Host+"/n", "javascript:alert(1)", "file:///etc/passwd", ""), map[string]any{"callbackUrl": nil}, map[string]any{"callbackUrl": 1})
		}),
		bent("topic", "a type or category that there are no notifications of is refused", "Take the pairs of type and category that are told.", func(*suite.App) []map[string]any {
			return []map[string]any{{"type": "BALANCE"}, {"type": "RISK"}, {"category": "FRAUD"}, {"type": "consent_revoked"}, {"type": nil}, {"category": nil}, {"type": "CONSENT_REVOKED", "category": "MAINTENANCE"}}
		}),
		bent("subscriber", "a subscriber without name or with a type that FDX does not have is refused", "Demand name and type of the subscriber.", func(*suite.App) []map[string]any {
			return []map[string]any{{"subscriber": nil}, {"subscriber": map[string]any{"name": "x"}}, {"subscriber": map[string]any{"type": "DATA_RECIPIENT"}}, {"subscriber": map[string]any{"name": "x", "type": "ROBOT"}}, {"subscriber": "x"}}
		}),
		bent("id-of-caller", "the id of a subscription is not for the caller to give", "Refuse subscriptionId in a request.", func(*suite.App) []map[string]any {
			return []map[string]any{{"subscriptionId": unknownAccount}, {"effectiveDate": "soon"}}
		}),
		{
			ID: "notification.scope", Title: "notifications ask for their scope, and for a client's own token", Spec: "FDX API 6, scope fdx:notifications:subscribe; RFC 6750, 3.1", Needs: append(slices.Clone(needs), suite.FDXConsent), Mend: "403 and insufficient_scope for a token without the scope, 401 for the token of a consent.",
			Run: func(t *suite.T) {
				good, lacks, grant := t.Own(t.A(), subscribeScope), t.Own(t.A(), "grant_management_query"), t.Shared(t.A(), suite.Ask{})
				feed := t.Target.ResourceBase + "/notifications"
				t.Expect(t.Send(t.Call(good, "GET", feed)), suite.OK)
				t.Expect(t.Send(t.Call(lacks, "GET", feed)), insufficientScope)
				t.Expect(t.Send(t.Call(grant, "GET", feed)), dead)
				t.Expect(t.Send(t.SubscribeRequest(lacks, "CONSENT_REVOKED", "CONSENT", callback(t.A()))), insufficientScope)
				t.Expect(t.Send(t.SubscribeRequest(grant, "CONSENT_REVOKED", "CONSENT", callback(t.A()))), dead)
				t.Expect(t.Send(suite.Get(feed)), suite.Answer{Status: 401})
			},
		},
		{
			ID: "notification.publish", Title: "a recipient cannot publish notifications", Spec: "FDX API 6, publishNotification, 405", Needs: needs, Mend: "405 with code 1206 and Allow: GET.",
			Run: func(t *suite.T) {
				own := t.Own(t.A(), subscribeScope)
				r := t.Call(own, "POST", t.Target.ResourceBase+"/notifications")
				r.Header.Set("Content-Type", "application/json")
				r.Body = []byte(`{"notificationId":"1","type":"CONSENT_REVOKED"}`)
				resp := t.Send(r)
				t.Expect(resp, suite.FDXRefused(405, "1206"))
				t.Check(strings.Contains(resp.Header.Get("Allow"), "GET"), "Allow is %q", resp.Header.Get("Allow"))
			},
		},
	}
}

// notificationDelivery: what comes to a callback.
func notificationDelivery() []suite.Case {
	needs := []suite.Claim{suite.FDX, suite.FDXConsent, suite.Notifications, suite.Callbacks, suite.ClientCreds, suite.FDXConsentAPI}
	return []suite.Case{
		{
			ID: "notification.delivery.signature", Title: "a notification is signed over the bytes of its body, for its recipient, by a key of the issuer", Spec: "RFC 7515, appendix F (documented contract: Headgate-Signature)", Needs: needs, Mend: "Sign each attempt with a detached JWS of typ fdx-notification+jws with iss, aud, iat and jti.",
			Run: func(t *suite.T) {
				told := t.Told()
				for _, call := range slices.Concat(told.Attempts, told.Gone) {
					header := t.Detached(call.Header.Values("Headgate-Signature"), call.Body)
					if header == nil {
						continue
					}
					var body struct {
						ID string `json:"notificationId"`
					}
					if err := json.Unmarshal(call.Body, &body); err != nil {
						t.Fatalf("the body is no JSON")
					}
					iat, _ := header["iat"].(float64)
					t.Check(header["typ"] == "fdx-notification+jws", "typ is %v", header["typ"])
					t.Check(header["iss"] == t.Target.Issuer, "iss is %v", header["iss"])
					t.Check(header["aud"] == t.A().ClientID, "aud is %v", header["aud"])
					t.Check(header["jti"] == body.ID && body.ID != "", "jti is not the notificationId")
					t.Check(call.At.Sub(time.Unix(int64(iat), 0)).Abs() < time.Minute, "iat is not when the attempt was made")
				}
			},
		},
		{
			ID: "notification.delivery.content", Title: "a notification says which consent ended and who ended it, and nothing about the person", Spec: "FDX API 6, Notification", Needs: needs, Mend: "Tell the id of the consent and the initiator; whoever wants more asks for the consent.",
			Run: func(t *suite.T) {
				told := t.Told()
				call := told.Attempts[0]
				var body map[string]any
				if err := json.Unmarshal(call.Body, &body); err != nil {
					t.Fatalf("the body is no JSON")
				}
				s := newShape()
				s.fit("Notification", body)
				s.report(t)
				for path, want := range map[string]string{"type": "CONSENT_REVOKED", "category": "CONSENT", "notificationPayload.id": told.Grant.ID, "notificationPayload.idType": "CONSENT", "notificationPayload.customFields.name": "INITIATOR", "notificationPayload.customFields.value": "DATA_RECIPIENT", "subscriber.name": told.Grant.App.ClientID} {
					t.Check(suite.Dig(body, path) == want, "%s is %v; expected %s", path, suite.Dig(body, path), want)
				}
				sent, err := time.Parse(time.RFC3339, suite.Dig(body, "sentOn").(string))
				t.Check(err == nil && sent.Sub(told.Before).Abs() < time.Minute, "sentOn is not when the consent ended")
				t.Check(!strings.Contains(string(call.Body), t.Persona("").Username), "the body names the person")
			},
		},
		{
			ID: "notification.delivery.request", Title: "a notification is a POST of application/json with an interaction id of its own", Spec: "FDX API 6, publishNotification", Needs: needs, Mend: "Send POST, Content-Type and a new x-fapi-interaction-id with each attempt.",
			Run: func(t *suite.T) {
				seen := map[string]bool{}
				for _, call := range t.Told().Attempts {
					id := call.Header.Get("x-fapi-interaction-id")
					t.Check(call.Method == "POST" && call.Header.Get("Content-Type") == "application/json", "it is a %s of %s", call.Method, call.Header.Get("Content-Type"))
					t.Check(uuidForm.MatchString(id) && !seen[id], "the interaction id is no UUID or not a new one")
					t.Check(call.Header.Get("Authorization") == "" && call.Header.Get("Cookie") == "", "it carries credentials")
					seen[id] = true
				}
			},
		},
		{
			ID: "notification.delivery.again", Title: "a call that failed is made again, with the same notification", Spec: "FDX API 6, notifications (documented contract: at least once)", Needs: needs, Mend: "Keep a notification until it was taken, and repeat it under the same notificationId.",
			Run: func(t *suite.T) {
				calls := t.Told().Attempts
				t.Check(len(calls) == 2, "%d calls; expected one that failed and one that was taken", len(calls))
				t.Check(string(calls[0].Body) == string(calls[1].Body), "the second call has another body")
				t.Check(calls[1].At.Sub(calls[0].At) > 500*time.Millisecond, "the second call came after %v: there is no pause", calls[1].At.Sub(calls[0].At))
			},
		},
		{
			ID: "notification.delivery.gone", Title: "410 from the callback ends the subscription", Spec: "RFC 9110, 15.5.11 (documented contract)", Needs: needs, Mend: "Delete the subscription, and call no more.",
			Run: func(t *suite.T) {
				told := t.Told()
				t.Check(len(told.Gone) == 1, "%d calls; expected one", len(told.Gone))
				t.Check(told.GoneStatus == 404, "the subscription is %d; expected 404", told.GoneStatus)
			},
		},
		{
			ID: "notification.feed.told", Title: "what was told is in the feed too, once, and a poll goes on from the last that one has", Spec: "FDX API 6, getNotifications", Needs: needs, Mend: "Keep what was told for 30 days, and take any notificationId of the feed for a pageKey.",
			Run: func(t *suite.T) {
				told := t.Told()
				own := t.Own(t.A(), subscribeScope)
				var body map[string]any
				if err := json.Unmarshal(told.Attempts[0].Body, &body); err != nil {
					t.Fatalf("the body is no JSON")
				}
				want, _ := body["notificationId"].(string)
				// The documented lag of the feed is ten seconds.
				var found []any
				var page string
				for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(time.Second / 2) {
					address := t.Target.ResourceBase + "/notifications?limit=500"
					if page != "" {
						address += "&pageKey=" + page
					}
					resp := t.Send(t.Call(own, "GET", address))
					t.Expect(resp, suite.OK)
					list := resp.List("notifications")
					for _, n := range list {
						if suite.Dig(n, "notificationId") == want {
							found = append(found, n)
						}
					}
					if len(list) > 0 {
						page, _ = suite.Dig(list[len(list)-1], "notificationId").(string)
					}
					if len(found) > 0 && len(list) == 0 {
						break
					}
				}
				t.Check(len(found) == 1, "the notification is %d times in the feed; expected once", len(found))
				if len(found) > 0 {
					t.Check(suite.Dig(found[0], "notificationPayload.id") == told.Grant.ID, "the feed says something else than the call")
				}
			},
		},
	}
}

// notificationFeed: what a recipient asks for.
func notificationFeed() []suite.Case {
	needs := []suite.Claim{suite.FDX, suite.Notifications, suite.ClientCreds}
	feed := func(t *suite.T, query string) *suite.Request {
		return t.Call(t.Own(t.A(), subscribeScope), "GET", t.Target.ResourceBase+"/notifications"+query)
	}
	return []suite.Case{
		{
			ID: "notification.feed.shape", Title: "the feed is in the form of FDX, oldest first", Spec: "FDX API 6, Notification", Needs: needs, Mend: "Write the members of FDX and no other.",
			Run: func(t *suite.T) {
				resp := t.Send(feed(t, "?limit=500"))
				t.Expect(resp, suite.OK)
				operation{id: "getNotifications", member: "notifications", entity: "Notification"}.fits(t, resp).report(t)
				t.Check(resp.List("notifications") != nil, "notifications is null or missing")
			},
		},
		{
			ID: "notification.feed.unknown-key", Title: "a page key that is not in the feed of who asks is refused", Spec: "FDX API 6, pageKey", Needs: needs, Mend: "400 with code 401: never begin anew by yourself, or notifications are missed or told twice.",
			Run: func(t *suite.T) {
				t.Expect(t.Send(feed(t, "")), suite.OK)
				for _, key := range []string{unknownAccount, "1", "'"} {
					t.Expect(t.Send(feed(t, "?pageKey="+key)), suite.FDXRefused(400, "401"))
				}
				for _, bad := range []string{"limit=0", "limit=501", "limit=x", "pageKey="} {
					t.Expect(t.Send(feed(t, "?"+bad)), suite.FDXRefused(400, "401"))
				}
			},
		},
		{
			ID: "notification.feed.another", Title: "the feed of another recipient cannot be asked for", Spec: "FDX API 6, dataRecipientId", Needs: needs, Mend: "Take the caller's own id for dataRecipientId, and no other.",
			Run: func(t *suite.T) {
				t.Expect(t.Send(feed(t, "?dataRecipientId="+t.A().ClientID)), suite.OK)
				t.Expect(t.Send(feed(t, "?dataRecipientId="+t.B().ClientID)), suite.FDXRefused(400, "401"))
			},
		},
		{
			ID: "notification.feed.foreign-key", Title: "a page key of another recipient's feed is refused", Spec: "FDX API 6, pageKey", Needs: append(slices.Clone(needs), suite.Personas, suite.Callbacks, suite.FDXConsent, suite.FDXConsentAPI), Mend: "Look the notification up by id and recipient.",
			Run: func(t *suite.T) {
				var body map[string]any
				if err := json.Unmarshal(t.Told().Attempts[0].Body, &body); err != nil {
					t.Fatalf("the body is no JSON")
				}
				key, _ := body["notificationId"].(string)
				t.Expect(t.Send(feed(t, "?pageKey="+key)), suite.OK)
				other := t.Own(t.Named("homewards"), subscribeScope)
				t.Expect(t.Send(t.Call(other, "GET", t.Target.ResourceBase+"/notifications?pageKey="+key)), suite.FDXRefused(400, "401"))
			},
		},
	}
}
