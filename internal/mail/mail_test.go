package mail

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
)

// sink is a mail server for tests.
type sink struct {
	net.Listener
	tls     *tls.Config
	plain   bool   // offers no STARTTLS
	rcpt    string // answer to RCPT TO; empty accepts
	user    string // demands this user, password "secret"
	mu      sync.Mutex
	to      []string // guarded by mu
	data    []string // guarded by mu
	exposed bool     // something of a mail came without TLS; guarded by mu
}

func newSink(t *testing.T, change func(*sink)) (*sink, *tls.Config) {
	t.Helper()
	ca, err := devca.Open(devca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(server.CertFile, server.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(ca.File())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &sink{Listener: l, tls: &tls.Config{Certificates: []tls.Certificate{pair}}}
	if change != nil {
		change(s)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(c)
		}
	}()
	return s, &tls.Config{RootCAs: roots}
}

// talk speaks the server's part of RFC 5321 and RFC 3207.
func (s *sink) talk(c net.Conn) {
	defer func() { _ = c.Close() }()
	in, secure, signedIn := bufio.NewReader(c), false, false
	say := func(line string) { _, _ = io.WriteString(c, line+"\r\n") }
	say("220 sink")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch verb {
		case "EHLO":
			say("250-sink")
			if !secure && !s.plain {
				say("250-STARTTLS")
			}
			if secure && s.user != "" {
				say("250-AUTH PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go")
			up := tls.Server(c, s.tls)
			if up.Handshake() != nil {
				return
			}
			c, in, secure = up, bufio.NewReader(up), true
		case "AUTH":
			want := base64.StdEncoding.EncodeToString([]byte("\x00" + s.user + "\x00secret"))
			if !strings.HasSuffix(line, want) {
				say("535 no")
				continue
			}
			signedIn = true
			say("235 yes")
		case "MAIL":
			if s.user != "" && !signedIn {
				say("530 sign in")
				continue
			}
			s.mu.Lock()
			s.exposed = s.exposed || !secure
			s.mu.Unlock()
			say("250 ok")
		case "RCPT":
			if s.rcpt != "" {
				say(s.rcpt)
				continue
			}
			s.mu.Lock()
			s.to = append(s.to, line)
			s.mu.Unlock()
			say("250 ok")
		case "DATA":
			say("354 go")
			var b strings.Builder
			for {
				l, err := in.ReadString('\n')
				if err != nil || l == ".\r\n" {
					break
				}
				b.WriteString(l)
			}
			s.mu.Lock()
			s.data = append(s.data, b.String())
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *sink) got() (to, data []string, exposed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to, s.data, s.exposed
}

func (s *sink) sender(t *testing.T, trust *tls.Config, change func(*SMTPConfig)) *SMTP {
	t.Helper()
	c := SMTPConfig{Host: "localhost", Port: s.Addr().(*net.TCPAddr).Port, From: "Meadow Bank <notices@bank.example>", TLS: trust, Timeout: 5 * time.Second}
	if change != nil {
		change(&c)
	}
	out, err := NewSMTP(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func message() Message {
	return Message{
		ID: "7f0c9e7a-0000-4000-8000-000000000001", To: "ada@customer.example", Lang: "sv", Subject: "Delningen är stoppad 已停止",
		Text: "Text på svenska.\n.\nrad", HTML: "<p>på svenska</p>", Unsubscribe: "https://bank.example/portal/notices/preferences", At: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
	}
}

func TestAMailArrives(t *testing.T) {
	t.Parallel()
	s, trust := newSink(t, nil)
	if err := s.sender(t, trust, nil).Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	to, data, exposed := s.got()
	if len(data) != 1 || exposed || len(to) != 1 || !strings.Contains(to[0], "<ada@customer.example>") {
		t.Fatalf("to %v, %d mails, exposed %v", to, len(data), exposed)
	}
	m, err := netmail.ReadMessage(strings.NewReader(data[0]))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != message().Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	for name, want := range map[string]string{
		"Message-Id": "<7f0c9e7a-0000-4000-8000-000000000001@bank.example>", "List-Unsubscribe": "<https://bank.example/portal/notices/preferences>",
		"Auto-Submitted": "auto-generated", "Content-Language": "sv", "To": "<ada@customer.example>",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if from, err := m.Header.AddressList("From"); err != nil || from[0].Address != "notices@bank.example" || from[0].Name != "Meadow Bank" {
		t.Errorf("from %v, %v", from, err)
	}
	for _, part := range []string{"text/plain", "text/html", "multipart/alternative"} {
		if !strings.Contains(data[0], part) {
			t.Errorf("no %s", part)
		}
	}
}

func TestNothingGoesWithoutTLS(t *testing.T) {
	t.Parallel()
	s, trust := newSink(t, func(s *sink) { s.plain = true })
	if err := s.sender(t, trust, nil).Send(t.Context(), message()); err == nil {
		t.Error("sent without TLS")
	}
	s2, _ := newSink(t, nil)
	if err := s2.sender(t, &tls.Config{RootCAs: x509.NewCertPool()}, nil).Send(t.Context(), message()); err == nil {
		t.Error("sent to a server that nobody vouches for")
	}
	for _, s := range []*sink{s, s2} {
		if to, data, exposed := s.got(); len(to)+len(data) > 0 || exposed {
			t.Error("something of the mail got out")
		}
	}
}

func TestSignInAtTheMailServer(t *testing.T) {
	t.Parallel()
	s, trust := newSink(t, func(s *sink) { s.user = "headgate" })
	as := func(user, password string) error {
		return s.sender(t, trust, func(c *SMTPConfig) { c.User, c.Password = user, password }).Send(t.Context(), message())
	}
	if err := as("headgate", "secret"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{"wrong password": as("headgate", "x"), "nobody": as("", "")} {
		if err == nil || errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "ada@") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusedAddress(t *testing.T) {
	t.Parallel()
	for answer, gone := range map[string]bool{"550 no such <ada@customer.example>": true, "450 ada@customer.example is busy": false} {
		s, trust := newSink(t, func(s *sink) { s.rcpt = answer })
		err := s.sender(t, trust, nil).Send(t.Context(), message())
		if err == nil || errors.Is(err, ErrRefused) != gone || strings.Contains(err.Error(), "ada@") {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

func TestHeadersCannotBeInjected(t *testing.T) {
	t.Parallel()
	box := &Mailbox{}
	for name, bend := range map[string]func(*Message){
		"address with a line":     func(m *Message) { m.To = "ada@customer.example\r\nBcc: eve@evil.example" },
		"two addresses":           func(m *Message) { m.To = "ada@customer.example,eve@evil.example" },
		"address with a name":     func(m *Message) { m.To = "Ada <ada@customer.example>" },
		"quoted address":          func(m *Message) { m.To = `"a b"@customer.example` },
		"address with a comment":  func(m *Message) { m.To = "ada@customer.example(x)" },
		"international address":   func(m *Message) { m.To = "ädä@customer.example" },
		"no domain":               func(m *Message) { m.To = "ada" },
		"no address":              func(m *Message) { m.To = "" },
		"long address":            func(m *Message) { m.To = strings.Repeat("a", 300) + "@customer.example" },
		"subject with a line":     func(m *Message) { m.Subject = "Hi\nBcc: eve@evil.example" },
		"subject with a return":   func(m *Message) { m.Subject = "Hi\rBcc: eve@evil.example" },
		"id with a line":          func(m *Message) { m.ID = "1\r\nX: y" },
		"language with a line":    func(m *Message) { m.Lang = "en\r\nX: y" },
		"unsubscribe with a line": func(m *Message) { m.Unsubscribe = "https://a\r\nX: y" },
	} {
		m := message()
		bend(&m)
		if err := box.Send(t.Context(), m); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if len(box.Messages()) != 0 {
		t.Error("kept a bent mail")
	}
	for _, from := range []string{"", "x", "a@b.example\r\nBcc: c@d.example"} {
		if _, err := NewSMTP(SMTPConfig{Host: "localhost", From: from}); err == nil {
			t.Errorf("sender %q", from)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"ada@customer.example", "a@b\r\nBcc: x@y", "<a@b>", `"a"@b`, "a@[127.0.0.1]", "a@b,c@d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseAddress(s)
		if err == nil && (got != s || strings.Count(s, "@") != 1 || strings.ContainsAny(s, " \r\n,;<>\"") || !clean(s)) {
			t.Errorf("took %q", s)
		}
	})
}

// desk is a store with one mail and an address book.
type desk struct {
	mail    inbox.Mail
	state   inbox.MailState
	address string
	err     error
	sent    []Message
	sendErr error
}

func (d *desk) Mail(context.Context, inbox.MailID) (inbox.Mail, error) {
	if d.state != inbox.MailPending {
		return inbox.Mail{}, consent.ErrNotFound
	}
	return d.mail, d.err
}

func (d *desk) SettleMail(_ context.Context, _ inbox.MailID, s inbox.MailState, attempts int) error {
	d.state, d.mail.Attempts = s, attempts
	return nil
}

func (d *desk) Address(context.Context, consent.ConsumerID) (string, error) {
	if d.address == "" {
		return "", fmt.Errorf("desk: %w", consent.ErrNotFound)
	}
	return d.address, nil
}

func (d *desk) Send(_ context.Context, m Message) error {
	d.sent = append(d.sent, m)
	return d.sendErr
}

func TestCourier(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	down := errors.New("connection refused")
	for name, c := range map[string]struct {
		change func(*desk)
		state  inbox.MailState
		again  time.Duration
		sent   int
	}{
		"sent":              {func(*desk) {}, inbox.MailSent, 0, 1},
		"no address":        {func(d *desk) { d.address = "" }, inbox.MailDropped, 0, 0},
		"refused":           {func(d *desk) { d.sendErr = ErrRefused }, inbox.MailDead, 0, 1},
		"down":              {func(d *desk) { d.sendErr = down }, inbox.MailPending, 30 * time.Second, 1},
		"down again":        {func(d *desk) { d.sendErr, d.mail.Attempts = down, 3 }, inbox.MailPending, 4 * time.Minute, 1},
		"down for too long": {func(d *desk) { d.sendErr, d.mail.Since = down, now.Add(-72*time.Hour) }, inbox.MailDead, 0, 1},
		"settled before":    {func(d *desk) { d.state = inbox.MailSent }, inbox.MailSent, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &desk{state: inbox.MailPending, address: "ada@customer.example", mail: inbox.Mail{ID: uuid.New(), Consumer: "c-ada", Since: now}}
			c.change(d)
			courier, err := New(Config{
				Mails: d, Addresses: d, Send: d, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
				Write: func(inbox.Mail) (Message, error) { return message(), nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			again, err := courier.Work(t.Context(), d.mail.ID)
			if err != nil || again != c.again || d.state != c.state || len(d.sent) != c.sent {
				t.Errorf("again %v, %v; state %s, %d sent", again, err, d.state, len(d.sent))
			}
			if c.sent > 0 && (d.sent[0].ID != d.mail.ID.String() || d.sent[0].To != d.address) {
				t.Errorf("sent %+v", d.sent[0])
			}
		})
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a courier without anything")
	}
}

func TestMailboxShowsMail(t *testing.T) {
	t.Parallel()
	box, m := &Mailbox{}, message()
	m.Subject = "<script>alert(1)</script>"
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		box.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get(MailboxPath); code != http.StatusOK || !strings.Contains(body, "Nothing yet") {
		t.Errorf("%d %s", code, body)
	}
	for range maxMailbox + 1 {
		if err := box.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(box.Messages()); n != maxMailbox {
		t.Errorf("%d mails", n)
	}
	if code, body := get(MailboxPath); code != http.StatusOK || strings.Contains(body, "<script") || !strings.Contains(body, "ada@customer.example") {
		t.Errorf("%d %s", code, body[:200])
	}
	if code, body := get(MailboxPath + "/" + m.ID); code != http.StatusOK || body != m.HTML {
		t.Errorf("%d %s", code, body)
	}
	if code, body := get(MailboxPath + "?text=p%C3%A5+svenska"); code != http.StatusOK || body != m.Text {
		t.Errorf("%d %s", code, body)
	}
	for _, path := range []string{MailboxPath + "?text=", MailboxPath + "?text=nobody+wrote+this", MailboxPath + "/", MailboxPath + "/x", "/dev", MailboxPath + "/" + uuid.NewString()} {
		if code, _ := get(path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}
