package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/api"
	"github.com/headgate/headgate/consent/erasure"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/openapi"
	"github.com/headgate/headgate/internal/openapi/openapitest"
	"github.com/headgate/headgate/internal/token"
)

// This file holds answers against the API document as a recipient has it.

// document is read once for all tests.
var document = sync.OnceValues(openapitest.Read)

// hold holds an answer of any test against the document.
func (f *front) hold(t *testing.T, r *http.Request, got reply) {
	t.Helper()
	d, err := document()
	if err != nil {
		t.Error(err)
		return
	}
	var wrong []string
	if op, known := f.asked(r); op.ID != "" {
		wrong = d.Check(op, got.status, got.header, []byte(got.body))
	} else {
		wrong = d.Unrouted(known, got.status, got.header, []byte(got.body))
	}
	for _, one := range wrong {
		t.Errorf("%s %s: %s\n%.500q", r.Method, r.URL.Path, one, got.body)
	}
}

// asked returns the operation that a request is for; none when the path has
// no such method, or when it is not even known.
func (f *front) asked(r *http.Request) (op openapi.Operation, known bool) {
	sent := strings.Split(r.URL.EscapedPath(), "/")
	for _, op := range f.serving {
		parts := strings.Split(op.Path, "/")
		if len(parts) != len(sent) {
			continue
		}
		same := true
		for i, part := range parts {
			same = same && (part == sent[i] || strings.HasPrefix(part, "{") && sent[i] != "")
		}
		known = known || same
		if same && op.Method == r.Method {
			return op, true
		}
	}
	return openapi.Operation{}, known
}

const idSubscription = "dddddddd-0000-4000-8000-000000000001"

// everything opens an API with a grant in each state, a subscription and two
// notifications; change may replace parts of it.
func everything(t *testing.T, change func(*api.Config, *notices)) (*front, *notices) {
	t.Helper()
	n := &notices{subs: map[fdx.SubscriptionID]notice.Subscription{}, asked: &asked{all: []erasure.Request{
		{Grant: idActive, Recipient: app, AskedAt: noon}, {Grant: idByApp, Recipient: app, AskedAt: noon, Answer: erasure.Refused, Reason: "x"},
	}}}
	f := open(t, func(c *api.Config, _ *consent.ServiceConfig) {
		c.Notices = &api.Notices{Subscriptions: n, Recipients: n, Publisher: fdx.Party{
			Name: "Bank", Type: fdx.DataProvider, HomeURI: "https://bank.example", LogoURI: "https://bank.example/logo.png",
			Registry: fdx.PrivateRegistry, RegisteredEntityName: "Bank plc", RegisteredEntityID: "bank",
		}}
		c.Erasures = n.asked
		if change != nil {
			change(c, n)
		}
	})
	f.furnish(t)
	n.subs[idSubscription] = notice.Subscription{
		ID: idSubscription, Recipient: app, Topic: notice.Custom(), CallbackURL: "https://app.example/hook",
		Subscriber:    fdx.Party{Name: "App", Type: fdx.DataRecipient, Registry: fdx.GLEIFRegistry},
		EffectiveDate: fdx.DateOf(noon),
	}
	for range 2 {
		n.told = append(n.told, notice.Notification{
			ID: fdx.NotificationID(uuid.NewString()), Recipient: app, Topic: notice.Custom(), CreatedAt: noon,
			Payload: fdx.NotificationPayload{ID: idActive, IDType: fdx.ConsentPayload, CustomField: fdx.CustomField{Name: notice.FieldExpiring, Value: "x"}},
		})
	}
	return f, n
}

// opens returns a client whose token has these scopes.
func (f *front) opens(scopes ...string) *client {
	return f.client(app, func(a *token.ClientAccess) { a.Scopes = scopes })
}

var everyScope = []string{token.ScopeGrantQuery, token.ScopeGrantRevoke, token.ScopeNotifications}

// requested returns a good request for an operation, about this consent or
// subscription.
func (c *client) requested(op openapi.Operation, about, query string) *http.Request {
	path := strings.NewReplacer("{consentId}", about, "{subscriptionId}", about).Replace(op.Path)
	body := ""
	switch op.ID {
	case fdx.RevokeConsentGrant:
		body = forApp
	case fdx.CreateNotificationSubscription:
		body = good
	case fdx.AnswerErasureRequest:
		body = erased
	}
	return c.request(op.Method, path+query, body)
}

// existing is what an operation can be about.
func existing(op openapi.Operation) string {
	if strings.Contains(op.Path, "{subscriptionId}") {
		return idSubscription
	}
	return idActive
}

