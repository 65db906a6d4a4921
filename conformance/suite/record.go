package suite

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxRecorded bounds what is kept of one body, in bytes.
const maxRecorded = 16 << 10

// Exchange is one request and its answer as the report shows them: without
// secrets. A secret is replaced when the exchange is recorded, by a mark that
// is the same for the same secret, so that a reader can follow it.
type Exchange struct {
	At       time.Time   `json:"at"`
	Millis   float64     `json:"ms"`
	Method   string      `json:"method"`
	URL      string      `json:"url"`
	Header   http.Header `json:"header,omitempty"`
	Body     string      `json:"body,omitempty"`
	WithCert bool        `json:"with_certificate,omitempty"`
	Status   int         `json:"status,omitempty"`
	Proto    string      `json:"proto,omitempty"`
	// AnswerHeader and Answer are what came back.
	AnswerHeader http.Header `json:"answer_header,omitempty"`
	Answer       string      `json:"answer,omitempty"`
	// Error says why nothing came back.
	Error string `json:"error,omitempty"`
}

// record holds the exchanges of one case, in the order in which they ended.
type record struct {
	mu        sync.Mutex // guards exchanges
	exchanges []Exchange
}

// all returns a copy of what was recorded.
func (r *record) all() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.exchanges)
}

func (r *record) append(e ...Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges = append(r.exchanges, e...)
}

func (r *record) add(req *http.Request, body []byte, withCert bool, answer *Response, failed error) {
	e := Exchange{
		At: answer.Sent, Millis: float64(answer.Done.Sub(answer.Sent).Microseconds()) / 1000, Method: req.Method,
		URL: redactURL(req.URL.String()), Header: redactHeader(req.Header), Body: redactBody(req.Header.Get("Content-Type"), body),
		WithCert: withCert, Status: answer.Status, Proto: answer.Proto, AnswerHeader: redactHeader(answer.Header),
	}
	if req.Host != "" && req.Host != req.URL.Host {
		e.Header.Set("Host", req.Host)
	}
	if failed != nil {
		e.Error = failed.Error()
	} else {
		e.Answer = redactBody(answer.Header.Get("Content-Type"), answer.Body)
	}
	r.append(e)
}

func (r *record) raw(host string, text []byte, answers []*Response, begin time.Time) {
	e := Exchange{At: begin, Millis: float64(time.Since(begin).Microseconds()) / 1000, Method: "RAW", URL: "https://" + host, Body: redactText(clip(text))}
	if len(answers) == 0 {
		e.Error = "no answer; the connection was closed"
	}
	for _, a := range answers {
		e.Status, e.Proto, e.AnswerHeader = a.Status, a.Proto, redactHeader(a.Header)
		e.Answer += redactBody(a.Header.Get("Content-Type"), a.Body)
	}
	r.append(e)
}

func (r *record) handshake(host string, offer *tls.Config, state tls.ConnectionState, failed error) {
	e := Exchange{At: time.Now(), Method: "TLS", URL: "https://" + host, Body: "from " + tls.VersionName(offer.MinVersion)}
	if offer.MaxVersion != 0 {
		e.Body += " to " + tls.VersionName(offer.MaxVersion)
	}
	for _, suite := range offer.CipherSuites {
		e.Body += "\n" + tls.CipherSuiteName(suite)
	}
	if failed != nil {
		e.Error = failed.Error()
	} else {
		e.Answer = tls.VersionName(state.Version) + " with " + tls.CipherSuiteName(state.CipherSuite)
	}
	r.append(e)
}

// secretNames are parameters and members whose values open something.
var secretNames = []string{
	"access_token", "refresh_token", "id_token", "token", "code", "code_verifier", "client_secret", "client_assertion", "request",
	"request_uri", "password", "registration_access_token", "software_statement", "response", "assertion", "csrf", "csrf_token", "k", "d",
	"user_code", "device_code", "actor_token", "subject_token",
}

// personalNames are members whose values say who somebody is.
var personalNames = []string{
	"accountNumber", "accountNumberDisplay", "routingTransitNumber", "identifier", "first", "middle", "last", "line1", "line2", "line3",
	"email", "number", "dateOfBirth", "taxId", "holderName", "payee", "payeeName", "cardNumber", "identifierType", "city", "postalCode",
}

// mark stands for a secret.
func mark(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("conformance report\x00" + secret))
	return fmt.Sprintf("[secret %s, %d characters]", hex.EncodeToString(sum[:3]), len(secret))
}

// redactValue shows a JWT without its signature: readable, and good for
// nothing. Everything else becomes a mark.
func redactValue(value string) string {
	parts := strings.Split(value, ".")
	if len(parts) == 3 {
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		claims, err2 := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil && err2 == nil && json.Valid(header) && json.Valid(claims) {
			return fmt.Sprintf("[JWT %s %s, signature of %d characters]", redactJSON(header), redactJSON(claims), len(parts[2]))
		}
	}
	return mark(value)
}

func isSecret(name string) bool {
	return slices.Contains(secretNames, strings.ToLower(name))
}

