package suite

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Answer is the exact answer that a case expects. Members with the zero value
// are not looked at.
type Answer struct {
	// Status is the HTTP status; Statuses are several that the specification
	// leaves open.
	Status   int
	Statuses []int
	// Error is the OAuth error of the body (RFC 6749 section 5.2); Errors
	// are several that the specification leaves open.
	Error  string
	Errors []string
	// Challenge is the error of WWW-Authenticate (RFC 6750 section 3).
	Challenge string
	// FDX is the code of an FDX error.
	FDX string
	// Header are headers and their values. "" means that there is none.
	Header map[string]string
	// JSON has members of the body and their values, compared as JSON.
	JSON map[string]any
	// Absent are members that the body must not have.
	Absent []string
	// Present are members that the body must have, and not be empty.
	Present []string
}

// The answers that many cases expect.
var (
	// OK is 200.
	OK = Answer{Status: http.StatusOK}
	// Unauthorized is a resource's no to a token (RFC 6750 section 3.1).
	Unauthorized = Answer{Status: http.StatusUnauthorized, Challenge: "invalid_token"}
	// BadProof is a resource's no to a DPoP proof (RFC 9449 section 7.1).
	BadProof = Answer{Status: http.StatusUnauthorized, Challenge: "invalid_dpop_proof"}
	// InvalidClient is the no to a client's authentication (RFC 6749 section
	// 5.2). Some servers say 400, which is allowed for all but a client that
	// used the Authorization header.
	InvalidClient = Answer{Statuses: []int{http.StatusUnauthorized, http.StatusBadRequest}, Error: "invalid_client"}
)

// Refused is 400 with this OAuth error.
func Refused(code string, others ...string) Answer {
	if len(others) > 0 {
		return Answer{Status: http.StatusBadRequest, Errors: append([]string{code}, others...)}
	}
	return Answer{Status: http.StatusBadRequest, Error: code}
}

// FDXRefused is a status with this FDX error code.
func FDXRefused(status int, code string) Answer { return Answer{Status: status, FDX: code} }

// String says what is expected.
func (a Answer) String() string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if a.Status != 0 {
		say("status %d", a.Status)
	}
	if a.Statuses != nil {
		say("status %v", a.Statuses)
	}
	if a.Error != "" {
		say("error %s", a.Error)
	}
	if a.Errors != nil {
		say("error %s", strings.Join(a.Errors, " or "))
	}
	if a.Challenge != "" {
		say("WWW-Authenticate with error %s", a.Challenge)
	}
	if a.FDX != "" {
		say("FDX code %s", a.FDX)
	}
	for name, value := range a.Header {
		say("%s %q", name, value)
	}
	for name, value := range a.JSON {
		say("%s = %v", name, value)
	}
	if a.Absent != nil {
		say("without %v", a.Absent)
	}
	if a.Present != nil {
		say("with %v", a.Present)
	}
	return strings.Join(parts, ", ")
}

// Expect compares an answer with the exact expected one, and notes every
// difference. It also looks at what every answer of an OAuth endpoint with an
// error has to be: JSON, no-store, and a text without characters that RFC
// 6749 forbids. It returns whether all was right. The answer nil is none.
func (t *T) Expect(r *Response, want Answer) bool {
	if r == nil {
		t.Errorf("no answer; expected %s", want)
		return false
	}
	before := t.Failures()
	statuses := want.Statuses
	if want.Status != 0 {
		statuses = []int{want.Status}
	}
	if statuses != nil && !slices.Contains(statuses, r.Status) {
		t.Errorf("status %d%s; expected %s", r.Status, r.said(), want)
	}
	codes := want.Errors
	if want.Error != "" {
		codes = []string{want.Error}
	}
	noted := t.Failures() > before && r.Status < http.StatusBadRequest // a yes in the place of a no
	if codes != nil && !noted {
		if got := r.Text("error"); !slices.Contains(codes, got) {
			t.Errorf("error is %q; expected %s", got, strings.Join(codes, " or "))
		}
		t.hygiene(r)
	}
	if want.Challenge != "" {
		if got := r.Challenge("error"); got != want.Challenge {
			t.Errorf("the error of WWW-Authenticate is %q; expected %s", got, want.Challenge)
		}
	}
	if want.FDX != "" {
		if got := fmt.Sprint(r.Member("code")); got != want.FDX {
			t.Errorf("the FDX error code is %s; expected %s", got, want.FDX)
		}
		if r.Text("message") == "" {
			t.Errorf("the FDX error has no message")
		}
	}
	for name, value := range want.Header {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s is %q; expected %q", name, got, value)
		}
	}
	for name, value := range want.JSON {
		wanted, _ := json.Marshal(value)
		if got, _ := json.Marshal(r.Member(name)); string(got) != string(wanted) {
			t.Errorf("%s of the answer is not what was expected (%s)", name, clipText(string(wanted)))
		}
	}
	for _, name := range want.Absent {
		if r.Member(name) != nil {
			t.Errorf("the answer has a member %s", name)
		}
	}
	for _, name := range want.Present {
		if v := r.Member(name); v == nil || v == "" {
			t.Errorf("the answer has no member %s", name)
		}
	}
	t.Checked()
	return t.Failures() == before
}

