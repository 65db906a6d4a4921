package recipient_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
)

// A notification, and what must not be believed of it.
func TestReadNotification(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c := s.connect(t)
	const body = `{"notificationId":"n1","type":"CONSENT_REVOKED","notificationPayload":{"id":"c1","idType":"CONSENT"}}`
	type signed struct {
		header map[string]any
		typ    string
		key    any
	}
	sign := func(bend func(*signed)) string {
		v := signed{header: map[string]any{"iss": s.as.URL, "aud": "budgetbee", "iat": time.Now().Unix(), "jti": "n1"}, typ: "fdx-notification+jws", key: s.key}
		if bend != nil {
			bend(&v)
		}
		options := (&jose.SignerOptions{}).WithType(jose.ContentType(v.typ))
		for name, value := range v.header {
			options = options.WithHeader(jose.HeaderKey(name), value)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: v.key, KeyID: "s1"}}, options)
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := jws.DetachedCompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	member := func(name string, value any) string {
		return sign(func(v *signed) {
			if v.header[name] = value; value == nil {
				delete(v.header, name)
			}
		})
	}
	read := func(body string, signatures ...string) (recipient.Notification, error) {
		return c.ReadNotification(t.Context(), http.Header{"Headgate-Signature": signatures}, []byte(body))
	}
	good := sign(nil)
	if n, err := read(body, good); err != nil || n.ID != "n1" || n.Payload.ID != "c1" || time.Since(n.SignedAt) > time.Minute {
		t.Errorf("got %+v (%v)", n, err)
	}
	for name, row := range map[string]struct {
		body       string
		signatures []string
	}{
		"no signature":            {body, nil},
		"two signatures":          {body, []string{good, good}},
		"no text":                 {body, []string{""}},
		"truncated":               {body, []string{good[:len(good)-1]}},
		"with its body in it":     {body, []string{strings.Replace(good, "..", ".e30.", 1)}},
		"another body":            {strings.Replace(body, "c1", "c2", 1), []string{good}},
		"a body that goes on":     {body + " ", []string{good}},
		"no body":                 {"", []string{good}},
		"signed by a stranger":    {body, []string{sign(func(v *signed) { v.key = newKey(t, jose.ES256) })}},
		"another typ":             {body, []string{sign(func(v *signed) { v.typ = "JWT" })}},
		"of another server":       {body, []string{member("iss", "https://evil.example")}},
		"for another client":      {body, []string{member("aud", "loanlink")}},
		"for nobody":              {body, []string{member("aud", nil)}},
		"of another notification": {body, []string{member("jti", "n2")}},
		"of none":                 {body, []string{member("jti", nil)}},
		"old":                     {body, []string{member("iat", time.Now().Add(-time.Hour).Unix())}},
		"of tomorrow":             {body, []string{member("iat", time.Now().Add(time.Hour).Unix())}},
		"of no time":              {body, []string{member("iat", nil)}},
	} {
		if n, err := read(row.body, row.signatures...); !errors.Is(err, recipient.ErrJWT) {
			t.Errorf("%s: got %+v (%v), want ErrJWT", name, n, err)
		}
	}
}
