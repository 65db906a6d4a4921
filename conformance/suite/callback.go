package suite

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Callback is where the first recipient has itself called about
// notifications, for the claim Callbacks.
type Callback struct {
	// URL is https, at a host that the recipient's registration vouches for,
	// and leads to Listen. Paths below it are used.
	URL string `json:"url,omitempty" yaml:"url"`
	// Listen is the address to listen at, host:port.
	Listen string `json:"listen,omitempty" yaml:"listen"`
	// CertFile and KeyFile are what is shown there; the deployment has to
	// trust them.
	CertFile string `json:"cert_file,omitempty" yaml:"cert_file"`
	KeyFile  string `json:"key_file,omitempty" yaml:"key_file"`
}

// Delivery is one call about a notification.
type Delivery struct {
	Method string
	Header http.Header
	Body   []byte
	At     time.Time
}

// Told is what the deployment told about one consent that ended, to two
// subscriptions of the recipient A.
type Told struct {
	// Grant had ended when it was told.
	Grant *Grant
	// Before is when the consent was ended.
	Before time.Time
	// Attempts are the calls for the subscription whose first call was
	// answered with 503, and the next with 204.
	Attempts []Delivery
	// Gone are the calls for the one that was answered with 410, and
	// GoneStatus what a look at that subscription was answered with then.
	Gone       []Delivery
	GoneStatus int
}

// toldWithin bounds the wait for deliveries.
const toldWithin = 20 * time.Second

// Told has a consent end and listens to what is told about it, once per run.
// It needs the claim Callbacks. Read it; do not change it.
func (t *T) Told() *Told {
	t.Needs(Callbacks, Notifications, FDXConsentAPI, ClientCreds)
	return share(t, "told", 0, func(t *T) *Told { return t.tell() })
}

func (t *T) tell() *Told {
	var (
		mu   sync.Mutex // guards told
		told Told
	)
	// The port may still be another run's for a moment.
	var listener net.Listener
	pair, err := tls.LoadX509KeyPair(t.Target.path(t.Target.Callback.CertFile), t.Target.path(t.Target.Callback.KeyFile))
	for begin := time.Now(); err == nil; time.Sleep(time.Second / 2) {
		if listener, err = net.Listen("tcp", t.Target.Callback.Listen); err == nil || time.Since(begin) > toldWithin {
			break
		}
		err = nil
	}
	if err != nil {
		t.Cannot("listen for notifications", err)
	}
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, ReadHeaderTimeout: 5 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(io.LimitReader(r.Body, maxRecorded))
			mu.Lock()
			defer mu.Unlock()
			// Others may be told things, too: of a run beside this one.
			if told.Grant == nil || !strings.Contains(string(body), told.Grant.ID) {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			call := Delivery{Method: r.Method, Header: r.Header.Clone(), Body: body, At: time.Now()}
			if strings.HasSuffix(r.URL.Path, "/gone") {
				told.Gone = append(told.Gone, call)
				w.WriteHeader(http.StatusGone)
				return
			}
			told.Attempts = append(told.Attempts, call)
			if len(told.Attempts) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		}),
	}
	serving := make(chan struct{})
	go func() {
		defer close(serving)
		_ = server.ServeTLS(listener, "", "")
	}()
	defer func() {
		server.Close()
		<-serving
	}()

	own := t.Own(t.A(), "fdx:notifications:subscribe")
	subscribe := func(path string) string {
		resp := t.Send(t.SubscribeRequest(own, "CONSENT_REVOKED", "CONSENT", t.Target.Callback.URL+path))
		id := resp.Text("subscriptionId")
		if resp.Status != http.StatusCreated || id == "" {
			t.Cannot("subscribe to notifications", fmt.Errorf("status %d%s", resp.Status, resp.said()))
		}
		return id
	}
	again, gone := subscribe("/again"), subscribe("/gone")
	at := t.Target.ResourceBase + "/notification-subscriptions/"
	defer t.TrySend(t.Call(own, http.MethodDelete, at+again))
	defer t.TrySend(t.Call(own, http.MethodDelete, at+gone))

	g := t.Grant(t.A(), Ask{})
	mu.Lock()
	told.Grant, told.Before = g, time.Now()
	mu.Unlock()
	end := t.Call(t.Own(t.A(), "grant_management_revoke"), http.MethodPut, t.Target.ResourceBase+"/consents/"+g.ID+"/revocation")
	end.Header.Set("Content-Type", "application/json")
	end.Body = []byte(`{"reason":"BUSINESS_RULE","initiator":"DATA_RECIPIENT"}`)
	if resp := t.Send(end); resp.Status != http.StatusNoContent {
		t.Cannot("end a consent", fmt.Errorf("status %d%s", resp.Status, resp.said()))
	}
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(told.Attempts) >= 2 && len(told.Gone) >= 1
	}
	for begin := time.Now(); !enough(); time.Sleep(time.Second / 10) {
		if time.Since(begin) > toldWithin {
			t.Cannot("be told that a consent ended", errors.New("the calls did not come within twenty seconds"))
		}
	}
	for range 20 {
		resp := t.Send(t.Call(own, http.MethodGet, at+gone))
		if told.GoneStatus = resp.Status; resp.Status != http.StatusOK {
			break
		}
		time.Sleep(time.Second / 10)
	}
	mu.Lock()
	defer mu.Unlock()
	return &Told{Grant: told.Grant, Before: told.Before, Attempts: told.Attempts, Gone: told.Gone, GoneStatus: told.GoneStatus}
}