// Failures is how much has been found wrong so far.
func (t *T) Failures() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.failed)
}

// descriptionText is what error_description may hold (RFC 6749 section 5.2).
var descriptionText = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]*$`)

func (t *T) hygiene(r *Response) {
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType != "application/json" {
		t.Errorf("the error is not application/json (RFC 6749, 5.2)")
	}
	if !descriptionText.MatchString(r.Text("error_description")) {
		t.Errorf("error_description holds a character that RFC 6749, 5.2 forbids")
	}
	if r.Text("access_token") != "" || r.Text("code_verifier") != "" {
		t.Errorf("an error holds a token")
	}
}

// said is what the body says about a status, for a message.
func (r *Response) said() string {
	for _, name := range []string{"error_description", "debugMessage", "message", "error"} {
		if s := r.Text(name); s != "" {
			return " (" + clipText(s) + ")"
		}
	}
	return ""
}

func clipText(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// Into decodes the body.
func (r *Response) Into(v any) error { return json.Unmarshal(r.Body, v) }

// Object is the body as a JSON object; nil when it is none.
func (r *Response) Object() map[string]any {
	var out map[string]any
	if r == nil || json.Unmarshal(r.Body, &out) != nil {
		return nil
	}
	return out
}

// Member is a member of the body, by a path with dots and indexes:
// accounts.0.depositAccount.accountId. Nil when there is none.
func (r *Response) Member(path string) any {
	return Dig(r.Object(), path)
}

// Text is a member of the body that is a string; "" when there is none.
func (r *Response) Text(path string) string {
	s, _ := r.Member(path).(string)
	return s
}

// List is a member of the body that is a list.
func (r *Response) List(path string) []any {
	l, _ := r.Member(path).([]any)
	return l
}

// Dig follows a path with dots and indexes into a JSON value. Nil when it
// leads nowhere.
func Dig(v any, path string) any {
	if path == "" {
		return v
	}
	for step := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			var i int
			if _, err := fmt.Sscanf(step, "%d", &i); err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

var challengeParam = regexp.MustCompile(`([A-Za-z_]+)="((?:[^"\\]|\\.)*)"`)

// Challenge is a parameter of WWW-Authenticate; "" when there is none.
func (r *Response) Challenge(name string) string {
	for _, value := range r.Header.Values("WWW-Authenticate") {
		for _, match := range challengeParam.FindAllStringSubmatch(value, -1) {
			if strings.EqualFold(match[1], name) {
				return match[2]
			}
		}
	}
	return ""
}

// ExpectReturn compares what came back with the consumer: the redirect URI
// of the attempt, its state, the issuer, and this error; "" expects a code.
// It notes every difference and returns the parameters, also of a signed
// answer.
func (t *T) ExpectReturn(left *url.URL, a *Attempt, code string) url.Values {
	if left == nil {
		t.Errorf("the consumer was not sent back to the app")
		return nil
	}
	ours, _ := url.Parse(a.App.RedirectURI)
	if left.Scheme != ours.Scheme || left.Host != ours.Host || left.Path != ours.Path {
		t.Errorf("the consumer was sent to %s, and not to the redirect URI", withoutQuery(left))
		return nil
	}
	answer := t.Answer(left, a)
	if got := answer.Get("state"); got != a.State {
		t.Errorf("state did not come back as it was sent")
	}
	if got := answer.Get("iss"); got != t.Target.Issuer {
		t.Errorf("iss is %q; expected the issuer (RFC 9207)", got)
	}
	if got := answer.Get("error"); got != code {
		t.Errorf("error is %q; expected %q", got, code)
	}
	if has := answer.Get("code") != ""; has != (code == "") {
		t.Errorf("the answer has a code: %v; expected %v", has, code == "")
	}
	t.Checked()
	return answer
}