// neverGiven are the properties in the document that no answer has, because
// there is no use for them here.
var neverGiven = []string{
	"HateoasLink.action", "HateoasLink.href", "HateoasLink.rel", "HateoasLink.types",
	"Links.prev", "Notification.priority", "Notification.severity", "Notification.subscriber", "Notification.url",
	"PageMetadata.previousPageKey", "PageMetadata.totalElements",
}

// Every operation answers what the document says, and every property that the
// document has for its answers is given by some.
func TestAnswersAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	d, err := openapitest.Read()
	if err != nil {
		t.Fatal(err)
	}
	f, _ := everything(t, nil)
	c := f.opens(everyScope...)
	for _, op := range api.Operations() {
		abouts, queries := []string{existing(op)}, []string{""}
		if op.ID == fdx.GetConsentGrant || op.ID == fdx.GetConsentRevocation {
			abouts = []string{idActive, idOver, idSwept, idByApp, idForAlice, idReplayed, idOnce}
		}
		if len(op.Parameters) > 1 {
			queries = append(queries, "?limit=1")
		}
		for _, about := range abouts {
			for _, query := range queries {
				got := c.do(t, c.requested(op, about, query)) // do holds it against the document
				if got.status != op.Answers[0].Status {
					t.Errorf("%s: %d %s", op.ID, got.status, got.body)
				} else if got.body != "" {
					for _, wrong := range d.Leaves(op, got.status, []byte(got.body), 0) {
						t.Errorf("%s: %s", op.ID, wrong)
					}
				}
			}
		}
	}
	properties := d.Properties(api.Operations())
	for name, given := range properties {
		if given == slices.Contains(neverGiven, name) {
			t.Errorf("%s: given is %v", name, given)
		}
	}
	if len(properties) < 40 {
		t.Errorf("only %d properties", len(properties))
	}
}

// errorCase is a request that an operation has to refuse.
type errorCase struct {
	change func(*api.Config, *notices)
	opened func(*front, *notices)
	scopes []string // nil is every one
	about  string
	spoil  func(*http.Request)
}

// errorCases say what has to go wrong for each status and code.
func errorCases() map[string]errorCase {
	return map[string]errorCase{
		"400 401":  {spoil: func(r *http.Request) { r.Header.Set("x-fapi-interaction-id", "x") }},
		"401 603":  {spoil: func(r *http.Request) { r.Header.Del("Authorization") }},
		"403 403":  {scopes: []string{"openid"}},
		"404 1107": {about: idUnknown},
		"406 1203": {spoil: func(r *http.Request) { r.Header.Set("Accept", "text/html") }},
		"409 409":  {about: idByApp},
		"429 1207": {change: func(c *api.Config, _ *notices) { c.Quota, c.Stops = 1, 1 }, opened: func(f *front, _ *notices) {
			c := f.opens(everyScope...)
			for _, r := range []*http.Request{c.request("GET", "/fdx/v6/consents", ""), c.request("PUT", revocationOf(idUnknown), forApp)} {
				if resp, err := c.http.Do(r); err == nil {
					_ = resp.Body.Close()
				}
			}
		}},
		"500 500": {change: func(c *api.Config, n *notices) {
			b := broken{errors.New("broken")}
			c.Grants, c.Stop, n.err, n.asked.err = b, b, b.err, b.err
		}},
		"503 503": {opened: func(f *front, _ *notices) { f.truth.down = errors.New("down") }},
	}
}

// Every error that the document has for an operation is given by it; and
// whatever goes wrong, no operation gives another one.
func TestErrorsAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	d, err := document()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range api.Operations() {
		declared := d.Declared(op)
		var inTable []string
		for _, e := range op.Errors {
			inTable = append(inTable, strconv.Itoa(e.Status)+" "+e.Code)
		}
		if slices.Sort(inTable); !slices.Equal(inTable, declared) {
			t.Errorf("%s: the document has %v, the table %v", op.ID, declared, inTable)
		}
		cases := errorCases()
		for _, want := range declared {
			if _, ok := cases[want]; !ok {
				t.Errorf("%s: nothing gives %s", op.ID, want)
			}
		}
		for name, row := range cases {
			f, n := everything(t, row.change)
			if row.opened != nil {
				row.opened(f, n)
			}
			if row.scopes == nil {
				row.scopes = everyScope
			}
			if row.about == "" {
				row.about = existing(op)
			}
			c := f.opens(row.scopes...)
			r := c.requested(op, row.about, "")
			if row.spoil != nil {
				row.spoil(r)
			}
			got := c.do(t, r) // do holds it against the document
			if answer := strconv.Itoa(got.status) + " " + got.code(); slices.Contains(declared, name) && answer != name {
				t.Errorf("%s, asked for %s: %s\n%s", op.ID, name, answer, got.body)
			}
		}
	}
}