func redactValues(values url.Values) url.Values {
	out := url.Values{}
	for name, list := range values {
		for _, v := range list {
			if isSecret(name) {
				v = redactValue(v)
			}
			out.Add(name, v)
		}
	}
	return out
}

// readable is a form as a person reads it: not escaped, a line each.
func readable(values url.Values) string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		for _, v := range values[name] {
			fmt.Fprintf(&b, "%s=%s\n", name, v)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func redactURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return mark(address)
	}
	if u.RawQuery == "" {
		return address
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return withoutQuery(u) + "?" + mark(u.RawQuery)
	}
	secret := false
	for name := range query {
		secret = secret || isSecret(name)
	}
	if !secret {
		return address
	}
	return withoutQuery(u) + "?" + strings.ReplaceAll(readable(redactValues(query)), "\n", "&")
}

func redactHeader(h http.Header) http.Header {
	out := h.Clone()
	if out == nil {
		out = http.Header{}
	}
	for name, values := range out {
		for i, v := range values {
			switch http.CanonicalHeaderKey(name) {
			case "Authorization", "Proxy-Authorization":
				scheme, value, ok := strings.Cut(v, " ")
				if ok {
					values[i] = scheme + " " + mark(value)
				} else {
					values[i] = mark(v)
				}
			case "Dpop", "X-Jws-Signature":
				values[i] = redactValue(v)
			case "Cookie", "Set-Cookie":
				values[i] = redactCookie(v)
			case "Location", "Referer":
				values[i] = redactURL(v)
			}
		}
	}
	return out
}

// redactCookie keeps names and attributes.
func redactCookie(v string) string {
	parts := strings.Split(v, ";")
	for i, part := range parts {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.ToLower(name) {
		case "path", "domain", "samesite", "max-age", "expires":
		default:
			if ok {
				parts[i] = " " + name + "=" + mark(value)
			}
		}
	}
	return strings.TrimSpace(strings.Join(parts, ";"))
}

func clip(text []byte) []byte {
	if len(text) <= maxRecorded {
		return text
	}
	return append(bytes.Clone(text[:maxRecorded]), fmt.Sprintf("\n[%d more bytes]", len(text)-maxRecorded)...)
}

func redactBody(contentType string, body []byte) string {
	if len(body) == 0 {
		return ""
	}
	mediaType, _, _ := mime.ParseMediaType(contentType)
	switch {
	case mediaType == "application/x-www-form-urlencoded" && len(body) <= maxRecorded:
		if form, err := url.ParseQuery(string(body)); err == nil {
			return readable(redactValues(form))
		}
		return mark(string(body))
	case strings.HasSuffix(mediaType, "json") && json.Valid(body):
		return string(clip([]byte(redactJSON(body))))
	case strings.HasSuffix(mediaType, "jwt"):
		return redactValue(strings.TrimSpace(string(body)))
	case mediaType == "text/html":
		return fmt.Sprintf("[a page of %d bytes]", len(body)) // it holds the secrets of its forms
	case strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "json"):
		return redactText(clip(body))
	}
	return fmt.Sprintf("[%d bytes of %s]", len(body), mediaType)
}

// redactText marks lines of a text that is neither form nor JSON.
func redactText(text []byte) string {
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if ok && !strings.ContainsAny(name, " {\"=") {
			h := redactHeader(http.Header{http.CanonicalHeaderKey(name): {strings.TrimSpace(value)}})
			lines[i] = name + ": " + h.Get(name)
			continue
		}
		for field := range strings.SplitSeq(line, "&") {
			name, value, ok := strings.Cut(field, "=")
			if ok && isSecret(name) {
				line = strings.Replace(line, field, name+"="+redactValue(value), 1)
			}
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

// redactJSON keeps the order and the shape, and replaces values.
func redactJSON(text []byte) string {
	var b strings.Builder
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := copyJSON(&b, decoder, ""); err != nil {
		return mark(string(text))
	}
	return b.String()
}

func copyJSON(b *strings.Builder, d *json.Decoder, name string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch v := token.(type) {
	case json.Delim:
		b.WriteRune(rune(v))
		for first := true; d.More(); first = false {
			if !first {
				b.WriteString(", ")
			}
			member := name
			if v == '{' {
				key, err := d.Token()
				if err != nil {
					return err
				}
				member = key.(string)
				quoted, _ := json.Marshal(member)
				b.Write(quoted)
				b.WriteString(": ")
			}
			if err := copyJSON(b, d, member); err != nil {
				return err
			}
		}
		end, err := d.Token()
		if err != nil {
			return err
		}
		b.WriteRune(rune(end.(json.Delim)))
		return nil
	case string:
		switch {
		case name == "code" && len(v) <= 6, name == "error": // FDX error codes
		case isSecret(name):
			v = redactValue(v)
		case slices.Contains(personalNames, name):
			v = strings.Repeat("*", min(len(v), 8))
		}
		quoted, _ := json.Marshal(v)
		b.Write(quoted)
	default:
		quoted, err := json.Marshal(token)
		if err != nil {
			return err
		}
		b.Write(quoted)
	}
	return nil
}