// SubscribeRequest subscribes with a token of the app's own (FDX
// createNotificationSubscription). Bend its Body.
func (t *T) SubscribeRequest(own *Grant, kind, category, callback string) *Request {
	r := t.Call(own, http.MethodPost, t.Target.ResourceBase+"/notification-subscriptions")
	r.Header.Set("Content-Type", "application/json")
	r.Body, _ = json.Marshal(map[string]any{
		"type": kind, "category": category, "callbackUrl": callback, "subscriber": map[string]any{"name": own.App.ClientID, "type": "DATA_RECIPIENT"},
	})
	return r
}

// devCallback is the callback of a development stack: its first recipient is
// registered for this port of this machine, and it trusts its own authority.
func devCallback(redirects []string, caDir string) Callback {
	for _, text := range redirects {
		if u, err := url.Parse(text); err == nil && u.Hostname() == "localhost" && u.Port() != "" {
			return Callback{URL: text, Listen: "localhost:" + u.Port(), CertFile: caDir + "/server.pem", KeyFile: caDir + "/server-key.pem"}
		}
	}
	return Callback{}
}

// Detached checks a detached JWS (RFC 7515 appendix F) over the bytes of a
// body: one header value, by PS256, ES256 or EdDSA with a key of the issuer.
// It returns the protected header, and notes what is wrong and returns nil
// when the signature is not good.
func (t *T) Detached(values []string, body []byte) map[string]any {
	if len(values) != 1 {
		t.Errorf("there are %d signatures; expected one", len(values))
		return nil
	}
	head, signature, detached := strings.Cut(values[0], "..")
	if !detached {
		t.Errorf("the signature is not a detached JWS")
		return nil
	}
	jws, err := jose.ParseSignedCompact(head+"."+base64.RawURLEncoding.EncodeToString(body)+"."+signature, []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		t.Errorf("the signature is not by PS256, ES256 or EdDSA")
		return nil
	}
	var keys jose.JSONWebKeySet
	if err := t.Send(Get(t.Endpoint(nil, "jwks_uri"))).Into(&keys); err != nil {
		t.Cannot("read the keys of the issuer", err)
	}
	text, err := base64.RawURLEncoding.DecodeString(head)
	var header map[string]any
	if err != nil || json.Unmarshal(text, &header) != nil {
		t.Errorf("the protected header is no JSON")
		return nil
	}
	for _, key := range keys.Key(jws.Signatures[0].Protected.KeyID) {
		if _, err := jws.Verify(key); err == nil {
			t.Checked()
			return header
		}
	}
	t.Errorf("no key of the issuer has signed it")
	return nil
}