// A store that says what it may not say there is a fault of ours and no new
// answer.
func TestAnErrorThatIsNotInTheDocument(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"unknown": consent.ErrNotFound, "ended": consent.ErrEnded} {
		f, _ := everything(t, func(c *api.Config, n *notices) {
			c.Grants, n.err = broken{fmt.Errorf("load: %w", err)}, fmt.Errorf("load: %w", err)
		})
		c := f.opens(everyScope...)
		for _, r := range []*http.Request{c.request("POST", subscriptions, good), c.request("GET", consents, "")} {
			if got := c.do(t, r); got.status != 500 || got.code() != "500" {
				t.Errorf("%s: %s %s: %d %s", name, r.Method, r.URL.Path, got.status, got.body)
			}
		}
	}
}

// A body is taken if the document has it so: with each member that it
// requires, and of the type that it says.
func TestBodiesAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	d, err := document()
	if err != nil {
		t.Fatal(err)
	}
	refused, taken := 0, 0
	for _, op := range api.Operations() {
		var whole map[string]any
		switch op.ID {
		case fdx.RevokeConsentGrant:
			whole = map[string]any{"reason": "USER_ACTION", "initiator": "INDIVIDUAL"}
		case fdx.AnswerErasureRequest: // a reason goes with the other outcomes alone, which no schema says
			whole = map[string]any{"outcome": "DONE"}
		case fdx.CreateNotificationSubscription:
			whole = map[string]any{
				"type": "CUSTOM", "category": "CONSENT", "callbackUrl": "https://app.example/hook", "effectiveDate": "2026-11-21",
				"subscriber": map[string]any{"name": "App", "type": "DATA_RECIPIENT"},
			}
		default:
			if op.Body != nil {
				t.Errorf("%s has a body", op.ID)
			}
			continue
		}
		try := func(what string) {
			body, err := json.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			f, _ := everything(t, nil)
			c := f.opens(everyScope...)
			got := c.do(t, c.request(op.Method, strings.Replace(op.Path, "{consentId}", idActive, 1), string(body)))
			wrong := d.CheckBody(op, body)
			if (wrong != nil) != (got.status == 400) || wrong == nil && got.status != op.Answers[0].Status {
				t.Errorf("%s, %s: %d %s; by the document: %v", op.ID, what, got.status, got.body, wrong)
			}
			if wrong != nil {
				refused++
			} else {
				taken++
			}
		}
		try("whole")
		objects := []map[string]any{whole}
		if inside, ok := whole["subscriber"].(map[string]any); ok {
			objects = append(objects, inside)
		}
		for _, in := range objects {
			for _, name := range slices.Sorted(maps.Keys(in)) {
				value := in[name]
				in[name] = 1
				try(name + " as a number")
				delete(in, name)
				try("no " + name)
				in[name] = value
			}
		}
	}
	// Only effectiveDate is not required.
	if taken != 4 || refused != 4+2+9+4 {
		t.Errorf("%d taken, %d refused", taken, refused)
	}
}

// What the document says of parameters is what is read: each that it has may
// not be repeated nor break its schema, and no other one is looked at.
func TestParametersAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	d, err := document()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, op := range api.Operations() {
		for _, p := range op.Parameters {
			names[p.Name] = p.In == openapi.Query
		}
	}
	if len(names) != 8 || names["consentId"] || names["subscriptionId"] {
		t.Errorf("%v", names)
	}
	for _, op := range api.Operations() {
		var c *client
		expect := func(query string, refused bool) {
			t.Helper()
			if c == nil || op.Method != http.MethodGet { // which ends what it is about
				f, _ := everything(t, nil)
				c = f.opens(everyScope...)
			}
			got := c.do(t, c.requested(op, existing(op), query))
			if refused && got.status != 400 || !refused && got.status != op.Answers[0].Status {
				t.Errorf("%s: %.100s: %d %s", op.ID, query, got.status, got.body)
			}
		}
		for name := range names {
			read := slices.ContainsFunc(op.Parameters, func(p openapi.Parameter) bool { return p.Name == name && p.In == openapi.Query })
			expect("?"+name+"=x&"+name+"=x", read)
		}
		for _, p := range op.Parameters {
			if p.In != openapi.Query {
				continue
			}
			good, bad := d.Probes(p)
			if bad == nil {
				t.Errorf("%s: nothing of %s is checked", op.ID, p.Name)
			}
			if p.Name == "dataRecipientId" {
				good = append(good, string(app))
			}
			for _, text := range good {
				expect("?"+p.Name+"="+text, false)
			}
			for _, text := range bad {
				expect("?"+p.Name+"="+text, true)
			}
		}
	}
}
